//! CoreDNS's series, by its names, labels and words: what boards and alerts written for it read. The
//! meanings are CoreDNS's own.

use crate::metrics::page::Series;

series! {
    BUILD = gauge "coredns_build_info" ["version", "revision", "goversion"]
        "1, with the version of the program; goversion says that it is not Go";
    PANICS = counter "coredns_panics_total" []
        "Panics while answering a query, each of which cost that query alone";
    PLUGIN_ENABLED = gauge "coredns_plugin_enabled" ["server", "zone", "view", "name"]
        "1 for each table of a server block that is a plugin of CoreDNS's";

    REQUESTS = counter "coredns_dns_requests_total"
        ["server", "zone", "view", "proto", "family", "type"]
        "Queries answered by a server block, or refused for want of one (zone `dropped`)";
    DURATION = histogram "coredns_dns_request_duration_seconds" ["server", "zone", "view"]
        "How long queries took; those of one batch as long as the batch";
    REQUEST_SIZE = histogram "coredns_dns_request_size_bytes" ["server", "zone", "view", "proto"]
        "Size of queries";
    RESPONSE_SIZE = histogram "coredns_dns_response_size_bytes" ["server", "zone", "view", "proto"]
        "Size of answers as they are sent";
    DO_REQUESTS = counter "coredns_dns_do_requests_total" ["server", "zone", "view"]
        "Queries with the DO bit";
    RESPONSES = counter "coredns_dns_responses_total" ["server", "zone", "view", "rcode", "plugin"]
        "Answers by response code and by the plugin that wrote them";

    HTTPS_RESPONSES = counter "coredns_dns_https_responses_total" ["server", "status"]
        "Responses over HTTPS by their status";
    QUIC_RESPONSES = counter "coredns_dns_quic_responses_total" ["server", "status"]
        "Queries over QUIC by the code that ended them; 0x0 is an answer";

    CACHE_ENTRIES = gauge "coredns_cache_entries" ["server", "type", "zones", "view"]
        "Forwarded answers that are kept";
    CACHE_HITS = counter "coredns_cache_hits_total" ["server", "type", "zones", "view"]
        "Queries answered from the cache";
    CACHE_MISSES = counter "coredns_cache_misses_total" ["server", "zones", "view"]
        "Queries that the cache had no answer for";
    CACHE_REQUESTS = counter "coredns_cache_requests_total" ["server", "zones", "view"]
        "Queries looked up in the cache";
    CACHE_PREFETCH = counter "coredns_cache_prefetch_total" ["server", "zones", "view"]
        "Answers asked for again before they expired";
    CACHE_DROPS = counter "coredns_cache_drops_total" ["server", "zones", "view"]
        "Replies that were not kept because they did not fit their question";
    CACHE_STALE = counter "coredns_cache_served_stale_total" ["server", "zones", "view"]
        "Queries answered with an expired answer";
    CACHE_EVICTIONS = counter "coredns_cache_evictions_total" ["server", "type", "zones", "view"]
        "Answers that others took the room of";

    FORWARD_BROKEN = counter "coredns_forward_healthcheck_broken_total" []
        "Queries for which every upstream was down";
    FORWARD_REJECTS = counter "coredns_forward_max_concurrent_rejects_total" []
        "Queries refused because max_concurrent were on their way";
    PROXY_DURATION = histogram "coredns_proxy_request_duration_seconds" ["proxy_name", "to", "rcode"]
        "How long upstreams took to reply";
    PROXY_FAILURES = counter "coredns_proxy_healthcheck_failures_total" ["proxy_name", "to"]
        "Health checks that an upstream failed";
    PROXY_HITS = counter "coredns_proxy_conn_cache_hits_total" ["proxy_name", "to", "proto"]
        "Queries for which a connection to the upstream was at hand";
    PROXY_MISSES = counter "coredns_proxy_conn_cache_misses_total" ["proxy_name", "to", "proto"]
        "Queries for which none was";
    FORWARD_REQUESTS = counter "coredns_forward_requests_total" ["to"]
        "Queries sent to an upstream; CoreDNS's name until 1.10";
    FORWARD_RESPONSES = counter "coredns_forward_responses_total" ["to", "rcode"]
        "Replies of an upstream; CoreDNS's name until 1.10";
    FORWARD_DURATION = histogram "coredns_forward_request_duration_seconds" ["to", "rcode"]
        "How long upstreams took to reply; CoreDNS's name until 1.10";
    FORWARD_FAILURES = counter "coredns_forward_healthcheck_failures_total" ["to"]
        "Health checks that an upstream failed; CoreDNS's name until 1.10";
    FORWARD_SOCKETS = gauge "coredns_forward_sockets_open" ["to"]
        "Connections to an upstream; CoreDNS's name until 1.10";

    PROGRAMMING = histogram "coredns_kubernetes_dns_programming_duration_seconds" ["service_kind"]
        "From a change of a service's pods to the answers that show it";
    REST_DURATION = histogram "coredns_kubernetes_rest_client_request_duration_seconds"
        ["verb", "host"] "How long requests to the API took";
    REST_REQUESTS = counter "coredns_kubernetes_rest_client_requests_total"
        ["code", "method", "host"] "Requests to the API";

    HEALTH_DURATION = histogram "coredns_health_request_duration_seconds" []
        "How long the health page took, asked once a second by the program itself";
    HEALTH_FAILURES = counter "coredns_health_request_failures_total" []
        "Times that the health page could not be had";

    RELOAD_FAILED = counter "coredns_reload_failed_total" []
        "Configurations that were not taken over because something is wrong with them";
    RELOAD_VERSION = gauge "coredns_reload_version_info" ["hash", "value"]
        "1, with the hash of the configuration in force";

    HOSTS_ENTRIES = gauge "coredns_hosts_entries" ["hostsfile"]
        "Names and addresses of a hosts file";
    HOSTS_RELOADED = gauge "coredns_hosts_reload_timestamp_seconds" []
        "When a hosts file was written last, in seconds since 1970";

    ACL_BLOCKED = counter "coredns_acl_blocked_requests_total" ["server", "zone", "view"]
        "Queries that an acl refused";
    ACL_FILTERED = counter "coredns_acl_filtered_requests_total" ["server", "zone", "view"]
        "Queries that an acl answered with nothing";
    ACL_DROPPED = counter "coredns_acl_dropped_requests_total" ["server", "zone", "view"]
        "Queries that an acl left unanswered";
    ACL_ALLOWED = counter "coredns_acl_allowed_requests_total" ["server", "view"]
        "Queries that an acl let pass";

    TEMPLATE_MATCHES = counter "coredns_template_matches_total"
        ["server", "zone", "view", "class", "type"] "Queries answered by a template";

    AUTOPATH = counter "coredns_autopath_success_total" ["server"]
        "Queries that were answered with a name further down the client's search path";
    LOCALHOST = counter "coredns_local_localhost_requests_total" []
        "Queries for localhost.<domain>";
}
