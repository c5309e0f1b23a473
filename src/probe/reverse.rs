//! Addresses: sweeps of the services' and the pods' range around one that is known.

use super::forward::{names, unexpected};
use super::message::{Form, Reply, is_same, query};
use super::{Found, Prober, Row};
use crate::wire::{RType, Rcode};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(super) fn rows(prober: &Prober<'_>) -> Vec<Row> {
    let services = "a sweep of 256 addresses around kubernetes.default";
    let name = prober.name("kubernetes.default.svc");
    let known = [RType::A, RType::AAAA].into_iter().find_map(|rtype| {
        let reply = prober.ask(&name, rtype)?;
        reply
            .answers
            .iter()
            .find_map(|answer| answer.data.parse().ok())
    });
    let pods = "a sweep of 256 addresses around our own";
    vec![
        match known {
            Some(address) => Row::new("R01", services, sweep(prober, address)),
            None => Row::untried("R01", services, "kubernetes.default has no address"),
        },
        match prober.asker.source() {
            Some(address) => Row::new("R02", pods, sweep(prober, address)),
            None => Row::untried("R02", pods, "we have no address towards the server"),
        },
    ]
}

/// Asks for the reverse name of each neighbor: names must be expected ones, and denials alike.
fn sweep(prober: &Prober<'_>, address: IpAddr) -> Found {
    let mut shown = BTreeSet::new();
    let mut denials: BTreeMap<usize, (String, Vec<u8>)> = BTreeMap::new();
    for last in 0..=255 {
        let name = reverse(address, last);
        let bytes = query(&name, RType::PTR, Form::Plain);
        let reply = prober
            .asker
            .udp(&bytes)
            .ok_or_else(|| format!("{name}: no answer"))?;
        let read =
            Reply::read(&reply).ok_or_else(|| format!("{name}: an answer that can't be read"))?;
        shown.extend(unexpected(prober, &read));
        if read.rcode == Rcode::NXDOMAIN {
            let first = denials
                .entry(name.len())
                .or_insert_with(|| (name.clone(), reply.clone()));
            if !is_same(&reply, &name, &first.1, &first.0) {
                return Err(format!("{name} and {} are denied differently", first.0));
            }
        }
    }
    match shown.is_empty() {
        true => Ok("no name that is not expected".into()),
        false => Err(names(&shown)),
    }
}

/// Returns the reverse name of an address with another last octet.
fn reverse(address: IpAddr, last: u8) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{last}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[15] = last;
            let nibbles = octets
                .into_iter()
                .rev()
                .flat_map(|octet| [octet & 15, octet >> 4]);
            let text: String = nibbles.map(|nibble| format!("{nibble:x}.")).collect();
            format!("{text}ip6.arpa.")
        }
    }
}
