//! `[audit]`: where is written what enforcing takes away.

use super::document::Section;
use std::path::PathBuf;
use std::time::Duration;

/// The table's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// `log`: where lines go; `None` where they are not written.
    pub log: Option<Log>,
    /// `window`: the time of which a line tells.
    pub window: Duration,
    /// `enforced`: lines tell of clients that the policy is enforced on, too.
    pub enforced: bool,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Log {
    /// The standard output, between the lines that say who listens.
    Stdout,
    /// A file, at its end.
    File(PathBuf),
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            log: Some(Log::Stdout),
            window: Duration::from_secs(10),
            enforced: false,
        }
    }
}

/// Reads the table.
pub(super) fn read(mut table: Section<'_>) -> Audit {
    let mut audit = Audit::default();
    table.parsed("log", &mut audit.log, "\"stdout\" or a path", |text| {
        Ok::<_, &str>(match text {
            "" => None,
            "stdout" => Some(Log::Stdout),
            path => Some(Log::File(path.into())),
        })
    });
    table.duration(
        "window",
        &mut audit.window,
        Duration::from_secs(1)..=Duration::from_secs(3600),
        "a window lasts `1s` to `1h`",
    );
    table.flag("enforced", &mut audit.enforced);
    table.finish(&[]);
    audit
}
