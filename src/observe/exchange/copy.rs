//! How an exchange stands in words: what a worker writes, and what a reader makes of it. Not the ring that
//! they go through.

use super::super::record::{address, address_words};
use super::Exchange;
use crate::answer::{Attempt, Cause, Failure, Request, Step, Transport, Verdict};
use crate::chain::{BlockId, ListenerId, Plugin};
use crate::wire::Rcode;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Words of a record.
pub(super) const WORDS: usize = 16;
/// Words before the messages' octets.
const HEAD: usize = 10;
/// Words of a failure behind them.
const FAILURE: usize = 5;

const STREAM: u64 = 1;
const LOCAL: u64 = 2;
const NAMED: u64 = 4;
const FAILED: u64 = 8;

pub(super) fn head(
    (request, verdict): (&Request<'_>, &Verdict),
    failed: bool,
    answered: usize,
    [received, took]: [Duration; 2],
) -> [u64; HEAD] {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    let flags = flag(request.transport != Transport::Udp, STREAM)
        | flag(request.local.is_some(), LOCAL)
        | flag(verdict.named.is_some(), NAMED)
        | flag(failed, FAILED);
    let block = verdict.block.map_or(u64::MAX, |block| block.0.into());
    let plugin = verdict.plugin.map_or(0, |plugin| plugin as u64 + 1);
    let unspecified = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let [p0, p1] = address_words(request.peer.ip());
    let [l0, l1] = address_words(request.local.unwrap_or(unspecified));
    let [n0, n1] = address_words(verdict.named.unwrap_or(unspecified));
    let lengths = request.bytes.len() as u64 & 0xffff | (answered as u64 & 0xffff) << 16;
    [
        lengths | u64::from(request.listener.0) << 32 | block << 48,
        u64::from(verdict.rcode.0)
            | plugin << 16
            | flags << 24
            | u64::from(request.peer.port()) << 32,
        p0,
        p1,
        l0,
        l1,
        n0,
        n1,
        nanoseconds(received),
        nanoseconds(took),
    ]
}

/// Returns the records that messages of so many octets take, with a failure or without.
pub(super) fn records(query: usize, answer: usize, failed: bool) -> usize {
    let failure = if failed { FAILURE } else { 0 };
    (HEAD + query.div_ceil(8) + answer.div_ceil(8) + failure).div_ceil(WORDS)
}

pub(super) fn of_first(first: &[u64; WORDS]) -> usize {
    let [query, answer] = lengths(first[0]);
    records(query, answer, first[1] >> 24 & FAILED != 0)
}

fn lengths(word: u64) -> [usize; 2] {
    [(word & 0xffff) as usize, (word >> 16 & 0xffff) as usize]
}

pub(super) fn exchange(words: &[u64]) -> Exchange {
    let at = |place: usize| words.get(place).copied().unwrap_or_default();
    let [query, answer] = lengths(at(0));
    let flags = at(1) >> 24;
    let maybe = |flag: u64, place| (flags & flag != 0).then(|| address(at(place), at(place + 1)));
    let block = (at(0) >> 48) as u16;
    let plugin = ((at(1) >> 16 & 0xff) as usize).checked_sub(1);
    let answer_at = HEAD + query.div_ceil(8);
    let failure_at = answer_at + answer.div_ceil(8);
    let failure =
        (flags & FAILED != 0).then(|| failure(std::array::from_fn(|place| at(failure_at + place))));
    Exchange {
        listener: ListenerId((at(0) >> 32) as u16),
        block: (block != u16::MAX).then_some(BlockId(block)),
        plugin: plugin.and_then(|place| Plugin::ALL.get(place).copied()),
        rcode: Rcode(at(1) as u16),
        peer: SocketAddr::new(address(at(2), at(3)), (at(1) >> 32) as u16),
        local: maybe(LOCAL, 4),
        named: maybe(NAMED, 6),
        stream: flags & STREAM != 0,
        failure: failure.flatten(),
        received: Duration::from_nanos(at(8)),
        took: Duration::from_nanos(at(9)),
        query: octets(words, HEAD, query),
        answer: octets(words, answer_at, answer),
    }
}

pub(super) const CAUSES: [Cause; 12] = [
    Cause::Timeout,
    Cause::Refused,
    Cause::Reset,
    Cause::Closed,
    Cause::NetworkUnreachable,
    Cause::HostUnreachable,
    Cause::NotTrusted,
    Cause::Handshake,
    Cause::NoReply,
    Cause::NoAddress,
    Cause::NoSocket,
    Cause::Other,
];
/// Causes above this are a status of HTTP.
const STATUS: u64 = 0x100;

/// Returns a failure in words: what it is, its number or ports, and its addresses.
pub(super) fn failure_words(failure: &Failure) -> [u64; FAILURE] {
    let number = |kind: u64, most: u32| [kind | u64::from(most) << 32, 0, 0, 0, 0];
    let attempt = match *failure {
        Failure::NoneHealthy => return number(1, 0),
        Failure::NoRoom => return number(2, 0),
        Failure::TooMany(most) => return number(3, most),
        Failure::TooManyOfTenant(most) => return number(4, most),
        Failure::Upstream(attempt) => attempt,
    };
    let flag = |set: bool, at: u32| u64::from(set) << at;
    let cause = match attempt.cause {
        Cause::Status(status) => STATUS + u64::from(status),
        cause => CAUSES.iter().position(|known| *known == cause).unwrap_or(0) as u64,
    };
    let from = attempt
        .from
        .unwrap_or_else(|| (Ipv6Addr::UNSPECIFIED, 0).into());
    let [f0, f1] = address_words(from.ip());
    let [t0, t1] = address_words(attempt.to.ip());
    let what = flag(attempt.stream, 8)
        | flag(attempt.from.is_some(), 9)
        | flag(attempt.step == Step::Read, 10)
        | cause << 16
        | u64::from(from.port()) << 32
        | u64::from(attempt.to.port()) << 48;
    [what, f0, f1, t0, t1]
}

pub(super) fn failure(words: [u64; FAILURE]) -> Option<Failure> {
    let [what, f0, f1, t0, t1] = words;
    let most = (what >> 32) as u32;
    Some(match what & 0xff {
        1 => Failure::NoneHealthy,
        2 => Failure::NoRoom,
        3 => Failure::TooMany(most),
        4 => Failure::TooManyOfTenant(most),
        0 => Failure::Upstream(Attempt {
            step: if what >> 10 & 1 == 1 {
                Step::Read
            } else {
                Step::Dial
            },
            stream: what >> 8 & 1 == 1,
            from: (what >> 9 & 1 == 1)
                .then(|| SocketAddr::new(address(f0, f1), (what >> 32) as u16)),
            to: SocketAddr::new(address(t0, t1), (what >> 48) as u16),
            cause: match what >> 16 & 0xffff {
                status @ STATUS.. => Cause::Status((status - STATUS) as u16),
                number => CAUSES.get(number as usize).copied()?,
            },
        }),
        _ => return None,
    })
}

pub(super) fn words(octets: &[u8]) -> impl Iterator<Item = u64> + '_ {
    octets.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    })
}

fn octets(words: &[u64], from: usize, length: usize) -> Vec<u8> {
    let words = words.get(from..).unwrap_or_default();
    words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .take(length)
        .collect()
}
