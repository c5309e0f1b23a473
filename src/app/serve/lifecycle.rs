//! What happens to a server that runs: it becomes ready, is to look at its configuration, is to stop.
//! Not how it does any of it.

use super::signals::{Signal, Signals};
use crate::config::Lifecycle;
use crate::drain::Drain;
use crate::server::{Endpoint, HandoverDoor, ListenAddress, PinError, Scheme};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The pause after a failure to hear a successor.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Something that happens.
#[derive(Debug)]
pub(super) enum Event {
    /// It answers.
    Ready,
    /// It is time to look at the configuration.
    Look,
    /// A signal came.
    Signal(Signal),
    /// A successor asks for the sockets.
    Successor(UnixStream),
    /// The source has ended.
    Ended,
}

/// What is waited for beside signals.
pub(super) struct Life {
    ready: Option<oneshot::Receiver<()>>,
    drain: Drain,
    look: Option<Instant>,
}

impl Life {
    /// Begins to live: `ready` says when it answers, `drain` when there is nothing more to answer from.
    pub(super) fn new(ready: oneshot::Receiver<()>, drain: Drain) -> Self {
        Self {
            ready: Some(ready),
            drain,
            look: None,
        }
    }

    /// Returns whether it has answered.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.is_none()
    }

    /// Says when to look at the configuration next.
    pub(super) fn look_again(&mut self, options: &Lifecycle) {
        let random = RandomState::new().hash_one(0);
        self.look = pause(options, random).map(|pause| Instant::now() + pause);
    }

    /// Returns what happens next. Successors come to the door.
    pub(super) async fn next(
        &mut self,
        signals: &mut Signals,
        door: Option<&HandoverDoor>,
    ) -> Event {
        loop {
            let ready = async {
                match &mut self.ready {
                    Some(ready) => ready.await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            let look = async {
                match self.look {
                    Some(time) => tokio::time::sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            let successor = async {
                match door {
                    Some(door) => door.accept().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                signal = signals.next() => return Event::Signal(signal),
                () = self.drain.started() => return Event::Ended,
                is_ready = ready => {
                    self.ready = None;
                    if is_ready {
                        return Event::Ready;
                    }
                }
                () = look => return Event::Look,
                successor = successor => match successor {
                    Ok(stream) => return Event::Successor(stream),
                    // Of descriptors: what is not there now may be in a moment.
                    Err(_) => tokio::time::sleep(FAILURE_PAUSE).await,
                },
            }
        }
    }
}

/// Answers on for as long as endpoints take to be known as gone, unless another signal comes or the
/// source ends. Returns that signal.
pub(super) async fn lameduck(
    time: Duration,
    signals: &mut Signals,
    drain: &Drain,
) -> Option<Signal> {
    if time.is_zero() {
        return None;
    }
    tracing::info!(
        seconds = time.as_secs_f32(),
        "not ready any more; answering on until queries have gone elsewhere"
    );
    tokio::select! {
        () = tokio::time::sleep(time) => None,
        () = drain.started() => None,
        signal = signals.next_end() => Some(signal),
    }
}

/// Says where it listens.
pub(super) fn say_listening(listeners: impl Iterator<Item = (ListenAddress, SocketAddr)>) {
    for (asked, address) in listeners {
        let scheme = asked.scheme;
        let on = match scheme {
            Scheme::Dns => "udp, tcp",
            Scheme::Tls | Scheme::Https => "tcp",
            Scheme::Quic => "udp",
        };
        let listener = Endpoint { scheme, address };
        // Nobody has to listen to us to be answered.
        let _ = writeln!(io::stdout(), "listening on {listener} ({on})");
    }
}

/// Says that `[server] pin` is not in force everywhere, where that is so.
pub(super) fn say_unpinned(unpinned: Option<PinError>) {
    if let Some(error) = unpinned {
        tracing::warn!(
            %error,
            "[server] pin: UDP workers without a CPU of their own answer wherever the kernel puts them"
        );
    }
}

/// Returns how long until the next look, by a random number: half the jitter sooner or later.
fn pause(options: &Lifecycle, random: u64) -> Option<Duration> {
    let interval = options.reload?;
    let jitter = options.jitter.min(interval / 2);
    let most = u64::try_from(jitter.as_nanos()).unwrap_or(u64::MAX);
    let more = random.checked_rem(most).unwrap_or(0);
    Some(interval - jitter / 2 + Duration::from_nanos(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_an_interval_apart_and_half_the_jitter_more_or_less() {
        let seconds = Duration::from_secs;
        for (interval, jitter, least, most) in [
            (30, 15, 22_500, 37_500),
            (30, 0, 30_000, 30_000),
            // As in CoreDNS: never more than half the interval.
            (10, 20, 7_500, 12_500),
        ] {
            let options = Lifecycle {
                reload: Some(seconds(interval)),
                jitter: seconds(jitter),
                ..Lifecycle::default()
            };
            for random in [0, 1, 7 << 40, u64::MAX / 3, u64::MAX] {
                let pause = pause(&options, random).unwrap();
                assert!(pause >= Duration::from_millis(least), "{pause:?}");
                assert!(pause <= Duration::from_millis(most), "{pause:?}");
            }
        }
        let never = Lifecycle {
            reload: None,
            ..Lifecycle::default()
        };
        assert_eq!(pause(&never, 7), None);
    }
}
