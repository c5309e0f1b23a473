//! tenantdns where the API is not: before it was ever there, after it has gone, and with a checkpoint of
//! what it said.

use crate::apiserver::{ADMIN, ApiServer};
use crate::decode::decode;
use crate::parts::{namespace, pod, service};
use crate::process::{Folder, Peers, peers, printed};
use crate::replica::{Replica, exchange};
use crate::serving::{ask, expect};
use tenantdns::testing::query_edns;
use tenantdns::wire::RType;

/// Starts an API server with two tenants.
fn cluster(peers: &Peers) -> (ApiServer, String) {
    let api = ApiServer::start(peers);
    api.create(&namespace("shop"));
    api.create(&namespace("bank"));
    let web = api.create(&service("shop", "web"));
    api.create_with_status(&pod("shop", "asks", "127.4.1.1"));
    api.create_with_status(&pod("bank", "asks", "127.4.1.2"));
    api.create_with_status(&pod("shop", "leaves", "127.4.1.3"));
    let web = web["spec"]["clusterIP"].as_str().unwrap().to_owned();
    (api, web)
}

#[test]
fn without_the_api_nothing_is_answered_and_the_program_stays() {
    let Some(peers) = peers() else { return };
    let (mut api, web) = cluster(&peers);
    let kubeconfig = api.kubeconfig(ADMIN);
    api.stop();
    let folder = Folder::new("absent");
    let mut serving = Replica::start(&folder, &kubeconfig, "");
    serving.prints("answering SERVFAIL");
    let text = serving.expect_ready(503, "Pod: not synced");
    assert!(text.starts_with("not ready\n"), "{text}");
    for name in [
        "web.shop.svc.cluster.local",
        "nothing.cluster.local",
        "cluster.local",
    ] {
        let answer = exchange(serving.dns, "127.4.1.1", &query_edns(name, RType::A, 1232));
        assert_eq!(decode(&answer).rcode, "SERVFAIL", "{name}");
        // EDE: option 15, two octets, code 14 (Not Ready).
        assert!(
            answer.ends_with(&[0, 15, 0, 2, 0, 14]),
            "{name}: {answer:02x?}"
        );
    }
    let (_, metrics) = Replica::get(serving.metrics, "/metrics").unwrap();
    let line = "tenantdns_watch_synced{kind=\"Pod\"} 0";
    assert!(metrics.lines().any(|l| l == line), "{metrics}");
    // It comes: everything is as if it had been there.
    api.resume();
    serving.prints("listening on");
    serving.expect_ready(200, "Pod: synced");
    expect(serving.dns, "127.4.1.1", "web.shop.svc.cluster.local", &web);
    serving.terminate();
}

#[test]
fn while_the_api_is_away_what_was_read_stays_until_it_is_too_old() {
    let Some(peers) = peers() else { return };
    let (mut api, web) = cluster(&peers);
    let kubeconfig = api.kubeconfig(ADMIN);
    let folder = Folder::new("away");
    let keys = "watch_timeout = \"2s\"\nidentity_max_age = \"6s\"\n";
    let mut serving = Replica::start(&folder, &kubeconfig, keys);
    let (name, public) = (
        "web.shop.svc.cluster.local",
        "kubernetes.default.svc.cluster.local",
    );
    serving.prints("listening on");
    expect(serving.dns, "127.4.1.1", name, &web);
    serving.expect_metric("tenantdns_identities_trusted", |value| value == 1.0);

    api.stop();
    let age = "tenantdns_watch_age_seconds{kind=\"Pod\"}";
    serving.expect_metric(age, |age| age > 3.0);
    // Still known a moment ago: it may be told either, and never NXDOMAIN.
    let early = ask(serving.dns, "127.4.1.1", name, RType::A).rcode;
    assert!(["NOERROR", "SERVFAIL"].contains(&&*early), "{early}");
    expect(serving.dns, "127.4.1.1", name, "SERVFAIL");
    serving.expect_metric("tenantdns_identities_trusted", |value| value == 0.0);
    serving.expect_metric(age, |age| age > 6.0);
    let got = ask(serving.dns, "127.4.1.1", public, RType::A);
    assert_eq!(
        got.rcode, "NOERROR",
        "what everybody sees needs no identity"
    );
    serving.expect_ready(200, "Pod: synced, heard of ");
    serving.expect_ready(200, "; the API can't be reached");
    let log = printed(&serving.log);
    let said = log.matches("every client is unknown").count();
    assert!((1..=2).contains(&said), "{said} times:\n{log}");

    api.resume();
    expect(serving.dns, "127.4.1.1", name, &web);
    serving.expect_metric("tenantdns_identities_trusted", |value| value == 1.0);
    serving.expect_metric(age, |age| age < 3.0);
    serving.terminate();
}

#[test]
fn a_replica_that_starts_without_the_api_serves_from_the_checkpoint_and_heals() {
    let Some(peers) = peers() else { return };
    let (mut api, web) = cluster(&peers);
    let kubeconfig = api.kubeconfig(ADMIN);
    let folder = Folder::new("checkpoint");
    let file = folder.path("checkpoint");
    let keys = format!("identity_max_age = \"1h\"\ncheckpoint = {file:?}\n");
    let name = "web.shop.svc.cluster.local";

    let mut first = Replica::start(&folder, &kubeconfig, &keys);
    first.prints("listening on");
    expect(first.dns, "127.4.1.1", name, &web);
    first.terminate();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("\"leaves\""), "{written}");
    api.stop();

    let mut second = Replica::start(&folder, &kubeconfig, &keys);
    second.prints("listening on");
    expect(second.dns, "127.4.1.1", name, &web);
    expect(second.dns, "127.4.1.2", name, "NXDOMAIN");
    expect(second.dns, "127.4.1.3", name, &web);
    let text = second.expect_ready(200, "Pod: from the checkpoint, heard of ");
    for tenant in ["shop", "bank", "web"] {
        assert!(!text.contains(tenant), "{text}");
    }
    let (_, metrics) = Replica::get(second.metrics, "/metrics").unwrap();
    let documented = include_str!("../../docs/metrics.md");
    for name in metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
    {
        assert!(
            documented.contains(&format!("| `{name}` |")),
            "{name} is not documented"
        );
    }
    for start in [
        "tenantdns_watch_synced{kind=\"Pod\"} 0",
        "tenantdns_watch_age_seconds{kind=\"Pod\"} ",
        "tenantdns_checkpoint_age_seconds ",
        "tenantdns_identities_trusted 1",
    ] {
        assert!(
            metrics.lines().any(|line| line.starts_with(start)),
            "{start}: {metrics}"
        );
    }
    // What was nobody's is nobody's.
    expect(second.dns, "127.4.1.4", name, "SERVFAIL");

    api.resume();
    api.delete(&pod("shop", "leaves", "127.4.1.3"));
    api.create_with_status(&pod("bank", "comes", "127.4.1.3"));
    let later = api.create(&service("shop", "later"));
    let later = later["spec"]["clusterIP"].as_str().unwrap();
    expect(
        second.dns,
        "127.4.1.1",
        "later.shop.svc.cluster.local",
        later,
    );
    expect(second.dns, "127.4.1.3", name, "NXDOMAIN");
    // What is not known from the API itself is not worth a file.
    for kind in [
        "Namespace",
        "Node",
        "DnsGrant",
        "DnsExport",
        "DnsImport",
        "Service",
        "EndpointSlice",
        "Pod",
    ] {
        second.expect_ready(200, &format!("{kind}: synced"));
    }
    second.terminate();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("\"comes\"") && !written.contains("\"leaves\""),
        "{written}"
    );
}
