//! One upstream of one table: its sockets, and whether it is well.

use super::connection::{Connection, Failure, Tls};
use super::message::Question;
use super::options::Options;
use super::random::Random;
use super::stats::{Lie, Proto, ToStats};
use crate::wire::{Message, RType};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

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
    tls: Option<Tls>,
    options: Arc<Options>,
    stats: Arc<ToStats>,
    random: Rc<Random>,
    idle: RefCell<[VecDeque<Connection>; 3]>,
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
        tls: Option<Tls>,
        options: &Arc<Options>,
        stats: Arc<ToStats>,
        random: &Rc<Random>,
    ) -> Self {
        Self {
            address,
            tls,
            options: options.clone(),
            stats,
            random: random.clone(),
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

    /// Asks it, over a stream or as it is usual, and returns its reply.
    pub(super) async fn ask(&self, question: &Question, stream: bool) -> Result<Vec<u8>, Failure> {
        let start = Instant::now();
        let proto = self.proto(stream);
        let reply = loop {
            match self
                .ask_once(question, proto, self.options.read_timeout)
                .await
            {
                // Only sockets that were idle are stale, and each is tried once.
                Err(Failure::Stale) => {}
                other => break other?,
            }
        };
        if let Some(message) = Message::parse(&reply) {
            self.stats.replied(message.rcode(), start.elapsed());
        }
        Ok(reply)
    }

    fn proto(&self, stream: bool) -> Proto {
        match (&self.tls, stream) {
            (Some(_), _) => Proto::Tls,
            (None, true) => Proto::Tcp,
            (None, false) => Proto::Udp,
        }
    }

    async fn ask_once(
        &self,
        question: &Question,
        proto: Proto,
        patience: Duration,
    ) -> Result<Vec<u8>, Failure> {
        let mut connection = self.take(proto).await?;
        let asked = connection.ask(question, self.random.id());
        match timeout(patience, asked).await {
            Ok(Ok(reply)) => {
                self.give_back(proto, connection);
                Ok(reply)
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                self.stats.lie(Lie::Silent);
                Err(Failure::Upstream)
            }
        }
    }

    /// Returns the socket that was idle for longest, or opens one.
    async fn take(&self, proto: Proto) -> Result<Connection, Failure> {
        let idle = self.take_idle(proto);
        self.stats.connection(proto, idle.is_some());
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let start = Instant::now();
        let source = self.options.source_address;
        let open = Connection::open(self.address, proto, source, self.tls.as_ref(), &self.stats);
        let opened = timeout(self.dial_timeout(), open).await;
        self.dialed(start.elapsed());
        opened.unwrap_or(Err(Failure::Upstream))
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
        let mut connection = self.take(proto).await.expect("a socket");
        connection.used = Instant::now();
        self.give_back(proto, connection);
    }

    /// Closes what was idle for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        for queue in self.idle.borrow_mut().iter_mut() {
            queue.retain(|connection| !self.is_over(connection, now));
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
            let tls = self.tls.as_ref();
            let open = Connection::open(self.address, proto, source, tls, &self.stats);
            let mut connection = open.await?;
            connection.ask(&question, self.random.id()).await
        };
        matches!(timeout(CHECK, ask).await, Ok(Ok(_)))
    }
}
