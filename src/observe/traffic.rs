//! What each server block was asked and what it said, counted as CoreDNS counts it
//! (plugin/metrics). Not under which names it is shown.
//!
//! ```text
//! Traffic (a worker's)  ─► its own rows, one for each listener and zone of a block
//! TrafficReader         ◄─ the rows of all of them, added up when somebody asks
//! ```
//!
//! A query costs a handful of additions to places that no other thread writes. How long the queries
//! of a batch took is counted once for all of them, when they have been answered.

mod row;
#[cfg(test)]
mod tests;

pub use row::{Counts, RCODES, Rare, SIZES, TIMES, TYPES, WAYS};

use crate::answer::{PlainRequest, Request, Transport, Verdict, awaited};
use crate::chain::{Chain, ListenerId, Plugin};
use crate::snapshot::Snapshot;
use crate::wire::{HEADER_LEN, Name, QName, QNameBuffer, Query, Rcode};
use row::Row;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What CoreDNS calls the zone of queries that no block answers: no name of a zone, for want of a dot.
const DROPPED: &str = "dropped";

/// The series of one row: CoreDNS's `server` and `zone`.
type Labels = (Arc<str>, Arc<str>);
/// One thread's rows.
type Rows = BTreeMap<Labels, Arc<Row>>;

/// Counts one thread's queries. A clone is the next thread's, with rows of its own.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    own: Arc<Mutex<Rows>>,
    /// The blocks that the slots are for. Kept, so that no other chain can have its address.
    chain: Arc<Chain>,
    /// Slots of one listener: one a block, and one for what no block answers.
    stride: usize,
    slots: Vec<Slot>,
    /// Whether some block has several zones.
    zoned: bool,
    /// The slots that have queries of which it is not counted yet how long they took.
    touched: Vec<u32>,
    began: Instant,
    /// The row of the slot that counts what [`Traffic::saw_plainly`] is told, where there is one.
    plain: Option<(usize, Arc<Row>)>,
    /// How many it was told since the last [`Traffic::sent`].
    plain_pending: u64,
}

#[derive(Debug)]
struct Slot {
    row: Arc<Row>,
    /// Queries since the last [`Traffic::sent`].
    pending: u64,
    /// Where a block has several zones: they, and the slot of the first of them.
    zones: Option<(Box<[Name]>, usize)>,
}

/// What all threads have together.
#[derive(Debug, Default)]
struct Shared {
    /// What each listener is called, by its number.
    servers: Mutex<Vec<Arc<str>>>,
    threads: Mutex<Vec<Arc<Mutex<Rows>>>>,
    /// What threads counted that have ended. Locked behind the list of those that have not.
    ended: Mutex<BTreeMap<Labels, Counts>>,
}

/// Reads what all threads have counted.
#[derive(Debug, Clone)]
pub struct TrafficReader(Arc<Shared>);

impl Traffic {
    /// Returns what the first thread counts with, for others to be cloned from. `servers` are the
    /// listeners' names ([`server_text`]), by their numbers.
    pub fn new(servers: impl IntoIterator<Item = String>) -> Self {
        let shared = Arc::new(Shared::default());
        *locked(&shared.servers) = servers.into_iter().map(Into::into).collect();
        Self::with(shared)
    }

    fn with(shared: Arc<Shared>) -> Self {
        let own = Arc::<Mutex<Rows>>::default();
        shared.join(own.clone());
        Self {
            shared,
            own,
            chain: Arc::default(),
            stride: 0,
            zoned: false,
            slots: Vec::new(),
            touched: Vec::new(),
            began: Instant::now(),
            plain: None,
            plain_pending: 0,
        }
    }

    /// Returns who reads the counts of all threads.
    pub fn reader(&self) -> TrafficReader {
        TrafficReader(self.shared.clone())
    }

    /// Says when the queries came that are counted from now on.
    #[inline]
    pub fn received(&mut self, at: Instant) {
        self.began = at;
    }

    /// Counts an answer of so many octets.
    #[inline(always)]
    pub fn saw(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        verdict: &Verdict,
        length: usize,
    ) {
        // What can't be read, CoreDNS does not count either; nor an EDNS version of the future.
        let Some(qtype) = verdict.qtype.filter(|_| verdict.rcode != Rcode::BADVERS) else {
            return;
        };
        if !Arc::ptr_eq(&self.chain, &snapshot.chain) {
            self.lay_out(&snapshot.chain);
        }
        let place = self.place(request, block_of(verdict));
        let Some(slot) = self.slots.get_mut(place) else {
            return;
        };
        let (stream, v6) = way(request.transport, &request.peer);
        slot.row.add(
            (stream, v6, verdict.dnssec_ok),
            qtype,
            (verdict.rcode, verdict.plugin),
            [request.bytes.len(), length],
        );
        if verdict.plugin != Some(Plugin::Kubernetes) {
            if verdict.plugin == Some(Plugin::Template) {
                slot.row.template(qtype);
            }
            if verdict.searched {
                slot.row.seldom(Rare::Searched);
            }
        }
        if slot.pending == 0 {
            self.touched.push(place as u32);
        }
        slot.pending = slot.pending.wrapping_add(1);
    }

    /// Says by which snapshot a listener's queries are answered from now on.
    #[inline]
    pub fn turn_to(&mut self, snapshot: &Snapshot, listener: ListenerId) {
        if !Arc::ptr_eq(&self.chain, &snapshot.chain) {
            self.lay_out(&snapshot.chain);
        }
        // Of the first block, which is the only one where there is a short way.
        let place = usize::from(listener.0).wrapping_mul(self.stride);
        if self.plain.as_ref().is_none_or(|(slot, _)| *slot != place) {
            self.sent();
            let slot = self.slots.get(place).filter(|slot| slot.zones.is_none());
            self.plain = slot.map(|slot| (place, slot.row.clone()));
        }
    }

    /// Counts an answer of so many octets as [`Traffic::saw`] does, where it was given by the short way
    /// of what [`Traffic::turn_to`] was told.
    #[inline(always)]
    pub fn saw_plainly(
        &mut self,
        snapshot: &Snapshot,
        request: PlainRequest<'_, '_>,
        verdict: &Verdict,
        length: usize,
    ) {
        match (&self.plain, verdict.qtype) {
            (Some((_, row)), Some(qtype)) => {
                let (stream, v6) = way(request.transport, request.peer);
                row.add(
                    (stream, v6, verdict.dnssec_ok),
                    qtype,
                    (verdict.rcode, verdict.plugin),
                    [request.bytes.len(), length],
                );
                self.plain_pending = self.plain_pending.wrapping_add(1);
            }
            _ => {
                // A copy: the one that is not wanted need not be in memory.
                let verdict = *verdict;
                self.saw_in_zones(snapshot, &request.whole(), &verdict, length);
            }
        }
    }

    #[inline(never)]
    fn saw_in_zones(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        verdict: &Verdict,
        length: usize,
    ) {
        self.saw(snapshot, request, verdict, length);
    }

    /// Counts a query that is left unanswered because the configuration says so.
    pub fn dropped(&mut self, snapshot: &Snapshot, request: &Request<'_>) {
        let mut buffer = QNameBuffer::default();
        let Ok(query) = Query::parse(request.bytes, &mut buffer) else {
            return;
        };
        if !Arc::ptr_eq(&self.chain, &snapshot.chain) {
            self.lay_out(&snapshot.chain);
        }
        let client = snapshot.identify(awaited(snapshot, request));
        let block = snapshot.block(request.listener, &query.qname, client);
        let block = block.map_or(usize::MAX, |block| block.id().0.into());
        let place = self.place(request, block);
        let Some(slot) = self.slots.get_mut(place) else {
            return;
        };
        // As CoreDNS counts it: an answer of nobody's that has no octets.
        let (stream, v6) = way(request.transport, &request.peer);
        let dnssec_ok = query.edns.is_some_and(|edns| edns.dnssec_ok);
        slot.row.add(
            (stream, v6, dnssec_ok),
            query.qtype,
            (Rcode::NOERROR, None),
            [request.bytes.len(), 0],
        );
        slot.row.seldom(Rare::Dropped);
        if slot.pending == 0 {
            self.touched.push(place as u32);
        }
        slot.pending = slot.pending.wrapping_add(1);
    }

    /// Returns the slot of a listener and block.
    #[inline(always)]
    fn place(&self, request: &Request<'_>, block: usize) -> usize {
        let block = block.min(self.stride.saturating_sub(1));
        // What wraps is no place.
        let first = usize::from(request.listener.0).wrapping_mul(self.stride);
        let place = first.wrapping_add(block);
        match self.zoned {
            false => place,
            true => self.place_of_zone(request, place),
        }
    }

    /// Returns the slot of a query's zone, where its block has several.
    #[inline(never)]
    fn place_of_zone(&self, request: &Request<'_>, place: usize) -> usize {
        match self.slots.get(place).map(|slot| &slot.zones) {
            Some(Some((zones, first))) => longest(zones, request).map_or(place, |at| first + at),
            Some(None) | None => place,
        }
    }

    /// Counts how long the queries took whose answers were sent just now.
    #[inline]
    pub fn sent(&mut self) {
        if self.touched.is_empty() && self.plain_pending == 0 {
            return;
        }
        let took = self.began.elapsed();
        let pending = std::mem::take(&mut self.plain_pending);
        if let Some((_, row)) = &self.plain
            && pending > 0
        {
            row.took(took, pending);
        }
        for place in self.touched.drain(..) {
            if let Some(slot) = self.slots.get_mut(place as usize) {
                slot.row.took(took, std::mem::take(&mut slot.pending));
            }
        }
    }

    /// Finds or makes the rows of a configuration's blocks.
    #[cold]
    #[inline(never)]
    fn lay_out(&mut self, chain: &Arc<Chain>) {
        self.sent();
        let servers = locked(&self.shared.servers).clone();
        let mut rows = locked(&self.own);
        let mut row = |server: &Arc<str>, zone: &str| {
            let labels = (server.clone(), zone.into());
            rows.entry(labels).or_default().clone()
        };
        let slot = |row| Slot {
            row,
            pending: 0,
            zones: None,
        };
        let blocks = chain.blocks();
        self.stride = blocks.len() + 1;
        let direct = servers.len() * self.stride;
        let (mut slots, mut more) = (Vec::with_capacity(direct), Vec::new());
        for server in &servers {
            for block in blocks {
                let zones = block.zones();
                let mut first = match zones {
                    [zone, ..] => slot(row(server, &zone.to_string())),
                    [] => slot(row(server, DROPPED)),
                };
                if zones.len() > 1 {
                    first.zones = Some((zones.into(), direct + more.len()));
                    let each = zones
                        .iter()
                        .map(|zone| slot(row(server, &zone.to_string())));
                    more.extend(each);
                }
                slots.push(first);
            }
            slots.push(slot(row(server, DROPPED)));
        }
        slots.append(&mut more);
        drop(rows);
        self.plain = None;
        self.touched.reserve(slots.len());
        self.zoned = slots.iter().any(|slot| slot.zones.is_some());
        self.slots = slots;
        self.chain = chain.clone();
    }
}

impl Shared {
    /// Adds a thread's rows to the list, and keeps of those that have ended what they counted.
    fn join(&self, rows: Arc<Mutex<Rows>>) {
        let mut threads = locked(&self.threads);
        let mut ended = locked(&self.ended);
        threads.retain(|thread| {
            let lives = Arc::strong_count(thread) > 1;
            if !lives {
                for (labels, row) in locked(thread).iter() {
                    row.add_to(ended.entry(labels.clone()).or_default());
                }
            }
            lives
        });
        threads.push(rows);
    }
}

impl Clone for Traffic {
    fn clone(&self) -> Self {
        Self::with(self.shared.clone())
    }
}

impl TrafficReader {
    /// Returns the counts of all threads, by server and zone. Rows that have counted nothing yet are
    /// left out, as CoreDNS's are.
    pub fn read(&self) -> BTreeMap<Labels, Counts> {
        let threads = locked(&self.0.threads);
        let mut sums = locked(&self.0.ended).clone();
        for thread in threads.iter() {
            for (labels, row) in locked(thread).iter() {
                row.add_to(sums.entry(labels.clone()).or_default());
            }
        }
        drop(threads);
        sums.retain(|_, counts| !counts.is_empty());
        sums
    }

    /// Calls the listeners otherwise, from the next configuration on.
    pub fn rename(&self, servers: impl IntoIterator<Item = String>) {
        *locked(&self.0.servers) = servers.into_iter().map(Into::into).collect();
    }
}

/// Returns what CoreDNS calls the server that listens at an address, by what is spoken there.
pub fn server_text(scheme: &str, address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("{scheme}://:{}", address.port()),
        false => format!("{scheme}://{address}"),
    }
}

/// Returns the number of a block that has counted the query, or a greater one where none has.
fn block_of(verdict: &Verdict) -> usize {
    verdict.block.map_or(usize::MAX, |block| block.0.into())
}

/// Returns whether a query came over a stream, and whether over IPv6.
#[inline(always)]
fn way(transport: Transport, peer: &SocketAddr) -> (bool, bool) {
    let v6 = matches!(peer, SocketAddr::V6(peer) if peer.ip().to_ipv4_mapped().is_none());
    (transport != Transport::Udp, v6)
}

/// Returns which zone of a block a query is for.
#[inline(never)]
fn longest(zones: &[Name], request: &Request<'_>) -> Option<usize> {
    let mut buffer = QNameBuffer::default();
    let (qname, _) = QName::parse(request.bytes.get(HEADER_LEN..)?, &mut buffer)?;
    let found = qname.longest_suffix(zones)?;
    zones.iter().position(|zone| zone == found)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Lists are whole whatever happened to who held one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
