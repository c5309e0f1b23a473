//! `[source]`: where objects come from, and how far a live cluster's identities are trusted. Not
//! reading them, and not the kinds that are watched.

use super::document::{Field, Section};
use super::file::Overrides;
use super::text::shown;
use super::{ApiServer, IdentityScope, Kubernetes, Source};
use std::path::PathBuf;
use std::time::Duration;

/// Reads the table, and returns where it says that identities are those of one node. `max_age` is
/// `identity_max_age` where that is not written.
pub(super) fn read<'a>(
    mut table: Section<'a>,
    max_age: Option<Duration>,
    overrides: &Overrides,
) -> (Source, Option<Field<'a>>) {
    let mut manifests = Vec::new();
    table.list("manifests", &mut manifests, "paths", |text| match text {
        "" => Err("is empty; a path to a file or folder is needed"),
        path => Ok(PathBuf::from(path)),
    });
    let section = table.table("kubernetes");
    if section.is_present() && !manifests.is_empty() && overrides.manifests.is_none() {
        section.problem("can't stand beside `manifests`: objects come from files or from the API");
    }
    let (mut kubernetes, scope) = read_kubernetes(section, max_age);
    table.finish(&[]);
    if let Some(kubeconfig) = &overrides.kubeconfig {
        kubernetes.kubeconfig = Some(kubeconfig.clone());
        kubernetes.server = None;
    }
    if let Some(given) = &overrides.manifests {
        manifests.clone_from(given);
    } else if overrides.kubeconfig.is_some() {
        manifests.clear();
    }
    let source = Source {
        manifests,
        kubernetes,
    };
    (source, scope)
}

fn read_kubernetes(
    mut table: Section<'_>,
    max_age: Option<Duration>,
) -> (Kubernetes, Option<Field<'_>>) {
    let mut kubernetes = Kubernetes {
        identity_max_age: max_age,
        ..Kubernetes::default()
    };
    let path = |text: &str| Ok::<_, &str>((!text.is_empty()).then(|| PathBuf::from(text)));
    table.parsed("kubeconfig", &mut kubernetes.kubeconfig, "a path", path);
    table.parsed("context", &mut kubernetes.context, "a name", |text| {
        Ok::<_, &str>((!text.is_empty()).then(|| text.into()))
    });
    kubernetes.server = read_server(&mut table);
    let words = [
        ("cluster", IdentityScope::Cluster),
        ("node", IdentityScope::Node),
    ];
    let scope = table.choice("identity_scope", &mut kubernetes.identity_scope, &words);
    table.parsed("node_name", &mut kubernetes.node_name, "a name", |text| {
        if text.is_empty() {
            return Ok(None);
        }
        node_name(text).map(Some)
    });
    let seconds = |from, to| Duration::from_secs(from)..=Duration::from_secs(to);
    table.duration(
        "watch_timeout",
        &mut kubernetes.watch_timeout,
        seconds(1, 300),
        "a watch lasts `1s` to `5m`",
    );
    table.duration(
        "audit_interval",
        &mut kubernetes.audit_interval,
        seconds(1, 86_400),
        "comparisons are `1s` to `24h` apart",
    );
    if let Some(field) = table.field("identity_max_age")
        && let Some(age) = field.parsed("a duration, as in \"24h\"", super::text::duration)
    {
        // Where nothing happens in a cluster, it is heard of when a watch ends.
        let shortest = kubernetes.watch_timeout * 2;
        match age {
            Duration::ZERO => kubernetes.identity_max_age = None,
            age if age >= shortest => kubernetes.identity_max_age = Some(age),
            _ => field.problem(format_args!(
                "is out of range; it is `0` (no limit), or `{}s` and more: twice `watch_timeout`",
                shortest.as_secs()
            )),
        }
    }
    table.parsed("checkpoint", &mut kubernetes.checkpoint, "a path", path);
    table.finish(&[]);
    let scope = scope.filter(|_| kubernetes.identity_scope == IdentityScope::Node);
    (kubernetes, scope)
}

/// Reads an API server's address, and the certificates that it needs.
fn read_server(table: &mut Section<'_>) -> Option<ApiServer> {
    let mut url = Box::<str>::default();
    table.parsed("server", &mut url, "an address", |text| {
        let has_host = |scheme| {
            text.strip_prefix(scheme)
                .is_some_and(|host: &str| !host.is_empty())
        };
        let is_url = text.is_empty() || has_host("http://") || has_host("https://");
        let wrong = || {
            format!(
                "`{}` is not an address, as in `https://10.0.0.1:6443`",
                shown(text)
            )
        };
        is_url.then(|| text.into()).ok_or_else(wrong)
    });
    let mut file = |key| {
        let mut path = None;
        table.parsed(key, &mut path, "a path", |text| {
            Ok::<_, &str>((!text.is_empty()).then(|| PathBuf::from(text)))
        });
        path
    };
    let (certificate, key, ca) = (file("certificate"), file("key"), file("ca"));
    if certificate.is_some() != key.is_some() {
        table.problem("has one of `certificate` and `key`; they go together");
    }
    if url.is_empty() {
        for key in ["certificate", "key", "ca"] {
            if let Some(field) = table.said(key) {
                field.problem("is for a `server`, which is missing; a kubeconfig names its own");
            }
        }
        return None;
    }
    if let Some(field) = table.said("kubeconfig") {
        field.problem("can't stand beside `server`: a kubeconfig names its own");
    }
    Some(ApiServer {
        url,
        pair: certificate.zip(key),
        ca,
    })
}

/// Parses the name of a Node (RFC 1123 subdomain).
pub(super) fn node_name(text: &str) -> Result<Box<str>, String> {
    let part = |part: &str| super::text::object_name(part).is_ok();
    if text.len() <= 253 && text.split('.').all(part) {
        return Ok(text.into());
    }
    Err(format!("`{}` is not a node's name", shown(text)))
}
