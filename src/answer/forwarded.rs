//! Queries on a server that has forwarders: who asks, for whom, and what is refused of it.
//!
//! A forwarder's query is answered as to the client that it names. Without one that is known it is
//! refused, whatever its name; one that names its client twice, or so that it can't be read, is
//! malformed. What anybody else says of a client counts for nothing.

use super::steps::is_in_zone;
use super::{
    Asked, Outcome, Request, Said, Source, Transport, Verdict, answer_in_steps, canary, failure,
    limit, unanswerable,
};
use crate::snapshot::Snapshot;
use crate::tenancy::{Client, ClientClass, ForwarderOptions, Identity, NodeView};
use crate::wire::{
    BadClaim, ExtendedError, OPTION_ECS, QNameBuffer, Query, Rcode, ResponseBuilder,
    claimed_address, claimed_namespace, claimed_subnet,
};
use std::net::IpAddr;

/// What came of naming a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// A forwarder named somebody who is known.
    Known,
    /// A forwarder named nobody.
    ForNobody,
    /// A forwarder named somebody whom nobody knows.
    ForUnknown,
    /// A forwarder named somebody twice, or so that it can't be read.
    Malformed,
    /// Somebody who is no forwarder named a client.
    Ignored,
}

/// Whom a forwarder names.
enum Named<'a> {
    Address(IpAddr),
    Namespace(&'a [u8]),
}

/// Answers a query. Not part of [`super::run`], so that servers without forwarders never come here.
#[inline(never)]
pub(super) fn run(
    snapshot: &Snapshot,
    request: &Request<'_>,
    query: &Query<'_>,
    said: Said<'_>,
    out: &mut [u8],
) -> Outcome {
    let peer = request.peer.ip();
    let Some(forwarder) = snapshot.forwarder(peer) else {
        return run_direct(snapshot, request, query, said, out);
    };
    let udp_size = usize::from(forwarder.udp_size);
    let limit = match request.transport {
        Transport::Udp => limit(request, query).min(udp_size),
        Transport::Tcp | Transport::Exchange => limit(request, query),
    };
    let unanswerable = unanswerable(query, None);
    let refuse = |rcode, forwarded, out| {
        let outcome = refused(query, limit, unanswerable.unwrap_or(rcode), out);
        noted(outcome, Some(forwarded))
    };
    let named = match named(forwarder, request, query) {
        // Options of another version may mean anything: BADVERS, as to everybody.
        Err(BadClaim) if query.edns.is_some_and(|edns| edns.version != 0) => None,
        Err(BadClaim) => {
            let outcome = refused(query, limit, Rcode::FORMERR, out);
            return noted(outcome, Some(Forwarded::Malformed));
        }
        Ok(named) => named,
    };
    let (client, source) = match named {
        None => return refuse(Rcode::REFUSED, Forwarded::ForNobody, out),
        Some(Named::Address(address)) => (snapshot.identify(address), Source::Named(address)),
        Some(Named::Namespace(label)) => (
            snapshot.directory.client_of(&snapshot.policy, label),
            Source::Unsaid,
        ),
    };
    let asked = Asked {
        snapshot,
        request,
        client,
        source,
        query,
        said,
        depth: 0,
    };
    if client == Client::Unknown {
        let unseen = asked
            .address()
            .is_some_and(|address| !snapshot.knows(address));
        let may_wait = request.may_wait && snapshot.synced && unanswerable.is_none();
        if may_wait && unseen && waits(&asked) {
            return Outcome::Hold;
        }
        return refuse(Rcode::REFUSED, Forwarded::ForUnknown, out);
    }
    let outcome = match canary::find(&asked).filter(|_| unanswerable.is_none()) {
        Some(found) => canary::answer(&asked, &found, limit, out),
        None => answer_in_steps(&asked, limit, out),
    };
    noted(outcome, Some(Forwarded::Known))
}

/// Answers somebody who is no forwarder, as whoever has the address. Who sees everything and asks for
/// others is a forwarder that nobody configured, or is not ready: its clients would be told
/// everything, so that it is told nothing.
fn run_direct(
    snapshot: &Snapshot,
    request: &Request<'_>,
    query: &Query<'_>,
    said: Said<'_>,
    out: &mut [u8],
) -> Outcome {
    let peer = request.peer.ip();
    let client = snapshot.identify(peer);
    let limit = limit(request, query);
    let ignored = names_somebody(snapshot, query).then_some(Forwarded::Ignored);
    if ignored.is_some() && sees_everything(snapshot, client) {
        let rcode = unanswerable(query, None).unwrap_or(Rcode::REFUSED);
        return noted(refused(query, limit, rcode, out), ignored);
    }
    let asked = Asked {
        snapshot,
        request,
        client,
        source: Source::Peer,
        query,
        said,
        depth: 0,
    };
    noted(answer_in_steps(&asked, limit, out), ignored)
}

/// Returns whether others' names are hidden from somebody, and from this client none is.
fn sees_everything(snapshot: &Snapshot, client: Client) -> bool {
    let policy = &snapshot.policy;
    snapshot.view(client).is_enforced()
        && match policy.class(client) {
            ClientClass::Platform => true,
            ClientClass::Node => policy.options().node == NodeView::Platform,
            _ => false,
        }
}

/// Returns the address that a query waits to be somebody's: the one that its forwarder names, or
/// where it comes from.
pub fn awaited(snapshot: &Snapshot, request: &Request<'_>) -> IpAddr {
    let peer = request.peer.ip();
    let named = snapshot.forwarder(peer).and_then(|forwarder| {
        let mut buffer = QNameBuffer::default();
        let query = Query::parse(request.bytes, &mut buffer).ok()?;
        match named(forwarder, request, &query) {
            Ok(Some(Named::Address(address))) => Some(address),
            _ => None,
        }
    });
    named.unwrap_or(peer)
}

/// Reads whom a forwarder names.
fn named<'a>(
    forwarder: &ForwarderOptions,
    request: &Request<'_>,
    query: &Query<'a>,
) -> Result<Option<Named<'a>>, BadClaim> {
    let address = match (forwarder.identity, query.edns) {
        (Identity::ProxyV2, _) => request.claimed.map(|address| address.to_canonical()),
        (_, None) => None,
        (Identity::EdnsLocal(code), Some(edns)) => claimed_address(&edns, code)?,
        (Identity::Ecs, Some(edns)) => claimed_subnet(&edns)?,
        (Identity::EdnsNamespace(code), Some(edns)) => {
            return Ok(claimed_namespace(&edns, code)?.map(Named::Namespace));
        }
    };
    Ok(address.map(Named::Address))
}

/// Returns whether a query has an option by which some forwarder names its clients.
fn names_somebody(snapshot: &Snapshot, query: &Query<'_>) -> bool {
    let option = |table: &ForwarderOptions| match table.identity {
        Identity::EdnsLocal(code) | Identity::EdnsNamespace(code) => Some(code),
        Identity::Ecs => Some(OPTION_ECS),
        Identity::ProxyV2 => None,
    };
    let Some(edns) = query.edns else {
        return false;
    };
    let tables = snapshot.forwarders.tables().iter();
    tables.filter_map(option).any(|code| edns.may_have(code))
}

/// Returns whether some zone of the query's block holds its name: only such names wait.
fn waits(asked: &Asked<'_>) -> bool {
    let qname = &asked.query.qname;
    let block = asked.select(qname);
    block.is_some_and(|block| is_in_zone(asked.snapshot, block, qname))
}

fn refused(query: &Query<'_>, limit: usize, rcode: Rcode, out: &mut [u8]) -> Outcome {
    let limit = limit.min(out.len());
    let mut builder = ResponseBuilder::new(query, limit, out);
    match rcode {
        Rcode::REFUSED => failure(&mut builder, rcode, ExtendedError::PROHIBITED),
        _ => builder.set_rcode(rcode),
    }
    let verdict = Verdict {
        qtype: Some(query.qtype),
        qname: query.qname.as_wire().len() as u8,
        ..Verdict::unread(rcode, Client::Unknown)
    };
    Outcome::Reply(builder.finish(), verdict)
}

/// Adds what came of naming the client to an outcome.
fn noted(outcome: Outcome, forwarded: Option<Forwarded>) -> Outcome {
    match outcome {
        Outcome::Reply(length, verdict) => Outcome::Reply(
            length,
            Verdict {
                forwarded,
                ..verdict
            },
        ),
        other => other,
    }
}
