//! What the HTTP listeners say: readiness from the index's progress, the series from what everybody
//! counts. No name of a tenant, a namespace or a service gets into either.

use super::coredns;
use super::journal::Losses;
use super::progress::{KindState, Progress};
use super::pulse::Counts;
use super::reloads::Reloads;
use super::upstream::Upstreams;
use crate::admin;
use crate::canary::{Seen, Sightings};
use crate::config::Monitor;
use crate::drain::Drain;
use crate::metrics::coredns::{CoreDns, Reload};
use crate::metrics::{self, Canary, Checkpoint, Observed, Queries, Readings, Watched};
use crate::model::Kind;
use crate::observe::{Gathered, TrafficReader};
use crate::server::{Count, Stats};
use crate::snapshot::SnapshotReader;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the pages are made of.
pub(super) struct Pages {
    pub(super) progress: Progress,
    pub(super) stats: Stats,
    pub(super) drain: Drain,
    /// Reads what was gathered of the answers, where anything is.
    pub(super) gathered: Gathering,
    /// Reads what the server blocks were asked, where it is counted.
    pub(super) traffic: Option<TrafficReader>,
    /// What comes of asking the health page.
    pub(super) pulse: Counts,
    /// Reads what is served.
    pub(super) reader: Option<SnapshotReader>,
    /// What could not be written down of the answers.
    pub(super) losses: Losses,
    /// What the configuration in force says.
    pub(super) configured: Mutex<Configured>,
    /// How often the configuration was changed, and to which.
    pub(super) reloads: Reloads,
}

/// What pages show of the configuration in force.
#[derive(Default)]
pub(super) struct Configured {
    /// What was seen of caches in front, where there are forwarders.
    pub(super) sightings: Option<Arc<Sightings>>,
    /// Whom to ask for names that are not ours.
    pub(super) upstreams: Upstreams,
    /// The tables of the server blocks.
    pub(super) enabled: Vec<coredns::Enabled>,
    /// The labels of the caches.
    pub(super) caches: Vec<coredns::CacheLabels>,
    /// Whether readiness is taken back.
    pub(super) monitor: Monitor,
}

/// Reads what was gathered of the answers: by whoever gathers now, where anybody does.
#[derive(Clone, Default)]
pub(super) struct Gathering(Arc<Mutex<Option<ReadGathered>>>);

/// Reads what was gathered so far.
pub(super) type ReadGathered = Box<dyn Fn() -> Gathered + Send + Sync>;

impl Gathering {
    pub(super) fn read(&self) -> Option<Gathered> {
        locked(&self.0).as_ref().map(|read| read())
    }

    pub(super) fn change(&self, read: Option<ReadGathered>) {
        *locked(&self.0) = read;
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whole whatever happened to who held it.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl admin::Pages for Pages {
    fn ready(&self) -> (bool, String) {
        let state = self.progress.state();
        let stopping = self.drain.is_started();
        let kinds = state.kinds(Instant::now());
        let (monitor, loops) = {
            let configured = locked(&self.configured);
            (configured.monitor, configured.upstreams.loops())
        };
        let held = match monitor {
            Monitor::UntilReady => true,
            Monitor::Continuously => !state.expired,
        };
        let ready = state.ready && held && loops.is_empty();
        let mut text = readiness(ready, stopping, &kinds);
        for upstream in loops {
            // Writing to a text can't fail.
            let _ = writeln!(text, "forward: {upstream} leads back to this server");
        }
        (ready && !stopping, text)
    }

    fn metrics(&self) -> String {
        let gathered = self.gathered.read();
        metrics::text(&self.readings(gathered.as_ref()))
    }
}

impl Pages {
    /// Shows another configuration.
    pub(super) fn configure(&self, change: impl FnOnce(&mut Configured)) {
        change(&mut locked(&self.configured));
    }

    /// Returns what everybody counts, and nothing that names a tenant.
    pub(super) fn readings(&self, gathered: Option<&Gathered>) -> Readings {
        let state = self.progress.state();
        let now = Instant::now();
        let (mut watched, mut invalid) = (Vec::new(), Vec::new());
        for (kind, known) in state.kinds(now) {
            let name = kind.as_str();
            let skipped = known.invalid.into_iter();
            invalid.extend(skipped.map(|(reason, count)| (name, reason, count)));
            watched.push(Watched {
                kind: name,
                synced: known.synced,
                age: known.age,
                relists: known.relists,
                errors: known.errors,
                repairs: state.repairs.get(&kind).copied().unwrap_or_default(),
            });
        }
        let objects = state.objects.iter();
        // Not within the next expression, which looks at the rest of it.
        let sightings = locked(&self.configured).sightings.clone();
        let reloaded = self.reloads.read();
        Readings {
            version: env!("CARGO_PKG_VERSION"),
            in_force: [reloaded.configuration, reloaded.policy],
            queries: queries(&self.stats),
            published: state.published,
            trusted: !state.expired,
            objects: objects
                .map(|(kind, count)| (kind.as_str(), *count as u64))
                .collect(),
            invalid,
            watched,
            observed: gathered.map(observed),
            checkpoint: state.checkpoint.as_ref().map(|checkpoint| Checkpoint {
                age: checkpoint.age.map(|age| age.by(now)),
                writes: checkpoint.writes,
                errors: checkpoint.errors,
            }),
            canary: sightings.map(|sightings| Canary {
                detected: sightings.detected(),
                clear: sightings.count(Seen::Clear),
                cached: sightings.count(Seen::Cached),
                silent: sightings.count(Seen::Silent),
            }),
            unwritten: self.losses.read(),
            coredns: self.coredns(),
        }
    }
}

impl Pages {
    fn reload(&self) -> Reload {
        let reloaded = self.reloads.read();
        Reload {
            failed: reloaded.failed,
            hash: "sha512",
            value: reloaded.configuration,
        }
    }

    fn coredns(&self) -> CoreDns {
        let traffic = self.traffic.as_ref();
        let (enabled, caches, upstreams) = {
            let configured = locked(&self.configured);
            let (enabled, caches) = (configured.enabled.clone(), configured.caches.clone());
            (enabled, caches, configured.upstreams.current())
        };
        let blocks = traffic.map_or_else(Vec::new, |read| coredns::blocks(read, &enabled));
        let asked = upstreams.as_ref();
        let reader = self.reader.as_ref();
        let [https, quic] = coredns::replies(&self.stats);
        CoreDns {
            https,
            quic,
            localhost: coredns::local(&blocks, &enabled),
            autopath: traffic.map_or_else(Vec::new, |read| coredns::searched(read, &enabled)),
            blocks,
            plugins: coredns::shown(&enabled),
            caches: asked.map_or_else(Vec::new, |asked| coredns::caches(asked, &caches)),
            forward: asked.map(|asked| coredns::forward(&asked.stats().read())),
            api: coredns::api(&self.progress.state()),
            health: self.pulse.read(),
            reload: Some(self.reload()),
            hosts: reader.and_then(|reader| coredns::hosts(&reader.load())),
        }
    }
}

/// Returns the text of `/ready`: the verdict, then a line for each kind.
fn readiness(ready: bool, stopping: bool, kinds: &BTreeMap<Kind, KindState>) -> String {
    let verdict = match (stopping, ready) {
        (true, _) => "stopping",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let mut text = format!("{verdict}\n");
    for (kind, known) in kinds {
        let source = match (known.synced, known.restored) {
            (true, _) => "synced",
            (false, true) => "from the checkpoint",
            (false, false) => "not synced",
        };
        // Writing to a text can't fail.
        let _ = write!(text, "{}: {source}", kind.as_str());
        if let Some(age) = known.age {
            let _ = write!(text, ", heard of {} ago", Ago(age));
        }
        if let Some(trouble) = known.trouble {
            let _ = write!(text, "; {trouble}");
        }
        text.push('\n');
    }
    text
}

/// A duration for people: two units of `d`, `h`, `m`, `s`.
pub(super) struct Ago(pub(super) Duration);

impl std::fmt::Display for Ago {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds}s"),
            (0, 0, _) => write!(f, "{minutes}m{}s", seconds % 60),
            (0, _, _) => write!(f, "{hours}h{}m", minutes % 60),
            _ => write!(f, "{days}d{}h", hours % 24),
        }
    }
}

/// Returns what may be shown to everybody.
fn observed(gathered: &Gathered) -> Observed {
    Observed {
        sweeps: gathered.sweeps().collect(),
        denied: gathered.denied().collect(),
        overlooked: gathered.overlooked,
        lost: gathered.lost,
    }
}

fn queries(stats: &Stats) -> Queries {
    let count = |what| stats.get(what);
    Queries {
        udp: count(Count::UdpQueries),
        tcp: count(Count::TcpQueries),
        tls: count(Count::TlsQueries),
        https: count(Count::HttpsQueries),
        quic: count(Count::QuicQueries),
        answered: count(Count::Answered),
        dropped: count(Count::Dropped),
        udp_unanswerable: count(Count::UdpUnanswerable),
        udp_lost: count(Count::UdpLost),
        udp_send_errors: count(Count::UdpSendFailed),
        udp_receive_errors: count(Count::UdpReceiveFailed),
        tcp_connections: count(Count::TcpAccepted),
        tcp_refused: count(Count::TcpRefused),
        tcp_accept_errors: count(Count::TcpAcceptFailed),
        tcp_timeouts: count(Count::TcpTimedOut),
        quic_connections: count(Count::QuicAccepted),
        quic_refused: count(Count::QuicRefused),
        handshakes_failed: count(Count::HandshakeFailed),
        held: count(Count::Held),
        held_refused: count(Count::HoldRefused),
        held_known: count(Count::HeldKnown),
        held_expired: count(Count::HeldExpired),
        limited: vec![
            ("client", "truncated", count(Count::ClientTruncated)),
            ("client", "dropped", count(Count::ClientDropped)),
            ("client", "closed", count(Count::ClientClosed)),
            ("tenant", "truncated", count(Count::TenantTruncated)),
            ("tenant", "dropped", count(Count::TenantDropped)),
            ("tenant", "closed", count(Count::TenantClosed)),
        ],
        asked: count(Count::Asked),
        forwarded_known: count(Count::ForwardedKnown),
        forwarded_for_nobody: count(Count::ForwardedForNobody),
        forwarded_for_unknown: count(Count::ForwardedForUnknown),
        forwarded_malformed: count(Count::ForwardedMalformed),
        claims_ignored: count(Count::ClaimIgnored),
        panics: count(Count::Panics),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Pages as _;
    use crate::app::progress::Aged;

    fn pages(ready: bool, kinds: &[(Kind, KindState)]) -> Pages {
        let progress = Progress::default();
        let kinds: BTreeMap<Kind, KindState> = kinds.iter().cloned().collect();
        progress.update(|state| {
            state.ready = ready;
            state.watched = Some(Arc::new(move || kinds.clone()));
        });
        Pages {
            progress,
            stats: Stats::default(),
            drain: Drain::new(),
            gathered: Gathering::default(),
            traffic: None,
            pulse: Counts::default(),
            reader: None,
            losses: Losses::default(),
            configured: Mutex::default(),
            reloads: Reloads::default(),
        }
    }

    fn known(synced: bool, age: Option<u64>, trouble: Option<&'static str>) -> KindState {
        KindState {
            synced,
            age: age.map(Duration::from_secs),
            trouble,
            ..KindState::default()
        }
    }

    #[test]
    fn readiness_names_each_kind_with_its_state_age_and_trouble() {
        let kinds = [
            (Kind::Namespace, known(true, Some(3), None)),
            (Kind::Pod, known(false, None, Some("forbidden"))),
        ];
        let waiting = pages(false, &kinds);
        let text = "Namespace: synced, heard of 3s ago\nPod: not synced; forbidden\n";
        assert_eq!(waiting.ready(), (false, format!("not ready\n{text}")));

        // The API is away: what was ready stays so.
        let kinds = [(Kind::Pod, known(true, Some(4000), Some("unreachable")))];
        let ready = pages(true, &kinds);
        let text = "Pod: synced, heard of 1h6m ago; unreachable\n";
        assert_eq!(ready.ready(), (true, format!("ready\n{text}")));
        ready.drain.start();
        assert_eq!(ready.ready(), (false, format!("stopping\n{text}")));
    }

    #[test]
    fn what_comes_from_a_checkpoint_is_as_old_as_that_says_until_the_kind_is_listed() {
        let kinds = [
            (Kind::Namespace, known(true, Some(1), None)),
            (Kind::Pod, known(false, None, Some("unreachable"))),
        ];
        let pages = pages(true, &kinds);
        let restored = Aged::new(Instant::now(), Duration::from_secs(90_000));
        pages.progress.update(|state| {
            state.restored.insert(Kind::Pod, restored);
        });
        let text = "ready\nNamespace: synced, heard of 1s ago\n\
                    Pod: from the checkpoint, heard of 1d1h ago; unreachable\n";
        assert_eq!(pages.ready(), (true, text.to_owned()));
    }

    #[test]
    fn ages_have_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (3599, "59m59s"),
            (3600, "1h0m"),
            (86_399, "23h59m"),
            (200_000, "2d7h"),
        ] {
            assert_eq!(Ago(Duration::from_secs(seconds)).to_string(), text);
        }
    }

    #[test]
    fn what_is_known_of_each_kind_is_in_the_series() {
        let state = KindState {
            relists: 2,
            errors: vec![("cut", 3)],
            invalid: vec![("spec.ports".into(), 4)],
            ..known(true, Some(5), None)
        };
        let pages = pages(true, &[(Kind::Service, state)]);
        pages.progress.update(|state| {
            state.repairs.insert(Kind::Service, 6);
            state.expired = true;
        });
        let text = pages.metrics();
        for line in [
            "tenantdns_watch_synced{kind=\"Service\"} 1",
            "tenantdns_watch_age_seconds{kind=\"Service\"} 5",
            "tenantdns_watch_relists_total{kind=\"Service\"} 2",
            "tenantdns_watch_errors_total{kind=\"Service\",reason=\"cut\"} 3",
            "tenantdns_invalid_objects_total{kind=\"Service\",reason=\"spec.ports\"} 4",
            "tenantdns_index_repairs_total{kind=\"Service\"} 6",
            "tenantdns_identities_trusted 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("checkpoint"), "{text}");
    }
}
