//! What the threads count. Names and labels of the published series are not decided here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Queries received over UDP.
    UdpQueries,
    /// Datagrams that can't be answered: source port 0, or cut by the kernel.
    UdpUnanswerable,
    /// Datagrams that a socket lost because it was not read in time.
    UdpLost,
    /// Answers that the kernel refused to send: no route, a firewall, no buffer.
    UdpSendFailed,
    /// Failures to receive that are neither a timeout nor a signal.
    UdpReceiveFailed,
    /// TCP connections taken.
    TcpAccepted,
    /// TCP connections refused because their client had as many as one may have.
    TcpRefused,
    /// Failures to take a connection, of descriptors for example.
    TcpAcceptFailed,
    /// Queries received over TCP.
    TcpQueries,
    /// TCP connections closed because a timeout passed.
    TcpTimedOut,
    /// Answers given at once.
    Answered,
    /// Queries that get no reply.
    Dropped,
    /// Queries put aside until their client is known.
    Held,
    /// Queries that could not be put aside because too many were.
    HoldRefused,
    /// Held queries answered because their client became known.
    HeldKnown,
    /// Held queries answered because their time was up.
    HeldExpired,
    /// Queries of a client over its limit that were told to come by TCP.
    ClientTruncated,
    /// Queries of a client over its limit that got no reply.
    ClientDropped,
    /// Connections closed because their client was over its limit.
    ClientClosed,
    /// As `ClientTruncated`, for the limit of a tenant.
    TenantTruncated,
    /// As `ClientDropped`, for the limit of a tenant.
    TenantDropped,
    /// As `ClientClosed`, for the limit of a tenant.
    TenantClosed,
    /// Questions of queries that the upstream knew the reply to already.
    Recalled,
    /// Queries handed to the upstream.
    Asked,
    /// Queries that the upstream had no room for.
    AskRefused,
    /// Queries that get no reply because no `clients` lists who asks.
    NoClient,
    /// Queries that a forwarder sent for a client that is known.
    ForwardedKnown,
    /// Queries that a forwarder sent without saying for whom.
    ForwardedForNobody,
    /// Queries that a forwarder sent for somebody whom nobody knows.
    ForwardedForUnknown,
    /// Queries in which a forwarder said for whom in a way that can't be read, or twice.
    ForwardedMalformed,
    /// Queries in which somebody who is no forwarder named a client.
    ClaimIgnored,
    /// Panics while answering a query.
    Panics,
}

const COUNTS: usize = Count::Panics as usize + 1;

/// One thread's counts. Each thread adds to its own, two cache lines away from any other's, so that
/// counting costs no more than adding to a local variable.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counters([AtomicU64; COUNTS]);

impl Counters {
    /// Adds to a count. Only the thread that owns the counters may.
    pub(super) fn add(&self, what: Count, number: u64) {
        let count = &self.0[what as usize];
        // Not fetch_add: with one writer nothing is lost, and it is no locked instruction.
        let sum = count.load(Ordering::Relaxed).wrapping_add(number);
        count.store(sum, Ordering::Relaxed);
    }

    fn get(&self, what: Count) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }
}

/// The counts of every thread of a server: cheap to clone, and outlives the server.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    threads: Arc<Mutex<Vec<Arc<Counters>>>>,
}

impl Stats {
    /// Returns the counters of another thread: those of one that has ended, where there are any, so
    /// that threads may come and go.
    pub(super) fn thread(&self) -> Arc<Counters> {
        let mut threads = self.threads();
        let free = threads
            .iter()
            .find(|counters| Arc::strong_count(counters) == 1);
        if let Some(counters) = free {
            return counters.clone();
        }
        let counters = Arc::<Counters>::default();
        threads.push(counters.clone());
        counters
    }

    /// Returns the sum of a count over all threads.
    pub fn get(&self, what: Count) -> u64 {
        self.threads().iter().map(|thread| thread.get(what)).sum()
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Arc<Counters>>> {
        // A list is whole whatever happened to who held it.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_threads_are_added_those_of_ended_ones_too() {
        let stats = Stats::default();
        let (first, second) = (stats.thread(), stats.thread());
        first.add(Count::UdpQueries, 3);
        second.add(Count::UdpQueries, 4);
        second.add(Count::Panics, 1);
        drop(first);
        stats.thread().add(Count::UdpQueries, 1);
        assert_eq!(stats.threads().len(), 2);
        assert_eq!(stats.get(Count::UdpQueries), 8);
        assert_eq!(stats.get(Count::Panics), 1);
        assert_eq!(stats.get(Count::Held), 0);
    }
}
