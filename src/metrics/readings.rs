//! What the rest of the program has counted, as plain values, and which series each one is.

use super::coredns::CoreDns;
use super::page::Page;
use super::series;
use std::time::Duration;

/// The values of one scrape.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// The program's version.
    pub version: &'static str,
    /// What the server's threads count.
    pub queries: Queries,
    /// The SHA-512 of the configuration in force, and of what it says of tenants.
    pub in_force: [Box<str>; 2],
    /// Snapshots published.
    pub published: u64,
    /// Whether clients are told by their addresses.
    pub trusted: bool,
    /// Objects known, by kind.
    pub objects: Vec<(&'static str, u64)>,
    /// Objects skipped, by kind and reason.
    pub invalid: Vec<(&'static str, Box<str>, u64)>,
    /// The kinds that are watched; none where objects come from files.
    pub watched: Vec<Watched>,
    /// What was seen of the clients, where anything is looked for.
    pub observed: Option<Observed>,
    /// The checkpoint, where one is kept.
    pub checkpoint: Option<Checkpoint>,
    /// What was seen of caches in front, where there are forwarders.
    pub canary: Option<Canary>,
    /// Answers that the query log lost, and those that dnstap did.
    pub unwritten: [u64; 3],
    /// CoreDNS's series.
    pub coredns: CoreDns,
}

/// What the server's threads count.
#[derive(Debug, Clone, Default)]
pub struct Queries {
    /// Queries received over UDP.
    pub udp: u64,
    /// Queries received over TCP.
    pub tcp: u64,
    /// Queries received over TLS.
    pub tls: u64,
    /// Queries received over HTTPS.
    pub https: u64,
    /// Queries received over QUIC.
    pub quic: u64,
    /// Answers given.
    pub answered: u64,
    /// Messages that get no answer.
    pub dropped: u64,
    /// Datagrams that can't be answered.
    pub udp_unanswerable: u64,
    /// Datagrams that a full socket lost.
    pub udp_lost: u64,
    /// Answers that the kernel refused to send.
    pub udp_send_errors: u64,
    /// Failures to receive.
    pub udp_receive_errors: u64,
    /// TCP connections taken.
    pub tcp_connections: u64,
    /// TCP connections refused.
    pub tcp_refused: u64,
    /// Failures to take a connection.
    pub tcp_accept_errors: u64,
    /// Connections closed because their peer was too slow.
    pub tcp_timeouts: u64,
    /// QUIC connections taken.
    pub quic_connections: u64,
    /// QUIC connections refused.
    pub quic_refused: u64,
    /// Connections that did not come to terms on TLS.
    pub handshakes_failed: u64,
    /// Queries kept until their client is known.
    pub held: u64,
    /// Queries not kept because too many were.
    pub held_refused: u64,
    /// Held queries whose client became known.
    pub held_known: u64,
    /// Held queries whose time was up.
    pub held_expired: u64,
    /// Queries over a limit: whose limit, what was done, how many.
    pub limited: Vec<(&'static str, &'static str, u64)>,
    /// Queries handed to an upstream.
    pub asked: u64,
    /// Queries that forwarders sent for somebody known.
    pub forwarded_known: u64,
    /// Queries that forwarders sent for nobody.
    pub forwarded_for_nobody: u64,
    /// Queries that forwarders sent for somebody unknown.
    pub forwarded_for_unknown: u64,
    /// Queries that forwarders sent for somebody named in a way that can't be read.
    pub forwarded_malformed: u64,
    /// Queries of others that name a client.
    pub claims_ignored: u64,
    /// Panics while answering.
    pub panics: u64,
}

/// How the watch of one kind is doing.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The kind.
    pub kind: &'static str,
    /// The API has given every object once.
    pub synced: bool,
    /// How long ago the API was last heard of; `None` for never.
    pub age: Option<Duration>,
    /// Lists begun after the first.
    pub relists: u64,
    /// Failures, by reason.
    pub errors: Vec<(&'static str, u64)>,
    /// Objects that differed from the API's without an event.
    pub repairs: u64,
}

/// What was seen of the clients.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Clients suspected of a sweep, once a minute each, by the sort of names.
    pub sweeps: Vec<(&'static str, u64)>,
    /// Record sets that enforcing takes away, by reason.
    pub denied: Vec<(&'static str, u64)>,
    /// Names that were not looked at because too many clients were.
    pub overlooked: u64,
    /// Records that found no room in a worker's ring.
    pub lost: u64,
}

/// What became of the checkpoint file.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint {
    /// How old the state in it is; `None` while there is no file.
    pub age: Option<Duration>,
    /// Files written.
    pub writes: u64,
    /// Failures to write one.
    pub errors: u64,
}

/// What was seen of caches in front.
#[derive(Debug, Clone, Default)]
pub struct Canary {
    /// A forwarder answers from a cache.
    pub detected: bool,
    /// Names whose answers differed.
    pub clear: u64,
    /// Names whose answers were the same one.
    pub cached: u64,
    /// Names that were not answered.
    pub silent: u64,
}

impl Readings {
    pub(super) fn write(&self, page: &mut Page) {
        page.count(&series::BUILD, &[self.version], 1);
        let [configuration, policy] = &self.in_force;
        page.count(&series::IN_FORCE, &[configuration, policy], 1);
        self.queries.write(page);
        for (kind, count) in ["log", "dnstap", "spans"].into_iter().zip(self.unwritten) {
            page.count(&series::UNWRITTEN, &[kind], count);
        }
        self.coredns.write(self.version, self.queries.panics, page);
        page.count(&series::PUBLISHED, &[], self.published);
        page.count(&series::TRUSTED, &[], self.trusted.into());
        for (kind, count) in &self.objects {
            page.count(&series::OBJECTS, &[kind], *count);
        }
        for (kind, reason, count) in &self.invalid {
            page.count(&series::INVALID, &[kind, reason], *count);
        }
        for watched in &self.watched {
            watched.write(page);
        }
        if let Some(observed) = &self.observed {
            observed.write(page);
        }
        if let Some(checkpoint) = &self.checkpoint {
            if let Some(age) = checkpoint.age {
                page.add(&series::CHECKPOINT_AGE, &[], age.as_secs_f64());
            }
            page.count(&series::CHECKPOINT_WRITES, &[], checkpoint.writes);
            page.count(&series::CHECKPOINT_ERRORS, &[], checkpoint.errors);
        }
        if let Some(canary) = &self.canary {
            page.count(&series::CACHE_DETECTED, &[], canary.detected.into());
            for (result, count) in [
                ("clear", canary.clear),
                ("cached", canary.cached),
                ("silent", canary.silent),
            ] {
                page.count(&series::CANARIES, &[result], count);
            }
        }
    }
}

impl Queries {
    fn write(&self, page: &mut Page) {
        page.count(&series::QUERIES, &["udp"], self.udp);
        page.count(&series::QUERIES, &["tcp"], self.tcp);
        page.count(&series::QUERIES, &["tls"], self.tls);
        page.count(&series::QUERIES, &["https"], self.https);
        page.count(&series::QUERIES, &["quic"], self.quic);
        page.count(&series::HELD_ENDED, &["known"], self.held_known);
        page.count(&series::HELD_ENDED, &["expired"], self.held_expired);
        for (result, count) in [
            ("known", self.forwarded_known),
            ("nobody", self.forwarded_for_nobody),
            ("unknown", self.forwarded_for_unknown),
            ("malformed", self.forwarded_malformed),
            ("ignored", self.claims_ignored),
        ] {
            page.count(&series::FORWARDED, &[result], count);
        }
        for (reason, result, count) in &self.limited {
            page.count(&series::LIMITED, &[reason, result], *count);
        }
        for (series, count) in [
            (&series::ANSWERS, self.answered),
            (&series::DROPPED, self.dropped),
            (&series::UNANSWERABLE, self.udp_unanswerable),
            (&series::LOST, self.udp_lost),
            (&series::SEND_ERRORS, self.udp_send_errors),
            (&series::RECEIVE_ERRORS, self.udp_receive_errors),
            (&series::CONNECTIONS, self.tcp_connections),
            (&series::CONNECTIONS_REFUSED, self.tcp_refused),
            (&series::ACCEPT_ERRORS, self.tcp_accept_errors),
            (&series::TIMEOUTS, self.tcp_timeouts),
            (&series::QUIC_CONNECTIONS, self.quic_connections),
            (&series::QUIC_REFUSED, self.quic_refused),
            (&series::HANDSHAKES_FAILED, self.handshakes_failed),
            (&series::HELD, self.held),
            (&series::HELD_REFUSED, self.held_refused),
            (&series::ASKED, self.asked),
            (&series::PANICS, self.panics),
        ] {
            page.count(series, &[], count);
        }
    }
}

impl Observed {
    fn write(&self, page: &mut Page) {
        for (reason, count) in &self.denied {
            page.count(&series::DENIED, &[reason], *count);
        }
        for (kind, count) in &self.sweeps {
            page.count(&series::SWEEPS, &[kind], *count);
        }
        page.count(&series::OVERLOOKED, &[], self.overlooked);
        page.count(&series::RECORDS_LOST, &[], self.lost);
    }
}

impl Watched {
    fn write(&self, page: &mut Page) {
        page.count(&series::SYNCED, &[self.kind], self.synced.into());
        // Never heard of is no age: an alert on age alone would miss it, one on `synced` does not.
        if let Some(age) = self.age {
            page.add(&series::AGE, &[self.kind], age.as_secs_f64());
        }
        page.count(&series::RELISTS, &[self.kind], self.relists);
        page.count(&series::REPAIRS, &[self.kind], self.repairs);
        for (reason, count) in &self.errors {
            page.count(&series::ERRORS, &[self.kind, reason], *count);
        }
    }
}
