//! Lines about queries that something failed for: CoreDNS's `errors`, with its form. Errors that a
//! pattern is for are counted instead, and said once an interval.

use super::entry::Entry;
use super::types::type_name;
use regex::Regex;
use std::fmt::Write;
use std::time::Duration;

/// How grave a line says that it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Level {
    /// `[DEBUG]`
    Debug,
    /// `[INFO]`
    Info,
    /// `[WARNING]`
    Warning,
    /// `[ERROR]`
    #[default]
    Error,
}

impl Level {
    /// Every level, by its word.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("warning", Self::Warning),
        ("error", Self::Error),
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// `consolidate`: errors that are said together.
#[derive(Debug, Clone)]
pub struct Consolidate {
    /// How long they are counted.
    pub interval: Duration,
    /// Which they are.
    pub pattern: Regex,
    /// How grave the line is.
    pub level: Level,
    /// Whether the first one has a line of its own at once.
    pub show_first: bool,
}

impl PartialEq for Consolidate {
    fn eq(&self, other: &Self) -> bool {
        (
            self.interval,
            self.pattern.as_str(),
            self.level,
            self.show_first,
        ) == (
            other.interval,
            other.pattern.as_str(),
            other.level,
            other.show_first,
        )
    }
}

/// The errors of one server block. Times are on any clock that does not go back.
#[derive(Debug)]
pub struct ErrorLines {
    counted: Vec<Counted>,
}

#[derive(Debug)]
struct Counted {
    rule: Consolidate,
    count: u64,
    /// When the interval is over.
    until: Duration,
}

impl ErrorLines {
    /// Returns what nothing has failed for yet.
    pub fn new(rules: Vec<Consolidate>) -> Self {
        let counted = rules.into_iter().map(|rule| Counted {
            rule,
            count: 0,
            until: Duration::ZERO,
        });
        Self {
            counted: counted.collect(),
        }
    }

    /// Adds the line of a failure to `text`, where it has one now, and those of intervals that are over.
    pub fn report(&mut self, now: Duration, entry: &Entry<'_>, error: &str, text: &mut String) {
        self.turn(now, text);
        let found = self
            .counted
            .iter_mut()
            .find(|counted| counted.rule.pattern.is_match(error));
        let level = match found {
            None => Level::Error,
            Some(counted) => {
                counted.count += 1;
                if counted.count == 1 {
                    counted.until = now.saturating_add(counted.rule.interval);
                }
                if counted.count > 1 || !counted.rule.show_first {
                    return;
                }
                counted.rule.level
            }
        };
        let (rcode, level) = (entry.exchange.rcode.0, level.as_str());
        let (name, rtype) = (&entry.name, type_name(entry.qtype));
        // Writing to a text can't fail.
        let _ = writeln!(
            text,
            "[{level}] plugin/errors: {rcode} {name} {rtype}: {error}"
        );
    }

    /// Adds the lines of the intervals that are over.
    pub fn turn(&mut self, now: Duration, text: &mut String) {
        for counted in &mut self.counted {
            if counted.count > 0 && counted.until <= now {
                counted.close(text);
            }
        }
    }

    /// Adds the lines of all intervals: there will be no more failures.
    pub fn close(&mut self, text: &mut String) {
        for counted in &mut self.counted {
            counted.close(text);
        }
    }
}

impl Counted {
    fn close(&mut self, text: &mut String) {
        let count = std::mem::take(&mut self.count);
        let rule = &self.rule;
        if count > 1 || (count == 1 && !rule.show_first) {
            // Writing to a text can't fail.
            let _ = writeln!(
                text,
                "[{}] plugin/errors: {count} errors like '{}' occurred in last {}",
                rule.level.as_str(),
                rule.pattern,
                go_duration(rule.interval)
            );
        }
    }
}

/// Returns a duration as Go writes it: `5m0s`, `1.5s`, `20ms`.
fn go_duration(duration: Duration) -> String {
    let (seconds, fraction) = (duration.as_secs(), duration.subsec_nanos());
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = f64::from((seconds % 60) as u32) + f64::from(fraction) / 1e9;
    match (hours, minutes, seconds) {
        (0, 0, 0) if fraction > 0 => format!("{}ms", f64::from(fraction) / 1e6),
        (0, 0, _) => format!("{rest}s"),
        (0, ..) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}
