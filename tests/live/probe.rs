//! `tenantdns probe` against the real CoreDNS, which hides nothing: it fails the rows that show it.

use crate::apiserver::ApiServer;
use crate::coredns::CoreDns;
use crate::parts::{corefile, expect, grant, namespace, service};
use crate::process::{peers, until};
use crate::serving::PATIENCE;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Command;
use tenantdns::wire::RType;

#[test]
fn coredns_fails_the_rows_that_show_what_it_gives_away() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    grant(&api, "dns");
    api.create(&namespace("shop"));
    api.create(&namespace("bank"));
    // Beside `kubernetes`, where the sweep comes by. The API server makes that one itself, a moment
    // after it is ready.
    let kubernetes: Ipv4Addr = until("there is no service kubernetes", PATIENCE, || {
        let services = api.list("v1", "Service", Some("default"));
        let mut made = services.iter();
        let made = made.find(|service| service["metadata"]["name"] == "kubernetes")?;
        made["spec"]["clusterIP"].as_str()?.parse().ok()
    });
    let address = Ipv4Addr::from_bits(kubernetes.to_bits() ^ 7).to_string();
    let mut ledger = service("bank", "ledger");
    ledger["spec"]["ipFamilyPolicy"] = "SingleStack".into();
    ledger["spec"]["clusterIP"] = address.clone().into();
    api.create(&ledger);
    let coredns = CoreDns::start(&peers, &corefile(&api.kubeconfig("dns")));
    let name = "ledger.bank.svc.cluster.local.";
    let answer = format!("{name} 5 A {address}");
    expect(coredns.address, name, RType::A, &[answer]);

    let output = Command::new(env!("CARGO_BIN_EXE_tenantdns"))
        .args([
            "probe",
            "--zone",
            "cluster.local",
            "--namespace",
            "shop",
            "--output",
            "json",
        ])
        .args([
            "--hidden",
            "ledger.bank",
            "--server",
            &coredns.address.to_string(),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let rows = report["rows"].as_array().unwrap().iter();
    let fails = rows.filter(|row| row["verdict"] == "fail");
    let fails: BTreeSet<_> = fails.map(|row| row["id"].as_str().unwrap()).collect();
    let expected = BTreeSet::from([
        "E07", "E09", "I01", "O03", "O04", "O06", "O10", "R01", "S01",
    ]);
    assert_eq!((output.status.code(), fails), (Some(1), expected), "{text}");
}
