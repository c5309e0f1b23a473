//! The steps of a query's block, one after the other, until one has an answer.

use super::asks::{Heard, Plan};
use super::{Asked, By, Done, kubernetes, unsaid};
use crate::chain::{Block, ForwardOptions, Plugin, Step};
use crate::wire::{Rcode, ResponseBuilder};

/// Tries the steps of the query's block, and leaves REFUSED where no step is for the name, SERVFAIL
/// where one passed it on to nobody.
pub(super) fn walk<'a>(asked: &Asked<'a>, builder: &mut ResponseBuilder<'_>) -> Done<'a> {
    let snapshot = asked.snapshot;
    let block = snapshot
        .chain
        .select(asked.request.listener, &asked.query.qname);
    let mut passed_on = false;
    let steps = block.map_or(&[][..], Block::steps);
    for (at, step) in steps.iter().enumerate() {
        let done = match step {
            Step::Kubernetes(id) => kubernetes::answer(asked, *id, builder),
            Step::Forward(table) if table.is_for(&asked.query.qname) => {
                let next = steps.get(at + 1);
                Some(forward(asked, table, next, builder))
            }
            Step::Forward(_) => None,
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

fn id_of(block: Option<&Block>) -> Option<crate::chain::BlockId> {
    block.map(Block::id)
}

/// Asks an upstream the question itself, or passes on what it said.
fn forward<'a>(
    asked: &Asked<'a>,
    table: &ForwardOptions,
    next: Option<&Step>,
    builder: &mut ResponseBuilder<'_>,
) -> Done<'a> {
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
            // As in CoreDNS, only another table of the kind takes it up.
            let is_left = table.passes_on(reply.header.rcode(), answers > 0);
            match next {
                Some(Step::Forward(_)) if is_left => Done::Next,
                _ => Done::Relay(bytes, by),
            }
        }
    }
}
