//! Which addresses stand first, and what a file of weights may say.

use super::*;
use crate::chain::record;

fn section(lines: &[&str]) -> Vec<Record> {
    let read = |line: &&str| record(line).unwrap_or_else(|| panic!("{line}"));
    lines.iter().map(read).collect()
}

/// The owners and addresses of a section, in order.
fn shown(section: &[Record]) -> String {
    let one = |record: &Record| match record.address() {
        Some(address) => address.to_string(),
        None => record.rtype.to_string(),
    };
    let all: Vec<String> = section.iter().map(one).collect();
    all.join(" ")
}

#[test]
fn a_file_of_weights_is_read_whole_or_refused() {
    let fine = "\n# domain 1\nW1.example.org\n192.0.2.1   10\n  192.0.2.2 255\n\nw2.example.org.\n # other\n\
                w3\n2001:db8::1 1\nw1.example.org\n::ffff:192.0.2.3 7\n";
    let table = WeightTable::parse(fine).unwrap();
    let weight = |line: &str| table.weight(&section(&[line])[0]);
    for (line, expected) in [
        ("w1.example.org. 5 IN A 192.0.2.1", 10),
        ("w1.EXAMPLE.org. 5 IN A 192.0.2.2", 255),
        ("w1.example.org. 5 IN A 192.0.2.3", 7),
        ("w1.example.org. 5 IN A 192.0.2.4", 1),
        ("w2.example.org. 5 IN A 192.0.2.1", 1),
        ("w3. 5 IN AAAA 2001:db8::1", 1),
        ("other. 5 IN A 192.0.2.1", 1),
    ] {
        assert_eq!(weight(line), expected, "{line}");
    }
    assert_eq!(table.len(), 4);
    for (text, expected) in [
        ("w1\n192.0.2.1\n", WeightError::Line(2)),
        ("192.0.2.1 10\nw1\n", WeightError::NoName(1)),
        ("w1\n192.0.2.300 10\n", WeightError::Line(2)),
        ("w1\n192.0.2.1 256\n", WeightError::Line(2)),
        ("w1\n\n192.0.2.1 0\n", WeightError::Line(3)),
        ("w1\n192.0.2.1 1 1\n", WeightError::Line(2)),
        ("a..b\n", WeightError::Line(1)),
    ] {
        assert_eq!(WeightTable::parse(text), Err(expected), "{text}");
    }
    assert!(WeightTable::parse("").unwrap().is_empty());
}

#[test]
fn the_first_address_is_drawn_by_weight_and_the_rest_stays_in_place() {
    // As CoreDNS's own test draws: here the weights count in the records' order.
    let table = WeightTable::parse("e.test\n10.0.0.2 3\n10.0.0.1 2\n").unwrap();
    let lines = [
        "e.test. 5 IN A 10.0.0.1",
        "e.test. 5 IN MX 1 m.test.",
        "e.test. 5 IN SRV 1 2 3 e.test.",
        "e.test. 5 IN A 10.0.0.2",
        "a.test. 5 IN CNAME e.test.",
        "e.test. 5 IN A 10.0.0.3",
    ];
    let [one, two, three] = [
        "CNAME SRV 10.0.0.1 10.0.0.2 10.0.0.3 MX",
        "CNAME SRV 10.0.0.2 10.0.0.1 10.0.0.3 MX",
        "CNAME SRV 10.0.0.3 10.0.0.2 10.0.0.1 MX",
    ];
    for (random, expected) in [one, one, two, two, two, three, one].iter().enumerate() {
        let mut section = section(&lines);
        table.arrange(&mut section, random as u64);
        assert_eq!(shown(&section), *expected, "{random}");
    }
    let without = ["e.test. 5 IN MX 1 m.test.", "a.test. 5 IN CNAME e.test."];
    let mut untouched = section(&without);
    table.arrange(&mut untouched, 1);
    assert_eq!(untouched, section(&without), "no address, no change");
}

#[test]
fn preferred_addresses_stand_in_the_order_of_their_ranges() {
    let nets = ["10.9.0.0/16", "2001:db8::/32", "10.0.0.0/8"].map(|net| net.parse().unwrap());
    let mut section = section(&[
        "e.test. 5 IN A 192.0.2.1",
        "e.test. 5 IN TXT \"x\"",
        "e.test. 5 IN A 10.1.0.1",
        "e.test. 5 IN AAAA 2001:db8::1",
        "e.test. 5 IN A 10.9.0.2",
        "a.test. 5 IN CNAME e.test.",
        "e.test. 5 IN A 10.9.0.1",
        "e.test. 5 IN A 192.0.2.2",
    ]);
    prefer(&nets, &mut section);
    let expected = "CNAME 10.9.0.2 10.9.0.1 2001:db8::1 10.1.0.1 192.0.2.1 192.0.2.2 TXT";
    assert_eq!(shown(&section), expected);
}
