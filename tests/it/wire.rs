//! The wire format by itself: what is written is what is read, by us and by hickory-proto.

use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use proptest::prelude::*;
use tenantdns::testing::query;
use tenantdns::wire::{
    Name, NameParts, Owner, QName, QNameBuffer, Query, RType, Reply, ReplyData, ResponseBuilder,
    Section,
};

/// A name of any octets.
fn any_name() -> impl Strategy<Value = Name> {
    let label = prop::collection::vec(any::<u8>(), 1..=63);
    prop::collection::vec(label, 0..12).prop_filter_map("over 255 octets", |labels| {
        Name::root().prefixed(labels.iter().map(Vec::as_slice)).ok()
    })
}

/// A name of few labels, so that suffixes are often the same.
fn similar_name() -> impl Strategy<Value = Name> {
    let label = prop::sample::select(vec![
        "a",
        "b",
        "B",
        "svc",
        "cluster",
        "local",
        "long-label-0123456789",
    ]);
    prop::collection::vec(label, 0..9).prop_map(|labels| {
        Name::root()
            .prefixed(labels.iter().map(|l| l.as_bytes()))
            .unwrap()
    })
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![1 => any_name(), 4 => similar_name()]
}

/// Writes PTR records with these owners and targets, behind `filler` octets of TXT.
fn write(qname: &Name, records: &[(Name, Name)], filler: usize, out: &mut [u8]) -> usize {
    let bytes = query(&qname.to_string(), RType::PTR);
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(&bytes, &mut buffer).unwrap();
    let mut builder = ResponseBuilder::new(&query, 65_535, out);
    for _ in 0..filler / 200 {
        let text = [[199].as_slice(), &[b'x'; 199]].concat();
        builder
            .push_record(Owner::QName, RType::TXT, 1, &[&text])
            .unwrap();
    }
    builder.section(Section::Additional);
    for (at, (owner, target)) in records.iter().enumerate() {
        let owner = [owner.as_wire()];
        // The middle of a name is a name too: its first label comes as a piece of its own.
        let (first, rest) = target
            .as_wire()
            .split_at(1 + usize::from(target.as_wire()[0]));
        let (whole, pieces) = ([target.as_wire()], [first, rest]);
        let target = if at % 2 == 0 || rest.is_empty() {
            &whole[..]
        } else {
            &pieces[..]
        };
        builder
            .push_name_record(
                Owner::Name(NameParts(&owner)),
                RType::PTR,
                1,
                NameParts(target),
            )
            .unwrap();
    }
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_name_is_the_same_after_text_and_after_wire(name in any_name()) {
        let text = name.to_string();
        prop_assert!(text.is_ascii() && !text.contains(|c: char| c.is_control() || c == ' '));
        prop_assert_eq!(&text.parse::<Name>().unwrap(), &name, "{}", text);
        let mut buffer = QNameBuffer::default();
        let (qname, rest) = QName::parse(name.as_wire(), &mut buffer).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert_eq!(qname.as_wire(), name.as_wire());
        let lower = name.to_lowercase();
        prop_assert_eq!(qname.lower(), lower.as_wire());
        prop_assert_eq!(qname.label_count(), name.label_count());
        prop_assert_eq!(qname.to_string(), text);
    }

    #[test]
    fn compressed_names_are_read_as_they_were_written(
        qname in name(),
        records in prop::collection::vec((name(), name()), 0..40),
        filler in prop_oneof![Just(0usize), 0usize..1000, 15_500usize..16_700],
    ) {
        let mut out = vec![0xaa; 65_535];
        let len = write(&qname, &records, filler, &mut out);
        let bytes = &out[..len];
        // By hickory-proto.
        let message = Message::from_vec(bytes).unwrap();
        prop_assert_eq!(message.additionals.len(), records.len());
        for (record, (owner, target)) in message.additionals.iter().zip(&records) {
            let RData::PTR(ptr) = &record.data else { panic!("{record}") };
            prop_assert_eq!(labels(&record.name), wire_labels(owner));
            prop_assert_eq!(labels(ptr), wire_labels(target));
        }
        // By our own reading of an upstream's reply, to which all sections are the answer.
        let mut answer = bytes.to_vec();
        let counts = [message.answers.len() + records.len(), 0, 0];
        let counts = counts.into_iter().flat_map(|n| (n as u16).to_be_bytes());
        answer.splice(6..12, counts);
        let read: Vec<_> = Reply::parse(&answer).unwrap().answers().skip(filler / 200).collect();
        prop_assert_eq!(read.len(), records.len());
        for (record, (owner, target)) in read.iter().zip(&records) {
            prop_assert_eq!(record.owner.as_wire(), owner.as_wire());
            let ReplyData::Name(name) = &record.rdata else { panic!("octets") };
            prop_assert_eq!(name.as_wire(), target.as_wire());
        }
    }

    /// Whatever the limit: the message is whole, and TC says whether a record is missing.
    #[test]
    fn a_record_that_does_not_fit_leaves_no_trace(
        qname in similar_name(),
        records in prop::collection::vec((similar_name(), similar_name()), 1..60),
        limit in 300usize..3000,
    ) {
        let bytes = query(&qname.to_string(), RType::PTR);
        let mut buffer = QNameBuffer::default();
    let query = Query::parse(&bytes, &mut buffer).unwrap();
        let mut out = vec![0xaa; 4000];
        let mut builder = ResponseBuilder::new(&query, limit, &mut out);
        let mut written = 0;
        for (owner, target) in &records {
            let (owner, target) = ([owner.as_wire()], [target.as_wire()]);
            let (owner, target) = (Owner::Name(NameParts(&owner)), NameParts(&target));
            let before = builder.position();
            if builder.push_name_record(owner, RType::PTR, 1, target).is_err() {
                prop_assert_eq!(builder.position(), before);
                break;
            }
            written += 1;
        }
        let len = builder.finish();
        prop_assert!(len <= limit);
        let message = Message::from_vec(&out[..len]).unwrap();
        prop_assert_eq!(message.answers.len(), written);
        prop_assert_eq!(message.truncation, written < records.len());
        for (record, (owner, target)) in message.answers.iter().zip(&records) {
            let RData::PTR(ptr) = &record.data else { panic!("{record}") };
            prop_assert_eq!(labels(&record.name), wire_labels(owner));
            prop_assert_eq!(labels(ptr), wire_labels(target));
        }
    }
}

fn labels(name: &hickory_proto::rr::Name) -> Vec<Vec<u8>> {
    name.iter().map(<[u8]>::to_vec).collect()
}

fn wire_labels(name: &Name) -> Vec<Vec<u8>> {
    tenantdns::wire::labels(name.as_wire())
        .map(<[u8]>::to_vec)
        .collect()
}
