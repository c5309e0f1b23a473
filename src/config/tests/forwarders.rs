//! What `[[tenancy.forwarder]]` becomes.

use super::check;
use crate::tenancy::{ForwarderOptions, Identity, ServiceRef};

#[test]
fn each_table_is_a_forwarder() {
    let kube_dns = || ServiceRef {
        namespace: "kube-system".into(),
        name: "kube-dns".into(),
    };
    check(
        "a Service and what is not written",
        "[[tenancy.forwarder]]\npeers = { services = [\"kube-system/kube-dns\"] }",
        |c| {
            c.tenancy.forwarders = vec![ForwarderOptions {
                cidrs: Vec::new(),
                services: vec![kube_dns()],
                identity: Identity::EdnsLocal(65_001),
                udp_size: 1232,
            }];
        },
    );
    for (word, identity) in [
        ("edns_local", Identity::EdnsLocal(65_518)),
        ("edns_namespace", Identity::EdnsNamespace(65_518)),
    ] {
        let text = format!(
            "[[tenancy.forwarder]]\nidentity = \"{word}\"\noption = 0xffee\nudp_size = 512\n\
             [tenancy.forwarder.peers]\ncidrs = [\"10.9.0.0/16\", \"fd00::1/128\"]"
        );
        check(word, &text, |c| {
            c.tenancy.forwarders = vec![ForwarderOptions {
                cidrs: ["10.9.0.0/16", "fd00::1/128"]
                    .map(|n| n.parse().unwrap())
                    .into(),
                services: Vec::new(),
                identity,
                udp_size: 512,
            }];
        });
    }
    check(
        "two of them",
        "[[tenancy.forwarder]]\npeers = { services = [\"kube-system/kube-dns\"] }\n\
         identity = \"ecs\"\n\
         [[tenancy.forwarder]]\npeers = { cidrs = [\"10.0.0.7/32\"] }\nidentity = \"proxy_v2\"",
        |c| {
            let table = |cidr: &[&str], services, identity| ForwarderOptions {
                cidrs: cidr.iter().map(|net| net.parse().unwrap()).collect(),
                services,
                identity,
                udp_size: 1232,
            };
            c.tenancy.forwarders = vec![
                table(&[], vec![kube_dns()], Identity::Ecs),
                table(&["10.0.0.7/32"], Vec::new(), Identity::ProxyV2),
            ];
        },
    );
}
