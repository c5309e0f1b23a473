//! Tests against the real thing: Kubernetes' API server, and CoreDNS beside us.
//!
//! `make peers` builds both. Where they are missing the tests fail, except that without Go and
//! outside CI they say so and pass.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where it is wrong"
)]

#[path = "live/admin.rs"]
mod admin;
#[path = "live/admission.rs"]
mod admission;
#[path = "live/apiserver.rs"]
mod apiserver;
#[path = "live/audit.rs"]
mod audit;
#[path = "live/checkpoint.rs"]
mod checkpoint;
#[path = "live/clients.rs"]
mod clients;
#[path = "live/coredns.rs"]
mod coredns;
#[path = "live/corefiles.rs"]
mod corefiles;
#[allow(dead_code, reason = "the worked examples use what is not used here")]
#[path = "it/decode.rs"]
mod decode;
#[path = "live/deploy.rs"]
mod deploy;
#[path = "live/differential.rs"]
mod differential;
#[path = "live/encodings.rs"]
mod encodings;
#[cfg(feature = "encrypted")]
#[path = "live/encrypted.rs"]
mod encrypted;
#[path = "it/expressions.rs"]
mod expressions;
#[path = "live/faults.rs"]
mod faults;
#[path = "live/forward.rs"]
mod forward;
#[path = "live/forward_options.rs"]
mod forward_options;
#[path = "live/forward_told.rs"]
mod forward_told;
#[path = "netns/hosts.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod hosts;
#[path = "live/metrics.rs"]
mod metrics;
#[path = "live/outgoing.rs"]
mod outgoing;
#[path = "live/parts.rs"]
mod parts;
#[path = "live/plugins.rs"]
mod plugins;
#[path = "live/policy.rs"]
mod policy;
#[path = "live/probe.rs"]
mod probe;
#[path = "live/process.rs"]
mod process;
#[path = "live/prometheus.rs"]
mod prometheus;
#[path = "live/proxy.rs"]
mod proxy;
#[path = "live/rbac.rs"]
mod rbac;
#[path = "live/reload.rs"]
mod reload;
#[path = "live/replica.rs"]
mod replica;
#[path = "live/resolv_conf.rs"]
mod resolv_conf;
#[path = "live/scope.rs"]
mod scope;
#[path = "live/serving.rs"]
mod serving;
#[path = "live/stale.rs"]
mod stale;
#[path = "live/stub.rs"]
mod stub;
#[path = "live/transfer.rs"]
mod transfer;
#[path = "live/unchanged.rs"]
mod unchanged;
#[path = "live/upstreams.rs"]
mod upstreams;
#[path = "live/watch.rs"]
mod watch;
