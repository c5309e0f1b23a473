//! The `[cache]` table as values; words, defaults and bounds are those of CoreDNS's `cache`.

use crate::wire::{Lifetimes, Name};
use std::time::Duration;

/// What is kept, and how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `zones`: names at or below these are looked up; empty for all of them.
    pub zones: Vec<Name>,
    /// `success`: answers.
    pub success: Half,
    /// `denial`: names and types that are not there.
    pub denial: Half,
    /// `servfail`: how long a failure is kept; zero for never.
    pub servfail: Duration,
    /// `prefetch`: what is asked again before its time is up.
    pub prefetch: Prefetch,
    /// `serve_stale`: what is answered after its time was up.
    pub serve_stale: ServeStale,
    /// `keepttl`: answers keep the TTL that they came with.
    pub keepttl: bool,
    /// `disable.success`: zones whose answers are not kept.
    pub disable_success: Vec<Name>,
    /// `disable.denial`: zones whose denials are not kept.
    pub disable_denial: Vec<Name>,
    /// `bytes`: octets that all of it takes at most.
    pub bytes: u64,
    /// `isolation`: who shares what is kept.
    pub isolation: Isolation,
}

/// One half of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Half {
    /// `capacity`: entries at most.
    pub capacity: usize,
    /// `ttl`: the longest time that an answer is kept, and so the highest TTL that is answered.
    pub ttl: Duration,
    /// `min_ttl`: the shortest.
    pub min_ttl: Duration,
}

/// When an answer is asked again before its time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefetch {
    /// `amount`: how often it was asked for; 0 for never.
    pub amount: u32,
    /// `duration`: the longest gap between two of them.
    pub duration: Duration,
    /// `percentage`: how much of its TTL is left at most.
    pub percentage: u8,
}

/// What is answered after its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeStale {
    /// `for`: how long after; zero for not at all.
    pub up_to: Duration,
    /// `mode = "verify"`: only where the upstream has nothing better to say.
    pub verify: bool,
    /// `verify_timeout`: how long that is waited for; zero for as long as a query has.
    pub verify_timeout: Duration,
    /// `response_ttl`: the TTL that it is answered with, in seconds.
    pub response_ttl: u32,
    /// `failure_recheck`: how long after a question in vain it is not asked again; zero for the usual
    /// time.
    pub failure_recheck: Duration,
    /// `prefer_positive`: what was found once is answered before what denies it.
    pub prefer_positive: bool,
}

/// Who shares what is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Everybody who is answered by the same upstreams.
    #[default]
    Shared,
    /// The clients of one tenant: by TTL and speed nobody can tell what another tenant asked.
    Tenant,
}

impl Options {
    /// Returns what TTLs are within, in seconds.
    pub fn lifetimes(&self) -> Lifetimes {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let of = |half: &Half| (seconds(half.min_ttl), seconds(half.ttl));
        Lifetimes {
            success: of(&self.success),
            denial: of(&self.denial),
            failure: seconds(self.servfail),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        let half = |ttl| Half {
            capacity: 9984,
            ttl: seconds(ttl),
            min_ttl: seconds(5),
        };
        Self {
            zones: Vec::new(),
            success: half(3600),
            denial: half(1800),
            servfail: seconds(5),
            prefetch: Prefetch {
                amount: 0,
                duration: seconds(60),
                percentage: 10,
            },
            serve_stale: ServeStale {
                up_to: Duration::ZERO,
                verify: false,
                verify_timeout: Duration::ZERO,
                response_ttl: 0,
                failure_recheck: Duration::ZERO,
                prefer_positive: false,
            },
            keepttl: false,
            disable_success: Vec::new(),
            disable_denial: Vec::new(),
            bytes: 32 << 20,
            isolation: Isolation::Shared,
        }
    }
}
