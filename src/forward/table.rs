//! One table at work: which of its upstreams is asked, and which next, within the time that a query
//! has. The order and the conditions are those of CoreDNS's `forward`.

use super::connection::Fault;
use super::message::Question;
use super::options::{Options, Policy};
use super::random::Random;
use super::stats::{Count, Stats};
use super::target::Target;
use crate::answer::{Cause, Failure};
use crate::wire::Message;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time that a query has in all.
pub(super) const BUDGET: Duration = Duration::from_secs(5);
/// Failures of one upstream for one query, where `max_connect_attempts` says nothing.
const ATTEMPTS_PER_UPSTREAM: u32 = 2;
/// Without a limit of failures: from one round of the upstreams to the next.
const PAUSE: Duration = Duration::from_millis(50);

/// One table's upstreams.
pub(super) struct Table {
    pub(super) options: Arc<Options>,
    pub(super) targets: Vec<Rc<Target>>,
    pub(super) random: Rc<Random>,
    pub(super) stats: Stats,
    pub(super) turn: Cell<usize>,
}

impl Table {
    /// Asks upstreams until one says something that counts. `stream` says that the client can take
    /// more than a datagram.
    ///
    /// # Errors
    /// None says anything in time: what became of the last one.
    pub(super) async fn ask(&self, question: &Question, stream: bool) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + BUDGET;
        // A reply that was passed over is better than none.
        let mut last = None;
        let asked = self.ask_in_turn(question, stream, deadline, &mut last);
        asked.await.or_else(|failure| last.ok_or(failure))
    }

    async fn ask_in_turn(
        &self,
        question: &Question,
        stream: bool,
        deadline: Instant,
        last: &mut Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Failure> {
        let targets = self.in_turn();
        let most = self.options.max_connect_attempts.unwrap_or_else(|| {
            ATTEMPTS_PER_UPSTREAM.saturating_mul(u32::try_from(targets.len()).unwrap_or(u32::MAX))
        });
        let (mut at, mut down, mut failures, mut passed_over) = (0, 0, 0u32, 0);
        let mut failed = Failure::NoneHealthy;
        while Instant::now() < deadline {
            if at >= targets.len() {
                (at, down) = (0, 0);
            }
            let Some(mut target) = targets.get(at) else {
                break;
            };
            at += 1;
            if target.is_down() {
                down += 1;
                if down < targets.len() {
                    continue;
                }
                self.stats.add(Count::HealthcheckBroken);
                if self.options.failfast {
                    break;
                }
                // All of them: rather the health checks are broken.
                let any = targets.get(self.random.below(targets.len()));
                target = any.unwrap_or(target);
            }
            match self.ask_target(target, question, stream, deadline).await {
                Ok(reply) => {
                    let rcode = Message::parse(&reply).map(|message| message.rcode());
                    let fails = rcode.is_some_and(|rcode| self.options.failover.contains(&rcode));
                    passed_over += usize::from(fails);
                    if !fails || passed_over >= targets.len() {
                        return Ok(reply);
                    }
                    *last = Some(reply);
                }
                Err(fault) => {
                    if let Fault::Failed(attempt) = fault {
                        failed = Failure::Upstream(attempt);
                        // Nothing can be asked from here: that is no upstream's fault.
                        if matches!(attempt.cause, Cause::NoSocket | Cause::NoAddress) {
                            break;
                        }
                    }
                    target.look_after();
                    failures = failures.saturating_add(1);
                    if (most > 0 && failures >= most) || down >= targets.len() {
                        break;
                    }
                    if at >= targets.len() && most == 0 {
                        // Whoever refuses does so at once.
                        sleep(PAUSE).await;
                    }
                }
            }
        }
        Err(failed)
    }

    async fn ask_target(
        &self,
        target: &Target,
        question: &Question,
        stream: bool,
        deadline: Instant,
    ) -> Result<Vec<u8>, Fault> {
        let options = &self.options;
        let first = options.force_tcp || (stream && !options.prefer_udp);
        let reply = target.ask(question, first, deadline).await?;
        let is_cut = Message::parse(&reply).is_none_or(|message| message.header().truncated());
        if is_cut && !first && (options.prefer_udp || stream) {
            return target.ask(question, true, deadline).await;
        }
        Ok(reply)
    }

    /// Returns the upstreams in the order in which they are asked; never this server itself.
    fn in_turn(&self) -> Vec<Rc<Target>> {
        let others = self.targets.iter().filter(|target| !target.is_self.get());
        let mut targets: Vec<_> = others.cloned().collect();
        match self.options.policy {
            Policy::Sequential => {}
            Policy::RoundRobin if targets.is_empty() => {}
            Policy::RoundRobin => {
                let turn = self.turn.get();
                self.turn.set(turn.wrapping_add(1));
                // As CoreDNS: the one whose turn it is, then the others as they are written.
                let first = targets.remove(turn % targets.len());
                targets.insert(0, first);
            }
            Policy::Random => {
                for end in (1..targets.len()).rev() {
                    targets.swap(end, self.random.below(end + 1));
                }
            }
        }
        targets
    }
}
