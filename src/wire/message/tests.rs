//! Whole messages: read, cut, and given an OPT record.

use super::*;

const WHOLE: &[u8] = b"\0\x01\x81\x80\0\x01\0\x02\0\x01\0\x02\x01a\0\0\x01\0\x01\
    \xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x01\x02\x03\x04\
    \xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x01\x02\x03\x05\
    \xc0\x0c\0\x02\0\x01\0\0\0\x05\0\x02\xc0\x0c\
    \xc0\x0c\0\x10\0\x01\0\0\0\x05\0\x02\x01x\
    \0\0\x29\x10\0\x01\0\x80\0\0\x04\0\x0a\0\0";

#[test]
fn a_message_is_read_whole_or_not_at_all() {
    let message = Message::parse(WHOLE).unwrap();
    assert_eq!(message.bytes().len(), WHOLE.len());
    assert_eq!(message.rcode(), Rcode(16), "with EDNS's upper bits");
    let sections: Vec<usize> = message.records().map(|r| r.section as usize).collect();
    assert_eq!(sections, [0, 0, 1, 2, 2]);
    for end in 0..WHOLE.len() {
        assert!(Message::parse(&WHOLE[..end]).is_none(), "{end} octets");
    }
    let mut longer = WHOLE.to_vec();
    longer.extend([1, 2, 3]);
    let message = Message::parse(&longer).unwrap();
    assert_eq!(message.bytes(), WHOLE, "what is behind it is none of it");
}

#[test]
fn messages_that_lead_nowhere_are_refused() {
    let change = |at: usize, octet: u8| {
        let mut bytes = WHOLE.to_vec();
        bytes[at] = octet;
        bytes
    };
    for (fact, bytes) in [
        ("no question", change(5, 0)),
        ("two questions", change(5, 2)),
        ("more records than there are", change(7, 3)),
        ("a pointer forward", change(20, 60)),
        ("a pointer to itself", change(20, 19)),
        ("a label of an unknown kind", change(19, 0x80)),
        ("OPT among the answers", change(22, 41)),
        ("two OPT records", change(68, 41)),
    ] {
        assert!(Message::parse(&bytes).is_none(), "{fact}");
    }
}

#[test]
fn a_message_is_cut_between_records_and_keeps_opt() {
    let opt = 11;
    for (limit, counts) in [
        (512, [1, 2, 1, 2]),
        (WHOLE.len() - 1, [1, 2, 1, 2]),
        (65 + opt, [1, 2, 1, 1]),
        (64 + opt, [1, 2, 0, 1]),
        (51 + opt, [1, 2, 0, 1]),
        (50 + opt, [1, 1, 0, 1]),
        (19 + opt, [1, 0, 0, 1]),
        (18 + opt, [0, 0, 0, 0]),
    ] {
        let mut out = [0; 512];
        let length = cut_into(WHOLE, limit, &mut out);
        assert!(length <= limit, "{limit}: {length}");
        let header = Header::parse(&out[..length]).unwrap();
        assert_eq!(header.counts, counts, "{limit}");
        assert_eq!(
            header.truncated(),
            length < WHOLE.len() && limit < 512,
            "{limit}"
        );
        if counts[0] == 1 {
            let message = Message::parse(&out[..length]).expect("it is one");
            assert_eq!(message.bytes().len(), length);
        }
    }
}

#[test]
fn our_opt_record_is_appended_where_it_fits() {
    let bare = &WHOLE[..19];
    let mut out = [0; 64];
    out[..19].copy_from_slice(bare);
    out[6..12].fill(0);
    assert_eq!(append_opt(&mut out, 19, Rcode(16), true), 30);
    let message = Message::parse(&out[..30]).unwrap();
    assert_eq!(message.rcode(), Rcode(16));
    assert_eq!(message.header().counts, [1, 0, 0, 1]);
    assert_eq!(append_opt(&mut out[..25], 19, Rcode(0), false), 19);
}
