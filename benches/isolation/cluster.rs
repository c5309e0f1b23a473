//! A cluster of many tenants for measuring isolation, as manifests: which names and addresses it has,
//! and which it has not.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

/// Services of a namespace; the last one is headless.
pub(crate) const SERVICES: usize = 10;
/// Endpoints of a headless service.
pub(crate) const ENDPOINTS: usize = 10;

/// How large a cluster is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Namespaces, each a tenant's own. As many more are shared, of whose services every second one
    /// is kept back by its owner.
    pub(crate) namespaces: usize,
}

/// What is measured.
pub(crate) const LARGE: Size = Size { namespaces: 200 };
/// What a test tries.
pub(crate) const SMALL: Size = Size { namespaces: 12 };

/// The address of the pod that asks: in the first namespace, and on loopback, so that a socket may
/// have it.
pub(crate) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 1, 0, 1));
/// The settings: the defaults, but that nobody waits.
pub(crate) const CONFIG: &str = "[tenancy]\nmode = \"enforce\"\nunknown_wait = \"0ms\"\n";

pub(crate) fn cluster_ip(n: usize) -> IpAddr {
    numbered([10, 96, 16, 0], n)
}

/// Addresses are every second one, so that each has a neighbor that nobody has, which is written as
/// long.
fn numbered(base: [u8; 4], n: usize) -> IpAddr {
    IpAddr::from(Ipv4Addr::from_bits(u32::from_be_bytes(base) + 2 * n as u32))
}

pub(crate) fn endpoint(namespace: usize, n: usize) -> IpAddr {
    numbered([10, 160, 16, 0], namespace * ENDPOINTS + n)
}

pub(crate) fn tenants(n: usize) -> String {
    format!("team-{n:03}")
}

pub(crate) fn shared(n: usize) -> String {
    format!("tool-{n:03}")
}

pub(crate) fn service(n: usize) -> String {
    format!("service-{n}")
}

impl Size {
    /// Returns the cluster's objects as YAML documents.
    pub(crate) fn manifests(self) -> String {
        let mut text = String::new();
        let mut push = |document: String| {
            text.push_str("---\n");
            text.push_str(&document);
            text.push('\n');
        };
        let kubernetes = "{namespace: default, name: kubernetes}, spec: {clusterIP: 10.96.0.1}";
        push(format!(
            "{{apiVersion: v1, kind: Service, metadata: {kubernetes}}}"
        ));
        for ns in 0..self.namespaces {
            push(format!(
                "{{apiVersion: v1, kind: Namespace, metadata: {{name: {}, labels: \
                 {{tenantdns.io/tenant: tenant-{ns}}}}}}}",
                tenants(ns)
            ));
            push(format!(
                "{{apiVersion: v1, kind: Namespace, metadata: {{name: {}, labels: \
                 {{tenantdns.io/tenant: tenant-{ns}, tenantdns.io/visibility: shared}}}}}}",
                shared(ns)
            ));
            let client = match ns {
                0 => CLIENT,
                _ => numbered([10, 192, 0, 0], ns),
            };
            push(format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{namespace: {}, name: client}}, \
                 status: {{phase: Running, podIP: {client}}}}}",
                tenants(ns)
            ));
            for n in 0..SERVICES {
                let own = tenants(ns);
                push(self.service(&own, n, cluster_ip(ns * SERVICES + n), ""));
                let kept = match n % 2 {
                    0 => ", annotations: {tenantdns.io/export-to: \".\"}",
                    _ => "",
                };
                let at = (self.namespaces + ns) * SERVICES + n;
                push(self.service(&shared(ns), n, cluster_ip(at), kept));
            }
            let mut endpoints = String::new();
            for n in 0..ENDPOINTS {
                let address = endpoint(ns, n);
                let _ = write!(endpoints, "{{addresses: [{address}], hostname: pod-{n}}},");
                push(format!(
                    "{{apiVersion: v1, kind: Pod, metadata: {{namespace: {}, name: pod-{n}}}, \
                     status: {{phase: Running, podIP: {address}}}}}",
                    tenants(ns)
                ));
            }
            push(format!(
                "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, \
                 metadata: {{namespace: {}, name: slice, labels: {{kubernetes.io/service-name: {}}}}}, \
                 endpoints: [{endpoints}], ports: [{{name: http, protocol: TCP, port: 80}}]}}",
                tenants(ns),
                service(SERVICES - 1)
            ));
        }
        text
    }

    fn service(self, namespace: &str, n: usize, address: IpAddr, more: &str) -> String {
        let address = match n + 1 {
            SERVICES => "None".to_owned(),
            _ => address.to_string(),
        };
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{namespace: {namespace}, name: {}{more}}}, \
             spec: {{clusterIP: {address}, ports: [{{name: http, protocol: TCP, port: 80}}]}}}}",
            service(n)
        )
    }
}

/// Returns the reverse names of an address, and of one that nobody has.
pub(crate) fn reverse(address: IpAddr) -> (String, String) {
    let IpAddr::V4(v4) = address else {
        unreachable!("addresses here are IPv4");
    };
    let [a, b, c, d] = v4.octets();
    let name = |d| format!("{d}.{c}.{b}.{a}.in-addr.arpa.");
    (name(d), name(d + 1))
}

/// Numbers that look random, the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// Returns a label, or a name, as long as this one that no cluster here has.
    pub(crate) fn letters(&mut self, like: &str) -> String {
        let letter = |c| match c {
            '.' | '-' => c,
            _ => char::from(b"bcdfghjkmn"[self.below(10)]),
        };
        like.chars().map(letter).collect()
    }
}
