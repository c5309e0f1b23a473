//! What one thread counts of its answers, by kind of client and by namespace. Not by tenant: whose a
//! namespace is, the gatherer knows.

use super::record::CLASSES;
use crate::tenancy::NsId;
use crate::wire::Rcode;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Places for namespaces, of which the last one is for all whose numbers are too great.
pub(super) const NAMESPACES: usize = 8192;
/// How an answer came out, as metrics name it.
pub(super) const RESULTS: [&str; 5] = ["noerror", "nxdomain", "servfail", "refused", "other"];

/// Counts by result.
pub(super) type Counts = [u64; RESULTS.len()];

/// One thread's counts: that thread alone writes them.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tally {
    classes: [[AtomicU64; RESULTS.len()]; CLASSES.len()],
    /// By the namespace's number. They may wrap: the gatherer adds what is new.
    namespaces: Box<[[AtomicU32; RESULTS.len()]]>,
    /// Namespaces that may have been counted.
    seen: AtomicU32,
}

impl Tally {
    /// Returns counts of nothing; those by namespace only where `by_namespace`.
    pub(super) fn new(by_namespace: bool) -> Self {
        let namespaces = if by_namespace { NAMESPACES } else { 0 };
        Self {
            classes: Default::default(),
            namespaces: std::iter::repeat_with(Default::default)
                .take(namespaces)
                .collect(),
            seen: AtomicU32::new(0),
        }
    }

    /// Counts an answer to a client of a class, and of a namespace where it is a pod. Only the
    /// thread that owns the tally may.
    #[inline]
    pub(super) fn add(&self, class: usize, ns: Option<NsId>, rcode: Rcode) {
        let result = result(rcode);
        if let Some(counts) = self.classes.get(class) {
            // Not fetch_add: there is one writer.
            let count = &counts[result];
            let next = count.load(Ordering::Relaxed).wrapping_add(1);
            count.store(next, Ordering::Relaxed);
        }
        let Some(ns) = ns else { return };
        let ns = ns.0.min(NAMESPACES as u32 - 1);
        if let Some(counts) = self.namespaces.get(ns as usize) {
            let count = &counts[result];
            let next = count.load(Ordering::Relaxed).wrapping_add(1);
            count.store(next, Ordering::Relaxed);
            if self.seen.load(Ordering::Relaxed) <= ns {
                self.seen.store(ns + 1, Ordering::Relaxed);
            }
        }
    }

    /// Returns the counts of a kind of client.
    pub(super) fn class(&self, class: usize) -> Counts {
        let Some(counts) = self.classes.get(class) else {
            return Counts::default();
        };
        std::array::from_fn(|result| counts[result].load(Ordering::Relaxed))
    }

    /// Returns how many namespaces may have been counted.
    pub(super) fn seen(&self) -> u32 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Returns what was counted of a namespace since `last`, and makes `last` what there is now.
    pub(super) fn news(&self, ns: u32, last: &mut [u32; RESULTS.len()]) -> Counts {
        let Some(counts) = self.namespaces.get(ns as usize) else {
            return Counts::default();
        };
        std::array::from_fn(|result| {
            let now = counts[result].load(Ordering::Relaxed);
            let before = std::mem::replace(&mut last[result], now);
            now.wrapping_sub(before).into()
        })
    }
}

#[inline]
fn result(rcode: Rcode) -> usize {
    match rcode {
        Rcode::NOERROR => 0,
        Rcode::NXDOMAIN => 1,
        Rcode::SERVFAIL => 2,
        Rcode::REFUSED => 3,
        _ => 4,
    }
}
