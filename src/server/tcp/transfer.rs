//! A zone on its way to one secondary: a message is made once the one before it has been taken, so that
//! a zone is never in memory as a whole, and a slow secondary waits by itself. So many may be under way.

use super::super::answerer::Answerer;
use super::super::stats::Count;
use super::connection::{Closed, Connection};
use super::{Answering, MAX_MESSAGE, PREFIX};
use crate::answer::{Cursor, Transfer};
use crate::snapshot::Snapshot;
use std::cell::RefCell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// Transfers under way at a time: each holds the snapshot that it began with.
const AT_ONCE: usize = 10;
/// Those to one address: the one that it has given up, and the next.
const PER_SECONDARY: usize = 2;

/// The places for transfers. One thread's.
#[derive(Default)]
pub(super) struct Transfers {
    to: Rc<RefCell<Vec<IpAddr>>>,
}

/// A transfer's place, given back when dropped.
pub(super) struct Place {
    to: Rc<RefCell<Vec<IpAddr>>>,
    secondary: IpAddr,
}

impl Transfers {
    /// Takes a place, unless none is free or the secondary has as many as it may.
    pub(super) fn take(&self, secondary: IpAddr) -> Option<Place> {
        let mut to = self.to.borrow_mut();
        let same = to.iter().filter(|other| **other == secondary).count();
        if to.len() >= AT_ONCE || same >= PER_SECONDARY {
            return None;
        }
        to.push(secondary);
        Some(Place {
            to: self.to.clone(),
            secondary,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut to = self.to.borrow_mut();
        if let Some(at) = to.iter().position(|other| *other == self.secondary) {
            to.swap_remove(at);
        }
    }
}

/// What is left of a zone.
pub(super) struct Outgoing {
    first: usize,
    rest: Cursor,
    snapshot: Arc<Snapshot>,
    _place: Place,
}

impl Outgoing {
    pub(super) fn new(begun: Transfer, snapshot: Arc<Snapshot>, place: Place) -> Self {
        Self {
            first: begun.length,
            rest: begun.rest,
            snapshot,
            _place: place,
        }
    }

    /// Returns the octets of the first message, which has been written.
    pub(super) fn first(&self) -> usize {
        self.first
    }
}

impl<A: Answerer, S: AsyncRead + AsyncWrite + Unpin> Connection<A, S> {
    /// Sends the rest of the zone. The peer has as long for each message as for any answer.
    pub(super) async fn send_transfer(&mut self) -> Result<(), Closed> {
        while self.transfer.is_some() {
            if self.origin.stop.is_started() {
                // Half a zone is none: the secondary begins anew, with another server.
                return Err(Closed);
            }
            poll_fn(|cx| Poll::Ready(self.send_message(cx))).await?;
            self.flush().await?;
            // Between two messages it is the others' turn, also where the peer takes them at once.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Makes the next message, and writes what the stream takes of it at once.
    fn send_message(&mut self, cx: &mut Context<'_>) -> Result<(), Closed> {
        let shared = self.shared.clone();
        let mut core = shared.core.borrow_mut();
        let Answering { engine, scratch } = &mut *core;
        let room = scratch.get_mut(..PREFIX + MAX_MESSAGE).unwrap_or(&mut []);
        let (Some(outgoing), Some((prefix, out))) =
            (&mut self.transfer, room.split_first_chunk_mut::<PREFIX>())
        else {
            return Err(Closed);
        };
        // As for any query: a panic ends this one alone.
        let (rest, snapshot) = (&mut outgoing.rest, &outgoing.snapshot);
        let next = AssertUnwindSafe(|| rest.next(snapshot, out));
        let written = catch_unwind(next).unwrap_or_else(|_| {
            engine.counters.add(Count::Panics, 1);
            None
        });
        if outgoing.rest.is_done() {
            self.transfer = None;
        }
        let Some(length @ 1..) = written.and_then(|length| u16::try_from(length).ok()) else {
            return Err(Closed);
        };
        *prefix = length.to_be_bytes();
        let end = PREFIX + usize::from(length);
        self.write(cx, scratch.get(..end).unwrap_or(&[]))
    }
}
