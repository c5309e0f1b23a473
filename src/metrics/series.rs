//! The series, one line each; docs/metrics.md has the same table. Not their values.

use super::page::Series;

macro_rules! series {
    ($($name:ident = $kind:ident $text:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $name: Series = Series::$kind($text, &[$($label),*], $help);)*
    };
}

series! {
    BUILD = gauge "tenantdns_build_info" ["version"]
        "1, with the version of the program";
    IN_FORCE = gauge "tenantdns_config_info" ["configuration", "policy"]
        "1, with the SHA-512 of the configuration in force and of what it says of tenants";

    QUERIES = counter "tenantdns_queries_total" ["protocol"]
        "Queries received";
    ANSWERS = counter "tenantdns_answers_total" []
        "Answers given, those to held queries among them";
    DROPPED = counter "tenantdns_queries_dropped_total" []
        "Messages that get no answer: responses, and those without a header";
    UNANSWERABLE = counter "tenantdns_udp_unanswerable_total" []
        "Datagrams that can't be answered: from port 0, or cut by the kernel";
    LOST = counter "tenantdns_udp_lost_total" []
        "Datagrams that a full socket lost";
    SEND_ERRORS = counter "tenantdns_udp_send_errors_total" []
        "Answers that the kernel refused to send";
    RECEIVE_ERRORS = counter "tenantdns_udp_receive_errors_total" []
        "Failures to receive from a socket";
    CONNECTIONS = counter "tenantdns_tcp_connections_total" []
        "TCP connections taken";
    CONNECTIONS_REFUSED = counter "tenantdns_tcp_connections_refused_total" []
        "TCP connections refused because their client had as many as one may have";
    ACCEPT_ERRORS = counter "tenantdns_tcp_accept_errors_total" []
        "Failures to take a TCP connection";
    TIMEOUTS = counter "tenantdns_tcp_timeouts_total" []
        "Connections closed because their peer was too slow, encrypted ones among them";
    QUIC_CONNECTIONS = counter "tenantdns_quic_connections_total" []
        "QUIC connections taken";
    QUIC_REFUSED = counter "tenantdns_quic_connections_refused_total" []
        "QUIC connections refused because their client had as many as one may have, or too many were opening";
    HANDSHAKES_FAILED = counter "tenantdns_handshakes_failed_total" []
        "Connections that did not come to terms on TLS, or not in time";
    HELD = counter "tenantdns_held_queries_total" []
        "Queries kept until their client is known";
    HELD_REFUSED = counter "tenantdns_held_queries_refused_total" []
        "Queries not kept because too many were";
    HELD_ENDED = counter "tenantdns_held_answers_total" ["reason"]
        "Held queries answered: their client became known, or their time was up";
    LIMITED = counter "tenantdns_limited_queries_total" ["reason", "result"]
        "Queries over a limit";
    ASKED = counter "tenantdns_upstream_queries_total" []
        "Queries handed to an upstream";
    FORWARDED = counter "tenantdns_forwarded_queries_total" ["result"]
        "Queries that name a client: by forwarders, and by others, which is ignored";
    PANICS = counter "tenantdns_panics_total" []
        "Panics while answering a query, each of which cost that query alone";
    UNWRITTEN = counter "tenantdns_unwritten_answers_total" ["kind"]
        "Answers that are missing in the query log, dnstap or spans, whose reader is too slow";

    CACHE_DETECTED = gauge "tenantdns_shared_cache_detected" []
        "1 while a forwarder answers from a cache, which gives one tenant's answers to others";
    CANARIES = counter "tenantdns_canary_looks_total" ["result"]
        "Names asked of forwarders to notice such a cache";

    PUBLISHED = counter "tenantdns_snapshots_published_total" []
        "Snapshots that queries were answered from";
    OBJECTS = gauge "tenantdns_index_objects" ["kind"]
        "Objects known";
    INVALID = counter "tenantdns_invalid_objects_total" ["kind", "reason"]
        "Objects skipped";
    TRUSTED = gauge "tenantdns_identities_trusted" []
        "0 while pods and namespaces were last heard of longer ago than identity_max_age";

    SYNCED = gauge "tenantdns_watch_synced" ["kind"]
        "1 once the API has given every object of the kind";
    AGE = gauge "tenantdns_watch_age_seconds" ["kind"]
        "Seconds since the API was last heard of for the kind";
    RELISTS = counter "tenantdns_watch_relists_total" ["kind"]
        "Lists begun after the first";
    ERRORS = counter "tenantdns_watch_errors_total" ["kind", "reason"]
        "Failures of lists and watches";
    REPAIRS = counter "tenantdns_index_repairs_total" ["kind"]
        "Objects that differed from the API's without an event saying so";

    DENIED = counter "tenantdns_denied_total" ["reason"]
        "Record sets that enforcing takes away, of the answers that are audited";
    SWEEPS = counter "tenantdns_sweeps_suspected_total" ["kind"]
        "Clients suspected of a sweep, once a minute each";
    OVERLOOKED = counter "tenantdns_sweep_names_overlooked_total" []
        "Names that were not looked at because too many clients were";
    RECORDS_LOST = counter "tenantdns_records_lost_total" []
        "Records of queries that found no room on their way from a worker";

    CLIENT_ANSWERS = counter "tenantdns_client_answers_total" ["class", "result"]
        "Answers by kind of client";
    TENANT_ANSWERS = counter "tenantdns_tenant_answers_total" ["tenant", "result"]
        "Answers to a tenant's pods";
    TENANT_SWEEPS = counter "tenantdns_tenant_sweeps_suspected_total" ["tenant", "kind"]
        "Pods of a tenant suspected of a sweep, once a minute each";
    UNKNOWN_ANSWERS = counter "tenantdns_unknown_client_answers_total" ["network"]
        "Answers to unknown clients, by their /24 or /48";
    NODE_HIDDEN = counter "tenantdns_node_hidden_answers_total" []
        "Answers to nodes that hid a name which is there";
    VISIBLE_PAIRS = gauge "tenantdns_visible_pairs" ["sight"]
        "Pairs of a namespace and another one that its pods see";
    CONDITION = gauge "tenantdns_condition" ["kind", "reason"]
        "Objects in a state that costs them something";

    CHECKPOINT_AGE = gauge "tenantdns_checkpoint_age_seconds" []
        "Seconds since the state that the checkpoint file holds";
    CHECKPOINT_WRITES = counter "tenantdns_checkpoint_writes_total" []
        "Checkpoint files written";
    CHECKPOINT_ERRORS = counter "tenantdns_checkpoint_errors_total" []
        "Failures to write the checkpoint file";

    CPU = counter "process_cpu_seconds_total" []
        "User and system CPU time";
    RSS = gauge "process_resident_memory_bytes" []
        "Resident memory";
    VIRTUAL = gauge "process_virtual_memory_bytes" []
        "Virtual memory";
    OPEN_FDS = gauge "process_open_fds" []
        "Open file descriptors";
    MAX_FDS = gauge "process_max_fds" []
        "File descriptors that the process may open";
    START = gauge "process_start_time_seconds" []
        "Start of the process, in seconds since 1970";
}
