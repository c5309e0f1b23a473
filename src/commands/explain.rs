//! `explain`: who a client is taken for, what a name denotes, which step of the decision order
//! decided, and the answer: made by the server's own code.

use super::present::present;
use crate::answer::{Outcome, Request, Transport, respond_as};
use crate::chain::{ListenerId, Step};
use crate::config::Asker;
use crate::index::Index;
use crate::model::{External, ObjectKey, Service, ServiceKind};
use crate::snapshot::Snapshot;
use crate::tenancy::{Client, NsId, Owner, Policy, ServiceId, Step as Decided};
use crate::wire::{Name, QName, QNameBuffer, RType};
use crate::zone::{Denoted, DenotedKind, Zone, address_of, reverse_name};
use serde::Serialize;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Everything that `explain` says; its JSON form is the command's contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    client: ClientPart,
    question: QuestionPart,
    pub(super) target: TargetPart,
    pub(super) decision: DecisionPart,
    pub(super) answer: AnswerPart,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ClientPart {
    kind: &'static str,
    ip: Option<IpAddr>,
    namespace: Option<String>,
    pod: Option<String>,
    tenant: Option<String>,
    via: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct QuestionPart {
    name: String,
    #[serde(rename = "type")]
    rtype: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TargetPart {
    pub(super) kind: &'static str,
    pub(super) namespace: Option<String>,
    pub(super) service: Option<String>,
    pub(super) exists: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct DecisionPart {
    pub(super) visible: bool,
    pub(super) step: &'static str,
    pub(super) rule: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct AnswerPart {
    pub(super) rcode: String,
    records: Vec<String>,
    /// The data of the answer section's records, as `dig +short` prints it.
    #[serde(skip)]
    pub(super) data: Vec<String>,
}

/// Explains what `from` is answered for a question.
///
/// # Errors
/// `from` names a namespace or a pod that does not exist, with what would be right.
pub fn explain(
    index: &Index,
    snapshot: &Snapshot,
    from: &Asker,
    name: &Name,
    rtype: RType,
) -> Result<Explanation, String> {
    let (client, part) = identify(index, snapshot, from)?;
    Ok(explain_client(index, snapshot, (client, part), name, rtype))
}

/// Explains what a client without an address is answered: nodes, or nobody that we know.
pub(super) fn explain_class(
    index: &Index,
    snapshot: &Snapshot,
    client: Client,
    name: &Name,
    rtype: RType,
) -> Explanation {
    let part = ClientPart {
        kind: snapshot.view(client).class().as_str(),
        ip: None,
        namespace: None,
        pod: None,
        tenant: None,
        via: "any client of the kind".to_owned(),
    };
    explain_client(index, snapshot, (client, part), name, rtype)
}

fn explain_client(
    index: &Index,
    snapshot: &Snapshot,
    (client, part): (Client, ClientPart),
    name: &Name,
    rtype: RType,
) -> Explanation {
    let name = &reverse_of(name, rtype).unwrap_or_else(|| name.clone());
    let target = target(index, snapshot, client, name, rtype);
    let decision = decide(index, snapshot, client, &target);
    Explanation {
        question: QuestionPart {
            name: name.to_string(),
            rtype: rtype.to_string(),
        },
        answer: answer(snapshot, client, part.ip, name, rtype),
        client: part,
        target,
        decision,
    }
}

fn identify(
    index: &Index,
    snapshot: &Snapshot,
    from: &Asker,
) -> Result<(Client, ClientPart), String> {
    let (client, ip, pod, via) = match from {
        Asker::Ip(ip) => {
            let (pod, via) = owner_of(index, *ip);
            (snapshot.identify(*ip), Some(*ip), pod, via)
        }
        Asker::Namespace(name) => {
            let exists = index.objects().namespaces.contains_key(name);
            let ns = index.namespace_id(name).filter(|_| exists);
            let ns = ns.ok_or_else(|| format!("there is no namespace {name}"))?;
            let pods = index.objects().pods.iter().filter(|row| row.ns() == ns);
            let mut addresses = pods.flat_map(|row| row.pod_ips());
            let ip = addresses.find(|ip| snapshot.identify(*ip) == Client::Pod(ns));
            (
                Client::Pod(ns),
                ip,
                None,
                "any pod of the namespace".to_owned(),
            )
        }
        Asker::Pod { namespace, name } => {
            let key = ObjectKey::new(namespace.clone(), name.clone());
            let row = index.objects().pod(&key);
            let row = row.ok_or_else(|| format!("there is no pod {key}"))?;
            match row.pod_ips().next() {
                Some(ip) => {
                    let (_, via) = owner_of(index, ip);
                    (snapshot.identify(ip), Some(ip), Some(key), via)
                }
                None => (
                    Client::Unknown,
                    None,
                    Some(key),
                    "the pod has no address yet".to_owned(),
                ),
            }
        }
    };
    let view = snapshot.view(client);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let part = ClientPart {
        kind: view.class().as_str(),
        ip,
        namespace: view.own_namespace().map(text),
        pod: pod.map(|key| key.name.to_string()),
        tenant: view.own_tenant().map(str::to_owned),
        via,
    };
    Ok((client, part))
}

/// Says how an address is identified, and by which pod where it is one's.
fn owner_of(index: &Index, ip: IpAddr) -> (Option<ObjectKey>, String) {
    let objects = index.objects();
    let mut pods: Vec<ObjectKey> = objects
        .pods
        .iter()
        .filter(|row| row.owns_addresses() && row.pod_ips().any(|other| other == ip))
        .map(|row| objects.pod_key(row))
        .collect();
    pods.sort();
    let names = pods
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    match (objects.owner(ip), pods.as_slice()) {
        (Some(Owner::Pod(_)), [pod]) => {
            (Some(pod.clone()), format!("status.podIPs of pod {names}"))
        }
        (Some(Owner::Pod(_)), _) => (None, format!("pods of one namespace: {names}")),
        (Some(Owner::Node), []) => (None, "an address of a node".to_owned()),
        (Some(Owner::Node), _) => (
            None,
            format!("the node's address, as hostNetwork pod {names}"),
        ),
        (Some(Owner::Conflict), _) => (None, format!("several have the address: {names}")),
        (None, _) => (None, "no pod and no node has the address".to_owned()),
    }
}

/// Returns the reverse name where PTR is asked of an address, as `dig -x` would.
fn reverse_of(name: &Name, rtype: RType) -> Option<Name> {
    let text = name.to_string();
    let address = text
        .trim_end_matches('.')
        .parse()
        .ok()
        .filter(|_| rtype == RType::PTR)?;
    reverse_name(address)
}

fn target(
    index: &Index,
    snapshot: &Snapshot,
    client: Client,
    name: &Name,
    rtype: RType,
) -> TargetPart {
    let outside = TargetPart {
        kind: "outside",
        namespace: None,
        service: None,
        exists: false,
    };
    let mut buffer = QNameBuffer::default();
    let Some((qname, _)) = QName::parse(name.as_wire(), &mut buffer) else {
        return outside;
    };
    let block = snapshot.block(ListenerId(0), &qname, client);
    let zones = block
        .map_or(&[][..], |b| b.steps())
        .iter()
        .filter_map(|step| match step {
            Step::Kubernetes(id) => snapshot.zone(*id),
            _ => None,
        });
    let of_zone = |zone: &Zone| {
        if let Some((external, origin)) = zone.external_origin(&qname) {
            return Some((Denoted::outside(&qname, origin, external), true));
        }
        let origin = zone.origin(&qname)?;
        Some((Denoted::parse(&qname, origin, zone.options()), false))
    };
    let Some((denoted, is_outside)) = zones.into_iter().find_map(of_zone) else {
        return outside;
    };
    let reverse = address_of(&qname).filter(|_| rtype == RType::PTR);
    if let Some(address) = reverse {
        let key = service_at(index, snapshot, client, (address, is_outside));
        return TargetPart {
            kind: "reverse",
            exists: key.is_some(),
            namespace: key.as_ref().map(|k| k.namespace.to_string()),
            service: key.map(|k| k.name.to_string()),
        };
    }
    let objects = index.objects();
    let key = ObjectKey::new(denoted.namespace.clone(), denoted.service.clone());
    let exists = match denoted.kind {
        DenotedKind::Public => true,
        DenotedKind::Namespace | DenotedKind::Pod => {
            objects.namespaces.contains_key(&denoted.namespace)
        }
        DenotedKind::Service | DenotedKind::Endpoint => {
            objects.has_service(&key) || objects.has_import(&key)
        }
        DenotedKind::Nothing => false,
    };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    TargetPart {
        kind: denoted.kind.as_str(),
        namespace: some(&denoted.namespace),
        service: some(&denoted.service),
        exists,
    }
}

/// Returns the service that an address answers for, outside or in the cluster: the first that the client sees, or where it
/// sees none, the first; cluster addresses before endpoints.
fn service_at(
    index: &Index,
    snapshot: &Snapshot,
    client: Client,
    (address, is_outside): (IpAddr, bool),
) -> Option<ObjectKey> {
    let objects = index.objects();
    let cluster = objects
        .services
        .iter()
        .filter(|service| match &service.kind {
            ServiceKind::ClusterIp(list) => list.contains(&address),
            _ => false,
        });
    let outside = objects.services.iter().filter(|service| {
        let externals = service.external.iter().flat_map(|list| list.iter());
        externals
            .filter_map(External::address)
            .any(|other| other == address)
    });
    let key = |service: &Service| service.key.clone();
    let mut all: Vec<ObjectKey> = match is_outside {
        true => outside.map(key).collect(),
        false => cluster.map(key).collect(),
    };
    all.sort();
    if !is_outside {
        all.extend(objects.services_with_endpoint(address));
    }
    let visible = |key: &&ObjectKey| {
        let ns = index.namespace_id(&key.namespace);
        let service = ns.and_then(|ns| index.service_id(ns, &key.name));
        snapshot
            .policy
            .decide(client, ns.unwrap_or(NsId::NONE), service)
            .visible
    };
    all.iter().find(visible).or_else(|| all.first()).cloned()
}

fn decide(index: &Index, snapshot: &Snapshot, client: Client, target: &TargetPart) -> DecisionPart {
    let by_shape = match target.kind {
        "public" => Some((true, "public")),
        "nothing" => Some((false, "no_such_shape")),
        "outside" => Some((false, "outside")),
        _ => None,
    };
    if let Some((visible, step)) = by_shape {
        return DecisionPart {
            visible,
            step,
            rule: None,
        };
    }
    let ns = target
        .namespace
        .as_deref()
        .and_then(|name| index.namespace_id(name));
    let service = ns
        .zip(target.service.as_deref())
        .and_then(|(ns, name)| index.service_id(ns, name));
    let policy = &snapshot.policy;
    let decision = policy.decide(client, ns.unwrap_or(NsId::NONE), service);
    let rule = decision
        .rule
        .and_then(|at| policy.options().rules.list().get(at));
    DecisionPart {
        visible: decision.visible,
        step: decision.step.as_str(),
        rule: rule
            .map(|rule| rule.name.to_string())
            .or_else(|| exported_by(policy, client, ns.zip(service), decision.step)),
    }
}

/// Returns the DnsExport that shows a service, where one does.
fn exported_by(
    policy: &Policy,
    client: Client,
    service: Option<(NsId, ServiceId)>,
    step: Decided,
) -> Option<String> {
    let (Client::Pod(own), Decided::Export) = (client, step) else {
        return None;
    };
    let (own, (ns, service)) = (policy.facts(own)?, service?);
    let exports = &policy.service(service).exports;
    let offer = exports.offer_for(&own.name, own.tenant.assigned())?;
    let namespace = &policy.facts(ns)?.name;
    Some(format!("DnsExport {namespace}/{}", offer.name))
}

fn answer(
    snapshot: &Snapshot,
    client: Client,
    ip: Option<IpAddr>,
    name: &Name,
    rtype: RType,
) -> AnswerPart {
    let mut bytes = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(name.as_wire());
    bytes.extend(rtype.0.to_be_bytes());
    bytes.extend([0, 1]);
    let request = Request {
        listener: ListenerId(0),
        peer: SocketAddr::new(ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), 0),
        local: None,
        claimed: None,
        transport: Transport::Tcp,
        now: 0,
        entropy: 0,
        may_wait: false,
        bytes: &bytes,
    };
    let mut out = vec![0; usize::from(u16::MAX)];
    let said = match respond_as(snapshot, &request, client, &mut out) {
        Outcome::Reply(len, _) => present(out.get(..len).unwrap_or(&[])).ok(),
        Outcome::Drop(_) | Outcome::Hold | Outcome::Ask(_) | Outcome::Transfer(_) => None,
    };
    match said {
        Some(said) => AnswerPart {
            rcode: said.rcode,
            records: said.records,
            data: said.data,
        },
        None => AnswerPart {
            rcode: "none".to_owned(),
            records: Vec::new(),
            data: Vec::new(),
        },
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = &self.client;
        write!(f, "client    {}", client.kind)?;
        for (key, value) in [
            ("", client.ip.map(|ip| ip.to_string())),
            ("namespace ", client.namespace.clone()),
            ("pod ", client.pod.clone()),
            ("tenant ", client.tenant.clone()),
        ] {
            if let Some(value) = value {
                write!(f, ", {key}{value}")?;
            }
        }
        writeln!(f, "\nvia       {}", client.via)?;
        writeln!(
            f,
            "question  {} {}",
            self.question.name, self.question.rtype
        )?;
        let target = &self.target;
        write!(f, "target    {}", target.kind)?;
        let names = [&target.namespace, &target.service];
        let path = names
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("/");
        if !path.is_empty() {
            write!(f, " {path}")?;
        }
        writeln!(
            f,
            "{}",
            if target.exists {
                ""
            } else {
                " (does not exist)"
            }
        )?;
        let verdict = if self.decision.visible {
            "visible"
        } else {
            "hidden"
        };
        write!(f, "decision  {verdict}, by step {}", self.decision.step)?;
        match &self.decision.rule {
            Some(rule) => writeln!(f, ", rule `{rule}`")?,
            None => writeln!(f)?,
        }
        write!(f, "answer    {}", self.answer.rcode)?;
        self.answer
            .records
            .iter()
            .try_for_each(|record| write!(f, "\n          {record}"))
    }
}
