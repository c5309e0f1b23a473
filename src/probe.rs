//! The attack checklist as somebody inside a tenant can try it: questions to a DNS server, and what
//! its answers give away. Blocking sockets, no server and no cluster: it knows what a pod knows.
//!
//! Each [`Row`] is an attack of tests/cases/attacks.yaml by its id. Hidden and absent names are told
//! apart as an attacker would: octet by octet, beside a name of equal length that nobody can have.

mod ask;
mod forward;
mod identity;
mod message;
mod names;
mod place;
mod protocol;
mod report;
mod reverse;

pub use names::Known;
pub use place::{Place, read_place};
pub use report::{Report, Row, Verdict};

use crate::wire::RType;
use ask::Asker;
use message::{Form, Reply, is_same, query};
use names::{Subject, subjects};
use std::net::SocketAddr;
use std::time::Duration;

/// What is probed, and what the prober expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The server.
    pub server: SocketAddr,
    /// The cluster's zone, without a dot at the end.
    pub zone: String,
    /// The namespace that the prober is in, where it is in one.
    pub namespace: Option<String>,
    /// What the prober may see beside its own namespace: `SERVICE.NAMESPACE`, or a `NAMESPACE`.
    pub visible: Vec<String>,
    /// Services that exist and that the prober must not see: `SERVICE.NAMESPACE`.
    pub hidden: Vec<String>,
    /// How long an answer may take.
    pub patience: Duration,
}

/// Tries every row, and returns what came of each.
pub fn probe(options: &Options) -> Report {
    let prober = Prober::new(options);
    let mut rows = Vec::new();
    for group in [identity::rows, forward::rows, reverse::rows, protocol::rows] {
        rows.extend(group(&prober));
    }
    Report {
        server: options.server.to_string(),
        zone: options.zone.clone(),
        namespace: options.namespace.clone(),
        rows,
    }
}

/// Who asks, and what it knows.
struct Prober<'a> {
    options: &'a Options,
    asker: Asker,
    known: Known,
    /// Services that must not be seen.
    subjects: Vec<Subject>,
}

/// Nothing that gives something away, with a remark; or what does.
type Found = Result<String, String>;

impl<'a> Prober<'a> {
    fn new(options: &'a Options) -> Self {
        let known = Known::new(options);
        Self {
            asker: Asker::new(options.server, options.patience),
            subjects: subjects(options, &known),
            known,
            options,
        }
    }

    /// Returns a name in the zone, in full.
    fn name(&self, relative: &str) -> String {
        format!("{relative}.{}.", self.options.zone)
    }

    /// Asks over UDP, without EDNS.
    fn ask(&self, name: &str, rtype: RType) -> Option<Reply> {
        let bytes = query(name, rtype, Form::Plain);
        Reply::read(&self.asker.udp(&bytes)?)
    }

    /// Compares what two names of equal length are answered, in every form and over both transports.
    ///
    /// # Errors
    /// They differ, or there is no answer.
    fn alike(&self, hidden: &str, absent: &str, rtype: RType) -> Result<(), String> {
        for form in Form::ALL {
            let [a, b] = [hidden, absent].map(|name| query(name, rtype, form));
            type Ask = fn(&Asker, &[u8]) -> Option<Vec<u8>>;
            for (transport, ask) in [("UDP", Asker::udp as Ask), ("TCP", Asker::tcp)] {
                let replies = (ask(&self.asker, &a), ask(&self.asker, &b));
                let (Some(one), Some(other)) = replies else {
                    return Err(format!("{hidden} {rtype}: no answer over {transport}"));
                };
                if !is_same(&one, hidden, &other, absent) {
                    let said = |bytes: &[u8]| {
                        Reply::read(bytes).map_or_else(|| "unreadable".into(), |r| r.said())
                    };
                    return Err(format!(
                        "{hidden} {rtype} over {transport}: {}, but {} for a name that nobody has",
                        said(&one),
                        said(&other)
                    ));
                }
            }
        }
        Ok(())
    }

    /// Compares each pair, and gathers what differs.
    fn all_alike(&self, pairs: impl IntoIterator<Item = (String, String, RType)>) -> Found {
        let mut count = 0;
        let mut differ = Vec::new();
        for (hidden, absent, rtype) in pairs {
            count += 1;
            differ.extend(self.alike(&hidden, &absent, rtype).err());
        }
        match differ.is_empty() {
            true => Ok(format!("{count} names like absent ones")),
            false => Err(differ.join("; ")),
        }
    }
}
