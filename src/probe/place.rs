//! What a pod knows of where it is: resolv.conf and its service account's files.

use std::fs;
use std::net::IpAddr;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Where a pod is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The first name server.
    pub server: Option<IpAddr>,
    /// The cluster's zone: what follows `svc` in the search list.
    pub zone: Option<String>,
    /// The pod's namespace.
    pub namespace: Option<String>,
}

/// Reads where this process is. What there is no file for is not known.
pub fn read_place() -> Place {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    place(&read(RESOLV_CONF), &read(NAMESPACE))
}

fn place(resolv_conf: &str, namespace: &str) -> Place {
    let words = |key: &'static str| {
        let lines = resolv_conf.lines().map(str::split_whitespace);
        lines.filter_map(move |mut line| (line.next() == Some(key)).then_some(line))
    };
    // `shop.svc.cluster.local` and `svc.cluster.local`; the last list counts.
    let search: Vec<&str> = words("search").next_back().into_iter().flatten().collect();
    let own = search.iter().find_map(|domain| domain.split_once(".svc."));
    let zone = search.iter().find_map(|domain| domain.strip_prefix("svc."));
    let text = |text: &str| text.trim_end_matches('.').to_lowercase();
    let named = Some(namespace.trim()).filter(|name| !name.is_empty());
    Place {
        server: words("nameserver").find_map(|mut line| line.next()?.parse().ok()),
        zone: zone.or_else(|| own.map(|own| own.1)).map(text),
        namespace: named.or_else(|| own.map(|own| own.0)).map(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_reads_where_it_is() {
        let of_pod = "search shop.svc.cluster.local svc.cluster.local cluster.local\n\
                      nameserver 10.96.0.10\noptions ndots:5\n";
        let expected = |namespace: Option<&str>| Place {
            server: Some("10.96.0.10".parse().unwrap()),
            zone: Some("cluster.local".into()),
            namespace: namespace.map(Into::into),
        };
        assert_eq!(place(of_pod, ""), expected(Some("shop")));
        assert_eq!(place(of_pod, "bank\n"), expected(Some("bank")));
        let of_host = "# none\nsearch example.org\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n";
        let host = Place {
            server: Some("192.0.2.1".parse().unwrap()),
            ..Place::default()
        };
        assert_eq!(place(of_host, ""), host);
        assert_eq!(place("", ""), Place::default());
        let odd = "search Shop.svc.K8s.Example.\nnameserver fd00::a\n";
        let expected = Place {
            server: Some("fd00::a".parse().unwrap()),
            zone: Some("k8s.example".into()),
            namespace: Some("shop".into()),
        };
        assert_eq!(place(odd, ""), expected);
    }
}
