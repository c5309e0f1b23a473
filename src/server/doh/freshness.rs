//! How long an answer may be kept by whoever asked (RFC 8484 section 5.1): not longer than its records.

use crate::wire::{Message, RType, Section};

/// Returns the seconds for which a reply holds: the least TTL of its answer, or of a negative answer that
/// of its SOA record (RFC 2308 section 5); 0 where nothing says so.
pub(super) fn max_age(reply: &[u8]) -> u32 {
    let Some(message) = Message::parse(reply) else {
        return 0;
    };
    let of = |section| move |record: &crate::wire::MessageRecord| record.section == section;
    let answer = message.records().filter(of(Section::Answer));
    if let Some(ttl) = answer.map(|record| record.ttl).min() {
        return ttl;
    }
    let mut authority = message.records().filter(of(Section::Authority));
    let soa = authority.find(|record| record.rtype == RType::SOA);
    soa.map_or(0, |soa| {
        let rdata = reply.get(soa.rdata.clone()).unwrap_or_default();
        let minimum = rdata.last_chunk::<4>().copied();
        soa.ttl.min(minimum.map_or(0, u32::from_be_bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply with records of the root: section, type, TTL, RDATA.
    fn reply(records: &[(usize, u16, u32, &[u8])]) -> Vec<u8> {
        let mut reply = vec![0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1];
        for (section, rtype, ttl, rdata) in records {
            reply[5 + 2 * section] += 1;
            reply.push(0);
            reply.extend_from_slice(&rtype.to_be_bytes());
            reply.extend_from_slice(&[0, 1]);
            reply.extend_from_slice(&ttl.to_be_bytes());
            reply.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            reply.extend_from_slice(rdata);
        }
        reply
    }

    #[test]
    fn an_answer_is_kept_as_long_as_the_first_of_its_records() {
        let address = [10, 0, 0, 1];
        let mut soa = vec![0; 22];
        soa[21] = 5;
        for (what, records, expected) in [
            ("nothing", &[][..], 0),
            ("one", &[(1, 1, 30, &address[..])], 30),
            ("two", &[(1, 1, 30, &address), (1, 1, 5, &address)], 5),
            (
                "beside others",
                &[(1, 1, 30, &address), (2, 6, 3, &soa)],
                30,
            ),
            ("negative", &[(2, 6, 30, &soa)], 5),
            ("negative, short", &[(2, 6, 3, &soa)], 3),
            ("no SOA", &[(2, 1, 30, &address)], 0),
            ("additional", &[(3, 1, 30, &address)], 0),
        ] {
            assert_eq!(max_age(&reply(records)), expected, "{what}");
        }
        assert_eq!(max_age(b"no message"), 0);
    }
}
