//! What upstreams are asked and reply, on its way from the thread that asks to those that send dnstap.
//! Copied only while somebody wants it; what there is no room for is lost, and counted.

use crate::forward::{Exchanged, Watch};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Exchanges that wait for a receiver at most.
const WAITING: usize = 1024;

/// One question to an upstream, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) stream: bool,
    pub(super) from: Option<SocketAddr>,
    pub(super) to: SocketAddr,
    pub(super) asked: Duration,
    pub(super) answered: Duration,
    pub(super) query: Vec<u8>,
    pub(super) reply: Option<Vec<u8>>,
}

/// Copies for whoever wants it: cheap to clone, all clones are one.
#[derive(Debug, Clone, Default)]
pub(in crate::app) struct UpstreamTaps(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether anybody does.
    any: AtomicBool,
    wanting: Mutex<Vec<Wanting>>,
}

#[derive(Debug)]
struct Wanting {
    blocks: Vec<u16>,
    sender: SyncSender<Copied>,
    lost: Arc<AtomicU64>,
}

impl UpstreamTaps {
    /// Returns what is asked of the upstreams of some blocks from now on. What is not taken in time is
    /// counted in `lost`; when the receiver is gone nothing is copied for it any more.
    pub(super) fn receiver(&self, blocks: Vec<u16>, lost: &Arc<AtomicU64>) -> Receiver<Copied> {
        let (sender, receiver) = sync_channel(WAITING);
        let mut wanting = self.wanting();
        wanting.push(Wanting {
            blocks,
            sender,
            lost: lost.clone(),
        });
        self.0.any.store(true, Ordering::Relaxed);
        receiver
    }

    fn wanting(&self) -> MutexGuard<'_, Vec<Wanting>> {
        // A list is whole whatever happened to who held it.
        self.0
            .wanting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for UpstreamTaps {
    fn wants(&self, block: u16) -> bool {
        self.0.any.load(Ordering::Relaxed)
            && self.wanting().iter().any(|it| it.blocks.contains(&block))
    }

    fn saw(&self, exchanged: &Exchanged<'_>) {
        let copied = Copied {
            stream: exchanged.stream,
            from: exchanged.from,
            to: exchanged.to,
            asked: exchanged.asked,
            answered: exchanged.answered,
            query: exchanged.query.to_vec(),
            reply: exchanged.reply.map(<[u8]>::to_vec),
        };
        let mut wanting = self.wanting();
        wanting.retain(|it| {
            if !it.blocks.contains(&exchanged.block) {
                return true;
            }
            match it.sender.try_send(copied.clone()) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    it.lost.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Err(TrySendError::Disconnected(_)) => false,
            }
        });
        self.0.any.store(!wanting.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanged(block: u16, query: &[u8]) -> Exchanged<'_> {
        Exchanged {
            block,
            stream: false,
            from: None,
            to: "192.0.2.1:53".parse().unwrap(),
            asked: Duration::from_secs(1),
            answered: Duration::from_secs(2),
            query,
            reply: None,
        }
    }

    #[test]
    fn each_gets_what_its_blocks_upstreams_are_asked_as_long_as_it_is_there() {
        let (taps, lost) = (UpstreamTaps::default(), Arc::<AtomicU64>::default());
        assert!(!taps.wants(1));
        let one = taps.receiver(vec![1], &lost);
        let both = taps.receiver(vec![1, 2], &lost);
        assert!(taps.wants(1) && taps.wants(2) && !taps.wants(3));
        taps.saw(&exchanged(1, b"a"));
        taps.saw(&exchanged(2, b"b"));
        let read = |receiver: &Receiver<Copied>| -> Vec<Vec<u8>> {
            receiver.try_iter().map(|copied| copied.query).collect()
        };
        assert_eq!((read(&one), read(&both).len()), (vec![b"a".to_vec()], 2));
        drop(both);
        taps.saw(&exchanged(2, b"c"));
        assert!(!taps.wants(2) && taps.wants(1));
        for _ in 0..WAITING + 3 {
            taps.saw(&exchanged(1, b"d"));
        }
        assert_eq!(lost.load(Ordering::Relaxed), 3);
        assert_eq!(read(&one).len(), WAITING);
    }
}
