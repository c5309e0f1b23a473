//! The default Corefiles of distributions, and what their pods have beside them.

use std::path::{Path, PathBuf};

/// A default Corefile of tests/cases/corefiles.
pub(super) struct Default {
    pub(super) name: &'static str,
    pub(super) port: u16,
    /// Whether IPv6 addresses are made of IPv4 ones for who asks over IPv6.
    pub(super) dns64: bool,
    /// Files that its pod has beside it.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Names that these files and it are about.
    pub(super) names: &'static [&'static str],
}

const fn default(name: &'static str) -> Default {
    Default {
        name,
        port: 53,
        dns64: false,
        files: &[],
        names: &[],
    }
}

/// All of them.
pub(super) const DEFAULTS: [Default; 13] = [
    default("kubeadm"),
    default("kubeadm-old"),
    default("eks"),
    Default {
        names: &[
            "1.0.0.10.in-addr.arpa.",
            "example3.org.",
            "x.example1.org.",
            "to-0.contoso.com.",
            "kubernetes.contoso.com.",
            "a.b.c.reddog.microsoft.com.",
            "www.puglife.local.",
        ],
        ..default("aks")
    },
    default("gke"),
    Default {
        names: &[
            "example.org.",
            "dns.example.org.",
            "ns1.dns.example.org.",
            "default.example.org.",
            "kubernetes.default.example.org.",
            "nowhere.example.org.",
        ],
        ..default("kubespray")
    },
    Default {
        files: &[(
            "etc/coredns/NodeHosts",
            "10.0.0.1 server-0\n10.0.0.2 agent-0 agent-0.corp.example\nfd00::2 agent-0\n",
        )],
        names: &[
            "server-0.",
            "agent-0.",
            "agent-0.corp.example.",
            "1.0.0.10.in-addr.arpa.",
            "2.0.0.10.in-addr.arpa.",
        ],
        ..default("k3s")
    },
    Default {
        dns64: true,
        files: &[(
            "rootfs/etc/hosts",
            "127.0.0.1 localhost\n10.0.0.9 api.internal.k8s.local api.k8s.local\n\
             10.0.0.8 elsewhere.corp.example\n",
        )],
        names: &[
            "api.internal.k8s.local.",
            "k8s.local.",
            "elsewhere.corp.example.",
            "9.0.0.10.in-addr.arpa.",
        ],
        ..default("kops")
    },
    default("rke2"),
    Default {
        port: 5353,
        names: &["foo.com.", "www.foo.com.", "hostname.bind."],
        ..default("openshift")
    },
    default("talos"),
    default("helm"),
    Default {
        port: 8053,
        ..default("gardener")
    },
];

impl Default {
    /// What is mounted at /etc/coredns.
    pub(super) fn folder(&self) -> PathBuf {
        let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/corefiles");
        Path::new(cases).join(self.name)
    }
}
