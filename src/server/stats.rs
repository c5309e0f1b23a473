//! What the threads count. Names and labels of the published series are not decided here.

use super::options::Endpoint;
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
    /// Queries received over TLS.
    TlsQueries,
    /// Queries received over HTTPS.
    HttpsQueries,
    /// Queries received over QUIC.
    QuicQueries,
    /// QUIC connections taken.
    QuicAccepted,
    /// QUIC connections refused: their client had as many as one may have, or too many were opening.
    QuicRefused,
    /// Connections that did not come to terms on TLS, or too late; those over QUIC among them.
    HandshakeFailed,
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
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Counters([AtomicU64; COUNTS]);

impl Default for Counters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

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
    /// What was replied at each listener over HTTPS or QUIC.
    replies: Arc<Mutex<Vec<Arc<Replies>>>>,
}

/// Statuses and codes that are counted.
const CODES: [u16; 15] = [
    0, 1, 2, 3, 4, 5, 200, 400, 404, 405, 408, 413, 415, 429, 500,
];

/// How queries ended at one listener over HTTPS, by the status (RFC 9110 section 15), or over QUIC, by
/// the code (RFC 9250 section 8.4).
#[derive(Debug)]
pub struct Replies {
    endpoint: Endpoint,
    counts: [AtomicU64; CODES.len()],
}

impl Replies {
    /// Counts one.
    pub(super) fn add(&self, code: u16) {
        if let Some(at) = CODES.iter().position(|known| *known == code) {
            self.counts[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the listener, as it was asked for.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// Returns each status or code that was sent, and how often.
    pub fn counts(&self) -> impl Iterator<Item = (u16, u64)> {
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        CODES
            .into_iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
    }
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

    /// Returns where a listener's replies are counted; those of one that was closed go on.
    pub(super) fn replies_at(&self, endpoint: Endpoint) -> Arc<Replies> {
        let mut all = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|known| known.endpoint == endpoint) {
            return known.clone();
        }
        let replies = Arc::new(Replies {
            endpoint,
            counts: Default::default(),
        });
        all.push(replies.clone());
        replies
    }

    /// Returns what was replied at each listener over HTTPS or QUIC that there is, or was.
    pub fn replies(&self) -> Vec<Arc<Replies>> {
        let all = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
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
    fn replies_are_counted_by_listener_and_code() {
        let stats = Stats::default();
        let endpoint = Endpoint::from(std::net::SocketAddr::from(([127, 0, 0, 1], 443)));
        stats.replies_at(endpoint).add(200);
        stats.replies_at(endpoint).add(200);
        stats.replies_at(endpoint).add(415);
        let all = stats.replies();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].counts().collect::<Vec<_>>(), [(200, 2), (415, 1)]);
    }

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
