//! What happens to a cluster: its objects are created, some are changed, moved, re-typed and deleted,
//! and in the end all are gone. What the API server refuses is counted.

use super::cluster::{Maker, NAMESPACES};
use super::facts::Facts;
use super::profiles::ODD;
use super::services::SERVICES;
use crate::apiserver::{ADMIN, ApiServer, collection, resource};
use serde_json::{Value, json};
use ureq::http::Method;

/// How many requests were made, and how many of them the API server refused.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Writes {
    pub(crate) made: usize,
    pub(crate) refused: usize,
}

/// The API server, with a count of what it accepted.
pub(crate) struct Writer<'a> {
    pub(crate) api: &'a ApiServer,
    pub(crate) writes: Writes,
}

impl Writer<'_> {
    fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> bool {
        self.writes.made += 1;
        let asked = format!("{method} {path}");
        let (status, answer) = self.api.request(method, path, ADMIN, body).unwrap();
        let refused = matches!(status, 400..=499);
        assert!(
            refused || status < 300,
            "{asked}: {status} {answer}\n{body:?}"
        );
        self.writes.refused += usize::from(refused);
        !refused
    }

    /// Creates an object, with its status where it has one. Answers whether it was accepted.
    pub(crate) fn create(&mut self, object: &Value) -> bool {
        let accepted = self.ask(Method::POST, &collection(object), Some(object));
        if accepted && !object["status"].is_null() {
            self.set_status(object);
        }
        accepted
    }

    fn set_status(&mut self, object: &Value) {
        let path = format!("{}/status", resource(object));
        let mut now = self.api.get(object);
        now["status"] = object["status"].clone();
        self.ask(Method::PUT, &path, Some(&now));
    }

    /// Puts an object in the place of the one that it was made of.
    fn replace(&mut self, object: &Value) {
        self.ask(Method::PUT, &resource(object), Some(object));
    }

    fn delete(&mut self, object: &Value) {
        if object["kind"] == "Namespace" {
            self.writes.made += 1;
            self.api.delete(object);
        } else {
            let path = format!("{}?gracePeriodSeconds=0", resource(object));
            self.ask(Method::DELETE, &path, None);
        }
    }

    /// Tells a pod to end; it stays until its node says that it did.
    fn terminate(&mut self, pod: &Value) {
        let path = format!("{}?gracePeriodSeconds=30", resource(pod));
        self.ask(Method::DELETE, &path, None);
    }

    /// Deletes everything but what is permanent.
    pub(crate) fn clear(&mut self) {
        let collections = [
            ("apis/discovery.k8s.io/v1", "endpointslices"),
            ("api/v1", "services"),
            ("api/v1", "pods"),
        ];
        let present = self.api.list("v1", "Namespace", None);
        for namespace in NAMESPACES {
            for (group, plural) in collections {
                let path = format!("/{group}/namespaces/{namespace}/{plural}?gracePeriodSeconds=0");
                self.ask(Method::DELETE, &path, None);
            }
            if let Some(object) = present.iter().find(|n| n["metadata"]["name"] == namespace) {
                let mut object = object.clone();
                object["apiVersion"] = "v1".into();
                object["kind"] = "Namespace".into();
                self.delete(&object);
            }
        }
    }
}

/// Changes about a third of a cluster.
pub(crate) fn change(writer: &mut Writer<'_>, maker: &mut Maker<'_>, facts: &Facts) {
    let ours = |object: &&Value| {
        let meta = &object["metadata"];
        let name = meta["namespace"].as_str().or_else(|| meta["name"].as_str());
        NAMESPACES.contains(&name.unwrap_or_default())
    };
    let mut objects: Vec<Value> = facts.objects.iter().filter(ours).cloned().collect();
    maker.dice.shuffle(&mut objects);
    for object in objects {
        if maker.dice.percent(35) {
            match object["kind"].as_str().unwrap() {
                "Namespace" => change_namespace(writer, maker, object),
                "Service" => change_service(writer, maker, object),
                "EndpointSlice" => change_slice(writer, maker, object),
                _ => change_pod(writer, maker, object),
            }
        }
    }
    for _ in 0..6 {
        let namespace = maker.somewhere();
        let name = maker.dice.pick(&SERVICES);
        let object = match maker.dice.below(3) {
            0 => maker.service(namespace, name),
            1 => maker.slice(namespace, name),
            _ => maker.pod(namespace),
        };
        writer.create(&object);
    }
}

fn change_namespace(writer: &mut Writer<'_>, maker: &mut Maker<'_>, object: Value) {
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    match maker.dice.below(4) {
        // What is in it stays: no controller empties it here.
        0 => writer.delete(&object),
        1 => {
            writer.delete(&object);
            let again = maker.namespace(&name);
            writer.create(&again);
        }
        _ => {
            let mut object = object;
            object["metadata"]["labels"] = maker.namespace(&name)["metadata"]["labels"].clone();
            writer.replace(&object);
        }
    }
}

fn change_service(writer: &mut Writer<'_>, maker: &mut Maker<'_>, mut object: Value) {
    match maker.dice.below(8) {
        0 => writer.delete(&object),
        1 => {
            let odd = object["metadata"]["labels"][ODD].clone();
            object["metadata"]["labels"] = maker.labels();
            if !odd.is_null() {
                object["metadata"]["labels"][ODD] = odd;
            }
            writer.replace(&object);
        }
        2 | 3 if object["spec"]["type"] != "ExternalName" => {
            object["spec"]["ports"] = maker.ports(1);
            writer.replace(&object);
        }
        4 => {
            unmark(&mut object);
            // Of another type by way of none: what the API server allows at once, and what it doesn't.
            object["spec"] =
                json!({"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"});
            writer.replace(&object);
        }
        5 => {
            writer.delete(&object);
            let (namespace, name) = key(&object);
            let again = maker.service(&namespace, &name);
            writer.create(&again);
        }
        _ => {
            unmark(&mut object);
            maker.specify(&mut object);
            writer.replace(&object);
        }
    }
}

fn change_slice(writer: &mut Writer<'_>, maker: &mut Maker<'_>, mut object: Value) {
    let v6 = object["addressType"] == "IPv6";
    let names = object["addressType"] == "FQDN";
    let count = object["endpoints"].as_array().map_or(0, Vec::len);
    match maker.dice.below(8) {
        0 => return writer.delete(&object),
        1 => object["endpoints"] = json!([]),
        2 if !object["metadata"]["labels"]["kubernetes.io/service-name"].is_null() => {
            object["metadata"]["labels"]["kubernetes.io/service-name"] =
                maker.dice.pick(&SERVICES).into();
            if !names {
                unmark(&mut object);
            }
        }
        3 => object["ports"] = maker.endpoint_ports(),
        4 if !names => {
            let endpoint = maker.endpoint(v6);
            object["endpoints"]
                .as_array_mut()
                .into_iter()
                .for_each(|list| list.push(endpoint.clone()));
        }
        5 if !names && count > 0 => {
            let at = maker.dice.below(count);
            object["endpoints"][at] = maker.endpoint(v6);
        }
        _ if count > 0 => {
            for _ in 0..1 + count / 2 {
                let at = maker.dice.below(count);
                let ready = &mut object["endpoints"][at]["conditions"]["ready"];
                *ready = (*ready == false).into();
            }
        }
        _ => return,
    }
    writer.replace(&object);
}

fn change_pod(writer: &mut Writer<'_>, maker: &mut Maker<'_>, mut object: Value) {
    let has_containers = !object["status"]["containerStatuses"].is_null();
    match maker.dice.below(6) {
        // Those whose containers have ended, above all.
        _ if has_containers => writer.terminate(&object),
        0 => writer.delete(&object),
        1 => writer.terminate(&object),
        // CoreDNS doesn't take in a pod that begins to match its selector while it terminates, and
        // keeps one that it knew: history, which its objects don't tell.
        2 if object["metadata"]["deletionTimestamp"].is_null() => {
            object["metadata"]["labels"] = maker.labels();
            writer.replace(&object);
        }
        3 => {
            object["status"]["phase"] = maker.dice.pick(&["Succeeded", "Failed"]).into();
            writer.set_status(&object);
        }
        // Nor an address that a pod gets while it terminates.
        4 if object["status"]["phase"] == "Pending"
            && object["metadata"]["deletionTimestamp"].is_null() =>
        {
            let on_host = object["spec"]["hostNetwork"] == true;
            object["status"] = maker.pod_status(on_host);
            writer.set_status(&object);
        }
        _ => {
            writer.delete(&object);
            let (namespace, _) = key(&object);
            let heir = maker.pod(&namespace);
            writer.create(&heir);
        }
    }
}

/// Says that an object is like others now, whatever it was.
fn unmark(object: &mut Value) {
    let labels = object["metadata"]["labels"].as_object_mut();
    labels.map(|labels| labels.remove(ODD));
}

fn key(object: &Value) -> (String, String) {
    let meta = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&meta["namespace"]), text(&meta["name"]))
}
