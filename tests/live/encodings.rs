//! One cluster read in each way that the API offers it: streamed or listed, in Protocol Buffers or
//! in JSON, as a list and as what changes after it. All of them have to give the same objects.

use crate::apiserver::{ADMIN, ApiServer};
use crate::parts::namespace;
use crate::process::peers;
use crate::proxy::{Asked, Play, Proxy};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tenantdns::index::Event;
use tenantdns::model::{Kind, Object, ObjectKey};
use tenantdns::watch::{Connection, Options, Timers, Watch, connect, watch};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// What a fact is waited for at most.
const PATIENCE: Duration = Duration::from_secs(60);

const KINDS: [Kind; 5] = [
    Kind::Namespace,
    Kind::Node,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::Pod,
];

/// Everything that the model has a field for, set and unset, as the API takes it.
fn objects() -> Vec<Value> {
    let labels = json!({"tier": "front", "empty": "", "tenantdns.io/tenant": "a"});
    let annotations =
        json!({"note": "Ünïcode \"and\" \\ \n lines", "networking.istio.io/exportTo": "."});
    let meta = |name: &str| json!({"namespace": "shop", "name": name, "labels": labels, "annotations": annotations});
    let service = |name: &str, spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": meta(name), "spec": spec});
    let mut shop = namespace("shop");
    shop["metadata"]["labels"] = labels.clone();
    shop["metadata"]["annotations"] = annotations.clone();
    let ports = json!([
        {"name": "http", "port": 80, "targetPort": "web", "appProtocol": "http"},
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "top", "port": 65_535, "protocol": "SCTP", "nodePort": 0},
    ]);
    let node = |name: &str, spec: Value, status: Value| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": annotations, "labels": labels}, "spec": spec, "status": status});
    let slice = |name: &str, family: &str, endpoints: Value, ports: Value| {
        let mut labels = labels.clone();
        labels["kubernetes.io/service-name"] = "web".into();
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": "shop", "name": name, "labels": labels},
            "addressType": family, "endpoints": endpoints, "ports": ports,
        })
    };
    let pod = |name: &str, spec: Value, status: Value| {
        let mut spec = spec;
        spec["containers"] = json!([
            {"name": "main", "image": "none", "env": [{"name": "A", "value": "b"}]},
            {"name": "side", "image": "none", "ports": [{"containerPort": 80}]},
        ]);
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta(name), "spec": spec, "status": status})
    };
    let ended = json!({"terminated": {"exitCode": 1, "reason": "Error", "startedAt": "2026-01-01T00:00:00Z"}});
    let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
    let container = |name: &str, state: &Value| json!({"name": name, "state": state, "lastState": ended, "ready": true, "restartCount": 3, "image": "none", "imageID": "none", "containerID": "a://b"});
    vec![
        shop,
        namespace("bare"),
        service(
            "web",
            json!({"ports": ports, "ipFamilyPolicy": "RequireDualStack", "selector": {"a": "b"}}),
        ),
        service(
            "single",
            json!({"ports": [{"port": 1}], "externalIPs": ["192.0.2.9"], "type": "NodePort"}),
        ),
        service(
            "headless",
            json!({"ports": ports, "clusterIP": "None", "publishNotReadyAddresses": true}),
        ),
        service("portless", json!({"clusterIP": "None"})),
        service(
            "alias",
            json!({"type": "ExternalName", "externalName": "db.example.com."}),
        ),
        slice(
            "web-1",
            "IPv4",
            json!([
                {"addresses": ["10.244.1.7"], "conditions": {"ready": true, "serving": true, "terminating": false}, "hostname": "web-0",
                 "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-0", "uid": "u", "resourceVersion": "1"},
                 "nodeName": "node-1", "zone": "a", "hints": {"forZones": [{"name": "a"}]}, "deprecatedTopology": {"topology.kubernetes.io/zone": "b"}},
                {"addresses": ["10.244.1.8"], "conditions": {"ready": false}},
                {"addresses": ["10.244.1.9"]},
            ]),
            json!([{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "none", "protocol": "UDP"}]),
        ),
        slice(
            "web-2",
            "IPv6",
            json!([{"addresses": ["fd00::7"]}]),
            json!([]),
        ),
        slice(
            "web-3",
            "FQDN",
            json!([{"addresses": ["db.bank.svc.cluster.local"]}]),
            json!([]),
        ),
        slice(
            "web-4",
            "IPv4",
            json!([{"addresses": ["10.244.1.10"]}]),
            json!([{"name": "far", "port": 70_000, "protocol": "TCP"}]),
        ),
        slice("web-5", "IPv4", json!([]), Value::Null),
        node(
            "node-1",
            json!({"podCIDRs": ["10.244.1.0/24", "fd00:1::/64"], "podCIDR": "10.244.1.0/24", "providerID": "a"}),
            json!({
                "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": "node-1"}, {"type": "ExternalIP", "address": "2001:db8::1"}],
                "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True", "reason": "a", "message": "b"}],
                "capacity": {"cpu": "4"},
                "nodeInfo": {"bootID": "boot-1", "machineID": "m", "systemUUID": "s", "kernelVersion": "k", "osImage": "o", "containerRuntimeVersion": "c", "kubeletVersion": "k", "kubeProxyVersion": "p", "operatingSystem": "linux", "architecture": "amd64"},
                "images": [{"names": ["a"], "sizeBytes": 9}],
            }),
        ),
        node(
            "node-2",
            json!({}),
            json!({"conditions": [{"type": "Ready", "status": "Unknown"}]}),
        ),
        pod(
            "web-0",
            json!({"nodeName": "node-1", "hostname": "web-0"}),
            json!({
                "phase": "Running", "podIP": "10.244.1.7", "podIPs": [{"ip": "10.244.1.7"}, {"ip": "fd00::7"}],
                "hostIP": "192.0.2.1", "hostIPs": [{"ip": "192.0.2.1"}], "startTime": "2026-01-01T00:00:00Z",
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodReadyToStartContainers", "status": "True"}],
                "containerStatuses": [container("main", &running), container("side", &ended)],
                "initContainerStatuses": [container("init", &ended)],
            }),
        ),
        pod(
            "ended",
            json!({"nodeName": "node-2"}),
            json!({
                "phase": "Unknown", "podIP": "10.244.2.7", "podIPs": [{"ip": "10.244.2.7"}],
                "conditions": [{"type": "PodReadyToStartContainers", "status": "False"}],
                "containerStatuses": [container("main", &ended), container("side", &ended)],
            }),
        ),
        pod(
            "host",
            json!({"nodeName": "node-1", "hostNetwork": true}),
            json!({"phase": "Running", "podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}], "hostIP": "192.0.2.1"}),
        ),
        pod("fresh", json!({}), json!({"phase": "Pending"})),
        {
            let mut leaving = pod(
                "leaving",
                json!({"nodeName": "node-1"}),
                json!({"phase": "Running", "podIP": "10.244.1.20", "podIPs": [{"ip": "10.244.1.20"}]}),
            );
            leaving["metadata"]["finalizers"] = json!(["test.example/stays"]);
            leaving
        },
    ]
}

/// What a reader has been told of each object; `None` for one of no use.
type Seen = BTreeMap<(Kind, ObjectKey), Option<Object>>;

struct Reader {
    name: String,
    runtime: Runtime,
    watch: Watch,
    seen: Seen,
    _proxy: Proxy,
}

impl Reader {
    fn start(api: &ApiServer, streamed: bool, json: bool) -> Self {
        let proxy = Proxy::start(api, ADMIN);
        proxy.play(move |asked: &Asked| {
            if asked.is_streamed_list() && !streamed {
                let reason = "{\"kind\":\"Status\",\"code\":422,\"message\":\"sendInitialEvents is forbidden for watch\"}";
                let headers = "Content-Type: application/json\r\n";
                return Play::Answer(422, headers, reason.to_owned());
            }
            if json { Play::Json } else { Play::Pass }
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connection = Connection {
            kubeconfig: Some(proxy.kubeconfig()),
            ..Connection::default()
        };
        let options = Options {
            kinds: BTreeSet::from(KINDS),
            node: None,
            timers: Timers::default(),
        };
        let watch = runtime.block_on(async {
            let api = connect(&connection).await.unwrap();
            watch(&api, &options)
        });
        let name = format!("streamed {streamed}, json {json}");
        Self {
            name,
            runtime,
            watch,
            seen: Seen::new(),
            _proxy: proxy,
        }
    }

    /// Reads on until a fact about what has been seen.
    fn read(&mut self, what: &str, mut fact: impl FnMut(&Event, &Seen) -> bool) {
        let Self {
            name,
            runtime,
            watch,
            seen,
            ..
        } = self;
        let reading = async {
            loop {
                let event = watch.events.recv().await.expect("events");
                match event.clone() {
                    Event::ApplyAt(object, _) => {
                        drop(seen.insert((object.kind(), object.key()), Some(object)))
                    }
                    Event::Void(kind, key, _) => drop(seen.insert((kind, key), None)),
                    Event::DeleteAt(kind, key, _) => drop(seen.remove(&(kind, key))),
                    Event::Listing(..) | Event::Synced(_) => {}
                    other => panic!("{other:?}"),
                }
                if fact(&event, seen) {
                    return;
                }
            }
        };
        let read = runtime.block_on(async { timeout(PATIENCE, reading).await });
        assert!(read.is_ok(), "{name}: {what}");
    }

    fn read_lists(&mut self) {
        let mut missing = BTreeSet::from(KINDS);
        self.read("every kind is listed", |event, _| {
            if let Event::Synced(kind) = event {
                missing.remove(kind);
            }
            missing.is_empty()
        });
    }
}

fn readers(api: &ApiServer) -> Vec<Reader> {
    let ways = [(true, false), (true, true), (false, false), (false, true)];
    ways.iter()
        .map(|&(streamed, json)| Reader::start(api, streamed, json))
        .collect()
}

fn assert_equal(readers: &[Reader]) {
    for reader in &readers[1..] {
        for (key, object) in &readers[0].seen {
            assert_eq!(
                Some(object),
                reader.seen.get(key),
                "{}: {key:?}",
                reader.name
            );
        }
        assert_eq!(readers[0].seen.len(), reader.seen.len(), "{}", reader.name);
    }
}

#[test]
fn every_way_to_read_the_api_gives_the_same_objects() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    // Two see what comes as changes, two as lists.
    let mut early = readers(&api);
    early.iter_mut().for_each(Reader::read_lists);
    let objects = objects();
    for object in &objects {
        match object.get("status") {
            Some(_) => api.create_with_status(object),
            None => api.create(object),
        };
    }
    let leaving = objects.last().unwrap();
    api.mark_deleted(leaving);
    api.create(&namespace("last"));

    let mut late = readers(&api);
    late.iter_mut().for_each(Reader::read_lists);
    assert_equal(&late);
    let seen = &late[0].seen;
    let find = |kind, name: &str| {
        let key = match kind {
            Kind::Namespace | Kind::Node => ObjectKey::cluster(name),
            _ => ObjectKey::new("shop", name),
        };
        seen.get(&(kind, key))
            .unwrap_or_else(|| panic!("{kind:?} {name}: not seen"))
    };
    // The comparison is one of something: what is set is there, what is of no use is named.
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap();
        let kind = KINDS
            .into_iter()
            .find(|kind| object["kind"] == kind.as_str())
            .unwrap();
        let void = ["web-3", "web-4"].contains(&name);
        assert_eq!(find(kind, name).is_none(), void, "{kind:?} {name}");
    }
    let Some(Object::Pod(web)) = find(Kind::Pod, "web-0") else {
        panic!()
    };
    assert!(
        web.pod_ips.len() == 2
            && !web.uid.is_empty()
            && &*web.node == "node-1"
            && !web.containers_ended
    );
    assert_eq!(web.labels.get("empty"), Some(""));
    let Some(Object::Pod(ended)) = find(Kind::Pod, "ended") else {
        panic!()
    };
    assert!(ended.containers_ended && ended.sandbox_gone && !ended.terminating);
    let Some(Object::Pod(leaving)) = find(Kind::Pod, "leaving") else {
        panic!()
    };
    assert!(leaving.terminating);
    let Some(Object::Pod(host)) = find(Kind::Pod, "host") else {
        panic!()
    };
    assert!(host.host_network);
    let Some(Object::Node(node)) = find(Kind::Node, "node-1") else {
        panic!()
    };
    assert!(
        node.ready
            && node.addresses.len() == 2
            && node.pod_cidrs.len() == 2
            && &*node.boot_id == "boot-1"
    );
    let Some(Object::EndpointSlice(slice)) = find(Kind::EndpointSlice, "web-1") else {
        panic!()
    };
    let ready: Vec<bool> = slice
        .endpoints
        .iter()
        .map(|endpoint| endpoint.ready)
        .collect();
    assert_eq!(ready, [true, false, true]);

    let expected = seen.clone();
    let last = (Kind::Namespace, ObjectKey::cluster("last"));
    for reader in &mut early {
        reader.read("what changed", |_, seen| {
            expected
                .iter()
                .all(|(key, object)| seen.get(key) == Some(object))
        });
        assert!(reader.seen.contains_key(&last));
    }
    assert_equal(&early);
}
