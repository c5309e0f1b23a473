//! Cluster DNS for Kubernetes that answers like CoreDNS and shows each pod only the part of the
//! cluster that its tenant may see.
//!
//! A query goes down this list, an event up; `tests/tidy.rs` holds who may use whom.
//!
//! | room | what it is |
//! |---|---|
//! | [`wire`] | the DNS wire format on borrowed bytes |
//! | [`model`] | the cluster's objects as plain data |
//! | [`cow`] | copy-on-write containers: what the index changes and snapshots share |
//! | [`tenancy`] | who may see what: clients, policy, views |
//! | [`zone`] | names to RRsets; the one look-up, which takes a view |
//! | [`chain`] | server blocks and their steps |
//! | [`snapshot`] | the immutable value that queries read, and the cell it is published through |
//! | [`index`] | the single writer: events in, snapshots out |
//! | [`answer`] | `respond()`: from a query's bytes to its answer's |
//! | [`audit`] | what enforcing takes away from answers |
//! | [`tap`] | what another server's log and dnstap tell of its queries, and the dnstap of this one |
//! | [`protobuf`] | Protocol Buffers on borrowed bytes |
//! | [`manifests`] | the offline source: YAML and JSON to events |
//! | [`watch`] | the API source: the only room that names kube (feature `kubernetes`) |
//! | [`checkpoint`] | the objects in a file, for a start without the API |
//! | [`server`] | sockets: UDP workers, TCP, waiting queries |
//! | [`forward`] | names that are not ours: upstreams asked, their replies checked |
//! | [`cache`] | forwarded answers as wire octets |
//! | [`canary`] | notices a cache in front that merges tenants |
//! | [`observe`] | what the answers tell of the clients: counts, and suspicions of a sweep |
//! | [`querylog`] | lines about queries, as CoreDNS's `log` and `errors` write them |
//! | [`otlp`] | sampled queries as spans, in OpenTelemetry's protocol |
//! | [`ring`] | a bounded, lossy queue from one thread to another |
//! | [`limits`] | how much clients and tenants may ask |
//! | [`drain`] | the signal to stop |
//! | [`commands`] | explain, visibility, policy test and diff, and what check notes |
//! | [`probe`] | the attack checklist, tried from inside a tenant |
//! | [`metrics`] | what is counted, as Prometheus' text |
//! | [`admin`] | the HTTP listeners: health, readiness, metrics; the administrator's |
//! | [`config`] | the file and the arguments as values |
//! | [`tls`] | a listener's certificate, followed while it is replaced |
//! | [`telemetry`] | log lines |
//! | [`app`] | the wiring |
//!
//! ARCHITECTURE.md has the flows and the invariants with the tests that hold them.

pub mod admin;
pub mod answer;
pub mod app;
pub mod audit;
pub mod cache;
pub mod canary;
pub mod chain;
pub mod checkpoint;
pub mod commands;
pub mod config;
pub mod cow;
pub mod drain;
pub mod forward;
pub mod index;
pub mod limits;
pub mod manifests;
pub mod metrics;
pub mod model;
pub mod observe;
pub mod otlp;
pub mod probe;
pub mod protobuf;
pub mod querylog;
pub mod ring;
pub mod server;
pub mod snapshot;
pub mod tap;
pub mod telemetry;
pub mod tenancy;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
#[cfg(feature = "kubernetes")]
pub mod watch;
pub mod wire;
pub mod zone;
