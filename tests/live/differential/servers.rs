//! The servers that are compared, and how to know that they have seen every change.

use super::answer::{Answer, NXDOMAIN};
use super::client::ask_all;
use super::profiles::{PROFILES, Profile, configuration, corefile};
use super::question::Question;
use crate::apiserver::ApiServer;
use crate::coredns::CoreDns;
use crate::parts::{grant, namespace};
use crate::process::{Folder, Peers, Process, printed, until};
use crate::serving::QUIET;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long a change may take to show everywhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// The namespace of what is only there to be waited for, and the one that comes and goes.
pub(crate) const SYNC: &str = "sync";
pub(crate) const TOGGLE: &str = "toggle";

/// CoreDNS twice and ours once, each with a block for every profile.
pub(crate) struct Servers {
    /// CoreDNS with the whole cluster.
    coredns: CoreDns,
    /// CoreDNS without what it chokes on.
    without_odd: CoreDns,
    ours: Tenantdns,
    round: u32,
}

/// The addresses of one profile's blocks.
pub(crate) struct Addresses {
    pub(crate) coredns: SocketAddr,
    pub(crate) without_odd: SocketAddr,
    pub(crate) ours: SocketAddr,
}

impl Servers {
    /// Starts all three with what CoreDNS's own role permits.
    pub(crate) fn start(peers: &Peers, api: &ApiServer) -> Self {
        grant(api, "dns");
        let kubeconfig = api.kubeconfig("dns");
        let mut permanent = namespace(SYNC);
        permanent["metadata"]["labels"] = json!({"team": "red"});
        api.create(&permanent);
        api.create(&json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": SYNC, "name": "hosts", "labels": {"tier": "front"}},
            "spec": {"clusterIP": "None"},
        }));
        Self {
            coredns: CoreDns::start(peers, &corefile(&kubeconfig, true)),
            without_odd: CoreDns::start(peers, &corefile(&kubeconfig, false)),
            ours: Tenantdns::start(&kubeconfig),
            round: 0,
        }
    }

    pub(crate) fn addresses(&self, number: usize) -> Addresses {
        let of = |server: &CoreDns| match PROFILES[number].bound {
            true => SocketAddr::new(
                Profile::address(number).parse().unwrap(),
                server.address.port(),
            ),
            false => server.any,
        };
        Addresses {
            coredns: of(&self.coredns),
            without_odd: of(&self.without_odd),
            ours: self.ours.addresses[number],
        }
    }

    /// Changes an object of each kind, and waits until every block of every server shows it: then
    /// they have seen what was changed before, for each kind comes in its order.
    pub(crate) fn catch_up(&mut self, api: &ApiServer) {
        self.round += 1;
        let n = self.round;
        let mut toggle = namespace(TOGGLE);
        toggle["metadata"]["labels"] = json!({"team": "red"});
        let gone = n.is_multiple_of(2);
        if gone {
            api.delete(&toggle);
        } else {
            api.create(&toggle);
        }
        let meta =
            |name: String| json!({"namespace": SYNC, "name": name, "labels": {"tier": "front"}});
        let address = format!("10.255.{}.{}", n / 200, n % 200 + 1);
        let mut slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": meta(format!("hosts-{n}")),
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "hostname": format!("host-{n}")}],
        });
        slice["metadata"]["labels"]["kubernetes.io/service-name"] = "hosts".into();
        api.create(&slice);
        api.create(&json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta(format!("alias-{n}")),
            "spec": {"type": "ExternalName", "externalName": "example.org"},
        }));
        api.create_with_status(&json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": meta(format!("pod-{n}")),
            "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "none"}]},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
        }));
        for (number, profile) in PROFILES.iter().enumerate() {
            let zone = &profile.zone_names()[0];
            let mut signs = vec![
                (format!("alias-{n}.{SYNC}.svc.{zone}"), ("CNAME", 5), false),
                (format!("{TOGGLE}.svc.{zone}"), ("A", 1), gone),
            ];
            if !profile.noendpoints {
                signs.push((format!("host-{n}.hosts.{SYNC}.svc.{zone}"), ("A", 1), false));
            }
            if profile.pods == "verified" {
                let label = address.replace('.', "-");
                signs.push((format!("{label}.{SYNC}.pod.{zone}"), ("A", 1), false));
            }
            let addresses = self.addresses(number);
            for server in [addresses.coredns, addresses.without_odd, addresses.ours] {
                for sign in &signs {
                    wait_for(server, profile, sign);
                }
            }
        }
    }
}

/// Waits until a name is there, or is not.
fn wait_for(server: SocketAddr, profile: &Profile, sign: &(String, (&'static str, u16), bool)) {
    let (name, rtype, gone) = sign;
    let question = [Question {
        name: name.clone(),
        rtype: *rtype,
        tcp: false,
        edns: None,
        flags: (false, false, false),
    }];
    let what = format!(
        "{server} ({}): {name}, gone: {gone}, is not so",
        profile.name
    );
    until(&what, PATIENCE, || {
        let bytes = ask_all(server, &question).pop()??;
        let answer = Answer::read(&bytes).unwrap();
        ((answer.rcode == NXDOMAIN) == *gone).then_some(())
    });
}

/// A tenantdns with a listener for each profile.
struct Tenantdns {
    addresses: Vec<SocketAddr>,
    // Before the folder, which it reads.
    _process: Process,
    _folder: Folder,
}

impl Tenantdns {
    fn start(kubeconfig: &Path) -> Self {
        let folder = Folder::new("differential");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantdns"));
        command
            .arg("serve")
            .arg("--config")
            .arg(folder.write("tenantdns.toml", &(QUIET.to_owned() + &configuration())))
            .arg("--kubeconfig")
            .arg(kubeconfig);
        let log = folder.path("log");
        let mut process = Process::spawn("tenantdns", &mut command, &log);
        let addresses = process.wait(PATIENCE, || {
            let text = printed(&log);
            let lines = text
                .lines()
                .filter_map(|line| line.strip_prefix("listening on "));
            let addresses: Vec<SocketAddr> = lines
                .filter_map(|line| line.split(' ').next()?.parse().ok())
                .collect();
            (addresses.len() == PROFILES.len()).then_some(addresses)
        });
        let mut addresses =
            addresses.unwrap_or_else(|| panic!("tenantdns ended: {}", process.log()));
        for address in addresses
            .iter_mut()
            .filter(|address| address.ip().is_unspecified())
        {
            address.set_ip("127.0.0.1".parse().unwrap());
        }
        Self {
            addresses,
            _process: process,
            _folder: folder,
        }
    }
}

/// An object that the API server answers with, for whoever reads it.
pub(crate) fn shown(object: &Value) -> String {
    let mut object = object.clone();
    for field in [
        "managedFields",
        "uid",
        "creationTimestamp",
        "resourceVersion",
        "generation",
    ] {
        object["metadata"]
            .as_object_mut()
            .map(|meta| meta.remove(field));
    }
    object.to_string()
}
