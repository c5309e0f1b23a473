//! The rates of `[limits]` as values.

use std::num::NonZeroU32;

/// How much may be asked; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// By one client's address.
    pub client: Option<Rate>,
    /// By all pods of a tenant together.
    pub tenant: Option<Rate>,
}

/// Queries that may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// A second, in the long run.
    pub qps: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}
