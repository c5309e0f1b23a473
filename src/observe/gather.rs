//! The gatherer: takes what the workers left, and judges it. One thread's; the workers know nothing
//! of it.

use super::gathered::Gathered;
use super::record::{CLASSES, Sighting, question_of};
use super::sweep::{Detector, Sort, Source};
use super::tally::{Counts, NAMESPACES, RESULTS};
use super::{Ends, Shared};
use crate::answer::{Outcome, respond_as};
use crate::audit::{Auditor, Window};
use crate::snapshot::Snapshot;
use crate::tenancy::{Client, ClientClass, Mode, NsId};
use crate::wire::Rcode;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long until the next round where nothing happens, where something does, and where a ring
/// could be full before that.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_millis(100),
    Duration::from_millis(10),
];

/// Gathers what all witnesses saw.
#[derive(Debug)]
pub struct Gatherer {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    /// What workers counted that have ended: answers by class, and what they lost.
    ended: ([Counts; CLASSES.len()], u64),
    detector: Detector,
    gathered: Arc<Mutex<Gathered>>,
    /// The tenants of the namespaces, as they were when they last asked: whose a namespace was that is
    /// gone.
    tenants: Vec<Option<Box<str>>>,
    out: Vec<u8>,
    auditor: Auditor,
    /// Questions to be audited that were lost, by the last round.
    unaudited: u64,
}

#[derive(Debug)]
struct Worker {
    ends: Ends,
    /// The counts by namespace of the last round.
    last: Vec<[u32; RESULTS.len()]>,
}

/// What a round brought.
#[derive(Debug, Default)]
pub struct Round {
    /// Whom to report.
    pub suspicions: Vec<Suspicion>,
    /// Clients that were suspected in the minute before, and not reported because too many were.
    pub unreported: u64,
    /// How long until the next round.
    pub pause: Duration,
}

/// A client that looks for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// Its address; that of its network where nobody knows the client.
    pub client: IpAddr,
    /// Its kind.
    pub class: ClientClass,
    /// Its namespace, where it is a pod.
    pub namespace: Option<Box<str>>,
    /// Its tenant, where it is a pod.
    pub tenant: Option<Box<str>>,
    /// What it asks for.
    pub sort: Sort,
    /// More different ones than so many, within a minute.
    pub names: u32,
}

impl Gatherer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            detector: Detector::new(&shared.options),
            gathered: Arc::new(Mutex::new(Gathered::new(shared.options.tenants))),
            shared,
            workers: Vec::new(),
            ended: Default::default(),
            tenants: Vec::new(),
            out: vec![0; usize::from(u16::MAX)],
            auditor: Auditor::default(),
            unaudited: 0,
        }
    }

    /// Returns what the audit has found since its window was last closed.
    pub fn window(&mut self) -> &mut Window {
        self.auditor.window()
    }

    /// Returns a function that reads what has been gathered so far.
    pub fn reader(&self) -> impl Fn() -> Gathered + Send + Sync + use<> {
        let gathered = self.gathered.clone();
        move || lock(&gathered).clone()
    }

    /// Takes what the workers have left, at `now` in milliseconds on a clock that never goes back.
    /// Who an address is, and whose a namespace, `snapshot` says.
    pub fn gather(&mut self, snapshot: &Snapshot, now: u64) -> Round {
        let unmet = std::mem::take(&mut *self.shared.unmet());
        self.workers.extend(unmet.into_iter().map(|ends| Worker {
            ends,
            last: Vec::new(),
        }));
        // Seen before they are emptied: what comes after that is of one that has not ended.
        let ended: Vec<bool> = self.workers.iter().map(Worker::has_ended).collect();
        let mut round = Round {
            unreported: self.detector.turn(now),
            ..Round::default()
        };
        let gathered = self.gathered.clone();
        let mut gathered = lock(&gathered);
        self.count(snapshot, &mut gathered);
        let mut pause = 0;
        for at in 0..self.workers.len() {
            pause = pause.max(self.workers[at].haste());
            let sightings: Vec<_> = self.workers[at].ends.sightings.drain().collect();
            for words in sightings {
                let seen = Sighting::of(words);
                round
                    .suspicions
                    .extend(self.see(snapshot, &mut gathered, seen));
            }
        }
        round.pause = PAUSES[pause];
        gathered.node_hidden += self.hidden(snapshot);
        self.audit(snapshot, &mut gathered);
        gathered.overlooked = self.detector.overlooked();
        let lost = self.workers.iter().map(Worker::lost);
        gathered.lost = self.ended.1 + lost.sum::<u64>();
        if ended.contains(&true) {
            self.bury(&ended);
        }
        round
    }

    /// Keeps what ended workers counted, and lets them go.
    fn bury(&mut self, ended: &[bool]) {
        let mut has_ended = ended.iter();
        let (classes, lost) = &mut self.ended;
        let unaudited = &mut self.unaudited;
        self.workers.retain(|worker| {
            let gone = has_ended.next() == Some(&true);
            if gone {
                for (class, counts) in classes.iter_mut().enumerate() {
                    add(counts, worker.ends.tally.class(class));
                }
                *lost += worker.lost();
                *unaudited -= worker.ends.audited.lost();
            }
            !gone
        });
    }

    /// Adds the counts up.
    fn count(&mut self, snapshot: &Snapshot, gathered: &mut Gathered) {
        for (class, counts) in gathered.classes.iter_mut().enumerate() {
            *counts = self.ended.0[class];
            for worker in &self.workers {
                add(counts, worker.ends.tally.class(class));
            }
        }
        let seen = self.workers.iter().map(|worker| worker.ends.tally.seen());
        for ns in 0..seen.max().unwrap_or(0) {
            let mut news = Counts::default();
            for worker in &mut self.workers {
                let at = ns as usize;
                if worker.last.len() <= at {
                    worker.last.resize(at + 1, Default::default());
                }
                add(&mut news, worker.ends.tally.news(ns, &mut worker.last[at]));
            }
            if news == Counts::default() {
                continue;
            }
            let is_many = ns as usize + 1 >= NAMESPACES;
            let tenant = match is_many {
                true => None,
                false => self.tenant_of(snapshot, ns),
            };
            add(&mut gathered.tenant(tenant).answers, news);
        }
    }

    /// Returns whose a namespace is, or was when it last asked.
    fn tenant_of(&mut self, snapshot: &Snapshot, ns: u32) -> Option<&str> {
        let at = ns as usize;
        if self.tenants.len() <= at {
            self.tenants.resize(at + 1, None);
        }
        let now = snapshot.view(Client::Pod(NsId(ns))).own_tenant();
        let known = &mut self.tenants[at];
        if now.is_some() && now != known.as_deref() {
            *known = now.map(Into::into);
        }
        known.as_deref()
    }

    fn see(
        &mut self,
        snapshot: &Snapshot,
        gathered: &mut Gathered,
        seen: Sighting,
    ) -> Option<Suspicion> {
        // With tenancy off nobody is known, and every address is a client of its own.
        let is_network =
            seen.class == ClientClass::Unknown && snapshot.policy.options().mode != Mode::Off;
        let address = match is_network {
            true => network(seen.client),
            false => seen.client,
        };
        if is_network && self.shared.options.counts_clients() {
            gathered.unknown(address);
        }
        let sort = match (seen.reverse, seen.absent) {
            (true, _) => Sort::Reverse,
            (false, true) => Sort::Absent,
            (false, false) => return None,
        };
        let source = Source {
            address,
            is_network,
        };
        let judged = self.detector.see(source, sort, seen.name);
        if !judged.suspected {
            return None;
        }
        let view = snapshot.view(snapshot.identify(seen.client));
        let text = |label: &[u8]| String::from_utf8_lossy(label).into();
        let tenant = view.own_tenant();
        gathered.sweeps[sort as usize] += 1;
        if self.shared.options.counts_clients() && tenant.is_some() {
            gathered.tenant(tenant).sweeps[sort as usize] += 1;
        }
        judged.report.then(|| Suspicion {
            client: address,
            class: seen.class,
            namespace: view.own_namespace().map(text),
            tenant: tenant.map(Into::into),
            sort,
            names: match sort {
                Sort::Reverse => self.shared.options.reverse_names,
                Sort::Absent => self.shared.options.absent_names,
            },
        })
    }

    /// Returns how many of the nodes' questions would have had another answer if nothing were hidden.
    fn hidden(&mut self, snapshot: &Snapshot) -> u64 {
        let workers = self.workers.iter_mut();
        let questions: Vec<_> = workers
            .flat_map(|worker| worker.ends.questions.drain())
            .collect();
        if questions.is_empty() {
            return 0;
        }
        let open = snapshot.applied(Mode::Off);
        let found = questions.into_iter().filter(|words| {
            let question = question_of(*words);
            let outcome = respond_as(&open, &question.request(), Client::Node, &mut self.out);
            matches!(outcome, Outcome::Reply(_, verdict) if verdict.rcode != Rcode::NXDOMAIN)
        });
        found.count() as u64
    }
}

impl Gatherer {
    /// Judges the questions that are audited.
    fn audit(&mut self, snapshot: &Snapshot, gathered: &mut Gathered) {
        let lost = self.workers.iter().map(|worker| worker.ends.audited.lost());
        let lost = lost.sum();
        let before = std::mem::replace(&mut self.unaudited, lost);
        self.auditor.window().counts_mut().lost += lost - before;
        let workers = self.workers.iter_mut();
        let questions: Vec<_> = workers
            .flat_map(|worker| worker.ends.audited.drain())
            .collect();
        for words in questions {
            let denials = self.auditor.judge(snapshot, &question_of(words));
            for denial in denials.iter().flatten() {
                gathered.denied[denial.reason as usize] += 1;
            }
        }
    }
}

impl Worker {
    /// Returns whether its thread counts no more.
    fn has_ended(&self) -> bool {
        Arc::strong_count(&self.ends.tally) == 1
    }

    /// Returns how many of its records found no room.
    fn lost(&self) -> u64 {
        let ends = &self.ends;
        ends.sightings.lost() + ends.questions.lost() + ends.audited.lost()
    }

    /// Returns which of [`PAUSES`] its rings bear.
    fn haste(&self) -> usize {
        let haste = |waiting: usize, capacity: usize| match waiting {
            0 => 0,
            _ if waiting * 4 < capacity => 1,
            _ => 2,
        };
        let Ends {
            sightings, audited, ..
        } = &self.ends;
        let seen = haste(sightings.waiting(), sightings.capacity());
        seen.max(haste(audited.waiting(), audited.capacity()))
    }
}

fn lock(gathered: &Mutex<Gathered>) -> MutexGuard<'_, Gathered> {
    // Counts are whole at every moment.
    gathered.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(sum: &mut Counts, counts: Counts) {
    for (sum, count) in sum.iter_mut().zip(counts) {
        *sum += count;
    }
}

/// Returns the network that stands for an unknown client: its /24 or /48.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) & !0xff).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !(u128::MAX >> 48)).into(),
    }
}
