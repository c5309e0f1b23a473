//! Node scope on a real API server: the pods of one node are read, and no others.

use crate::apiserver::{ADMIN, ApiServer};
use crate::parts::{namespace, pod, service};
use crate::process::{Folder, peers};
use crate::replica::Replica;
use crate::serving::expect;

#[test]
fn a_server_of_one_node_knows_that_nodes_pods_alone() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    api.create(&namespace("shop"));
    let web = api.create(&service("shop", "web"));
    let web = web["spec"]["clusterIP"].as_str().unwrap();
    for (node, name, address) in [
        ("here", "asks", "127.4.2.1"),
        ("there", "asks-too", "127.4.2.2"),
    ] {
        let mut pod = pod("shop", name, address);
        pod["spec"]["nodeName"] = node.into();
        api.create_with_status(&pod);
    }
    let folder = Folder::new("scope");
    let file = folder.path("checkpoint");
    let keys = format!(
        "identity_scope = \"node\"\nnode_name = \"here\"\ncheckpoint = {file:?}\n\
         [tenancy]\nunknown_wait = \"50ms\"\n"
    );
    let mut serving = Replica::start(&folder, &api.kubeconfig(ADMIN), &keys);
    serving.prints("listening on");
    let name = "web.shop.svc.cluster.local";
    expect(serving.dns, "127.4.2.1", name, web);
    expect(serving.dns, "127.4.2.2", name, "SERVFAIL");
    serving.expect_metric("tenantdns_index_objects{kind=\"Pod\"}", |count| {
        count == 1.0
    });
    // A pod that comes to the node is known, one that is elsewhere is not.
    let mut later = pod("shop", "later", "127.4.2.3");
    later["spec"]["nodeName"] = "here".into();
    api.create_with_status(&later);
    expect(serving.dns, "127.4.2.3", name, web);
    expect(serving.dns, "127.4.2.2", name, "SERVFAIL");
    serving.terminate();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("\"node\":\"here\""), "{written}");
    assert!(!written.contains("asks-too"), "{written}");
}
