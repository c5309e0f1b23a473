//! What leaves a worker, as words: who asked, and what is kept of the name.

use crate::audit::Question;
use crate::chain::ListenerId;
use crate::tenancy::ClientClass;
use crate::wire::RType;
use std::net::{IpAddr, Ipv6Addr};

/// Words of a [`Sighting`].
pub(super) const SIGHTING: usize = 4;
/// Words of a question whose name matters.
pub(super) const QUESTION: usize = 35;

/// Octets of a message's header.
const HEADER: usize = 12;

/// A query that says something of its client. Of the name a hash is enough: only how many different
/// ones there are is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) client: IpAddr,
    pub(super) class: ClientClass,
    /// A reverse name was asked for.
    pub(super) reverse: bool,
    /// Another name of our zones was asked for, and is absent.
    pub(super) absent: bool,
    pub(super) name: u64,
}

impl Sighting {
    /// Returns what the words say: [`address_words`], [`hash`] and [`sort`]. Words that nobody wrote say
    /// something, too.
    pub(super) fn of([high, low, name, sort]: [u64; SIGHTING]) -> Self {
        Self {
            client: address(high, low),
            class: *CLASSES
                .get((sort >> 2) as usize)
                .unwrap_or(&ClientClass::Unknown),
            reverse: sort & 1 != 0,
            absent: sort & 2 != 0,
            name,
        }
    }
}

/// Returns the word that says the kind of client and of name in a [`Sighting`].
#[inline(always)]
pub(super) fn sort(class: ClientClass, [reverse, absent]: [bool; 2]) -> u64 {
    (place(class) as u64) << 2 | u64::from(absent) << 1 | u64::from(reverse)
}

/// Returns the words of a question.
pub(super) fn question_words(
    listener: ListenerId,
    client: IpAddr,
    qtype: RType,
    name: &[u8],
) -> [u64; QUESTION] {
    let mut words = [0; QUESTION];
    let [high, low] = address_words(client);
    words[0] = name.len() as u64 | u64::from(qtype.0) << 16 | u64::from(listener.0) << 32;
    (words[1], words[2]) = (high, low);
    for (word, octets) in words[3..].iter_mut().zip(name.chunks(8)) {
        *word = word_of(octets);
    }
    words
}

/// Returns the question that words say.
pub(super) fn question_of(words: [u64; QUESTION]) -> Question {
    let [head, high, low, ref name @ ..] = words;
    let octets = name.iter().flat_map(|word| word.to_le_bytes());
    let name: Vec<u8> = octets.take((head & 0xffff) as usize).collect();
    let listener = ListenerId((head >> 32) as u16);
    Question::new(listener, address(high, low), &name, (head >> 16) as u16)
}

/// The kinds of clients, in the order of their numbers here.
pub(super) const CLASSES: [ClientClass; 5] = [
    ClientClass::Pod,
    ClientClass::Platform,
    ClientClass::Node,
    ClientClass::External,
    ClientClass::Unknown,
];

/// Returns where a kind of client is in [`CLASSES`].
pub(super) fn place(class: ClientClass) -> usize {
    match class {
        ClientClass::Pod => 0,
        ClientClass::Platform => 1,
        ClientClass::Node => 2,
        ClientClass::External => 3,
        ClientClass::Unknown => 4,
    }
}

/// Returns the name that a message asks for, in wire form, by its length.
pub(super) fn qname(message: &[u8], len: u8) -> Option<&[u8]> {
    let name = message.get(HEADER..HEADER + usize::from(len))?;
    (len > 0).then_some(name)
}

/// Returns a keyed hash of a name, the same for upper and lower case. Keyed, so that nobody can
/// choose names that count as one.
pub(super) fn hash(key: u64, name: &[u8]) -> u64 {
    // The constants of splitmix64.
    const MULTIPLIERS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9];
    // Sets the bit that tells the cases apart. That it makes other octets equal as well costs the
    // count nothing that matters.
    const CASE: u64 = 0x2020_2020_2020_2020;
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(MULTIPLIERS[0]);
        (product >> 64) as u64 ^ product as u64
    };
    let start = key ^ name.len() as u64;
    let (words, rest) = name.as_chunks();
    let words = words.iter().map(|octets| u64::from_le_bytes(*octets));
    let hash = words.fold(start, |hash, word| fold(hash, word | CASE));
    let hash = match name.last_chunk() {
        _ if rest.is_empty() => hash,
        // Some octets twice, instead of fewer at a time.
        Some(last) => fold(hash, u64::from_le_bytes(*last) | CASE),
        None => fold(hash, word_of(rest) | CASE),
    };
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(MULTIPLIERS[1]);
    mixed ^ (mixed >> 27)
}

fn word_of(octets: &[u8]) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(octets) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

/// Returns an address in two words: an IPv4 one as it is mapped into IPv6.
#[inline(always)]
pub(super) fn address_words(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(v4) => [0, 0xffff_0000_0000 | u64::from(u32::from(v4))],
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            [(bits >> 64) as u64, bits as u64]
        }
    }
}

/// Returns the address that [`address_words`] made words of.
pub(super) fn address(high: u64, low: u64) -> IpAddr {
    let bits = u128::from(high) << 64 | u128::from(low);
    IpAddr::V6(Ipv6Addr::from(bits)).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::query;

    #[test]
    fn words_say_what_was_put_into_them() {
        for client in ["10.244.1.7", "fd00::7", "::1"] {
            for class in CLASSES {
                for (reverse, absent) in [(false, false), (true, false), (false, true)] {
                    let sighting = Sighting {
                        client: client.parse().unwrap(),
                        class,
                        reverse,
                        absent,
                        name: u64::MAX - 5,
                    };
                    let [high, low] = address_words(sighting.client);
                    let sort = sort(class, [reverse, absent]);
                    assert_eq!(Sighting::of([high, low, sighting.name, sort]), sighting);
                }
            }
        }
    }

    #[test]
    fn a_question_is_asked_again_as_it_was() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        for name in ["web.shop.svc.cluster.local", ".", "a", &longest] {
            let message = query(name, RType::AAAA);
            let len = message.len() - HEADER - 4;
            let name = qname(&message, len as u8).unwrap();
            let client = "10.0.0.1".parse().unwrap();
            let words = question_words(ListenerId(3), client, RType::AAAA, name);
            let question = question_of(words);
            let request = question.request();
            assert_eq!(request.bytes[HEADER..], message[HEADER..]);
            assert_eq!(
                (request.listener, request.peer.ip()),
                (ListenerId(3), client)
            );
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        for (message, len) in [(&[][..], 1), (&[0; 12], 1), (&[0; 13], 2), (&[0; 13], 0)] {
            assert_eq!(qname(message, len), None, "{message:?}");
        }
    }
}
