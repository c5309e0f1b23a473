//! Cluster DNS for Kubernetes that shows each pod only what its tenant may see.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod answer;
pub mod chain;
pub mod drain;
pub mod index;
pub mod model;
pub mod server;
pub mod snapshot;
pub mod tenancy;
pub mod wire;
pub mod zone;
