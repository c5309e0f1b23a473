//! The thread that asks: takes what workers hand over, has each question asked once, keeps what may be
//! kept and goes on with every query that waited.

use super::Shared;
use super::flight::{Caps, Flight, FlightKey, Flights, Refusal, Waiter};
use super::loops::look;
use super::message::{Question, Rules};
use super::random::Random;
use super::resolve::Resolved;
use super::stats::Count;
use super::table::Table;
use super::target::Target;
use super::watch::Watch;
use crate::answer::{Failure, Plan, Transport};
use crate::cache::{Answer, Cache, Given, Key};
use crate::server::{Inquiry, Resume};
use crate::snapshot::Snapshot;
use crate::wire::{HEADER_LEN, Message, PAYLOAD_SIZE, QNameBuffer, Query, Rcode, set_ttls};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often idle sockets are looked through.
const SWEEP: Duration = Duration::from_secs(10);
/// Octets of a reply, with our OPT record.
const REPLY: usize = 65_535 + 11;

/// What workers hand over.
pub(super) enum Job {
    /// A query that waits.
    Ask(Box<Inquiry>),
    /// An answer to be replaced, for which nobody waits.
    Refresh(Box<Refresh>),
}

/// A question to be asked again.
pub(super) struct Refresh {
    bytes: Box<[u8]>,
    plan: Plan,
    partition: u64,
    private: bool,
    pub(super) key: Key,
}

impl Refresh {
    pub(super) fn new(bytes: &[u8], plan: &Plan, snapshot: &Snapshot, key: Key) -> Self {
        Self {
            bytes: bytes.into(),
            plan: plan.clone(),
            partition: key.partition().tenant,
            private: snapshot.forwarders.is_stub(),
            key,
        }
    }
}

/// Starts the thread.
pub(super) fn start(
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Job>,
    resolved: Vec<Vec<Resolved>>,
    watch: Arc<dyn Watch>,
    resume: Box<dyn Resume>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    Builder::new().name("forward".into()).spawn(move || {
        let desk = Rc::new(Desk::new(shared, resolved, &watch, resume));
        let local = LocalSet::new();
        local.block_on(&runtime, desk.run(queue));
    })
}

struct Desk {
    shared: Arc<Shared>,
    tables: Vec<Rc<Table>>,
    random: Rc<Random>,
    flights: RefCell<Flights>,
    resume: RefCell<Box<dyn Resume>>,
    reply: RefCell<Vec<u8>>,
    /// Numbers those who wait.
    number: Cell<u64>,
}

impl Desk {
    fn new(
        shared: Arc<Shared>,
        resolved: Vec<Vec<Resolved>>,
        watch: &Arc<dyn Watch>,
        resume: Box<dyn Resume>,
    ) -> Self {
        let random = Rc::new(Random::new());
        let tables = shared.tables.iter().zip(resolved).map(|(options, to)| {
            let targets = to.into_iter().map(|to| {
                let stats = shared.stats.to(to.address);
                let of = (stats, &random);
                Rc::new(Target::new(to.address, to.way, options, of, watch))
            });
            Rc::new(Table {
                options: options.clone(),
                targets: targets.collect(),
                random: random.clone(),
                stats: shared.stats.clone(),
                turn: Cell::new(random.below(usize::from(u16::MAX))),
            })
        });
        Self {
            tables: tables.collect(),
            random: random.clone(),
            flights: RefCell::new(Flights::new(flights_at_most())),
            resume: RefCell::new(resume),
            reply: RefCell::new(vec![0; REPLY]),
            number: Cell::new(0),
            shared,
        }
    }

    async fn run(self: Rc<Self>, mut queue: mpsc::Receiver<Job>) {
        for table in self.tables.iter().filter(|table| table.options.finds_loops) {
            for target in &table.targets {
                let (desk, table, target) = (self.clone(), table.clone(), target.clone());
                spawn_local(async move {
                    let zone = &table.options.zone;
                    let said = || desk.shared.stats.add(Count::Looped);
                    look(&desk.shared.probes, &target, zone, &desk.random, said).await;
                });
            }
        }
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                job = queue.recv() => match job {
                    Some(job) => self.take(job),
                    None => break,
                },
                () = self.shared.closing.notified() => break,
                _ = sweep.tick() => self.sweep(),
            }
        }
        // Nobody asks any more; what was asked is answered.
        queue.close();
        while let Some(job) = queue.recv().await {
            self.take(job);
        }
        while !self.flights.borrow().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn sweep(&self) {
        for target in self.tables.iter().flat_map(|table| &table.targets) {
            target.sweep();
        }
    }

    fn take(self: &Rc<Self>, job: Job) {
        match job {
            Job::Ask(inquiry) => self.admit(inquiry),
            Job::Refresh(refresh) => self.begin_refresh(refresh),
        }
    }

    /// Has a query wait for its question's reply, or says at once why it can't.
    fn admit(self: &Rc<Self>, inquiry: Box<Inquiry>) {
        let now = self.resume.borrow().now();
        let request = inquiry.request(now);
        let (snapshot, plan) = (inquiry.snapshot(), inquiry.plan());
        let table_id = plan.upstream.0;
        let mut buffer = QNameBuffer::default();
        let table = self.tables.get(usize::from(table_id));
        let query = Query::parse(request.bytes, &mut buffer);
        let (Some(table), Ok(query)) = (table, query) else {
            return self.go_on(inquiry, None, None);
        };
        let cached = self.shared.cached(snapshot, &query, plan);
        let rules = Rules {
            authentic: cached.is_some(),
            private: snapshot.forwarders.is_stub(),
        };
        let question = Question::new(&query, request.bytes, plan, rules);
        let stream = request.transport != Transport::Udp;
        let partition = cached.as_ref().map_or(0, |(_, key)| key.partition().tenant);
        let key = FlightKey::new(table_id, partition, stream, &question);
        let tenant = self.shared.askers.tenant(snapshot, plan.client);
        let caps = Caps {
            table: table.options.max_concurrent,
            tenant: table.options.max_concurrent_per_tenant,
        };
        let mut flights = self.flights.borrow_mut();
        let is_out = flights.has(&key);
        let refusal = flights.refusal(table_id, tenant, caps);
        let refusal = match refusal {
            None if !is_out && !flights.has_room() => Some(Refusal::Full),
            refusal => refusal,
        };
        if let Some(refusal) = refusal {
            drop(flights);
            return self.refuse(inquiry, &question, refusal);
        }
        let table = table.clone();
        let octets = request.bytes.len();
        let stale = cached.and_then(|(cache, key)| cache.verify_timeout(&key, now));
        let number = self.number.get();
        self.number.set(number.wrapping_add(1));
        let waiter = Waiter {
            inquiry,
            tenant,
            octets,
            number,
        };
        flights.wait(key.clone(), waiter);
        drop(flights);
        if let Some(timeout) = stale {
            let (desk, key) = (self.clone(), key.clone());
            spawn_local(async move {
                sleep(timeout).await;
                desk.wait_no_longer(&key, number);
            });
        }
        if is_out {
            self.shared.stats.add(Count::Shared);
        } else {
            self.fly(table, key, question, stream);
        }
    }

    /// Gives what is stale to one who still waits, and has what comes kept.
    fn wait_no_longer(self: &Rc<Self>, key: &FlightKey, number: u64) {
        let Some(waiter) = self.flights.borrow_mut().leave(key, number) else {
            return;
        };
        let now = self.resume.borrow().now();
        let mut octets = vec![0; REPLY];
        let given = {
            let (request, plan) = (waiter.inquiry.request(now), waiter.inquiry.plan());
            let snapshot = waiter.inquiry.snapshot();
            let mut buffer = QNameBuffer::default();
            let query = Query::parse(request.bytes, &mut buffer).ok();
            query.and_then(|query| {
                let (cache, cache_key) = self.shared.cached(snapshot, &query, plan)?;
                let stale = cache.stale(&cache_key, now, request.listener.0)?;
                let length = stale.write(&query, &mut octets)?;
                let refresh = Refresh::new(request.bytes, plan, snapshot, cache_key);
                Some((length, Box::new(refresh)))
            })
        };
        let mut flights = self.flights.borrow_mut();
        let Some((length, refresh)) = given else {
            // It is too old meanwhile.
            return flights.wait(key.clone(), waiter);
        };
        flights.refresh(key.clone(), refresh);
        drop(flights);
        self.go_on(waiter.inquiry, octets.get(..length), None);
    }

    fn begin_refresh(self: &Rc<Self>, refresh: Box<Refresh>) {
        let table_id = refresh.plan.upstream.0;
        let mut buffer = QNameBuffer::default();
        let table = self.tables.get(usize::from(table_id));
        let query = Query::parse(&refresh.bytes, &mut buffer);
        let (Some(table), Ok(query)) = (table, query) else {
            return;
        };
        let rules = Rules {
            authentic: true,
            private: refresh.private,
        };
        let question = Question::new(&query, &refresh.bytes, &refresh.plan, rules);
        // Nobody waits for it: so it may be as long as it is.
        let key = FlightKey::new(table_id, refresh.partition, true, &question);
        let mut flights = self.flights.borrow_mut();
        let is_out = flights.has(&key);
        if !is_out && !flights.has_room() {
            let now = self.resume.borrow().now();
            if let Some(cache) = self.cache_of(table) {
                cache.refreshed(&refresh.key, false, now);
            }
            return;
        }
        let table = table.clone();
        flights.refresh(key.clone(), refresh);
        drop(flights);
        if !is_out {
            self.fly(table, key, question, true);
        }
    }

    fn cache_of(&self, table: &Table) -> Option<&Arc<Cache>> {
        self.shared.caches.get(usize::from(table.options.cache?))
    }

    fn fly(self: &Rc<Self>, table: Rc<Table>, key: FlightKey, question: Question, stream: bool) {
        let desk = self.clone();
        spawn_local(async move {
            let reply = table.ask(&question, stream).await;
            let flight = desk.flights.borrow_mut().land(&key);
            desk.land(&table, flight, &reply);
        });
    }

    /// Keeps a reply, if it may be kept, and goes on with all who waited for it.
    fn land(self: &Rc<Self>, table: &Table, flight: Flight, reply: &Result<Vec<u8>, Failure>) {
        let now = self.resume.borrow().now();
        let message = reply.as_deref().ok().and_then(Message::parse);
        let failure = reply.as_ref().err().copied();
        let cache = self.cache_of(table).cloned();
        let answer = match (&message, &cache) {
            (Some(message), Some(cache)) => Some(Arc::new(Answer::read(message, cache.options()))),
            _ => None,
        };
        let is_good = |answer: &&Arc<Answer>| {
            let better = |cache: &Arc<Cache>| cache.is_better_than_stale(answer);
            cache.as_ref().is_some_and(better)
        };
        let keeps_all = cache.as_ref().is_some_and(|c| c.keeps_what_is_no_better());
        let to_keep = answer
            .as_ref()
            .filter(|answer| keeps_all || is_good(answer));
        if let (Some(refresh), Some(cache)) = (&flight.refresh, &cache) {
            if let Some(answer) = to_keep {
                cache.keep(&refresh.key, answer, now);
            }
            let good = answer.as_ref().is_some_and(|answer| is_good(&answer));
            cache.refreshed(&refresh.key, good, now);
        }
        let mut kept = flight.refresh.is_some();
        for Waiter { inquiry, .. } in flight.waiters {
            let mut reply_of = self.reply.borrow_mut();
            let length = {
                let request = inquiry.request(now);
                let mut buffer = QNameBuffer::default();
                let query = Query::parse(request.bytes, &mut buffer).ok();
                query.and_then(|query| {
                    let cached = self
                        .shared
                        .cached(inquiry.snapshot(), &query, inquiry.plan());
                    let Some((cache, key)) = cached else {
                        let length = relayed(&query, message.as_ref()?, &mut reply_of)?;
                        // It is not kept for others, and lives no longer than what is.
                        if let (Some(cache), Some(answer)) = (&cache, &answer)
                            && cache.is_for(inquiry.plan().qname.as_wire())
                        {
                            set_ttls(reply_of.get_mut(..length)?, answer.ttl());
                        }
                        return Some(length);
                    };
                    let good = answer.as_ref().filter(is_good);
                    if good.is_none()
                        && let Some(stale) = cache.stale(&key, now, request.listener.0)
                    {
                        if !std::mem::replace(&mut kept, true) {
                            if let Some(answer) = to_keep {
                                cache.keep(&key, answer, now);
                            }
                            cache.verified_in_vain(&key, now);
                        }
                        return stale.write(&query, &mut reply_of);
                    }
                    let answer = answer.as_ref()?;
                    if !std::mem::replace(&mut kept, true) {
                        cache.keep(&key, answer, now);
                    }
                    answer.write(&query, Given::First, &mut reply_of)
                })
            };
            let reply = length.map(|length| reply_of[..length].to_vec());
            drop(reply_of);
            self.go_on(inquiry, reply.as_deref(), failure);
        }
    }

    fn refuse(self: &Rc<Self>, inquiry: Box<Inquiry>, question: &Question, refusal: Refusal) {
        let (count, rcode, failure) = match refusal {
            Refusal::Table(most) => {
                let failure = Failure::TooMany(number(most));
                (Count::MaxConcurrentRejects, Rcode::REFUSED, failure)
            }
            Refusal::Tenant(most) => {
                let failure = Failure::TooManyOfTenant(number(most));
                (Count::TenantRejects, Rcode::REFUSED, failure)
            }
            Refusal::Full => (Count::Overflows, Rcode::SERVFAIL, Failure::NoRoom),
        };
        self.shared.stats.add(count);
        self.go_on(inquiry, Some(&question.refusal(rcode)), Some(failure));
    }

    /// Goes on with a query, as long as what it asks for is known.
    fn go_on(
        self: &Rc<Self>,
        inquiry: Box<Inquiry>,
        reply: Option<&[u8]>,
        failure: Option<Failure>,
    ) {
        let mut next = self.resume.borrow_mut().resume(inquiry, reply, failure);
        while let Some(inquiry) = next {
            let now = self.resume.borrow().now();
            let mut known = vec![0; REPLY];
            let length = {
                let request = inquiry.request(now);
                let mut buffer = QNameBuffer::default();
                let query = Query::parse(request.bytes, &mut buffer).ok();
                query.and_then(|query| {
                    let cached = self
                        .shared
                        .cached(inquiry.snapshot(), &query, inquiry.plan());
                    let (cache, key) = cached?;
                    cache.recall_only(&key, now)?.write(&query, &mut known)
                })
            };
            let Some(length) = length else {
                return self.admit(inquiry);
            };
            let reply = &known[..length];
            next = self.resume.borrow_mut().resume(inquiry, Some(reply), None);
        }
    }
}

/// Writes an upstream's reply for a query, as it came but for the name's case, which is the client's, and
/// the size in its OPT record, which is ours.
fn relayed(query: &Query<'_>, message: &Message<'_>, out: &mut [u8]) -> Option<usize> {
    let bytes = message.bytes();
    out.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let qname = query.qname.as_wire();
    let name = out.get_mut(HEADER_LEN..HEADER_LEN + qname.len())?;
    if message.question().qname.as_wire().len() == qname.len() && name.eq_ignore_ascii_case(qname) {
        name.copy_from_slice(qname);
    }
    // What the upstream takes says nothing of what we take.
    if let Some(opt) = message.opt() {
        let size = out.get_mut(opt.ttl_at - 2..opt.ttl_at)?;
        size.copy_from_slice(&PAYLOAD_SIZE.to_be_bytes());
    }
    Some(bytes.len())
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A fourth of the files that the process may have, so that clients' connections keep theirs.
fn flights_at_most() -> usize {
    crate::server::descriptor_limit().map_or(usize::MAX, |limit| (limit / 4).max(64))
}
