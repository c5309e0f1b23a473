//! Another configuration while a real API server is followed: what it reads more is listed, what it does
//! not read ends, and what it needs no more of is not asked for again.

use crate::apiserver::{ADMIN, ApiServer};
use crate::parts::{namespace, pod, service};
use crate::process::{Folder, peers, until};
use crate::replica::Replica;
use crate::serving::{PATIENCE, data, expect};

const OWN: &str = "web.shop.svc.cluster.local";
const HIDDEN: &str = "ledger.bank.svc.cluster.local";

#[test]
fn a_configuration_that_reads_more_is_in_force_once_that_is_known() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    for name in ["shop", "bank"] {
        api.create(&namespace(name));
    }
    let [web, ledger] = [("shop", "web"), ("bank", "ledger")].map(|(namespace, name)| {
        let created = api.create(&service(namespace, name));
        created["spec"]["clusterIP"].as_str().unwrap().to_owned()
    });
    api.create_with_status(&pod("shop", "asks", "127.4.9.1"));
    let folder = Folder::new("reload");
    let off = "[tenancy]\nmode = \"off\"\n";
    let mut serving = Replica::start(&folder, &api.kubeconfig(ADMIN), off);
    serving.prints("listening on");
    expect(serving.dns, "127.4.9.1", HIDDEN, &ledger);
    let pods_are_watched = |is: bool| {
        let what = format!("pods are watched: {is}");
        until(&what, PATIENCE, || {
            let (_, text) = Replica::get(serving.metrics, "/metrics")?;
            (text.contains("tenantdns_watch_synced{kind=\"Pod\"}") == is).then_some(())
        });
    };
    pods_are_watched(false);

    // Until everything is known that it reads, the one before answers; whoever asks, sees no third.
    serving.change(off, "[tenancy]\nunknown_wait = \"0\"\n");
    until("it is enforced", PATIENCE, || {
        assert_eq!(data(serving.dns, "127.4.9.1", OWN), web);
        let hidden = data(serving.dns, "127.4.9.1", HIDDEN);
        assert!(hidden == ledger || hidden == "NXDOMAIN", "{hidden}");
        (hidden == "NXDOMAIN").then_some(())
    });
    pods_are_watched(true);
    serving.expect_metric(
        "tenantdns_watch_relists_total{kind=\"Namespace\"}",
        |count| count == 0.0,
    );

    // Nothing more is read: nothing is listed.
    serving.change("[tenancy]\n", "[tenancy]\nuntenanted = \"open\"\n");
    expect(serving.dns, "127.4.9.1", HIDDEN, &ledger);
    for kind in ["Namespace", "Pod", "EndpointSlice"] {
        let sample = format!("tenantdns_watch_relists_total{{kind=\"{kind}\"}}");
        serving.expect_metric(&sample, |count| count == 0.0);
    }

    // And back: pods are of no interest any more.
    serving.change("untenanted = \"open\"\n", "mode = \"off\"\n");
    pods_are_watched(false);
    // What comes now is seen.
    api.create(&service("bank", "later"));
    until("a new service", PATIENCE, || {
        let data = data(serving.dns, "127.4.9.1", "later.bank.svc.cluster.local");
        (data != "NXDOMAIN").then_some(())
    });
    serving.terminate();
}
