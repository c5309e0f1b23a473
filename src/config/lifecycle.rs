//! What the configuration says of a server's life: `lameduck` of `[health]`, `monitor` of `[ready]`,
//! `[reload]`, and `handover` of `[server]`.

use super::document::Section;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a server lives and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// `lameduck`: how long a server that is told to stop answers on, while it says that it is not
    /// ready.
    pub lameduck: Duration,
    /// `monitor`: whether readiness is taken back.
    pub monitor: Monitor,
    /// `interval` of `[reload]`: how often the configuration is looked at; `None` for never.
    pub reload: Option<Duration>,
    /// `jitter`: how much sooner or later that is at most, in all, so that replicas don't change at
    /// the same moment.
    pub jitter: Duration,
    /// `handover`: the Unix socket at which a successor gets the listening sockets.
    pub handover: Option<PathBuf>,
}

/// When a server that was ready is not ready any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Monitor {
    /// Once it is told to stop.
    #[default]
    UntilReady,
    /// Also while identities are too old to be trusted.
    Continuously,
}

/// A file of the configuration, as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct FileRead {
    /// Its path, as it was given.
    pub path: PathBuf,
    /// What it said.
    pub text: Arc<str>,
}

impl fmt::Debug for FileRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} octets)", self.path.display(), self.text.len())
    }
}

impl Default for Lifecycle {
    /// CoreDNS's intervals; a lameduck that is longer than endpoints take to be known as gone.
    fn default() -> Self {
        Self {
            lameduck: Duration::from_secs(15),
            monitor: Monitor::UntilReady,
            reload: Some(Duration::from_secs(30)),
            jitter: Duration::from_secs(15),
            handover: None,
        }
    }
}

const LAMEDUCK: &str = "it is `0` (stop at once) to `1h`";
const INTERVAL: &str = "it is `0` (only when told) or `2s` to `24h`";
const JITTER: &str = "it is `0` or `1s` to `24h`";
const DAY: Duration = Duration::from_secs(86_400);

impl Lifecycle {
    /// Reads `lameduck`.
    pub(super) fn read_health(&mut self, table: &mut Section<'_>) {
        let hour = Duration::from_secs(3600);
        let range = Duration::ZERO..=hour;
        table.duration("lameduck", &mut self.lameduck, range, LAMEDUCK);
    }

    /// Reads `monitor`.
    pub(super) fn read_ready(&mut self, table: &mut Section<'_>) {
        let words = [
            ("until-ready", Monitor::UntilReady),
            ("continuously", Monitor::Continuously),
        ];
        table.choice("monitor", &mut self.monitor, &words);
    }

    /// Reads `handover`.
    pub(super) fn read_server(&mut self, table: &mut Section<'_>) {
        table.parsed("handover", &mut self.handover, "a path", |text| {
            if text.is_empty() {
                return Ok(None);
            }
            super::text::socket_path(text).map(Some)
        });
    }

    /// Reads `[reload]`.
    pub(super) fn read_reload(&mut self, mut table: Section<'_>) {
        let at_least = |shortest: u64, rule: &'static str| {
            move |text: &str| match super::text::duration(text)? {
                Duration::ZERO => Ok(None),
                time if time >= Duration::from_secs(shortest) && time <= DAY => Ok(Some(time)),
                _ => Err(format!(
                    "`{}` is out of range; {rule}",
                    super::text::shown(text)
                )),
            }
        };
        let want = "a duration, as in \"30s\"";
        table.parsed("interval", &mut self.reload, want, at_least(2, INTERVAL));
        let mut jitter = Some(self.jitter);
        table.parsed("jitter", &mut jitter, want, at_least(1, JITTER));
        self.jitter = jitter.unwrap_or_default();
        table.finish(&[]);
    }
}
