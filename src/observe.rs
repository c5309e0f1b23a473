//! What the answers tell of the clients: counts by kind of client, tenant and network, and whether
//! somebody looks for names instead of asking for them. Not how it is shown, nor what an answer says.
//!
//! ```text
//! Witness (a worker's)  ─► its own counts, and records through its own ring; lost where that is full
//! Gatherer (one thread) ◄─ all of them, some times a second ─► Gathered, and Suspicions
//! ```
//!
//! A worker only counts and copies: it allocates nothing, waits for nobody, and writes nothing that
//! another worker writes. Everything that takes a decision is done by the gatherer.

mod exchange;
mod gather;
mod gathered;
mod recent;
mod record;
mod sketch;
mod sweep;
mod tally;
#[cfg(test)]
mod tests;
mod traffic;

pub use exchange::{Exchange, Exchanges, Recorder, Share, Wanted};
pub use gather::{Gatherer, Round, Suspicion};
pub use gathered::{Gathered, TenantCounts};
pub use sweep::Sort;
pub use traffic::{
    Counts, RCODES, Rare, SIZES, TIMES, TYPES, Traffic, TrafficReader, WAYS, server_text,
};

use crate::answer::{PlainRequest, Request, Verdict};
use crate::ring::{Consumer, Producer, ring};
use crate::snapshot::Snapshot;
use crate::tenancy::{Client, ClientClass, NameNumber};
use crate::wire::{RType, Rcode};
use recent::Recent;
use record::{QUESTION, SIGHTING, address_words, hash, place, qname, question_words, sort};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tally::Tally;

/// Records that wait in a worker's ring at most. The gatherer comes four times a second, and a
/// hundred times where a quarter of this is used between two of them.
const SIGHTINGS: usize = 4096;
/// Questions likewise: those of nodes alone, for names that they don't see.
const QUESTIONS: usize = 128;
/// Questions to be audited likewise.
const AUDITED: usize = 512;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Different reverse names within a minute above which a client is suspected; 0 for never.
    pub reverse_names: u32,
    /// Different names likewise that are absent and that a cluster could hold.
    pub absent_names: u32,
    /// Tenants that are counted apart at most; 0 where counts by client are not wanted at all.
    pub tenants: usize,
    /// Whose questions are judged by what enforcing takes away.
    pub audited: Audited,
}

/// Whose questions are audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audited {
    /// Nobody's.
    #[default]
    Nobodys,
    /// Those of clients that the policy is not enforced on.
    Open,
    /// Everybody's.
    All,
}

impl Options {
    /// The greatest threshold.
    pub const MOST_NAMES: u32 = sketch::Sketch::MOST;

    /// Returns whether nothing is looked for.
    pub fn is_off(&self) -> bool {
        self.reverse_names == 0
            && self.absent_names == 0
            && !self.counts_clients()
            && self.audited == Audited::Nobodys
    }

    fn counts_clients(&self) -> bool {
        self.tenants > 0
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reverse_names: 256,
            absent_names: 500,
            tenants: 200,
            audited: Audited::Nobodys,
        }
    }
}

/// What a thread sees of its answers. A clone is the next thread's, with counts and rings of its own.
/// The first one has none, and sees nothing.
#[derive(Debug)]
pub struct Witness {
    shared: Arc<Shared>,
    own: Option<Own>,
}

/// What all threads' witnesses have together.
#[derive(Debug)]
struct Shared {
    options: Options,
    /// The key of the names' hashes.
    key: u64,
    /// The gatherer's ends of those that it has not met yet.
    unmet: Mutex<Vec<Ends>>,
}

#[derive(Debug)]
struct Own {
    tally: Arc<Tally>,
    /// Whether some client's questions may have to be audited.
    audits: bool,
    recent: Recent,
    sightings: Producer<SIGHTING>,
    questions: Producer<QUESTION>,
    audited: Producer<QUESTION>,
}

/// The gatherer's side of one [`Own`].
#[derive(Debug)]
struct Ends {
    tally: Arc<Tally>,
    sightings: Consumer<SIGHTING>,
    questions: Consumer<QUESTION>,
    audited: Consumer<QUESTION>,
}

/// Returns the first witness, for others to be cloned from, and the gatherer of all of them. `key`
/// is random.
pub fn observe(options: Options, key: u64) -> (Witness, Gatherer) {
    let shared = Arc::new(Shared {
        options,
        key,
        unmet: Mutex::default(),
    });
    let witness = Witness {
        shared: shared.clone(),
        own: None,
    };
    (witness, Gatherer::new(shared))
}

impl Witness {
    /// Returns the witness of another thread.
    #[must_use]
    pub fn next(&self) -> Self {
        let shared = self.shared.clone();
        let tally = Arc::new(Tally::new(shared.options.counts_clients()));
        let (sightings, seen) = ring(SIGHTINGS);
        let (questions, asked) = ring(QUESTIONS);
        let (audited, to_audit) = ring(match shared.options.audited {
            Audited::Nobodys => 1,
            Audited::Open | Audited::All => AUDITED,
        });
        shared.unmet().push(Ends {
            tally: tally.clone(),
            sightings: seen,
            questions: asked,
            audited: to_audit,
        });
        Self {
            own: Some(Own {
                tally,
                audits: true,
                recent: Recent::default(),
                sightings,
                questions,
                audited,
            }),
            shared,
        }
    }

    /// Says by which snapshot answers are given from now on.
    pub fn turn_to(&mut self, snapshot: &Snapshot) {
        if let Some(own) = &mut self.own {
            own.audits = match self.shared.options.audited {
                Audited::Nobodys => false,
                Audited::Open => snapshot.policy.may_be_open(),
                Audited::All => true,
            };
        }
    }

    /// Takes note of an answer.
    pub fn saw(&mut self, snapshot: &Snapshot, request: &Request<'_>, verdict: &Verdict) {
        let Self { shared, own } = self;
        let Some(own) = own else { return };
        let client = verdict.asker;
        let class = match verdict.client {
            Some(class) => class,
            None => snapshot.policy.class(client),
        };
        own.count(client, class, verdict.rcode);
        let in_zone = verdict.zone.is_some();
        let reverse = in_zone && verdict.qtype == Some(RType::PTR);
        let missing = verdict.missing.filter(|_| !reverse);
        let details = shared.options.counts_clients();
        // Each query of those that we don't know is told of: they are counted, too.
        let counted = class == ClientClass::Unknown && details;
        if reverse || missing.is_some() || counted {
            let name = || qname(request.bytes, verdict.qname).unwrap_or_default();
            let name = missing.map_or_else(|| hash(shared.key, name()), NameNumber::get);
            let client = address_words(asker(request, verdict));
            let sort = sort(class, [reverse, missing.is_some()]);
            if counted {
                own.sightings.push([client[0], client[1], name, sort]);
            } else if own.recent.is_new(name, client, request.now) {
                own.note(name, client, sort);
            }
        }
        let unseen = class == ClientClass::Node && verdict.rcode == Rcode::NXDOMAIN;
        if unseen && in_zone && details && snapshot.policy.is_enforced() {
            Own::ask(&mut own.questions, request, verdict);
        }
        let audited = match shared.options.audited {
            Audited::Nobodys => false,
            Audited::Open => snapshot.policy.is_open_to(client),
            Audited::All => true,
        };
        if audited && in_zone {
            Own::ask(&mut own.audited, request, verdict);
        }
    }

    /// Takes note of an answer as [`Witness::saw`] does, where it was given by the short way and the
    /// snapshot that [`Witness::turn_to`] was told.
    #[inline(always)]
    pub fn saw_plainly(
        &mut self,
        snapshot: &Snapshot,
        request: PlainRequest<'_, '_>,
        (verdict, class): (&Verdict, ClientClass),
    ) {
        let Some(own) = &mut self.own else { return };
        let is_ordinary = match class {
            ClientClass::Pod | ClientClass::Platform | ClientClass::External => !own.audits,
            ClientClass::Node | ClientClass::Unknown => false,
        };
        if !is_ordinary || verdict.qtype == Some(RType::PTR) {
            // A copy: the one that is not wanted need not be in memory.
            let verdict = *verdict;
            return self.saw_at_length(snapshot, &request.whole(), &verdict);
        }
        own.count(verdict.asker, class, verdict.rcode);
        if let Some(name) = verdict.missing {
            let client = address_words(request.peer.ip());
            if own.recent.is_new(name.get(), client, request.batch.now) {
                own.note(name.get(), client, sort(class, [false, true]));
            }
        }
    }

    #[inline(never)]
    fn saw_at_length(&mut self, snapshot: &Snapshot, request: &Request<'_>, verdict: &Verdict) {
        self.saw(snapshot, request, verdict);
    }
}

impl Own {
    #[inline(always)]
    fn count(&self, client: Client, class: ClientClass, rcode: Rcode) {
        let ns = match client {
            Client::Pod(ns) => Some(ns),
            Client::Node | Client::External(_) | Client::Unknown => None,
        };
        self.tally.add(place(class), ns, rcode);
    }

    /// Leaves the words of a [`record::Sighting`] of a name that is new.
    #[inline(never)]
    fn note(&mut self, name: u64, [high, low]: [u64; 2], sort: u64) {
        if !self.sightings.push([high, low, name, sort]) {
            self.recent.forget();
        }
    }

    #[inline(never)]
    fn ask(questions: &mut Producer<QUESTION>, request: &Request<'_>, verdict: &Verdict) {
        let name = qname(request.bytes, verdict.qname);
        if let (Some(name), Some(qtype)) = (name, verdict.qtype) {
            let client = asker(request, verdict);
            let words = question_words(request.listener, client, qtype, name);
            questions.push(words);
        }
    }
}

/// Returns the address of whoever asked, also behind a forwarder.
#[inline(always)]
fn asker(request: &Request<'_>, verdict: &Verdict) -> IpAddr {
    verdict.named.unwrap_or_else(|| request.peer.ip())
}

impl Clone for Witness {
    fn clone(&self) -> Self {
        self.next()
    }
}

impl Shared {
    fn unmet(&self) -> MutexGuard<'_, Vec<Ends>> {
        // A list is whole whatever happened to who held it.
        self.unmet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
