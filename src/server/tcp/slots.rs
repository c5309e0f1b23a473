//! Who may have a TCP connection: so many in all, so many of one address.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use tokio::sync::Notify;

/// The places for connections. One thread's.
pub(in crate::server) struct Slots {
    shared: Rc<Shared>,
}

struct Shared {
    limit: Cell<usize>,
    per_client: Cell<usize>,
    used: Cell<usize>,
    clients: RefCell<HashMap<IpAddr, usize>>,
    freed: Notify,
    scarce: Notify,
}

/// One connection's place, given back when dropped.
pub(in crate::server) struct Slot {
    shared: Rc<Shared>,
    client: IpAddr,
}

impl Slots {
    pub(super) fn new(limit: usize, per_client: usize) -> Self {
        Self {
            shared: Rc::new(Shared {
                limit: Cell::new(limit.max(1)),
                per_client: Cell::new(per_client.max(1)),
                used: Cell::new(0),
                clients: RefCell::default(),
                freed: Notify::new(),
                scarce: Notify::new(),
            }),
        }
    }

    /// Holds to other limits. Whoever has a place keeps it.
    pub(super) fn limit(&self, limit: usize, per_client: usize) {
        self.shared.limit.set(limit.max(1));
        self.shared.per_client.set(per_client.max(1));
        self.shared.freed.notify_waiters();
    }

    /// Waits until there is a free place. Several listeners may see the same one; the last of them
    /// to take a connection finds none and refuses it.
    pub(super) async fn room(&self) {
        while self.shared.used.get() >= self.shared.limit.get() {
            self.shared.freed.notified().await;
        }
    }

    /// Takes a place, unless none is free or the client has as many as it may.
    pub(in crate::server) fn take(&self, client: IpAddr) -> Option<Slot> {
        let shared = &self.shared;
        if shared.used.get() >= shared.limit.get() {
            return None;
        }
        let mut clients = shared.clients.borrow_mut();
        let of_client = clients.entry(client).or_default();
        if *of_client >= shared.per_client.get() {
            return None;
        }
        *of_client += 1;
        let were_scarce = self.are_scarce();
        shared.used.set(shared.used.get() + 1);
        // Only when it begins: connections that come later know it from the start.
        if !were_scarce && self.are_scarce() {
            shared.scarce.notify_waiters();
        }
        Some(Slot {
            shared: shared.clone(),
            client,
        })
    }

    /// Returns whether more than 80 % of the places are taken.
    pub(in crate::server) fn are_scarce(&self) -> bool {
        self.shared.used.get() * 5 > self.shared.limit.get() * 4
    }

    /// Waits until places become scarce.
    pub(in crate::server) async fn become_scarce(&self) {
        self.shared.scarce.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.used.set(shared.used.get().saturating_sub(1));
        let mut clients = shared.clients.borrow_mut();
        if let Some(of_client) = clients.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                clients.remove(&self.client);
            }
        }
        // All of them: each listener may be waiting, and only some have a connection to take.
        shared.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_by_client_and_in_all_and_come_back() {
        let slots = Slots::new(5, 2);
        let client = |number| IpAddr::from([10, 0, 0, number]);
        let first = slots.take(client(1)).unwrap();
        let _second = slots.take(client(1)).unwrap();
        assert!(slots.take(client(1)).is_none());
        let _others: Vec<_> = (2..4).map(|number| slots.take(client(number))).collect();
        assert!(!slots.are_scarce());
        let _last = slots.take(client(4)).unwrap();
        assert!(slots.are_scarce());
        assert!(slots.take(client(5)).is_none());
        drop(first);
        assert!(!slots.are_scarce());
        assert!(slots.take(client(1)).is_some());
        assert_eq!(slots.shared.clients.borrow().len(), 4);
        slots.limit(6, 3);
        assert!(slots.take(client(1)).is_some());
    }
}
