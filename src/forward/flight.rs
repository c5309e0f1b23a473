//! The questions that are out: one exchange for all who ask the same in the same way, and how much
//! anybody may have out at a time.

use super::desk::Refresh;
use super::message::Question;
use crate::server::Inquiry;
use std::collections::HashMap;

/// Exchanges at most: each has a socket.
const FLIGHTS: usize = 4096;
/// Queries that wait at most, in all.
const WAITING: usize = 16_384;
/// Octets of their messages at most: those that come by TCP may have 64 KiB each.
const WAITING_OCTETS: usize = 32 << 20;

/// What makes two questions one: the upstreams, who may share, how it is asked, and every octet but
/// the ID and the case of letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    pub(super) table: u16,
    pub(super) partition: u64,
    pub(super) stream: bool,
    pub(super) message: Vec<u8>,
}

/// Who wants to know.
pub(super) struct Waiter {
    pub(super) inquiry: Box<Inquiry>,
    pub(super) tenant: Option<u64>,
    /// Of its message.
    pub(super) octets: usize,
    /// Tells it from others.
    pub(super) number: u64,
}

/// One exchange.
#[derive(Default)]
pub(super) struct Flight {
    pub(super) waiters: Vec<Waiter>,
    /// What is kept is to be replaced.
    pub(super) refresh: Option<Box<Refresh>>,
}

/// Every exchange, and who waits.
#[derive(Default)]
pub(super) struct Flights {
    flights: HashMap<FlightKey, Flight>,
    waiting: usize,
    octets: usize,
    by_table: HashMap<u16, usize>,
    by_tenant: HashMap<(u16, u64), usize>,
    /// Exchanges at most, where the process may not have as many files.
    most: usize,
}

/// Why a query is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `max_concurrent`, which is so many.
    Table(usize),
    /// `max_concurrent_per_tenant` likewise.
    Tenant(usize),
    /// There is no room at all.
    Full,
}

/// How many may wait; 0 for no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    pub(super) table: usize,
    pub(super) tenant: usize,
}

impl Flights {
    /// Returns none, of which there may be so many.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.min(FLIGHTS),
            ..Self::default()
        }
    }

    /// Returns why one more query of this table and tenant may not wait.
    pub(super) fn refusal(&self, table: u16, tenant: Option<u64>, caps: Caps) -> Option<Refusal> {
        let is_over =
            |cap: usize, now: Option<&usize>| cap > 0 && now.is_some_and(|now| *now >= cap);
        if is_over(caps.table, self.by_table.get(&table)) {
            return Some(Refusal::Table(caps.table));
        }
        let of_tenant = tenant.and_then(|tenant| self.by_tenant.get(&(table, tenant)));
        if is_over(caps.tenant, of_tenant) {
            return Some(Refusal::Tenant(caps.tenant));
        }
        let is_full = self.waiting >= WAITING || self.octets >= WAITING_OCTETS;
        is_full.then_some(Refusal::Full)
    }

    /// Returns whether there is room for one exchange more.
    pub(super) fn has_room(&self) -> bool {
        self.flights.len() < self.most
    }

    /// Returns whether the same question is out.
    pub(super) fn has(&self, key: &FlightKey) -> bool {
        self.flights.contains_key(key)
    }

    /// Adds who wants to know; the exchange is new where nobody did.
    pub(super) fn wait(&mut self, key: FlightKey, waiter: Waiter) {
        self.waiting += 1;
        self.octets += waiter.octets;
        *self.by_table.entry(key.table).or_default() += 1;
        if let Some(tenant) = waiter.tenant {
            *self.by_tenant.entry((key.table, tenant)).or_default() += 1;
        }
        self.flights.entry(key).or_default().waiters.push(waiter);
    }

    /// Adds that what is kept is to be replaced.
    pub(super) fn refresh(&mut self, key: FlightKey, refresh: Box<Refresh>) {
        self.flights.entry(key).or_default().refresh = Some(refresh);
    }

    /// Takes an exchange that has ended.
    pub(super) fn land(&mut self, key: &FlightKey) -> Flight {
        let flight = self.flights.remove(key).unwrap_or_default();
        for waiter in &flight.waiters {
            self.forget(key, waiter);
        }
        flight
    }

    /// Takes one who waits no longer; the exchange goes on.
    pub(super) fn leave(&mut self, key: &FlightKey, number: u64) -> Option<Waiter> {
        let waiters = &mut self.flights.get_mut(key)?.waiters;
        let at = waiters.iter().position(|waiter| waiter.number == number)?;
        let waiter = waiters.swap_remove(at);
        self.forget(key, &waiter);
        Some(waiter)
    }

    fn forget(&mut self, key: &FlightKey, waiter: &Waiter) {
        self.waiting -= 1;
        self.octets -= waiter.octets;
        if let Some(count) = self.by_table.get_mut(&key.table) {
            *count -= 1;
        }
        let Some(tenant) = waiter.tenant else { return };
        let of_tenant = (key.table, tenant);
        if let Some(count) = self.by_tenant.get_mut(&of_tenant) {
            *count -= 1;
            if *count == 0 {
                self.by_tenant.remove(&of_tenant);
            }
        }
    }

    /// Returns whether nothing is out.
    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }
}

impl FlightKey {
    pub(super) fn new(table: u16, partition: u64, stream: bool, question: &Question) -> Self {
        Self {
            table,
            partition,
            stream,
            message: question.folded(),
        }
    }
}
