//! The steps of a query's block, one after the other, until one has an answer. Whether any of them is
//! to change the question or the answer is seen here; that is done elsewhere ([`super::serve`]).

use super::asks::{Heard, Plan};
use super::serve::{is_weighted, local_zone, may_search};
use super::{Asked, By, Done, DropReason, Outcome, clients, external, kubernetes, unsaid};
use crate::chain::{
    Block, FlagRules, ForwardOptions, HostsId, HostsOptions, HostsTable, Matched, Plugin, Step,
    concerns, edits_options, judge, longest, lowered,
};
use crate::snapshot::Snapshot;
use crate::wire::{Name, OPTION_NSID, QClass, QName, Query, RType, Rcode, ResponseBuilder};
use crate::zone::{Zone, address_of};
use std::net::IpAddr;

/// Tries the steps of the query's block, and leaves REFUSED where no step is for the name, SERVFAIL
/// where one passed it on to nobody.
pub(super) fn walk<'a>(
    asked: &Asked<'a>,
    block: Option<&Block>,
    builder: &mut ResponseBuilder<'_>,
) -> Done<'a> {
    let snapshot = asked.snapshot;
    let mut passed_on = false;
    if block.is_some_and(Block::is_minimal) {
        builder.set_minimal();
    }
    let steps = block.map_or(&[][..], Block::steps);
    for (at, step) in steps.iter().enumerate() {
        let done = match step {
            Step::External(id) => external::answer(asked, *id, builder),
            Step::Kubernetes(id) => kubernetes::answer(asked, *id, builder),
            Step::Forward(table) if is_for(asked, table) => {
                let next = steps.get(at + 1..).unwrap_or(&[]);
                Some(forward(asked, table, next, builder))
            }
            // Steps in front are for other questions.
            _ => None,
        };
        match done {
            Some(Done::Next) => passed_on = true,
            Some(Done::Answer(by)) => {
                return Done::Answer(By {
                    block: id_of(block),
                    ..by
                });
            }
            Some(Done::Relay(reply, by)) => {
                return Done::Relay(
                    reply,
                    By {
                        block: id_of(block),
                        ..by
                    },
                );
            }
            Some(done) => return done,
            None => {}
        }
    }
    builder.set_rcode(if passed_on {
        unsaid(snapshot)
    } else {
        Rcode::REFUSED
    });
    Done::Answer(By {
        block: id_of(block),
        ..By::default()
    })
}

/// Keeps TTLs of an answer of the cluster's within the bounds of the block's `cache`.
pub(super) fn bound(asked: &Asked<'_>, block: Option<&Block>, outcome: &Outcome, out: &mut [u8]) {
    if let Some(cache) = block.and_then(Block::cache)
        && let Outcome::Reply(length, verdict) = outcome
        && matches!(
            verdict.plugin,
            Some(Plugin::Kubernetes | Plugin::K8sExternal)
        )
        && cache.is_for(&asked.query.qname)
        && let Some(message) = out.get_mut(..*length)
    {
        cache.lifetimes.apply(message);
    }
}

fn id_of(block: Option<&Block>) -> Option<crate::chain::BlockId> {
    block.map(Block::id)
}

fn is_for(asked: &Asked<'_>, table: &ForwardOptions) -> bool {
    table.is_for(&asked.query.qname) && clients::is_for_tenant(asked, table)
}

/// Asks an upstream the question itself, or passes on what it said.
fn forward<'a>(
    asked: &Asked<'a>,
    table: &ForwardOptions,
    next: &[Step],
    builder: &mut ResponseBuilder<'_>,
) -> Done<'a> {
    if !clients::is_listed(asked, table) {
        return Done::Drop(DropReason::NoClient);
    }
    let query = asked.query;
    let by = By {
        plugin: Some(Plugin::Forward),
        ..By::default()
    };
    let (qname, qtype) = (query.qname.as_wire(), query.qtype);
    match asked.said.to(table.upstream, qname, qtype) {
        Heard::NotAsked => Done::Ask(Plan::new(table.upstream, qname, qtype)),
        Heard::Nothing => {
            builder.set_rcode(Rcode::SERVFAIL);
            Done::Answer(by)
        }
        Heard::Reply(reply, bytes) => {
            let [_, answers, ..] = reply.header.counts;
            // Only another table of the kind takes it up, and one that is for this name and client.
            let is_next =
                |step: &Step| matches!(step, Step::Forward(table) if is_for(asked, table));
            match table.passes_on(reply.header.rcode(), answers > 0) {
                true if next.iter().any(is_next) => Done::Next,
                _ => Done::Relay(bytes, by),
            }
        }
    }
}

/// Returns whether a step of the block is to change the question or its answer, or answers by itself.
pub(super) fn is_touched(
    asked: &Asked<'_>,
    block: &Block,
    qname: &QName<'_>,
    qtype: RType,
) -> bool {
    let front = block.front();
    front
        .iter()
        .any(|step| touches(asked, block, step, qname, qtype))
}

/// Returns whether a step of the block is to change which records answer, or answers by itself.
pub(super) fn answers_otherwise(
    asked: &Asked<'_>,
    block: &Block,
    qname: &QName<'_>,
    qtype: RType,
) -> bool {
    let is_about_records = |step: &&Step| match step {
        // What goes to an upstream depends on it.
        Step::Header(options) => options.query != FlagRules::default(),
        step => !matches!(
            step,
            Step::Nsid(_) | Step::Minimal | Step::Prefer(_) | Step::Weighted(..)
        ),
    };
    let mut front = block.front().iter().filter(is_about_records);
    front.any(|step| touches(asked, block, step, qname, qtype))
}

fn touches(asked: &Asked<'_>, block: &Block, step: &Step, qname: &QName<'_>, qtype: RType) -> bool {
    let qclass = asked.query.qclass;
    match step {
        Step::Nsid(_) => asks_nsid(asked.query),
        Step::Local => local_zone(qname).is_some(),
        Step::Dns64(options) => {
            let is_v6 = || asked.address().is_some_and(|address| address.is_ipv6());
            qtype == RType::AAAA && (options.allow_ipv4 || is_v6())
        }
        Step::Any => qtype == RType::ANY,
        Step::Chaos(_) => qclass == QClass::CH,
        Step::Prefer(_) => true,
        Step::Weighted(..) => is_weighted(qtype),
        Step::Rewrite(rules) => {
            let leaves = || !stays_in_zone(asked.snapshot, block, qname);
            edits_options(rules) && leaves()
                || concerns(rules, &lowered(qname.as_wire()), qtype, qclass)
        }
        Step::Autopath(options) => may_search(asked, block, options, qname),
        Step::Acl(tables) => judge(tables, qname, qtype, asked.address()).is_some(),
        Step::Header(_) => true,
        // The cluster's answers are minimal as they are written.
        Step::Minimal => !stays_in_zone(asked.snapshot, block, qname),
        Step::Template(tables) => tables.iter().any(|table| {
            longest(&table.zones, qname).is_some() && {
                let text = lowered(qname.as_wire());
                !matches!(table.matches(qname, &text, (qclass, qtype)), Matched::Next)
            }
        }),
        Step::Hosts(id, options, inline) => {
            hosts(asked.snapshot, (*id, options, inline), qname, qtype).is_some()
        }
        // What it is to do to the cluster's answers is done when they are written.
        Step::Cache(_) | Step::External(_) | Step::Kubernetes(_) | Step::Forward(_) => false,
    }
}

/// Returns whether a name is in a zone of the block that hands it to nobody.
fn stays_in_zone(snapshot: &Snapshot, block: &Block, qname: &QName<'_>) -> bool {
    let first = block.steps().iter().find_map(|step| match step {
        Step::Kubernetes(id) => snapshot.zone(*id),
        _ => None,
    });
    first.is_some_and(|zone| match zone.external_origin(qname) {
        Some(_) => !zone.falls_through_outside(qname),
        None => zone.origin(qname).is_some() && !zone.falls_through(qname),
    })
}

/// Returns whether a name is in a zone of the block.
pub(super) fn is_in_zone(snapshot: &Snapshot, block: &Block, qname: &QName<'_>) -> bool {
    block.steps().iter().any(|step| match step {
        Step::Kubernetes(id) => {
            let zone = snapshot.zone(*id);
            let is_in =
                |zone: &Zone| zone.origin(qname).is_some() || zone.external_origin(qname).is_some();
            zone.is_some_and(is_in)
        }
        _ => false,
    })
}

/// Returns whether a name is in a zone of the block that says where services are outside.
pub(super) fn is_outside(snapshot: &Snapshot, block: &Block, qname: &QName<'_>) -> bool {
    block.steps().iter().any(|step| match step {
        Step::External(id) => {
            let zone = snapshot.zone(*id);
            zone.is_some_and(|zone| zone.external_origin(qname).is_some())
        }
        _ => false,
    })
}

/// Returns the codes of a query's options.
pub(super) fn option_codes(query: &Query<'_>) -> Vec<u16> {
    let options = query.edns.iter().flat_map(|edns| edns.options());
    options.map(|(code, _)| code).collect()
}

/// Returns whether a query asks who the server is (RFC 5001).
pub(super) fn asks_nsid(query: &Query<'_>) -> bool {
    let mut options = query.edns.iter().flat_map(|edns| edns.options());
    options.any(|(code, _)| code == OPTION_NSID)
}

/// What lists of hosts say of a question.
pub(super) enum HostsSaid {
    /// The name has these addresses of the type; none where it has others.
    Addresses(Vec<IpAddr>),
    /// The address has these names.
    Names(Vec<Name>),
    /// The name is theirs, and not listed.
    NoName,
}

/// Looks a question up in lists of hosts, or returns `None` where it is for the next step.
pub(super) fn hosts(
    snapshot: &Snapshot,
    (id, options, inline): (HostsId, &HostsOptions, &HostsTable),
    qname: &QName<'_>,
    qtype: RType,
) -> Option<HostsSaid> {
    let file = snapshot.hosts(id);
    if qtype == RType::PTR {
        let address = address_of(qname)?;
        let of_file = file.map_or(&[][..], |table| table.names(address));
        let names = [of_file, inline.names(address)].concat();
        return (!names.is_empty()).then_some(HostsSaid::Names(names));
    }
    longest(&options.zones, qname)?;
    let addresses = |v4| {
        let of_file = file.map(|table| table.addresses(qname, v4));
        of_file
            .into_iter()
            .flatten()
            .chain(inline.addresses(qname, v4))
    };
    let of_type: Vec<IpAddr> = match qtype {
        RType::A => addresses(true).collect(),
        RType::AAAA => addresses(false).collect(),
        _ => Vec::new(),
    };
    let exists = || addresses(true).chain(addresses(false)).next().is_some();
    if of_type.is_empty() && !exists() {
        return match longest(&options.fallthrough, qname) {
            Some(_) => None,
            None => Some(HostsSaid::NoName),
        };
    }
    Some(HostsSaid::Addresses(of_type))
}
