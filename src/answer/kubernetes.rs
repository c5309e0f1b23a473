//! The `kubernetes` step: a look-up as the client, and the answer that CoreDNS would give to what
//! it found. Hidden and absent names leave here by the same lines.

use super::records::Writer;
use super::{Asked, By, Done, failure, unsaid};
use crate::chain::{Plugin, ZoneId};
use crate::tenancy::{Absence, Directory, NameNumber, View};
use crate::wire::{ExtendedError, QName, Query, Rcode, ResponseBuilder, Section};
use crate::zone::{Absent, Lookup, Origin, Zone};

/// Answers `query` from a zone, or returns `None` where the name is in none of its origins.
pub(super) fn answer<'a>(
    asked: &Asked<'_>,
    id: ZoneId,
    builder: &mut ResponseBuilder<'_>,
) -> Option<Done<'a>> {
    let Asked {
        snapshot,
        client,
        query,
        ..
    } = *asked;
    let zone = snapshot.zone(id)?;
    let origin = zone.origin(&query.qname)?;
    let view = snapshot.view(client);
    let by = By {
        plugin: Some(Plugin::Kubernetes),
        zone: Some((id, view.class())),
        ..By::default()
    };
    if let Some(done) = beforehand(asked, &view, by, builder) {
        return Some(done);
    }
    let answered = Done::Answer(by);
    let mut writer = Writer {
        asked: *asked,
        zone,
        origin,
        view,
        builder,
    };
    match zone.lookup(&view, origin, &query.qname, query.qtype) {
        Lookup::Found(found) => match writer.write(&found) {
            Written::Records => {
                writer.builder.set_authoritative();
                Some(answered)
            }
            Written::Nothing => {
                negative(zone, origin, query, Rcode::NOERROR, writer.builder);
                Some(answered)
            }
            Written::Ask(plan) => Some(Done::Ask(plan)),
            Written::Unknown => Some(unknown(asked, &view, writer.builder).unwrap_or(answered)),
        },
        Lookup::NoData => {
            negative(zone, origin, query, Rcode::NOERROR, builder);
            Some(answered)
        }
        Lookup::Absent(Absent::Missing) if view.is_unknown() => {
            Some(unknown(asked, &view, builder).unwrap_or(answered))
        }
        Lookup::Absent(_) if zone.falls_through(&query.qname) => Some(Done::Next),
        Lookup::Absent(_) if !snapshot.synced && snapshot.forwarders.is_stub() => {
            failure(builder, unsaid(snapshot), ExtendedError::NOT_READY);
            Some(answered)
        }
        Lookup::Absent(absent) if snapshot.synced => {
            negative(zone, origin, query, Rcode::NXDOMAIN, builder);
            let number = || name_number(&snapshot.directory, &query.qname, origin);
            let missing = (absent == Absent::Missing).then(number);
            Some(Done::Answer(By { missing, ..by }))
        }
        Lookup::Absent(_) => {
            negative(zone, origin, query, Rcode::SERVFAIL, builder);
            Some(answered)
        }
    }
}

/// Returns what is said of every name of a zone alike: nothing has been read yet, or the client is nobody
/// that is told anything.
pub(super) fn beforehand<'a>(
    asked: &Asked<'_>,
    view: &View<'_>,
    by: By,
    builder: &mut ResponseBuilder<'_>,
) -> Option<Done<'a>> {
    if view.is_enforced() && !asked.snapshot.synced {
        failure(builder, unsaid(asked.snapshot), ExtendedError::NOT_READY);
        return Some(Done::Answer(by));
    }
    let strict = view.is_strict();
    strict.then(|| unknown(asked, view, builder).unwrap_or(Done::Answer(by)))
}

/// What became of the records that a look-up found.
pub(super) enum Written {
    /// They are in the message, or as many as fit.
    Records,
    /// There are none of this type after all: NODATA.
    Nothing,
    /// They go on at an upstream.
    Ask(Box<super::Plan>),
    /// They lead to a name that a client that we don't know is told nothing of.
    Unknown,
}

/// Returns what stands for an absent name: for all names of what may be a service one number, for others
/// one each.
fn name_number(directory: &Directory, qname: &QName<'_>, origin: &Origin) -> NameNumber {
    let offset = |labels| qname.suffix_offset(origin.labels + labels);
    let service = || {
        let own = qname.label_count().checked_sub(origin.labels + 1)?;
        let root = qname.label(own)?;
        qname
            .lower()
            .get(offset(3)?..offset(1)?)
            .filter(|_| root == b"svc")
    };
    directory.name_number(service().unwrap_or_else(|| qname.lower()))
}

/// NODATA, NXDOMAIN, and CoreDNS's SERVFAIL before the first sync: one SOA, authoritative.
fn negative(
    zone: &Zone,
    origin: &Origin,
    query: &Query<'_>,
    rcode: Rcode,
    builder: &mut ResponseBuilder<'_>,
) {
    builder.set_rcode(rcode);
    builder.set_authoritative();
    builder.section(Section::Authority);
    let soa = zone.soa();
    let at = query.qname.suffix_offset(origin.labels).unwrap_or(0);
    // A SOA always fits: question and SOA have at most 340 octets, messages at least 512.
    let _ = builder.push_soa(at, soa.ttl, soa.numbers);
}

/// A client that we don't know asks for what not everybody sees: it waits, or is told that we can't
/// say, whatever the name.
pub(super) fn unknown<'a>(
    asked: &Asked<'_>,
    view: &View<'_>,
    builder: &mut ResponseBuilder<'_>,
) -> Option<Done<'a>> {
    let snapshot = asked.snapshot;
    let unseen = || {
        asked
            .address()
            .is_some_and(|address| !snapshot.knows(address))
    };
    if asked.request.may_wait && unseen() {
        return Some(Done::Hold);
    }
    let rcode = match view.absence() {
        Absence::Refused => Rcode::REFUSED,
        Absence::Servfail | Absence::Nonexistent => unsaid(snapshot),
    };
    failure(builder, rcode, ExtendedError::PROHIBITED);
    None
}
