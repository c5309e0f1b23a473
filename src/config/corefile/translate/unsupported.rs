//! Why a directive is refused, and what to do instead.

pub(super) const PROXY: &str = "who the client is comes from a PROXY header here: write a `tenancy` block \
     with `forwarder { identity proxy_v2; peers { cidrs … } }`";
pub(super) const TSIG: &str = "messages are not signed; leave it out";
pub(super) const DNSSEC: &str = "zones are not signed here; nothing in a cluster's DNS validates its names. \
     Leave it out";
pub(super) const BACKEND: &str = "this back end is not supported: keep a CoreDNS for it, and `forward` its \
     zone there in a server block of its own";
pub(super) const ZONE_FILE: &str = "zone files are not served: keep a CoreDNS for the zone and `forward` it \
     there, or write a few names with `hosts` or `template`";
pub(super) const GRPC: &str =
    "upstreams are not asked over gRPC; `forward` asks over DNS, TLS and HTTPS";
pub(super) const DIAGNOSTIC: &str = "it makes answers wrong on purpose, which only tests want";
pub(super) const WHOAMI: &str = "it answers every name with the client's address; ask for TXT \
     whoami.tenantdns.<zone> instead, which tells the tenant too";
pub(super) const COMMAND: &str =
    "commands are not run; do it in the pod's init container or preStop hook";
pub(super) const REMOVED_PROXY: &str = "CoreDNS has no `proxy` since 1.5; write `forward` with the same \
     zone and upstreams (`policy`, `max_fails`, `except` stay; `fail_timeout` and `protocol` go)";
pub(super) const REMOVED_FEDERATION: &str = "CoreDNS has no `federation` since 1.7, nor has Kubernetes; \
     take it out";
pub(super) const REMOVED_REVERSE: &str = "CoreDNS has no `reverse` since 1.2; write `template`";
