//! Cluster DNS for Kubernetes that shows each pod only what its tenant may see.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod answer;
pub mod app;
pub mod chain;
pub mod commands;
pub mod config;
pub mod cow;
pub mod drain;
pub mod index;
pub mod manifests;
pub mod model;
pub mod server;
pub mod snapshot;
pub mod telemetry;
pub mod tenancy;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod wire;
pub mod zone;
