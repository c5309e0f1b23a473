//! `import-corefile`: what a file holds that is to be imported. Not its translation, which is
//! [`crate::config::Corefile`]'s.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The Corefile of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// Its text.
    pub text: String,
    /// Which part of the file it is; `None` for all of it.
    pub part: Option<&'static str>,
}

#[derive(Deserialize)]
struct ConfigMap {
    kind: String,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// Returns the Corefile in `text`: the text itself, that of a ConfigMap, or the one which means what
/// kube-dns's ConfigMap means.
///
/// # Errors
/// It is a ConfigMap, and of another sort: says so.
pub fn corefile_in(text: &str) -> Result<Import, String> {
    let is_manifest = ["apiVersion:", "kind:"]
        .iter()
        .all(|key| text.lines().any(|line| line.starts_with(key)));
    if !is_manifest {
        return Ok(Import {
            text: text.into(),
            part: None,
        });
    }
    let map: ConfigMap = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if map.kind != "ConfigMap" {
        return Err(format!("is a {}, not a ConfigMap", map.kind));
    }
    if let Some(corefile) = map.data.get("Corefile") {
        return Ok(Import {
            text: corefile.clone(),
            part: Some("data.Corefile"),
        });
    }
    match kube_dns(&map.data)? {
        Some(text) => Ok(Import {
            text,
            part: Some("as a Corefile"),
        }),
        None => Err("has neither a `Corefile` nor kube-dns's `stubDomains` or \
                     `upstreamNameservers`"
            .into()),
    }
}

/// Returns the Corefile that does what kube-dns does with this; `None` where it is not kube-dns's.
fn kube_dns(data: &BTreeMap<String, String>) -> Result<Option<String>, String> {
    const STUBS: &str = "stubDomains";
    const UPSTREAMS: &str = "upstreamNameservers";
    let json = |key: &str, error: serde_json::Error| {
        format!("`{key}` is not what kube-dns reads: {error}")
    };
    if !data.contains_key(STUBS) && !data.contains_key(UPSTREAMS) {
        return Ok(None);
    }
    if data.contains_key("federations") {
        return Err("`federations` are gone from Kubernetes since 1.17; take them out".into());
    }
    let stubs: BTreeMap<String, Vec<String>> = match data.get(STUBS) {
        Some(text) => serde_json::from_str(text).map_err(|error| json(STUBS, error))?,
        None => BTreeMap::new(),
    };
    let upstreams: Vec<String> = match data.get(UPSTREAMS) {
        Some(text) => serde_json::from_str(text).map_err(|error| json(UPSTREAMS, error))?,
        None => Vec::new(),
    };
    let words = stubs.iter().flat_map(|(zone, to)| to.iter().chain([zone]));
    if let Some(word) = words.chain(&upstreams).find(|word| !is_one_word(word)) {
        return Err(format!("`{word}` is neither a name nor an address"));
    }
    let to = match upstreams.is_empty() {
        true => "/etc/resolv.conf".into(),
        false => upstreams.join(" "),
    };
    let mut text = format!(
        ".:53 {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus :9153
    forward . {to}
    cache 30
    loop
    reload
    loadbalance
}}
"
    );
    for (zone, to) in stubs {
        let _ = write!(
            text,
            "{zone}:53 {{
    errors
    cache 30
    loop
    forward . {}
}}
",
            to.join(" ")
        );
    }
    Ok(Some(text))
}

/// What a Corefile's word may be without meaning something else there.
fn is_one_word(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.:[]%".contains(c);
    !text.is_empty() && text.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBE_DNS: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-dns
  namespace: kube-system
data:
  stubDomains: |
    {"acme.local": ["1.2.3.4", "1.2.3.5:5353"]}
  upstreamNameservers: |
    ["8.8.8.8", "8.8.4.4"]
"#;

    #[test]
    fn a_corefile_is_itself_and_a_config_map_is_searched() {
        let import = corefile_in(".:53 {\n}\n").unwrap();
        assert_eq!(import.text, ".:53 {\n}\n");
        let map = "apiVersion: v1\nkind: ConfigMap\ndata:\n  Corefile: |\n    .:53 {\n    }\n";
        let import = corefile_in(map).unwrap();
        assert_eq!(import.text, ".:53 {\n}\n");
        assert_eq!(import.part, Some("data.Corefile"));
    }

    #[test]
    fn kube_dns_forwards_what_it_forwards() {
        let text = corefile_in(KUBE_DNS).unwrap().text;
        assert!(text.contains("forward . 8.8.8.8 8.8.4.4\n"), "{text}");
        assert!(text.contains("acme.local:53 {\n"), "{text}");
        assert!(text.contains("forward . 1.2.3.4 1.2.3.5:5353\n"), "{text}");
        let bare = KUBE_DNS.replace("[\"8.8.8.8\", \"8.8.4.4\"]", "[]");
        let text = corefile_in(&bare).unwrap().text;
        assert!(text.contains("forward . /etc/resolv.conf\n"), "{text}");
    }

    #[test]
    fn other_manifests_are_refused() {
        for (text, reason) in [
            ("apiVersion: v1\nkind: Secret\n", "is a Secret"),
            ("apiVersion: v1\nkind: ConfigMap\n", "neither a `Corefile`"),
            (
                &KUBE_DNS.replace("1.2.3.4", "1.2.3.4 {"),
                "neither a name nor an address",
            ),
            (
                &KUBE_DNS.replace("[\"8.8.8.8\"", "[8"),
                "is not what kube-dns reads",
            ),
        ] {
            let error = corefile_in(text).unwrap_err();
            assert!(error.contains(reason), "{text}\n{error}");
        }
    }
}
