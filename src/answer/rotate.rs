//! `loadbalance`: the addresses of another server's reply from a random one on. The cluster's are
//! rotated as they are written.

use super::message::Message;
use crate::wire::{HEADER_LEN, Header, RType, read_name};
use arrayvec::ArrayVec;

/// Addresses of an RRset that are rotated at most: those behind them stay where they are.
const MAX_ADDRESSES: usize = 64;

/// Rotates the address records of a message in its octets. What can't be read stays as it is.
pub(super) fn rotate(message: &mut [u8], entropy: u64) {
    for rtype in [RType::A, RType::AAAA] {
        let places = places(message, rtype).unwrap_or_default();
        let first = usize::try_from(entropy % places.len().max(1) as u64).unwrap_or(0);
        let size = length(rtype);
        // TTL, length and address: the same octets of each record.
        let mut parts = ArrayVec::<[u8; 22], MAX_ADDRESSES>::new();
        for &at in &places {
            let mut part = [0; 22];
            let from = message.get(at..at + 6 + size).unwrap_or(&[]);
            part.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            parts.push(part);
        }
        let count = parts.len();
        parts.rotate_left(first.min(count));
        for (&at, part) in places.iter().zip(&parts) {
            if let (Some(to), Some(from)) =
                (message.get_mut(at..at + 6 + size), part.get(..6 + size))
            {
                to.copy_from_slice(from);
            }
        }
    }
}

fn length(rtype: RType) -> usize {
    if rtype == RType::A { 4 } else { 16 }
}

/// Returns where the TTLs stand of the records of one owner, the first that has some of this type.
fn places(message: &[u8], rtype: RType) -> Option<ArrayVec<usize, MAX_ADDRESSES>> {
    let [questions, answers, ..] = Header::parse(message)?.counts;
    let mut at = HEADER_LEN;
    for _ in 0..questions {
        at = read_name(message, at)?.1 + 4;
    }
    let mut places = ArrayVec::new();
    let mut of = None;
    for _ in 0..answers {
        let start = at;
        let (owner, fixed_at) = read_name(message, at)?;
        let fixed = message.get(fixed_at..)?.first_chunk::<10>()?;
        let [t0, t1, _, _, _, _, _, _, n0, n1] = *fixed;
        let length_here = usize::from(u16::from_be_bytes([n0, n1]));
        at = fixed_at + 10 + length_here;
        message.get(start..at)?;
        let is_of_type = RType(u16::from_be_bytes([t0, t1])) == rtype;
        if !is_of_type || length_here != length(rtype) {
            continue;
        }
        let first = of.get_or_insert_with(|| owner.clone());
        if first.as_wire() == owner.as_wire() && places.try_push(fixed_at + 4).is_err() {
            break;
        }
    }
    Some(places)
}

/// Rotates the address records of a message that is taken apart.
pub(super) fn rotate_records(message: &mut Message, entropy: u64) {
    for rtype in [RType::A, RType::AAAA] {
        let is_it = |record: &&mut crate::chain::Record| record.rtype == rtype;
        let count = message.answer.iter().filter(|r| r.rtype == rtype).count();
        let first = usize::try_from(entropy % count.max(1) as u64).unwrap_or(0);
        let mut data: Vec<_> = message
            .answer
            .iter()
            .filter(|record| record.rtype == rtype)
            .cloned()
            .collect();
        data.rotate_left(first);
        let places = message.answer.iter_mut().filter(is_it);
        places.zip(data).for_each(|(place, record)| *place = record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_change_places_and_nothing_else_does() {
        let head = b"\0\x01\x81\x80\0\x01\0\x04\0\0\0\0\x01a\0\0\x01\0\x01";
        let alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0c";
        let address = |last: u8| {
            [
                &b"\xc0\x1f\0\x01\0\x01\0\0\0"[..],
                &[last],
                b"\0\x04\xc0\0\x02",
                &[last],
            ]
            .concat()
        };
        let message = |order: [u8; 3]| {
            let records = order.map(address).concat();
            [&head[..], alias, &records].concat()
        };
        for (entropy, order) in [(0, [1, 2, 3]), (1, [2, 3, 1]), (5, [3, 1, 2])] {
            let mut rotated = message([1, 2, 3]);
            rotate(&mut rotated, entropy);
            assert_eq!(rotated, message(order), "{entropy}");
        }
        let whole = message([1, 2, 3]);
        for end in 0..whole.len() {
            let mut cut = whole[..end].to_vec();
            rotate(&mut cut, 1);
            assert_eq!(cut, whole[..end], "what was cut at {end} stays");
        }
    }
}
