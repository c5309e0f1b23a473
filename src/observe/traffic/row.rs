//! The counts of one server and zone: where a query's additions go. Not whose they are.

use crate::chain::Plugin;
use crate::wire::{RType, Rcode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The types that are counted apart (plugin/metrics/vars/monitor.go), and the others.
pub const TYPES: [RType; 19] = [
    RType::A,
    RType::AAAA,
    RType::SRV,
    RType::PTR,
    RType::TXT,
    RType::SOA,
    RType::NS,
    RType::CNAME,
    RType::MX,
    // HTTPS, SVCB.
    RType(65),
    RType(64),
    // DS, DNSKEY, RRSIG, NSEC, NSEC3.
    RType(43),
    RType(48),
    RType(46),
    RType(47),
    RType(50),
    RType::IXFR,
    RType::AXFR,
    RType::ANY,
];

/// The upper bounds of the buckets for sizes, in octets.
pub const SIZES: [u64; 14] = [
    0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000,
];

/// The upper bounds of the buckets for times: `plugin.TimeBuckets`, in nanoseconds.
pub const TIMES: [u64; 16] = {
    let mut bounds = [250_000; 16];
    let mut at = 1;
    while at < bounds.len() {
        bounds[at] = bounds[at - 1] * 2;
        at += 1;
    }
    bounds
};

/// Response codes that are counted apart; the last place is for all greater ones.
pub const RCODES: usize = 18;

/// What is counted beside the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rare {
    /// A query that an acl leaves unanswered.
    Dropped,
    /// A name that was found in the client's search list.
    Searched,
}

const RARE: usize = Rare::Searched as usize + 1;

/// How a query came: whether over a stream, and whether over IPv6.
pub const WAYS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// Counts below each bound, those above the last one, and the sum of what was counted.
type Histogram<const PLACES: usize> = [AtomicU64; PLACES];

/// Who can have written an answer: the server itself, and each plugin.
const PLUGINS: usize = Plugin::ALL.len() + 1;

const SIZE_PLACES: usize = SIZES.len() + 2;
const TIME_PLACES: usize = TIMES.len() + 2;

/// One thread's counts: that thread alone writes them. What most queries add to comes first, and is on
/// few lines of the cache.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(super) struct Row {
    requests: [[AtomicU64; TYPES.len() + 1]; WAYS.len()],
    request_sizes: [Histogram<SIZE_PLACES>; 2],
    response_sizes: [Histogram<SIZE_PLACES>; 2],
    dnssec_ok: AtomicU64,
    rare: [AtomicU64; RARE],
    /// Queries that templates answered, by [`TYPES`].
    templates: [AtomicU64; TYPES.len() + 1],
    times: Histogram<TIME_PLACES>,
    responses: [[AtomicU64; RCODES]; PLUGINS],
}

/// The sum of several rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Queries, by [`WAYS`] and [`TYPES`].
    pub requests: [[u64; TYPES.len() + 1]; WAYS.len()],
    /// Queries by their size: over UDP, and over streams.
    pub request_sizes: [[u64; SIZE_PLACES]; 2],
    /// Answers likewise.
    pub response_sizes: [[u64; SIZE_PLACES]; 2],
    /// Queries with the DO bit.
    pub dnssec_ok: u64,
    /// What happens seldom, by [`Rare`].
    pub rare: [u64; RARE],
    /// Queries that templates answered, by [`TYPES`].
    pub templates: [u64; TYPES.len() + 1],
    /// Queries by how long they took; the sum is of nanoseconds.
    pub times: [u64; TIME_PLACES],
    /// Answers by who wrote them, first the server itself and then [`Plugin::ALL`], and by the response
    /// code.
    pub responses: [[u64; RCODES]; PLUGINS],
}

impl Row {
    /// Counts a query: how it came (over a stream, over IPv6, with the DO bit), what for, what was
    /// answered by whom, and the octets of both messages.
    #[inline(always)]
    pub(super) fn add(
        &self,
        (stream, v6, dnssec_ok): (bool, bool, bool),
        qtype: RType,
        (rcode, plugin): (Rcode, Option<Plugin>),
        [asked, answered]: [usize; 2],
    ) {
        let way = usize::from(stream) * 2 + usize::from(v6);
        add(&self.requests[way][type_place(qtype)], 1);
        let size = |sizes: &Histogram<SIZE_PLACES>, octets: usize| {
            add(&sizes[size_place(octets)], 1);
            add(&sizes[SIZE_PLACES - 1], octets as u64);
        };
        size(&self.request_sizes[usize::from(stream)], asked);
        size(&self.response_sizes[usize::from(stream)], answered);
        let plugin = plugin.map_or(0, |plugin| plugin as usize + 1);
        let rcode = usize::from(rcode.0).min(RCODES - 1);
        add(&self.responses[plugin][rcode], 1);
        if dnssec_ok {
            add(&self.dnssec_ok, 1);
        }
    }

    /// Counts what happens seldom.
    pub(super) fn seldom(&self, what: Rare) {
        add(&self.rare[what as usize], 1);
    }

    /// Counts a query that a template answered.
    pub(super) fn template(&self, qtype: RType) {
        add(&self.templates[type_place(qtype)], 1);
    }

    /// Counts how long so many queries took.
    pub(super) fn took(&self, time: Duration, queries: u64) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let place = TIMES.partition_point(|bound| *bound < nanoseconds);
        add(&self.times[place], queries);
        add(
            &self.times[TIME_PLACES - 1],
            nanoseconds.saturating_mul(queries),
        );
    }

    /// Adds what was counted so far to a sum.
    pub(super) fn add_to(&self, sum: &mut Counts) {
        fn all<const N: usize>(sum: &mut [u64; N], counts: &[AtomicU64; N]) {
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum = sum.wrapping_add(count.load(Ordering::Relaxed));
            }
        }
        fn each<const N: usize, const M: usize>(
            sums: &mut [[u64; N]; M],
            counts: &[[AtomicU64; N]; M],
        ) {
            for (sum, counts) in sums.iter_mut().zip(counts) {
                all(sum, counts);
            }
        }
        each(&mut sum.requests, &self.requests);
        each(&mut sum.request_sizes, &self.request_sizes);
        each(&mut sum.response_sizes, &self.response_sizes);
        all(&mut sum.rare, &self.rare);
        all(&mut sum.templates, &self.templates);
        sum.dnssec_ok += self.dnssec_ok.load(Ordering::Relaxed);
        all(&mut sum.times, &self.times);
        each(&mut sum.responses, &self.responses);
    }
}

impl Counts {
    /// Returns whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.requests.as_flattened().iter().all(|count| *count == 0)
    }
}

#[inline]
fn add(count: &AtomicU64, more: u64) {
    // Not fetch_add: there is one writer.
    let sum = count.load(Ordering::Relaxed).wrapping_add(more);
    count.store(sum, Ordering::Relaxed);
}

/// Returns where a type is counted.
#[inline]
fn type_place(qtype: RType) -> usize {
    const PLACES: [u8; 256] = {
        let mut places = [TYPES.len() as u8; 256];
        let mut at = 0;
        while at < TYPES.len() {
            places[TYPES[at].0 as usize] = at as u8;
            at += 1;
        }
        places
    };
    let place = PLACES.get(usize::from(qtype.0));
    place.map_or(TYPES.len(), |place| usize::from(*place))
}

/// Returns the bucket of a size.
#[inline]
fn size_place(octets: usize) -> usize {
    /// Those of datagrams: a look at a table is less than a search.
    const PLACES: [u8; 1280] = {
        let mut places = [0; 1280];
        let mut at = 0;
        while at < places.len() {
            places[at] = searched(at as u64) as u8;
            at += 1;
        }
        places
    };
    match PLACES.get(octets) {
        Some(place) => usize::from(*place),
        None => searched(octets as u64),
    }
}

const fn searched(octets: u64) -> usize {
    let mut place = 0;
    while place < SIZES.len() && octets > SIZES[place] {
        place += 1;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_not_above_its_bound() {
        for (octets, place) in [
            (0, 0),
            (1, 1),
            (100, 1),
            (101, 2),
            (511, 5),
            (512, 6),
            (1232, 7),
            (1279, 7),
            (1280, 7),
            (2048, 8),
            (64_000, 13),
            (65_535, 14),
        ] {
            assert_eq!(size_place(octets), place, "{octets}");
        }
        let row = Row::default();
        for (nanoseconds, place) in [
            (0, 0),
            (250_000, 0),
            (250_001, 1),
            (8_192_000_000, 15),
            (8_192_000_001, 16),
        ] {
            let before = row.times[place].load(Ordering::Relaxed);
            row.took(Duration::from_nanos(nanoseconds), 3);
            assert_eq!(
                row.times[place].load(Ordering::Relaxed),
                before + 3,
                "{nanoseconds}"
            );
        }
    }

    #[test]
    fn each_type_has_its_place_and_all_others_one() {
        for (place, rtype) in TYPES.into_iter().enumerate() {
            assert_eq!(type_place(rtype), place, "{rtype:?}");
        }
        for other in [0, 3, 35, 99, 256, 257, 65_535] {
            assert_eq!(type_place(RType(other)), TYPES.len(), "{other}");
        }
    }

    #[test]
    fn a_query_is_counted_once_in_each_way() {
        let row = Row::default();
        row.add(
            (false, false, true),
            RType::A,
            (Rcode::NOERROR, Some(Plugin::Kubernetes)),
            [60, 140],
        );
        row.add(
            (true, true, false),
            RType(99),
            (Rcode(4000), None),
            [101, 0],
        );
        let mut sum = Counts::default();
        assert!(sum.is_empty());
        row.add_to(&mut sum);
        row.add_to(&mut sum);
        let kubernetes = Plugin::Kubernetes as usize + 1;
        assert_eq!(
            (
                sum.requests[0][0],
                sum.requests[3][TYPES.len()],
                sum.request_sizes
                    .map(|sizes| (sizes[1], sizes[2], sizes[SIZE_PLACES - 1])),
                sum.response_sizes
                    .map(|sizes| (sizes[0], sizes[2], sizes[SIZE_PLACES - 1])),
                sum.responses[kubernetes][0],
                sum.responses[0][RCODES - 1],
                sum.dnssec_ok,
            ),
            (
                2,
                2,
                [(2, 0, 120), (0, 2, 202)],
                [(0, 2, 280), (2, 0, 0)],
                2,
                2,
                2
            )
        );
        assert_eq!(sum.requests.as_flattened().iter().sum::<u64>(), 4);
        assert!(!sum.is_empty());
    }
}
