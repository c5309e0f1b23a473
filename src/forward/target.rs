//! One upstream of one table: its sockets, and whether it is well.

use super::connection::{Connection, Fault};
#[cfg(feature = "encrypted")]
use super::https::Https;
use super::message::Question;
use super::options::Options;
use super::random::Random;
use super::resolve::Way;
use super::stats::{Lie, Proto, ToStats};
use super::watch::{Exchanged, Watch, wall};
use crate::answer::Cause;
use crate::wire::{Message, RType};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Bounds of the time that opening a connection may take; between them it is twice what it took of
/// late.
const DIAL: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);
/// How much the last one counts in what it took of late: a fourth.
const DIAL_WEIGHT: i32 = 4;
/// How long a health check may take.
const CHECK: Duration = Duration::from_secs(1);

/// One upstream.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    way: Way,
    #[cfg(feature = "encrypted")]
    https: Option<Https>,
    options: Arc<Options>,
    stats: Arc<ToStats>,
    random: Rc<Random>,
    watch: Arc<dyn Watch>,
    idle: RefCell<[VecDeque<Connection>; Proto::ALL.len()]>,
    /// What opening a connection took of late, in seconds.
    dial: Cell<f64>,
    fails: Cell<u32>,
    checking: Cell<bool>,
    /// It is this server itself.
    pub(super) is_self: Cell<bool>,
}

impl Target {
    pub(super) fn new(
        address: SocketAddr,
        way: Way,
        options: &Arc<Options>,
        (stats, random): (Arc<ToStats>, &Rc<Random>),
        watch: &Arc<dyn Watch>,
    ) -> Self {
        Self {
            address,
            #[cfg(feature = "encrypted")]
            https: Https::of(address, &way, options, &stats),
            way,
            options: options.clone(),
            stats,
            random: random.clone(),
            watch: watch.clone(),
            idle: RefCell::default(),
            dial: Cell::new(DIAL.end().as_secs_f64() / 2.0),
            fails: Cell::new(0),
            checking: Cell::new(false),
            is_self: Cell::new(false),
        }
    }

    /// Returns whether it failed too many health checks.
    pub(super) fn is_down(&self) -> bool {
        self.options.max_fails != 0 && self.fails.get() > self.options.max_fails
    }

    /// Asks it, over a stream or as it is usual, and returns its reply; not beyond `deadline`.
    pub(super) async fn ask(
        &self,
        question: &Question,
        stream: bool,
        deadline: Instant,
    ) -> Result<Vec<u8>, Fault> {
        let (start, asked) = (Instant::now(), wall());
        let proto = self.proto(stream);
        let id = match proto {
            Proto::Https => 0,
            _ => self.random.id(),
        };
        let mut from = None;
        let reply = loop {
            match self
                .ask_once(question, proto, id, deadline, &mut from)
                .await
            {
                // Only sockets that were idle are stale, and each is tried once.
                Err(Fault::Stale) => {}
                other => break other,
            }
        };
        if let Some(message) = reply.as_deref().ok().and_then(Message::parse) {
            self.stats.replied(message.rcode(), start.elapsed());
        }
        let block = self.options.block;
        if question.is_clients && self.watch.wants(block) {
            self.watch.saw(&Exchanged {
                block,
                stream: proto != Proto::Udp,
                from,
                to: self.address,
                asked,
                answered: wall(),
                query: &question.with_id(id),
                reply: reply.as_deref().ok(),
            });
        }
        reply
    }

    fn proto(&self, stream: bool) -> Proto {
        match (&self.way, stream) {
            (Way::Https(..), _) => Proto::Https,
            (Way::Tls(_), _) => Proto::Tls,
            (Way::Dns, true) => Proto::Tcp,
            (Way::Dns, false) => Proto::Udp,
        }
    }

    async fn ask_once(
        &self,
        question: &Question,
        proto: Proto,
        id: u16,
        deadline: Instant,
        from: &mut Option<SocketAddr>,
    ) -> Result<Vec<u8>, Fault> {
        #[cfg(feature = "encrypted")]
        if let Some(https) = &self.https {
            return self.ask_by_https(https, question, deadline, from).await;
        }
        let mut connection = self.take(proto, deadline).await?;
        *from = connection.from;
        let asked = connection.ask(question, id);
        let patience = deadline.min(Instant::now() + self.options.read_timeout);
        let reply = match timeout_at(patience, asked).await {
            Ok(reply) => reply?,
            Err(_) => {
                self.stats.lie(Lie::Silent);
                return Err(connection.failed(Cause::Timeout));
            }
        };
        self.give_back(proto, connection);
        Ok(reply)
    }

    #[cfg(feature = "encrypted")]
    async fn ask_by_https(
        &self,
        https: &Https,
        question: &Question,
        deadline: Instant,
        from: &mut Option<SocketAddr>,
    ) -> Result<Vec<u8>, Fault> {
        // As long as a reply, as in CoreDNS: the next upstream is to have some time left.
        let patience = deadline.min(Instant::now() + self.options.read_timeout);
        let mut open = self.dialing(https.take(), patience).await?;
        *from = open.from;
        let asked = https.ask(&mut open, question);
        let patience = deadline.min(Instant::now() + self.options.read_timeout);
        let reply = timeout_at(patience, asked).await;
        match reply {
            Ok(Err(Fault::Stale)) => https.discard(&open),
            Ok(_) => {}
            Err(_) => {
                https.discard(&open);
                self.stats.lie(Lie::Silent);
                return Err(https.late(&open));
            }
        }
        reply.unwrap_or(Err(Fault::Stale))
    }

    /// Returns the socket that was idle for longest, or opens one.
    async fn take(&self, proto: Proto, deadline: Instant) -> Result<Connection, Fault> {
        let idle = self.take_idle(proto);
        self.stats.connection(proto, idle.is_some());
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let start = Instant::now();
        let source = self.options.source_address;
        let open = Connection::open(self.address, proto, source, self.way.tls(), &self.stats);
        let opened = self.dialing(open, deadline).await;
        self.dialed(start.elapsed());
        opened
    }

    /// Waits for a connection as long as opening one may take.
    async fn dialing<T>(
        &self,
        open: impl Future<Output = Result<T, Fault>>,
        deadline: Instant,
    ) -> Result<T, Fault> {
        let patience = deadline.min(Instant::now() + self.dial_timeout());
        let late = || Fault::dial(self.address, true, Cause::Timeout);
        timeout_at(patience, open).await.unwrap_or(Err(late()))
    }

    /// Notes how long opening a connection took.
    pub(super) fn dialed(&self, took: Duration) {
        let (took, before) = (took.as_secs_f64(), self.dial.get());
        self.dial
            .set(before + (took - before) / f64::from(DIAL_WEIGHT));
    }

    pub(super) fn dial_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.dial.get() * 2.0).clamp(*DIAL.start(), *DIAL.end())
    }

    fn take_idle(&self, proto: Proto) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.idle.borrow_mut();
        let queue = idle.get_mut(proto.number())?;
        loop {
            let connection = queue.pop_front()?;
            if !self.is_over(&connection, now) {
                return Some(connection);
            }
        }
    }

    fn is_over(&self, connection: &Connection, now: Instant) -> bool {
        let max_age = self.options.max_age;
        now.duration_since(connection.used) > self.options.expire
            || (max_age > Duration::ZERO && now.duration_since(connection.opened) > max_age)
    }

    fn give_back(&self, proto: Proto, connection: Connection) {
        let most = self.options.max_idle_conns;
        let mut idle = self.idle.borrow_mut();
        if let Some(queue) = idle.get_mut(proto.number())
            && connection.may_stay()
            && (most == 0 || queue.len() < most)
        {
            queue.push_back(connection);
        }
    }

    /// Takes a socket and gives it back, as for a question.
    #[cfg(test)]
    pub(super) async fn use_once(&self, proto: Proto) {
        let deadline = Instant::now() + Duration::from_secs(5);
        let taken = self.take(proto, deadline).await;
        let mut connection = taken.expect("a socket");
        connection.used = Instant::now();
        self.give_back(proto, connection);
    }

    /// Closes what was idle for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        for queue in self.idle.borrow_mut().iter_mut() {
            queue.retain(|connection| !self.is_over(connection, now));
        }
        #[cfg(feature = "encrypted")]
        if let Some(https) = &self.https {
            https.sweep();
        }
    }

    /// Looks after an upstream that failed, until it replies. One look at a time.
    pub(super) fn look_after(self: &Rc<Self>) {
        if self.options.max_fails == 0 || self.checking.replace(true) {
            return;
        }
        let target = self.clone();
        tokio::task::spawn_local(async move {
            while !target.is_well().await {
                target.stats.healthcheck_failed();
                target.fails.set(target.fails.get().saturating_add(1));
                sleep(target.options.health_check.interval).await;
            }
            target.fails.set(0);
            target.checking.set(false);
        });
    }

    async fn is_well(&self) -> bool {
        let check = &self.options.health_check;
        let question = Question::own(check.domain.as_wire(), RType::NS, check.recursive);
        let question = question.for_health();
        let proto = self.proto(self.options.force_tcp);
        let source = self.options.source_address;
        let ask = async {
            // A connection of its own: others may be at hand, and say nothing of who wants one.
            #[cfg(feature = "encrypted")]
            if let Some(https) = &self.https {
                let mut open = https.connect().await?;
                return https.ask(&mut open, &question).await;
            }
            let tls = self.way.tls();
            let open = Connection::open(self.address, proto, source, tls, &self.stats);
            let mut connection = open.await?;
            connection.ask(&question, self.random.id()).await
        };
        matches!(timeout(CHECK, ask).await, Ok(Ok(_)))
    }
}
