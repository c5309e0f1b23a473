//! What lines of docs/compatibility.md make of CoreDNS's answers in the zones of `k8s_external`.

use super::answer::{Answer, NOERROR, NXDOMAIN, REFUSED, SERVFAIL};
use super::case::Case;
use super::facts::Stands;
use super::profiles::is_at_or_below;

/// The SOA of the zone.
fn soa(case: &Case<'_>) -> String {
    let (zone, ttl) = (case.external().unwrap_or_default(), case.profile.ttl);
    format!("{zone} {ttl} SOA ns1.dns.{zone} hostmaster.dns.{zone} * 7200 1800 86400 {ttl}")
}

fn deny(case: &Case<'_>, answer: &mut Answer) {
    let external = case.profile.external.as_ref().unwrap();
    let mut zones = external.fallthrough.iter();
    if zones.any(|zone| is_at_or_below(&case.question.name, &format!("{zone}."))) {
        answer.fail(SERVFAIL);
    } else {
        answer.deny(NXDOMAIN, soa(case));
    }
}

pub(super) fn no_transfer(case: &Case<'_>, answer: &mut Answer) {
    if case.is(&["AXFR"]) {
        answer.fail(REFUSED);
    }
}

/// CoreDNS repeats a load balancer's host name for each port, and a name server's address for each of
/// its own.
pub(super) fn once(_: &Case<'_>, answer: &mut Answer) {
    for section in [&mut answer.answer, &mut answer.additional] {
        let mut seen = Vec::new();
        section.retain(|line| {
            let is_new = !seen.contains(line);
            seen.push(line.clone());
            is_new
        });
    }
}

/// CoreDNS has an AAAA record without an address there, and so no SOA; the record is not read.
pub(super) fn no_address_of_a_host_name(case: &Case<'_>, answer: &mut Answer) {
    let is_server = case.labels_outside() == ["ns1", "dns"] && case.is(&["AAAA"]);
    if is_server && answer.answer.is_empty() && answer.authority.is_empty() {
        answer.deny(NOERROR, soa(case));
    }
}

pub(super) fn own_address_outside(case: &Case<'_>, answer: &mut Answer) {
    let Some(address) = case.address else { return };
    let (labels, zone) = (case.labels_outside(), case.external().unwrap_or_default());
    let (name, ttl) = (&case.question.name, case.profile.ttl);
    if case.is(&["NS"]) && labels.is_empty() {
        answer.additional = vec![format!("ns1.dns.{zone} {ttl} A {address}")];
    } else if case.is(&["A"]) && labels == ["ns1", "dns"] {
        answer.give(vec![format!("{name} {ttl} A {address}")], Vec::new());
    }
}

pub(super) fn no_endpoints_of_an_alias(case: &Case<'_>, answer: &mut Answer) {
    let Some((namespace, service)) = case.service_outside() else {
        return;
    };
    let found = case.facts.service(case.profile, &namespace, &service);
    let is_alias = found.is_some_and(|service| {
        let nowhere = service.others.is_empty() && service.hosts.is_empty();
        matches!(service.stands, Stands::External(_)) && nowhere
    });
    if is_alias && case.labels_outside().len() == 3 && answer.rcode == NOERROR {
        deny(case, answer);
    }
}

pub(super) fn pointers_outside(case: &Case<'_>, answer: &mut Answer) {
    if !case.is(&["PTR"]) || answer.answer.is_empty() {
        return;
    }
    let exposed = |line: &String| {
        let target = line.rsplit(' ').next().unwrap();
        let namespace = target.split('.').nth(1).unwrap();
        case.facts.exposes(case.profile, namespace)
    };
    answer.answer.retain(exposed);
    if answer.answer.is_empty() {
        deny(case, answer);
    }
}

/// CoreDNS spells them as they are configured, but in names that begin with the question's.
pub(super) fn spelled_as_asked(case: &Case<'_>, answer: &mut Answer) {
    let zone = case.external().unwrap_or_default();
    let name = &case.question.name;
    let asked = &name[name.len() - zone.len()..];
    if asked == zone || case.is(&["PTR"]) && !answer.answer.is_empty() {
        return;
    }
    for section in [
        &mut answer.answer,
        &mut answer.authority,
        &mut answer.additional,
    ] {
        for line in section.iter_mut() {
            let words = line.split(' ').map(|word| match word.strip_suffix(&*zone) {
                Some(front) if front.is_empty() || front.ends_with('.') => {
                    format!("{front}{asked}")
                }
                _ => word.to_owned(),
            });
            *line = words.collect::<Vec<_>>().join(" ");
        }
    }
    // Aliases stay in front.
    let is_alias = |line: &&String| line.split(' ').nth(2) == Some("CNAME");
    let aliases = answer.answer.iter().take_while(is_alias).count();
    answer.answer[aliases..].sort();
    answer.additional.sort();
}
