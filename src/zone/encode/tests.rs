//! Tables of endpoints against a model that keeps everything: lists, searched from one end to the
//! other.

use super::*;
use crate::wire::RType;
use crate::zone::ports::{Ports, Selector, push_port};
use crate::zone::service::{CLUSTER, HEADLESS, NAMES_ENDPOINTS, ServiceNode};

/// An entry as the model keeps it: wire-form labels, address, and which of [`PORTS`].
type Entry = (Vec<u8>, IpAddr, usize);

/// Lists of ports: name, protocol, number.
const PORTS: [&[(&str, &str, Option<u16>)]; 5] = [
    &[("http", "TCP", Some(80))],
    &[("http", "TCP", Some(8080)), ("dns", "UDP", Some(53))],
    &[],
    &[("dns", "TCP", Some(53)), ("dns", "UDP", Some(53))],
    &[("HTTP", "TCP", None), ("x", "TCP", Some(1))],
];

const SELECTORS: [(&[u8], &[u8]); 8] = [
    (b"", b""),
    (b"http", b"tcp"),
    (b"http", b""),
    (b"", b"udp"),
    (b"dns", b"tcp"),
    (b"dns", b"udp"),
    (b"x", b"tcp"),
    (b"none", b"tcp"),
];

fn selected(group: usize, (port, protocol): (&[u8], &[u8])) -> Vec<Option<u16>> {
    let is = |wanted: &[u8], text: &str| {
        wanted.is_empty() || wanted == text.to_ascii_lowercase().as_bytes()
    };
    let list = PORTS[group];
    let all = if list.is_empty() {
        &[("", "", None)]
    } else {
        list
    };
    let matches = |p: &&(&str, &str, Option<u16>)| is(port, p.0) && is(protocol, p.1);
    all.iter().filter(matches).map(|p| p.2).collect()
}

fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

/// Entries of one lower-case name, by the first of them, and each by group and address. Groups are
/// in the order in which they first come.
fn endpoints(model: &[Entry]) -> Vec<Vec<Entry>> {
    let groups = distinct(model.iter().map(|e| e.2));
    let rank = |group: usize| groups.iter().position(|g| *g == group);
    let names = distinct(model.iter().map(|e| e.0.to_ascii_lowercase()));
    let of_name = |name: &Vec<u8>| {
        let same = model.iter().filter(|e| e.0.to_ascii_lowercase() == *name);
        let mut same: Vec<Entry> = same.cloned().collect();
        same.sort_by_key(|e| (rank(e.2), e.1));
        same
    };
    names.iter().map(of_name).collect()
}

fn check(model: &[Entry], seed: &Seed) {
    let mut entries = Entries::default();
    for (name, address, group) in model {
        let mut ports = Vec::new();
        for (name, protocol, number) in PORTS[*group] {
            push_port(&mut ports, name, protocol, *number);
        }
        let group = entries.group(&ports).unwrap();
        let is_address = *name == AddressLabel::of(*address).as_wire();
        let parts = [&name[..1], &name[1..]];
        entries.push(*address, group, if is_address { &[] } else { &parts });
    }
    let frame = Frame {
        kind: HEADLESS,
        flags: NAMES_ENDPOINTS,
        suffix: b"\x03web\x04shop\x03svc",
        ..Frame::default()
    };
    let block = entries.finish(&frame, seed);
    let node = ServiceNode::read(&block).unwrap();
    assert_eq!(node.suffix(), frame.suffix);
    let table = node.endpoints();
    let expected = endpoints(model);

    let found: Vec<_> = table.iter().collect();
    assert_eq!(found.len(), expected.len());
    for (endpoint, entries) in found.iter().zip(&expected) {
        let mut spelled = AddressLabel::default();
        assert_eq!(endpoint.name().wire(&mut spelled), entries[0].0);
        assert_eq!(endpoint.name().wire_len(), entries[0].0.len());
        let lower = entries[0].0.to_ascii_lowercase();
        let same = table.find(seed, &lower).unwrap();
        assert_eq!((same.start, same.end), (endpoint.start, endpoint.end));
    }
    assert!(table.find(seed, b"\x03xyz").is_none());

    for wanted in SELECTORS {
        let selector = Selector {
            port: wanted.0,
            protocol: wanted.1,
        };
        let chosen = |e: &&Entry| !selected(e.2, wanted).is_empty();
        let addresses = distinct(model.iter().filter(chosen).map(|e| e.1));
        let set = node.addresses(&selector);
        assert_eq!(set.is_none(), addresses.is_empty());
        for rtype in [RType::A, RType::AAAA] {
            let of_type = addresses
                .iter()
                .filter(|a| a.is_ipv4() == (rtype == RType::A));
            let of_type: Vec<IpAddr> = of_type.copied().collect();
            let Some(set) = set else { continue };
            assert_eq!(set.of_type(rtype).collect::<Vec<_>>(), of_type);
            assert_eq!(set.count(rtype), of_type.len());
            if let Some(row) = set.in_row(rtype) {
                let octets = of_type.iter().flat_map(|address| match address {
                    IpAddr::V4(v4) => v4.octets().to_vec(),
                    IpAddr::V6(v6) => v6.octets().to_vec(),
                });
                assert_eq!(row, octets.collect::<Vec<_>>());
            }
        }
        let count: usize = model.iter().map(|e| selected(e.2, wanted).len()).sum();
        assert_eq!(node.entries(&selector).min(51), count.min(51));
        for (endpoint, entries) in found.iter().zip(&expected) {
            let numbers = entries.iter().flat_map(|e| selected(e.2, wanted));
            let numbers = distinct(numbers.flatten());
            assert_eq!(endpoint.ports(&selector).collect::<Vec<_>>(), numbers);
            let numbered = |e: &&Entry| selected(e.2, wanted).iter().any(Option::is_some);
            let addresses = distinct(entries.iter().filter(numbered).map(|e| e.1));
            let got: Vec<_> = endpoint.numbered_addresses(selector).collect();
            assert_eq!(got, addresses);
            if let Some(shared) = node.shared_ports(&selector) {
                assert_eq!(shared.to_vec(), numbers);
                let all = distinct(entries.iter().map(|e| e.1));
                assert_eq!(endpoint.shared_addresses().collect::<Vec<_>>(), all);
            }
            for rtype in [RType::A, RType::AAAA] {
                let of_type = |a: &IpAddr| a.is_ipv4() == (rtype == RType::A);
                let all = entries.iter().filter(chosen).map(|e| e.1).filter(of_type);
                let got: Vec<_> = endpoint.addresses(selector, rtype).collect();
                assert_eq!(got, distinct(all));
            }
        }
    }

    for address in distinct(model.iter().map(|e| e.1)) {
        assert!(table.has_address(address));
        let names = distinct(model.iter().filter(|e| e.1 == address).map(|e| &e.0));
        let names: Vec<Vec<u8>> = names.into_iter().cloned().collect();
        let got = table.names_of(address);
        let got = got.map(|name| name.wire(&mut AddressLabel::default()).to_vec());
        assert_eq!(got.collect::<Vec<_>>(), names);
    }
    assert!(!table.has_address("192.0.2.1".parse().unwrap()));
    assert!(!table.has_address("2001:db8::1".parse().unwrap()));
}

#[test]
fn a_table_answers_like_a_list() {
    let seed = Seed::random();
    let mut random = 5u64;
    let mut below = |bound: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % bound
    };
    for round in 0..600 {
        // Small and large ones, with one or several lists of ports, types and sorts of names.
        let len = [3, 8, 20, 90][below(4)];
        let (pool, groups) = ([4, 30, 1000][below(3)], [1, 1, 2, 5][below(4)]);
        let (wide, named) = (below(2), below(3));
        let mut model: Vec<Entry> = Vec::new();
        for _ in 0..below(len + 1) {
            let n = below(pool);
            let address = match below(4) * wide {
                0 => IpAddr::from([10, 0, (n / 256) as u8, n as u8]),
                _ => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, n as u16 % 3, n as u16]),
            };
            let other = IpAddr::from([10, 0, 0, below(pool) as u8]);
            let text = match below(6) * named {
                0 | 1 => AddressLabel::of(address).as_wire().to_vec(),
                // What another one's address spells.
                2 => AddressLabel::of(other).as_wire().to_vec(),
                3 => AddressLabel::of(address).as_wire().to_ascii_uppercase(),
                _ => {
                    let text = format!("{}-{}", ["pod", "Pod"][below(2)], below(pool));
                    [&[text.len() as u8], text.as_bytes()].concat()
                }
            };
            model.push((text, address, below(groups)));
        }
        if round % 10 == 0 {
            // All of one slice, as they mostly are.
            model.iter_mut().for_each(|e| e.2 = 0);
        }
        check(&model, &seed);
    }
}

#[test]
fn a_block_holds_what_was_put_in() {
    let mut ports = Vec::new();
    push_port(&mut ports, "http", "TCP", Some(80));
    let addresses = ["10.96.0.1", "fd00:96::1", "10.96.0.2"].map(|a| a.parse().unwrap());
    let frame = Frame {
        kind: CLUSTER,
        flags: 0,
        namespace: 7,
        addresses: &addresses,
        suffix: b"\x03web\x04shop\x03svc",
        target: b"\x01x\0",
        ports: &ports,
    };
    let block = Entries::default().finish(&frame, &Seed::random());
    let node = ServiceNode::read(&block).unwrap();
    let [a, b, c] = addresses;
    assert!(node.cluster_addresses().eq([a, c, b]), "IPv4 first");
    assert_eq!((node.suffix(), node.ports()), (frame.suffix, Ports(&ports)));
    assert_eq!(node.namespace().0, 7);
    assert!(node.endpoints().is_empty() && !node.names_endpoints());
    assert_eq!(node.entries(&Selector::ANY), 3);
    assert_eq!(block.len(), Head::LEN + 24 + 13 + 3 + ports.len());
}
