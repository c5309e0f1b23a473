//! One question in its surroundings: what it is about, and what CoreDNS makes of it beside an answer.

use super::answer::{Answer, NXDOMAIN, SERVFAIL};
use super::explained::{LONG, MISNAMED, NAMES, NOBODYS};
use super::facts::{Facts, Key, Service, Slice, Stands, selects};
use super::profiles::{ODD, Profile, is_at_or_below};
use super::question::Question;
use std::net::IpAddr;

/// A question to one profile about the objects of one moment.
pub(crate) struct Case<'c> {
    pub(crate) facts: &'c Facts,
    pub(crate) profile: &'c Profile,
    /// The address on which the profile's block listens; none where it listens on all.
    pub(crate) address: Option<&'c str>,
    pub(crate) question: &'c Question,
}

impl<'c> Case<'c> {
    pub(super) fn lower(&self) -> String {
        self.question.name.to_ascii_lowercase()
    }

    /// The zone as the question spells it; empty where it is in none.
    pub(super) fn zone(&self) -> &'c str {
        self.profile.zone_of(&self.question.name).unwrap_or("")
    }

    /// The zone of `k8s_external` that the name is in, in lower case.
    pub(super) fn external(&self) -> Option<String> {
        self.profile.external_zone_of(&self.question.name)
    }

    /// The labels in front of that zone, in lower case.
    pub(super) fn labels_outside(&self) -> Vec<String> {
        let zone = self.external().unwrap_or_default();
        labels_in_front(&self.lower(), &zone)
    }

    /// Namespace and service that a name in such a zone is of.
    pub(super) fn service_outside(&self) -> Option<Key> {
        match &self.labels_outside()[..] {
            [.., service, namespace] => Some((namespace.clone(), service.clone())),
            _ => None,
        }
    }

    pub(super) fn is(&self, types: &[&str]) -> bool {
        types.contains(&self.question.rtype.0)
    }

    /// The labels in front of the zone, in lower case.
    pub(super) fn labels(&self) -> Vec<String> {
        labels_in_front(&self.question.name, self.zone())
    }

    /// The TTL of the cluster's records.
    pub(super) fn ttl(&self) -> u32 {
        let ttl = self.profile.ttl;
        let cached = self.profile.cached(&self.question.name);
        cached.map_or(ttl, |[most, least, _]| ttl.max(least).min(most))
    }

    pub(super) fn soa(&self) -> String {
        let (zone, ttl) = (self.zone(), self.profile.ttl);
        let capped = match self.profile.cached(&self.question.name) {
            Some([_, _, denial]) => ttl.clamp(5, 300).min(denial),
            None => ttl.min(300),
        };
        format!("{zone} {capped} SOA ns.dns.{zone} hostmaster.{zone} * 7200 1800 86400 {ttl}")
    }

    /// Makes it an answer to an absent name.
    pub(super) fn deny(&self, answer: &mut Answer) {
        if self.profile.falls_through(&self.question.name) {
            answer.fail(SERVFAIL);
        } else {
            answer.deny(NXDOMAIN, self.soa());
        }
    }

    /// The address that a reverse name spells for CoreDNS.
    pub(crate) fn address(&self) -> Option<String> {
        let name = self.lower();
        let reversed = |front: &str| {
            let labels: Vec<String> = front.rsplit('.').map(str::to_owned).collect();
            labels
        };
        if let Some(front) = name.strip_suffix(".in-addr.arpa.") {
            return match reversed(front).join(".").parse().ok()? {
                IpAddr::V4(v4) => Some(v4.to_string()),
                IpAddr::V6(v6) => Some(v6.to_ipv4_mapped()?.to_string()),
            };
        }
        let labels = reversed(name.strip_suffix(".ip6.arpa.")?);
        let groups: Vec<String> = labels.chunks_exact(4).map(<[String]>::concat).collect();
        let address: IpAddr = groups.join(":").parse().ok()?;
        Some(address.to_string())
    }

    /// The services that the name is of or leads to, and whether an alias on the way has a target
    /// that can't be put on the wire and that CoreDNS doesn't look for in the zone itself.
    pub(crate) fn touched(&self) -> (Vec<Key>, bool) {
        if self.external().is_some() {
            return (self.service_outside().into_iter().collect(), false);
        }
        let mut touched = Vec::new();
        let (mut name, mut zone) = (self.lower(), self.zone().to_ascii_lowercase());
        loop {
            let Some([service, namespace]) = service_of(&name, &zone) else {
                return (touched, false);
            };
            let key = (namespace, service);
            if touched.contains(&key) {
                return (touched, false);
            }
            touched.push(key.clone());
            let found = self.facts.service(self.profile, &key.0, &key.1);
            let Some(Stands::External(target)) = found.map(|service| &service.stands) else {
                return (touched, false);
            };
            // A port and a protocol without a name are none.
            let front = name.strip_suffix(&format!("{}.{}.svc.{zone}", key.1, key.0));
            let bare = matches!(front, Some("" | "_._."));
            if !bare || !self.facts.exposes(self.profile, &key.0) {
                return (touched, false);
            }
            let target = format!("{}.", target.trim_end_matches('.'));
            let inside = is_at_or_below(&target, &zone);
            if !is_writable(&target) && (!inside || self.is(&["CNAME"])) {
                return (touched, true);
            }
            if !inside {
                zone = self.profile.zone_of(&target).unwrap_or("").to_owned();
            }
            if self.is(&["CNAME"]) || zone.is_empty() {
                return (touched, false);
            }
            name = target;
        }
    }

    /// Whether CoreDNS's reply can't be packed, so that there is none.
    pub(crate) fn chokes(&self) -> bool {
        if self.zone().is_empty() || self.external().is_some() {
            return false;
        }
        if self.is(&["PTR"])
            && let Some(address) = self.address()
        {
            let counts = |namespace: &str| {
                self.profile.namespaces.is_empty() || self.facts.exposes(self.profile, namespace)
            };
            let has = |service: &&Service| match &service.stands {
                Stands::Cluster(addresses) => addresses.contains(&address),
                _ => false,
            };
            let services = self.facts.services.iter().filter(has);
            let mut selected = services.filter(|s| selects(self.profile, &s.labels));
            let nobodys = |slice: &Slice| {
                slice.service.is_empty() && slice.ready().any(|(_, other)| *other == address)
            };
            let mut slices = self.facts.slices(self.profile).filter(|s| counts(&s.key.0));
            return !selected.any(|s| counts(&s.key.0)) && slices.any(nobodys);
        }
        self.is(&["A", "AAAA", "CNAME"]) && self.touched().1
    }

    /// The line that explains why CoreDNS's answer depends on what it chokes on.
    pub(crate) fn odd_line(&self) -> Option<&'static str> {
        let odd = |slice: &&Slice| slice.labels.contains_key(ODD);
        let line = |slice: &Slice| match slice {
            slice if slice.fqdn => NAMES,
            slice if slice.service.is_empty() => NOBODYS,
            _ => MISNAMED,
        };
        let mut slices = self.facts.slices(self.profile).filter(odd);
        if let Some(address) = self.address() {
            let has = |slice: &&Slice| slice.ready().any(|(_, other)| other == address);
            return slices.find(has).map(line);
        }
        let labels = match self.external() {
            Some(_) => self.labels_outside(),
            None => self.labels(),
        };
        if labels.is_empty() || labels == ["ns", "dns"] || labels == ["ns1", "dns"] {
            // The names of the server: slices that hold its addresses.
            let has = |slice: &&Slice| !slice.fqdn;
            return slices.find(has).map(line);
        }
        let (touched, _) = self.touched();
        let of = |slice: &&Slice| touched.contains(&(slice.key.0.clone(), slice.service.clone()));
        if let Some(slice) = slices.find(of) {
            return Some(line(slice));
        }
        let is_long = |key: &Key| {
            let service = self.facts.service(self.profile, &key.0, &key.1);
            let Some(Stands::External(target)) = service.map(|service| &service.stands) else {
                return false;
            };
            !is_writable(target)
        };
        touched.iter().any(is_long).then_some(LONG)
    }
}

fn is_writable(name: &str) -> bool {
    name.split('.').all(|label| label.len() < 64)
}

pub(super) fn labels_in_front(name: &str, zone: &str) -> Vec<String> {
    let front = &name[..name.len() - zone.len()];
    let labels = front.split('.').filter(|label| !label.is_empty());
    labels.map(str::to_ascii_lowercase).collect()
}

/// Service and namespace of a name that is a service's or below it.
pub(super) fn service_of(name: &str, zone: &str) -> Option<[String; 2]> {
    let labels = labels_in_front(name, zone);
    match &labels[..] {
        [.., service, namespace, svc] if svc == "svc" => Some([service.clone(), namespace.clone()]),
        _ => None,
    }
}
