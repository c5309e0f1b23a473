//! The options under which the clusters are served: a server block each, the same in CoreDNS's
//! words and in ours.

use std::fmt::Write;
use std::path::Path;

/// Octets of the loopback network on which the bound profiles listen.
const FIRST_ADDRESS: u8 = 11;

/// One set of options.
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// Names, and ranges that end at an octet or a nibble.
    pub(crate) zones: &'static [&'static str],
    pub(crate) ttl: u32,
    pub(crate) pods: &'static str,
    pub(crate) endpoint_pod_names: bool,
    pub(crate) noendpoints: bool,
    pub(crate) ignore_empty_service: bool,
    pub(crate) namespaces: &'static [&'static str],
    /// A key, and the values of which a namespace has to have one.
    pub(crate) namespace_labels: Option<(&'static str, &'static [&'static str])>,
    /// A key and the value that Services, EndpointSlices and Pods have to have.
    pub(crate) labels: Option<(&'static str, &'static str)>,
    pub(crate) fallthrough: &'static [&'static str],
    pub(crate) zonal: bool,
    pub(crate) external: Option<External>,
    /// The longest TTL of an answer, the shortest, that of a denial, and for which zones.
    pub(crate) cache: Option<([u32; 3], &'static [&'static str])>,
    /// Listens on one address alone, so that CoreDNS knows none of its own.
    pub(crate) bound: bool,
}

/// A `k8s_external` table; its TTL is the profile's.
pub(crate) struct External {
    pub(crate) zones: &'static [&'static str],
    pub(crate) headless: bool,
    pub(crate) fallthrough: &'static [&'static str],
}

const DEFAULT: Profile = Profile {
    name: "default",
    zones: &["cluster.local", "in-addr.arpa", "ip6.arpa"],
    ttl: 5,
    pods: "disabled",
    endpoint_pod_names: false,
    noendpoints: false,
    ignore_empty_service: false,
    namespaces: &[],
    namespace_labels: None,
    labels: None,
    fallthrough: &[],
    zonal: false,
    external: None,
    cache: None,
    bound: true,
};

/// The first is each server's top-level block, and the one that listens on every address.
pub(crate) const PROFILES: [Profile; 11] = [
    Profile {
        external: Some(External {
            zones: &["lb.example", "192.0.2.0/24"],
            headless: true,
            fallthrough: &[],
        }),
        bound: false,
        ..DEFAULT
    },
    Profile {
        name: "outside",
        ttl: 30,
        zonal: true,
        external: Some(External {
            zones: &["192.0.2.0/24", "lb.example", "10.244.0.0/16"],
            headless: false,
            fallthrough: &["shop.lb.example"],
        }),
        ..DEFAULT
    },
    Profile {
        name: "outside, headless",
        ttl: 60,
        zonal: true,
        external: Some(External {
            zones: &["lb.example", "a.lb.example"],
            headless: true,
            fallthrough: &["lb.example"],
        }),
        ..DEFAULT
    },
    Profile {
        name: "verified",
        ttl: 30,
        pods: "verified",
        ..DEFAULT
    },
    Profile {
        name: "kubeadm",
        ttl: 30,
        pods: "insecure",
        fallthrough: &["in-addr.arpa", "ip6.arpa"],
        cache: Some(([20, 7, 6], &[])),
        ..DEFAULT
    },
    Profile {
        name: "pod names",
        ttl: 0,
        pods: "insecure",
        endpoint_pod_names: true,
        cache: Some(([3600, 5, 1800], &[])),
        ..DEFAULT
    },
    Profile {
        name: "noendpoints",
        ttl: 3600,
        noendpoints: true,
        cache: Some(([3600, 5, 40], &[])),
        ..DEFAULT
    },
    Profile {
        name: "namespaces",
        pods: "verified",
        namespaces: &["shop", "svc", "12", "toggle", "sync"],
        ..DEFAULT
    },
    Profile {
        name: "namespace labels",
        pods: "insecure",
        namespace_labels: Some(("team", &["red", "blue"])),
        ..DEFAULT
    },
    Profile {
        name: "labels",
        pods: "verified",
        endpoint_pod_names: true,
        labels: Some(("tier", "front")),
        ..DEFAULT
    },
    Profile {
        name: "zones",
        zones: &[
            "k8s.example",
            "cluster.local",
            "a.k8s.example",
            "10.244.0.0/16",
            "10.96.0.0/16",
            "fd00:96::/32",
        ],
        ttl: 60,
        pods: "verified",
        ignore_empty_service: true,
        fallthrough: &["a.k8s.example"],
        cache: Some((
            [11, 5, 9],
            &["svc.k8s.example", "cluster.local", "10.0.0.0/8"],
        )),
        ..DEFAULT
    },
];

/// Objects that CoreDNS chokes on have this label, so that it can be shown the cluster without them.
pub(crate) const ODD: &str = "odd";

impl Profile {
    /// The address on which the block of this number listens: where a bound one is, the others are
    /// not.
    pub(crate) fn address(number: usize) -> String {
        let last = FIRST_ADDRESS + u8::try_from(number).unwrap();
        format!("127.0.0.{last}")
    }

    /// The names of the zones, as they match: lower case, with a dot at the end.
    pub(crate) fn zone_names(&self) -> Vec<String> {
        self.zones.iter().map(|zone| zone_name(zone)).collect()
    }

    /// The zone of a name, as the name spells it; none where it is in no zone.
    pub(crate) fn zone_of<'n>(&self, name: &'n str) -> Option<&'n str> {
        let longest = self
            .zone_names()
            .into_iter()
            .filter(|zone| is_at_or_below(name, zone))
            .max_by_key(String::len)?;
        Some(&name[name.len() - longest.len()..])
    }

    /// The zone of `k8s_external` that a name is in, as it is configured.
    pub(crate) fn external_zone_of(&self, name: &str) -> Option<String> {
        let zones = self.external_zones().into_iter();
        zones
            .filter(|zone| is_at_or_below(name, zone))
            .max_by_key(String::len)
    }

    /// The zones of `k8s_external`.
    pub(crate) fn external_zones(&self) -> Vec<String> {
        let zones = self.external.iter().flat_map(|external| external.zones);
        zones.map(|zone| zone_name(zone)).collect()
    }

    /// Whether names below these zones are passed on to nobody.
    pub(crate) fn falls_through(&self, name: &str) -> bool {
        let zones = self.fallthrough.iter();
        zones
            .map(|zone| zone_name(zone))
            .any(|zone| is_at_or_below(name, &zone))
    }

    /// The bounds that `cache` has for a name's answers.
    pub(crate) fn cached(&self, name: &str) -> Option<[u32; 3]> {
        let (bounds, zones) = self.cache?;
        let is_in = |zone: &&str| is_at_or_below(name, &zone_name(zone));
        (zones.is_empty() || zones.iter().any(is_in)).then_some(bounds)
    }

    fn coredns(&self, number: usize, kubeconfig: &Path, odd: bool) -> String {
        let mut text = String::new();
        let zones = self.zones.join(" ");
        match self.bound {
            true => {
                let address = Self::address(number);
                writeln!(text, ".:{{$DNS_PORT}} {{\n    bind {address}").unwrap();
            }
            false => writeln!(text, ".:{{$ANY_PORT}} {{").unwrap(),
        }
        let (ttl, pods) = (self.ttl, self.pods);
        let kubeconfig = kubeconfig.display();
        writeln!(text, "    ready 127.0.0.1:{{$READY_PORT}}\n    errors").unwrap();
        writeln!(text, "    kubernetes {zones} {{").unwrap();
        writeln!(
            text,
            "        kubeconfig {kubeconfig}\n        ttl {ttl}\n        pods {pods}"
        )
        .unwrap();
        let flags = [
            (self.endpoint_pod_names, "endpoint_pod_names"),
            (self.noendpoints, "noendpoints"),
            (self.ignore_empty_service, "ignore empty_service"),
            (self.zonal, "zonal"),
        ];
        for (_, flag) in flags.iter().filter(|(set, _)| *set) {
            writeln!(text, "        {flag}").unwrap();
        }
        if !self.namespaces.is_empty() {
            writeln!(text, "        namespaces {}", self.namespaces.join(" ")).unwrap();
        }
        if let Some((key, values)) = self.namespace_labels {
            writeln!(
                text,
                "        namespace_labels {key} in ({})",
                values.join(",")
            )
            .unwrap();
        }
        let mut labels = Vec::new();
        labels.extend(self.labels.map(|(key, value)| format!("{key}={value}")));
        labels.extend((!odd).then(|| format!("!{ODD}")));
        if !labels.is_empty() {
            writeln!(text, "        labels {}", labels.join(",")).unwrap();
        }
        if !self.fallthrough.is_empty() {
            writeln!(text, "        fallthrough {}", self.fallthrough.join(" ")).unwrap();
        }
        text += "    }\n";
        if let Some(external) = &self.external {
            let zones = external.zones.join(" ");
            writeln!(text, "    k8s_external {zones} {{\n        ttl {ttl}").unwrap();
            if external.headless {
                text += "        headless\n";
            }
            if !external.fallthrough.is_empty() {
                let zones = external.fallthrough.join(" ");
                writeln!(text, "        fallthrough {zones}").unwrap();
            }
            text += "    }\n";
        }
        if let Some(([most, least, denial], zones)) = self.cache {
            // What is kept would be another's than what the cluster says now.
            let zones = zones.join(" ");
            writeln!(
                text,
                "    cache {zones} {{\n        success 1024 {most} {least}\n        denial 1024 {denial}\n        \
                 disable success\n        disable denial\n    }}"
            )
            .unwrap();
        }
        text + "}\n"
    }

    fn tenantdns(&self, number: usize) -> String {
        let mut text = String::new();
        let prefix = if self.bound {
            let address = Self::address(number);
            writeln!(
                text,
                "[[block]]\nzones = [\".\"]\nlisten = [\"{address}:0\"]"
            )
            .unwrap();
            "block."
        } else {
            ""
        };
        writeln!(text, "[{prefix}kubernetes]").unwrap();
        // Rust writes lists of texts as TOML does.
        writeln!(
            text,
            "zones = {:?}\nttl = {}\npods = {:?}",
            self.zones, self.ttl, self.pods
        )
        .unwrap();
        writeln!(text, "endpoint_pod_names = {}", self.endpoint_pod_names).unwrap();
        writeln!(text, "noendpoints = {}", self.noendpoints).unwrap();
        writeln!(text, "ignore_empty_service = {}", self.ignore_empty_service).unwrap();
        writeln!(
            text,
            "namespaces = {:?}\nfallthrough = {:?}",
            self.namespaces, self.fallthrough
        )
        .unwrap();
        if let Some((key, values)) = self.namespace_labels {
            writeln!(
                text,
                "namespace_labels = \"{key} in ({})\"",
                values.join(",")
            )
            .unwrap();
        }
        if let Some((key, value)) = self.labels {
            writeln!(text, "labels = \"{key}={value}\"").unwrap();
        }
        writeln!(text, "zonal = {}", self.zonal).unwrap();
        if let Some(external) = &self.external {
            writeln!(
                text,
                "[{prefix}k8s_external]\nzones = {:?}\nttl = {}\nheadless = {}\nfallthrough = {:?}",
                external.zones, self.ttl, external.headless, external.fallthrough
            )
            .unwrap();
        }
        if let Some(([most, least, denial], zones)) = self.cache {
            writeln!(
                text,
                "[{prefix}cache]\nzones = {zones:?}\nsuccess = {{ ttl = {most}, min_ttl = {least} }}\n\
                 denial = {{ ttl = {denial} }}"
            )
            .unwrap();
        }
        text
    }
}

/// A Corefile of every profile; without what CoreDNS chokes on where `odd` is false.
pub(crate) fn corefile(kubeconfig: &Path, odd: bool) -> String {
    let blocks = PROFILES.iter().enumerate();
    blocks
        .map(|(number, profile)| profile.coredns(number, kubeconfig, odd))
        .collect()
}

/// Our configuration of every profile.
pub(crate) fn configuration() -> String {
    let head = "[server]\nlisten = [\"0.0.0.0:0\"]\nthreads = 1\n[tenancy]\nmode = \"off\"\n";
    let blocks = PROFILES.iter().enumerate();
    let blocks: String = blocks
        .map(|(number, profile)| profile.tenantdns(number))
        .collect();
    head.to_owned() + &blocks
}

fn zone_name(zone: &str) -> String {
    let Some((address, bits)) = zone.split_once('/') else {
        return format!("{zone}.");
    };
    let bits: usize = bits.parse().unwrap();
    let reverse = super::names::reverse(address);
    let (labels, width) = if address.contains(':') {
        (32, 4)
    } else {
        (4, 8)
    };
    let mut rest = reverse.as_str();
    for _ in 0..labels - bits / width {
        rest = rest.split_once('.').unwrap().1;
    }
    rest.to_owned()
}

/// Whether a name is a zone or below it, compared without case.
pub(crate) fn is_at_or_below(name: &str, zone: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == zone || name.ends_with(&format!(".{zone}"))
}
