//! Tests of the whole: cases as data, answers decoded by a second implementation of the wire format.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where it is wrong"
)]

#[path = "it/attacks.rs"]
mod attacks;
#[path = "it/audits.rs"]
mod audits;
#[path = "it/caching.rs"]
mod caching;
#[path = "it/checklist.rs"]
mod checklist;
#[path = "it/checkpoint.rs"]
mod checkpoint;
#[path = "it/clients.rs"]
mod clients;
#[path = "it/corefile.rs"]
mod corefile;
#[path = "it/corefile_program.rs"]
mod corefile_program;
#[path = "it/dashboard.rs"]
mod dashboard;
#[path = "it/decode.rs"]
mod decode;
#[path = "it/deploy.rs"]
mod deploy;
#[path = "it/edns.rs"]
mod edns;
#[cfg(feature = "encrypted")]
#[path = "it/encrypted.rs"]
mod encrypted;
#[path = "it/events.rs"]
mod events;
#[path = "it/examples.rs"]
mod examples;
#[path = "it/exchange.rs"]
mod exchange;
#[path = "it/expressions.rs"]
mod expressions;
#[path = "it/forwarding.rs"]
mod forwarding;
#[cfg(feature = "encrypted")]
#[path = "it/https_upstream.rs"]
mod https_upstream;
#[path = "it/identity.rs"]
mod identity;
#[path = "it/image.rs"]
mod image;
#[path = "it/journal.rs"]
mod journal;
#[path = "it/judging.rs"]
mod judging;
#[path = "it/labels.rs"]
mod labels;
#[path = "it/liar.rs"]
mod liar;
#[path = "it/lifecycle.rs"]
mod lifecycle;
#[path = "it/live.rs"]
mod live;
#[path = "it/malformed.rs"]
mod malformed;
#[path = "it/noninterference.rs"]
mod noninterference;
#[path = "it/options.rs"]
mod options;
#[path = "it/pages.rs"]
mod pages;
#[path = "it/policy.rs"]
mod policy;
#[path = "it/probe.rs"]
mod probe;
#[path = "it/program.rs"]
mod program;
#[path = "it/races.rs"]
mod races;
#[path = "it/random.rs"]
mod random;
#[path = "it/records.rs"]
mod records;
#[path = "it/robust.rs"]
mod robust;
#[path = "it/sampling.rs"]
mod sampling;
#[path = "it/secondaries.rs"]
mod secondaries;
#[path = "it/serving.rs"]
mod serving;
#[path = "it/snapshots.rs"]
mod snapshots;
#[path = "it/spans.rs"]
mod spans;
#[path = "it/steps.rs"]
mod steps;
#[path = "it/stub.rs"]
mod stub;
#[path = "it/stub_peers.rs"]
mod stub_peers;
#[path = "it/tapped.rs"]
mod tapped;
#[path = "it/tenants.rs"]
mod tenants;
#[path = "it/transfer.rs"]
mod transfer;
#[path = "it/transfer_views.rs"]
mod transfer_views;
#[path = "it/truncation.rs"]
mod truncation;
#[path = "it/versions.rs"]
mod versions;
#[path = "it/waiting.rs"]
mod waiting;
#[path = "it/wire.rs"]
mod wire;
#[path = "it/work.rs"]
mod work;
