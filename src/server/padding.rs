//! Padding of what is sent encrypted (RFC 7830), by the policy of RFC 8467: where the query was padded, a
//! reply has a multiple of 468 octets, so that its size tells little of what was asked.

use super::tcp::MAX_MESSAGE;
use crate::wire::{Message, QNameBuffer, Query};

/// The option's code.
const OPTION: u16 = 12;
/// Octets of an option's code and length.
const HEAD: usize = 4;
/// Replies have a multiple of so many octets (RFC 8467 section 4.1).
const BLOCK: usize = 468;

/// Pads the reply of `length` octets at the front of `out`, where the query was padded and its OPT
/// record comes last, and returns its new length. What has no room stays as it is.
pub(super) fn pad(query: &[u8], out: &mut [u8], length: usize) -> usize {
    if length == 0 || !asks_for_it(query) {
        return length;
    }
    let Some(rdata_at) = out.get(..length).and_then(last_opt) else {
        return length;
    };
    let whole = (length + HEAD).next_multiple_of(BLOCK);
    // A reply that fills its room can't be padded to the next block, but up to its end.
    let whole = whole.min(out.len()).min(MAX_MESSAGE);
    let Some(added) = whole.checked_sub(length).filter(|added| *added >= HEAD) else {
        return length;
    };
    let rdlen = length - rdata_at + added;
    let (Ok(rdlen), Ok(padding)) = (u16::try_from(rdlen), u16::try_from(added - HEAD)) else {
        return length;
    };
    out[rdata_at - 2..rdata_at].copy_from_slice(&rdlen.to_be_bytes());
    let option = &mut out[length..whole];
    option.fill(0);
    option[..2].copy_from_slice(&OPTION.to_be_bytes());
    option[2..HEAD].copy_from_slice(&padding.to_be_bytes());
    whole
}

/// Returns a copy of a reply, padded as by [`pad`].
pub(super) fn padded(query: &[u8], reply: &[u8]) -> Vec<u8> {
    let mut message = reply.to_vec();
    if asks_for_it(query) {
        message.resize((reply.len() + HEAD).next_multiple_of(BLOCK), 0);
        let length = pad(query, &mut message, reply.len());
        message.truncate(length);
    }
    message
}

fn asks_for_it(query: &[u8]) -> bool {
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(query, &mut buffer).ok();
    let edns = query.and_then(|query| query.edns);
    edns.is_some_and(|edns| edns.options().any(|(code, _)| code == OPTION))
}

/// Returns where the RDATA of the OPT record starts, where that is the last record.
fn last_opt(reply: &[u8]) -> Option<usize> {
    let message = Message::parse(reply)?;
    let rdata = message.opt()?.rdata.clone();
    (rdata.end == reply.len()).then_some(rdata.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query or reply for the root's NS, with an OPT record of these options.
    fn message(options: Option<&[u8]>) -> Vec<u8> {
        let mut message = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01".to_vec();
        if let Some(options) = options {
            message[11] = 1;
            message.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\0\0");
            message.extend_from_slice(&(options.len() as u16).to_be_bytes());
            message.extend_from_slice(options);
        }
        message
    }

    #[test]
    fn a_reply_is_padded_where_the_query_was() {
        let asks = message(Some(&[0, 12, 0, 2, 0, 0]));
        let error = [0, 15, 0, 2, 0, 18];
        for (what, query, reply, length) in [
            ("padded", &asks, message(Some(&[])), 468),
            ("with an option", &asks, message(Some(&error)), 468),
            ("no EDNS in the reply", &asks, message(None), 17),
            ("not asked for", &message(Some(&[])), message(Some(&[])), 28),
            (
                "no EDNS in the query",
                &message(None),
                message(Some(&[])),
                28,
            ),
        ] {
            let padded = padded(query, &reply);
            assert_eq!(padded.len(), length, "{what}");
            let mut room = vec![0xff; 4096];
            room[..reply.len()].copy_from_slice(&reply);
            let in_place = pad(query, &mut room, reply.len());
            assert_eq!(padded, room[..in_place], "{what}");
            if length != 468 {
                assert_eq!(padded, reply, "{what}");
                continue;
            }
            let read = Message::parse(&padded).unwrap();
            let rdata = read.opt().unwrap().rdata.clone();
            assert_eq!(rdata.end, length, "{what}");
            // What was there is there, and behind it nothing but zeros.
            assert_eq!(padded[..26], reply[..26], "{what}");
            assert_eq!(padded[28..reply.len()], reply[28..], "{what}");
            assert_eq!(padded[reply.len()..][..2], [0, 12], "{what}");
            assert!(padded[reply.len() + 4..].iter().all(|octet| *octet == 0));
        }
    }

    #[test]
    fn what_has_no_room_is_padded_as_far_as_it_goes() {
        let asks = message(Some(&[0, 12, 0, 0]));
        let reply = message(Some(&[]));
        for (room, length) in [
            (28, 28),
            (31, 28),
            (32, 32),
            (100, 100),
            (468, 468),
            (469, 468),
        ] {
            let mut out = vec![0; room];
            out[..28].copy_from_slice(&reply);
            assert_eq!(pad(&asks, &mut out, 28), length, "{room}");
            assert!(Message::parse(&out[..length]).is_some(), "{room}");
        }
    }
}
