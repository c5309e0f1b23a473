//! One question, judged.

use crate::answer::{Outcome, Request, respond};
use crate::snapshot::Snapshot;
use crate::tenancy::{Client, Mode, Owner};
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A record set that a client does not get where the policy is enforced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denial {
    /// What it belongs to.
    pub target: Target,
    /// Why it is denied.
    pub reason: Reason,
}

/// What a record set belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The namespace.
    pub namespace: Box<str>,
    /// The Service; `None` for the name of a pod.
    pub service: Option<Box<str>>,
}

/// Why something is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing shows it to the client.
    Hidden,
    /// The client's address is nobody's.
    UnknownClient,
    /// The client is a node, or a pod on its network.
    NodeClient,
    /// Not every kind has been read yet.
    Unsynced,
    /// The client's address is several pods', of which none can be told to be the right one.
    Conflict,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Hidden,
        Self::UnknownClient,
        Self::NodeClient,
        Self::Unsynced,
        Self::Conflict,
    ];

    /// Returns the reason's name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::UnknownClient => "unknown_client",
            Self::NodeClient => "node_client",
            Self::Unsynced => "unsynced",
            Self::Conflict => "conflict",
        }
    }
}

/// Both sides of a snapshot.
#[derive(Debug)]
pub struct Judge {
    open: Snapshot,
    enforced: Snapshot,
    /// Origins; with the apex label, those that say where services are outside, which have no `svc`
    /// there.
    zones: Vec<(Name, Option<Box<str>>)>,
    scratch: Vec<u8>,
}

impl Judge {
    /// Returns the judge of what this snapshot's policy says, however it is applied.
    pub fn new(snapshot: &Snapshot) -> Self {
        let zones = snapshot.zones.iter().map(|zone| zone.options());
        let origins = zones.flat_map(|options| {
            let outside = options.external.iter().flat_map(|table| {
                let apex = || Some(table.apex.clone());
                table.origins.iter().map(move |origin| (origin, apex()))
            });
            let inside = options.origins.iter().map(|origin| (origin, None));
            inside.chain(outside)
        });
        let zones = origins.filter_map(|(origin, apex)| {
            let text = origin.to_string();
            // Below reverse zones are addresses, and no services.
            let apex = apex.filter(|_| !text.ends_with(".arpa."));
            Some((Name::from_ascii(text).ok()?, apex))
        });
        Self {
            open: snapshot.applied(Mode::Off),
            enforced: snapshot.applied(Mode::Enforce),
            zones: zones.collect(),
            scratch: vec![0; usize::from(u16::MAX)],
        }
    }

    /// Returns what a client is denied of the answer to its question, each target once. The request
    /// should be one over TCP, so that nothing is cut.
    pub fn denials(&mut self, request: &Request<'_>) -> Vec<Denial> {
        self.judge(request).unwrap_or_default()
    }

    /// Returns the same; `None` where the question is for no zone's name.
    pub fn judge(&mut self, request: &Request<'_>) -> Option<Vec<Denial>> {
        let open = answers(&self.open, request, &mut self.scratch)?;
        if open.is_empty() {
            return Some(Vec::new());
        }
        let left = answers(&self.enforced, request, &mut self.scratch).unwrap_or_default();
        let left: BTreeSet<String> = left.iter().map(data).collect();
        let address = request.claimed.unwrap_or_else(|| request.peer.ip());
        let reason = self.reason(address);
        let client = self.enforced.identify(address);
        let lost = open.iter().filter(|record| !left.contains(&data(record)));
        let targets = lost.filter_map(|record| self.target(client, record));
        let targets: BTreeSet<Target> = targets.collect();
        let denial = |target| Denial { target, reason };
        Some(targets.into_iter().map(denial).collect())
    }

    fn reason(&self, address: IpAddr) -> Reason {
        match self.enforced.identify(address) {
            _ if !self.enforced.synced => Reason::Unsynced,
            Client::Unknown => match self.enforced.clients.owner(address) {
                Some(Owner::Conflict) => Reason::Conflict,
                _ => Reason::UnknownClient,
            },
            Client::Node => Reason::NodeClient,
            Client::Pod(_) | Client::External(_) => Reason::Hidden,
        }
    }

    /// Returns the hidden thing to which a record belongs: by its owner, or by the name that it leads
    /// to. An alias that is seen and leads to what isn't belongs to neither; the records behind it do.
    fn target(&self, client: Client, record: &Record) -> Option<Target> {
        let led_to = match &record.data {
            RData::PTR(name) => Some(&name.0),
            RData::NS(name) => Some(&name.0),
            RData::SRV(srv) => Some(&srv.target),
            _ => None,
        };
        // Outside, a service's SRV records may lead to names of others.
        let is_outside = self
            .zone_of(&record.name)
            .is_some_and(|(_, apex)| apex.is_some());
        let names = led_to.into_iter().filter(|_| !is_outside);
        names
            .chain([&record.name])
            .filter_map(|name| self.named(name))
            .find(|target| self.is_hidden(client, target))
    }

    /// Returns what a name names.
    fn named(&self, name: &Name) -> Option<Target> {
        let (zone, apex) = self.zone_of(name)?;
        let name = name.to_lowercase();
        let mut labels: Vec<&[u8]> = name.iter().collect();
        labels.truncate(labels.len().checked_sub(zone)?);
        let text = |label: &[u8]| Some(std::str::from_utf8(label).ok()?.into());
        match labels.as_slice() {
            // A wildcard's answer does not say what matched.
            labels if labels.contains(&&b"*"[..]) => None,
            [.., last] if apex.is_some_and(|apex| apex.as_bytes() == *last) => None,
            [.., service, namespace] if apex.is_some() => Some(Target {
                namespace: text(namespace)?,
                service: Some(text(service)?),
            }),
            [.., service, namespace, b"svc"] if apex.is_none() => Some(Target {
                namespace: text(namespace)?,
                service: Some(text(service)?),
            }),
            [.., namespace, b"pod"] if apex.is_none() => Some(Target {
                namespace: text(namespace)?,
                service: None,
            }),
            _ => None,
        }
    }

    /// Returns how many labels the longest origin has that a name is below, and its apex label if it has
    /// one.
    fn zone_of(&self, name: &Name) -> Option<(usize, Option<&str>)> {
        let name = name.to_lowercase();
        let zones = self.zones.iter().filter(|(zone, _)| zone.zone_of(&name));
        let counts = zones.map(|(zone, apex)| (zone.iter().count(), apex.as_deref()));
        counts.max()
    }

    fn is_hidden(&self, client: Client, target: &Target) -> bool {
        let view = self.enforced.view(client);
        let seen = view.namespace(target.namespace.as_bytes());
        match &target.service {
            Some(service) => {
                view.service(seen, service.as_bytes()) == crate::tenancy::ServiceId::NONE
            }
            None => !seen.sight.is_whole(),
        }
    }
}

/// Returns the records of the answer section; `None` where no zone answered.
fn answers(snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Option<Vec<Record>> {
    match respond(snapshot, request, out) {
        Outcome::Reply(length, verdict) => {
            verdict.zone?;
            let message = out.get(..length).map(Message::from_vec);
            let message = message.and_then(Result::ok);
            Some(message.map(|message| message.answers).unwrap_or_default())
        }
        Outcome::Drop(_) | Outcome::Hold | Outcome::Ask(_) | Outcome::Transfer(_) => None,
    }
}

/// Returns what of a record is compared: everything but its TTL and its weight.
fn data(record: &Record) -> String {
    match &record.data {
        RData::SRV(srv) => format!("{} SRV {} {}", record.name, srv.port, srv.target),
        other => format!("{} {} {other}", record.name, record.record_type()),
    }
}
