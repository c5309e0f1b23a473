//! Sampled queries as spans, in OpenTelemetry's protocol (OTLP) over HTTP: what a collector is sent, and
//! what it says. Bytes alone: whoever has the connection sends and receives them.
//!
//! Written by [`crate::protobuf`] and not by generated code: one message of few fields goes out
//! (docs/decisions/0014-spans.md).

mod endpoint;
mod request;
mod span;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, EndpointError};
pub use request::{Resource, Taken, read_taken, request};
pub use span::{Ids, span};

use crate::observe::Share;

/// `[opentelemetry]`: which queries a collector is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `to`: the collector.
    pub to: Endpoint,
    /// `sample`: the part of the queries.
    pub sample: Share,
    /// `service`: what this server calls itself.
    pub service: Box<str>,
    /// `ca`: who vouches for a collector with TLS; `None` for whom the host trusts.
    pub ca: Option<std::path::PathBuf>,
}
