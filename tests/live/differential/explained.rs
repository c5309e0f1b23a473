//! The differences that docs/compatibility.md explains, as a table: what a line makes of CoreDNS's
//! answer. What is then still different is a defect.

use super::answer::{Answer, NOERROR, REFUSED};
use super::case::{Case, labels_in_front, service_of};
use super::facts::{Pod, Slice, Stands, dashed, selects};
use super::outside::{
    no_address_of_a_host_name, no_endpoints_of_an_alias, no_transfer, once, own_address_outside,
    pointers_outside, spelled_as_asked,
};
use super::profiles::ODD;
use tenantdns::server::interface_addresses;

/// A line of the document: a phrase of it, and what it makes of an answer of CoreDNS's.
pub(crate) struct Line {
    pub(crate) phrase: &'static str,
    pub(crate) apply: fn(&Case<'_>, &mut Answer),
}

/// Lines that turn CoreDNS's answer into the one that is due, in the order in which they are
/// applied.
pub(crate) const LINES: [Line; 11] = [
    Line {
        phrase: "A name in no zone is REFUSED.",
        apply: refused,
    },
    Line {
        phrase: "NS glue and `ns.dns` give each address once.",
        apply: glue_once,
    },
    Line {
        phrase: "An ExternalName service is no name server",
        apply: no_alias_for_a_name_server,
    },
    Line {
        phrase: "NS and `ns.dns` know the server's addresses with explicit listen addresses, too.",
        apply: own_address,
    },
    Line {
        phrase: "an IPv6 spelling in one label is no address: NXDOMAIN.",
        apply: no_mixed_spelling,
    },
    Line {
        phrase: "`namespace_labels` selects reverse names too",
        apply: pointers_into_exposed_namespaces,
    },
    Line {
        phrase: "`pods = \"verified\"`: a pod has its name while it owns its address.",
        apply: pods_that_own_their_address,
    },
    Line {
        phrase: "SRV of a pod's name has weight 100, however many pods of the namespace share the address.",
        apply: one_weight_for_pods,
    },
    Line {
        phrase: "a pod whose name has a dot, or more than 63 octets, gives its endpoint the dash form",
        apply: dotted_pod_names,
    },
    Line {
        phrase: "Our OPT says 1232, whatever the client's said",
        apply: |_, answer| answer.opt.iter_mut().for_each(|opt| opt.size = 1232),
    },
    Line {
        phrase: "EDNS options of the client are not echoed.",
        apply: |_, answer| answer.opt.iter_mut().for_each(|opt| opt.options.clear()),
    },
];

/// The same for the zones of `k8s_external`. The last two are those of every answer.
pub(crate) const OUTSIDE: [Line; 9] = [
    Line {
        phrase: "A transfer of such a zone is REFUSED",
        apply: no_transfer,
    },
    Line {
        phrase: "Zones of `k8s_external` give each record once",
        apply: once,
    },
    Line {
        phrase: "Their name server has no address where a load balancer has a host name alone",
        apply: no_address_of_a_host_name,
    },
    Line {
        phrase: "Their name server has the server's addresses with explicit listen addresses, too.",
        apply: own_address_outside,
    },
    Line {
        phrase: "With `headless`, an ExternalName service has no endpoints there",
        apply: no_endpoints_of_an_alias,
    },
    Line {
        phrase: "Their reverse names lead to services of namespaces that are selected alone",
        apply: pointers_outside,
    },
    Line {
        phrase: "They are spelled as they were asked for",
        apply: spelled_as_asked,
    },
    Line {
        phrase: "Our OPT says 1232, whatever the client's said",
        apply: |_, answer| answer.opt.iter_mut().for_each(|opt| opt.size = 1232),
    },
    Line {
        phrase: "EDNS options of the client are not echoed.",
        apply: |_, answer| answer.opt.iter_mut().for_each(|opt| opt.options.clear()),
    },
];

/// The lines that are about a question.
pub(crate) fn lines_for(case: &Case<'_>) -> &'static [Line] {
    match case.external() {
        Some(_) => &OUTSIDE,
        None => &LINES,
    }
}

/// Lines for which CoreDNS is asked in another way: for a smaller answer, or without the objects that
/// it chokes on.
pub(crate) const SIZE: &str = "A reply over UDP never exceeds min(client's size, 1232).";
pub(crate) const NOBODYS: &str = "A slice without the service-name label is skipped.";
pub(crate) const NAMES: &str = "A slice of type FQDN is skipped.";
pub(crate) const LONG: &str = "What can't be put on the wire";
pub(crate) const MISNAMED: &str = "slices whose service-name label has some, or a dot";

fn refused(case: &Case<'_>, answer: &mut Answer) {
    if case.zone().is_empty() {
        answer.fail(REFUSED);
    }
}

fn glue_once(case: &Case<'_>, answer: &mut Answer) {
    if case.is(&["NS"]) {
        answer.additional.dedup();
    }
}

/// Makes the name servers anew where a slice with an address of the server's is an alias's.
fn no_alias_for_a_name_server(case: &Case<'_>, answer: &mut Answer) {
    let (zone, ttl, labels) = (case.zone(), case.ttl(), case.labels());
    let asked =
        case.is(&["NS"]) && labels.is_empty() || case.is(&["A", "AAAA"]) && labels == ["ns", "dns"];
    let own = interface_addresses().unwrap();
    let own: Vec<String> = own.iter().map(ToString::to_string).collect();
    if case.address.is_some() || !asked || zone.is_empty() || zone != zone.to_ascii_lowercase() {
        return;
    }
    let (mut records, mut aliased) = (Vec::new(), false);
    for slice in case
        .facts
        .slices(case.profile)
        .filter(|slice| !slice.labels.contains_key(ODD))
    {
        if !slice
            .ready()
            .any(|(_, address)| own.iter().any(|own| own == address))
        {
            continue;
        }
        let (namespace, service) = (&slice.key.0, &slice.service);
        let base = format!("{service}.{namespace}.svc.{zone}");
        match case
            .facts
            .service(case.profile, namespace, service)
            .map(|s| &s.stands)
        {
            None => {}
            Some(Stands::External(_)) => aliased = true,
            Some(Stands::Cluster(addresses)) => {
                records.extend(
                    addresses
                        .iter()
                        .map(|address| (base.clone(), address.clone())),
                );
            }
            Some(Stands::Headless) => records.extend(slice.ready().map(|(endpoint, address)| {
                (
                    format!("{}.{base}", endpoint.label(address, false)),
                    address.to_owned(),
                )
            })),
        }
    }
    if !aliased {
        return;
    }
    let name = &case.question.name;
    let family = |address: &str| if address.contains(':') { "AAAA" } else { "A" };
    let mut names: Vec<String> = records
        .iter()
        .map(|(n, _)| format!("{name} {ttl} NS {n}"))
        .collect();
    let mut glue: Vec<String> = records
        .iter()
        .map(|(name, address)| format!("{name} {ttl} {} {address}", family(address)))
        .collect();
    if !case.is(&["NS"]) {
        let of_type = records
            .iter()
            .filter(|(_, address)| case.is(&[family(address)]));
        names = of_type
            .map(|(_, a)| format!("{name} {ttl} {} {a}", family(a)))
            .collect();
        glue.clear();
    }
    for list in [&mut names, &mut glue] {
        list.sort();
        list.dedup();
    }
    if names.is_empty() {
        answer.deny(NOERROR, case.soa());
    } else {
        answer.give(names, glue);
    }
}

fn own_address(case: &Case<'_>, answer: &mut Answer) {
    let (Some(address), zone, ttl) = (case.address, case.zone(), case.ttl()) else {
        return;
    };
    // Either is found only where the zone is spelled in lower case.
    if zone.is_empty() || zone != zone.to_ascii_lowercase() {
        return;
    }
    let (name, labels) = (&case.question.name, case.labels());
    if case.is(&["NS"]) && labels.is_empty() {
        answer.give(
            vec![format!("{name} {ttl} NS ns.dns.{zone}")],
            vec![format!("ns.dns.{zone} {ttl} A {address}")],
        );
    } else if case.is(&["A"]) && labels == ["ns", "dns"] {
        answer.give(vec![format!("{name} {ttl} A {address}")], Vec::new());
    }
}

fn no_mixed_spelling(case: &Case<'_>, answer: &mut Answer) {
    if case.is(&["PTR"]) && case.question.name.contains(':') && !answer.answer.is_empty() {
        case.deny(answer);
    }
}

fn pointers_into_exposed_namespaces(case: &Case<'_>, answer: &mut Answer) {
    // With a list of namespaces CoreDNS looks, too.
    if !case.is(&["PTR"]) || !case.profile.namespaces.is_empty() || answer.answer.is_empty() {
        return;
    }
    let zones = case.profile.zone_names();
    let primary = zones.iter().find(|zone| !zone.ends_with("arpa.")).unwrap();
    let namespace = |line: &str| {
        let target = line.rsplit(' ').next().unwrap();
        service_of(target, primary).map(|[_, namespace]| namespace)
    };
    let exposed = |line: &String| {
        namespace(line).is_some_and(|namespace| case.facts.exposes(case.profile, &namespace))
    };
    if answer.answer.iter().all(exposed) {
        return;
    }
    // A service that doesn't count leaves the address to endpoints.
    let is_service = answer.answer.iter().any(|line| {
        let target = line.rsplit(' ').next().unwrap();
        labels_in_front(target, primary).len() == 3
    });
    if is_service {
        answer.answer = pointers(case, primary);
    } else {
        answer.answer.retain(exposed);
    }
    if answer.answer.is_empty() {
        case.deny(answer);
    }
}

/// The PTR records that the endpoints of exposed namespaces give.
fn pointers(case: &Case<'_>, primary: &str) -> Vec<String> {
    let address = case.address().unwrap_or_default();
    let mut lines = Vec::new();
    let slices = case
        .facts
        .slices(case.profile)
        .filter(|slice| !slice.labels.contains_key(ODD));
    for slice in slices.filter(|slice| case.facts.exposes(case.profile, &slice.key.0)) {
        for (endpoint, _) in slice.ready().filter(|(_, other)| *other == address) {
            let label = endpoint.label(&address, case.profile.endpoint_pod_names);
            let (name, ttl) = (&case.question.name, case.ttl());
            let (namespace, service) = (&slice.key.0, &slice.service);
            lines.push(format!(
                "{name} {ttl} PTR {label}.{service}.{namespace}.svc.{primary}"
            ));
        }
    }
    lines.sort();
    lines.dedup();
    lines
}

fn pods_that_own_their_address(case: &Case<'_>, answer: &mut Answer) {
    let labels = case.labels();
    let [.., label, namespace, pod] = &labels[..] else {
        return;
    };
    if case.profile.pods != "verified" || pod != "pod" || labels.len() > 5 {
        return;
    }
    let ours = |pod: &&Pod| {
        let named = pod
            .addresses
            .first()
            .is_some_and(|address| dashed(address) == *label);
        pod.key.0 == *namespace && named && selects(case.profile, &pod.labels)
    };
    let pods = || case.facts.pods.iter().filter(ours);
    let finished = |pod: &Pod| ["Succeeded", "Failed"].contains(&pod.phase.as_str());
    let for_coredns = pods().any(|pod| !finished(pod) && pod.phase != "Unknown");
    let has_ended = |pod: &Pod| finished(pod) || pod.sandbox_gone || pod.terminating && pod.ended;
    let owner = pods().find(|pod| !has_ended(pod));
    if !case.facts.exposes(case.profile, namespace) || for_coredns == owner.is_some() {
        return;
    }
    let Some(owner) = owner else {
        if !case.is(&["SOA", "AXFR"]) {
            case.deny(answer);
        }
        return;
    };
    let (name, ttl, address) = (&case.question.name, case.ttl(), &owner.addresses[0]);
    let family = if address.contains(':') { "AAAA" } else { "A" };
    if case.is(&[family]) {
        answer.give(vec![format!("{name} {ttl} {family} {address}")], Vec::new());
    } else if case.is(&["SRV"]) {
        let target = format!("{label}.{namespace}.pod.{}", case.zone());
        answer.give(
            vec![format!("{name} {ttl} SRV 0 100 0 {target}")],
            vec![format!("{target} {ttl} {family} {address}")],
        );
    } else if !case.is(&["AXFR"]) {
        answer.deny(NOERROR, case.soa());
    }
}

fn one_weight_for_pods(case: &Case<'_>, answer: &mut Answer) {
    let is_pod = case.labels().last().is_some_and(|label| label == "pod");
    if case.is(&["SRV"]) && is_pod && case.profile.pods == "verified" {
        for line in &mut answer.answer {
            let mut words: Vec<&str> = line.split(' ').collect();
            words[4] = "100";
            *line = words.join(" ");
        }
    }
}

/// Endpoints of pods whose names are no label have a name of their address, each of its own.
fn dotted_pod_names(case: &Case<'_>, answer: &mut Answer) {
    if !case.profile.endpoint_pod_names {
        return;
    }
    for slice in case.facts.slices(case.profile) {
        for (endpoint, address) in slice.ready() {
            let label = endpoint.label(address, true);
            if !label.contains('.') || slice.fqdn {
                continue;
            }
            let suffix = format!("{}.{}.svc.", slice.service, slice.key.0);
            let (dotted, dash) = (
                format!("{label}.{suffix}"),
                format!("{}.{suffix}", dashed(address)),
            );
            for line in answer.answer.iter_mut().chain(&mut answer.additional) {
                *line = line.replace(&format!(" {dotted}"), &format!(" {dash}"));
                if let Some(rest) = line.strip_prefix(&dotted) {
                    *line = format!("{dash}{rest}");
                }
            }
            let zone = case.zone();
            let exposed = case.facts.exposes(case.profile, &slice.key.0);
            if case.lower() == format!("{dash}{}", zone.to_ascii_lowercase()) && exposed {
                endpoint_of_dotted(case, slice, (&dash, address), answer);
            }
        }
    }
    // Aliases lead from one to the next and stay in their order.
    let aliases = answer
        .answer
        .iter()
        .take_while(|line| line.contains(" CNAME "))
        .count();
    answer.answer[aliases..].sort();
    answer.additional.sort();
}

/// The answer to the name of such an endpoint, which CoreDNS doesn't have.
fn endpoint_of_dotted(
    case: &Case<'_>,
    slice: &Slice,
    (dash, address): (&str, &str),
    answer: &mut Answer,
) {
    let service = slice.service.as_str();
    let stands = case
        .facts
        .service(case.profile, &slice.key.0, service)
        .map(|s| &s.stands);
    if matches!(stands, None | Some(Stands::External(_))) || case.is(&["AXFR", "SOA"]) {
        return;
    }
    let (name, ttl, zone) = (&case.question.name, case.ttl(), case.zone());
    let family = if address.contains(':') { "AAAA" } else { "A" };
    let mut numbers: Vec<u16> = slice.numbers.iter().copied().flatten().collect();
    let weight = (100 / slice.numbers.len().max(1)).max(1);
    numbers.sort_unstable();
    numbers.dedup();
    if case.is(&[family]) {
        answer.give(vec![format!("{name} {ttl} {family} {address}")], Vec::new());
    } else if case.is(&["SRV"]) && !numbers.is_empty() {
        let record = |port: &u16| format!("{name} {ttl} SRV 0 {weight} {port} {dash}{zone}");
        answer.give(
            numbers.iter().map(record).collect(),
            vec![format!("{dash}{zone} {ttl} {family} {address}")],
        );
    } else {
        answer.deny(NOERROR, case.soa());
    }
}
