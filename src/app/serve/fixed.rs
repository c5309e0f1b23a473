//! The keys that another configuration can't change in a running server. Few, and each for a reason.

use crate::config::Config;

/// Returns the keys that differ although only a restart can change them.
pub(super) fn differing(before: &Config, next: &Config) -> Vec<&'static str> {
    let (old, new) = (&before.source.kubernetes, &next.source.kubernetes);
    let keys = [
        // The sockets of a port share its queries by their number.
        (
            "server.threads",
            before.server.threads != next.server.threads,
        ),
        // A worker goes to its CPU before it does anything else.
        ("server.pin", before.server.pin != next.server.pin),
        // Another source is another cluster: nothing of what is known of one is true of the other.
        (
            "source.manifests",
            before.source.manifests != next.source.manifests,
        ),
        (
            "source.kubernetes.kubeconfig",
            old.kubeconfig != new.kubeconfig,
        ),
        ("source.kubernetes.context", old.context != new.context),
        ("source.kubernetes.server", old.server != new.server),
        // A server that needs no cluster follows none.
        ("kubernetes", before.needs_objects() != next.needs_objects()),
        // What is watched, and how, is said when a watch begins.
        (
            "source.kubernetes.identity_scope",
            old.identity_scope != new.identity_scope,
        ),
        (
            "source.kubernetes.node_name",
            old.node_name != new.node_name,
        ),
        (
            "source.kubernetes.watch_timeout",
            old.watch_timeout != new.watch_timeout,
        ),
        (
            "source.kubernetes.audit_interval",
            old.audit_interval != new.audit_interval,
        ),
        (
            "source.kubernetes.checkpoint",
            old.checkpoint != new.checkpoint,
        ),
    ];
    let keys = keys.into_iter().filter(|(_, differs)| *differs);
    keys.map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_change_is_named_by_key() {
        let read = |text: &str| Config::from_toml(text, "f.toml").unwrap();
        let first = read("");
        for (text, keys) in [
            ("", &[][..]),
            ("[tenancy]\nmode = \"off\"\n[limits]\nclient_qps = 5\n", &[]),
            (
                "[server]\nthreads = 3\nlisten = [\"127.0.0.1:5300\"]\n",
                &["server.threads"],
            ),
            (
                "[source.kubernetes]\ncontext = \"a\"\nidentity_max_age = \"1h\"\n",
                &["source.kubernetes.context"],
            ),
            ("[server]\npin = true\n", &["server.pin"]),
            (
                "[source]\nmanifests = [\"a\"]\n[server]\nthreads = 1\n",
                &["server.threads", "source.manifests"],
            ),
        ] {
            assert_eq!(differing(&first, &read(text)), keys, "{text}");
        }
    }
}
