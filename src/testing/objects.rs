//! Single objects, with as much of each as most tests need.

use crate::model::{
    Endpoint, EndpointPort, EndpointSlice, External, Labels, Namespace, Node, Object, ObjectKey,
    Phase, Pod, Port, Service, ServiceKind, SliceOwner,
};
use std::net::IpAddr;

/// The one port of every service here.
const PORT: (&str, &str, u16) = ("http", "TCP", 80);

/// A namespace without labels.
pub fn namespace(name: &str) -> Object {
    Object::Namespace(Namespace {
        name: name.into(),
        ..Namespace::default()
    })
}

/// A namespace with these labels.
pub fn labeled_namespace(name: &str, labels: &[(&str, &str)]) -> Object {
    Object::Namespace(Namespace {
        name: name.into(),
        labels: labels.iter().copied().collect(),
        ..Namespace::default()
    })
}

/// A node with this address.
pub fn node(name: &str, address: IpAddr, ready: bool) -> Object {
    Object::Node(Node {
        name: name.into(),
        addresses: vec![address],
        ready,
        ..Node::default()
    })
}

/// A service with these cluster addresses and the port `http`, TCP 80.
pub fn service(namespace: &str, name: &str, addresses: &[IpAddr]) -> Object {
    of_kind(namespace, name, ServiceKind::ClusterIp(addresses.to_vec()))
}

/// A headless service with the port `http`, TCP 80.
pub fn headless(namespace: &str, name: &str) -> Object {
    of_kind(namespace, name, ServiceKind::Headless)
}

/// An ExternalName service.
pub fn alias(namespace: &str, name: &str, target: &str) -> Object {
    of_kind(namespace, name, ServiceKind::ExternalName(target.into()))
}

/// A service without cluster address that is reached at these from outside, with the port `http`,
/// TCP 80.
pub fn reached_at(namespace: &str, name: &str, addresses: &[IpAddr]) -> Object {
    let object = service(namespace, name, &[]);
    let external = addresses.iter().copied().map(External::Address).collect();
    match object {
        Object::Service(service) => Object::Service(Service {
            external: Some(Box::new(external)),
            ..service
        }),
        other => other,
    }
}

fn of_kind(namespace: &str, name: &str, kind: ServiceKind) -> Object {
    let (port, protocol, number) = PORT;
    Object::Service(Service {
        key: ObjectKey::new(namespace, name),
        labels: Labels::new(),
        annotations: Labels::new(),
        kind,
        ports: [Port {
            name: port.into(),
            protocol: protocol.into(),
            number,
        }]
        .into(),
        external: None,
    })
}

/// A slice of `service` in which each address is a ready endpoint without hostname.
pub fn slice(
    namespace: &str,
    service: &str,
    addresses: impl IntoIterator<Item = IpAddr>,
) -> Object {
    let endpoints = addresses.into_iter().map(|address| (address, None));
    named_slice(namespace, service, service, endpoints)
}

/// The same; of the addresses one is in a topology zone.
pub fn zoned_slice(
    namespace: &str,
    service: &str,
    addresses: impl IntoIterator<Item = IpAddr>,
    (zone, within): (&str, IpAddr),
) -> Object {
    let endpoint = |address: IpAddr| Endpoint {
        addresses: vec![address],
        ready: true,
        topology_zone: (address == within).then(|| zone.into()),
        ..Endpoint::default()
    };
    let endpoints = addresses.into_iter().map(endpoint).collect();
    match slice(namespace, service, []) {
        Object::EndpointSlice(slice) => Object::EndpointSlice(EndpointSlice { endpoints, ..slice }),
        other => other,
    }
}

/// A slice `name` of `service` in which each address is a ready endpoint, with this hostname.
pub fn named_slice(
    namespace: &str,
    service: &str,
    name: &str,
    endpoints: impl IntoIterator<Item = (IpAddr, Option<String>)>,
) -> Object {
    let (port, protocol, number) = PORT;
    let endpoint = |(address, hostname): (IpAddr, Option<String>)| Endpoint {
        addresses: vec![address],
        ready: true,
        hostname: hostname.map(Into::into),
        ..Endpoint::default()
    };
    Object::EndpointSlice(EndpointSlice {
        key: ObjectKey::new(namespace, name),
        labels: Labels::new(),
        owner: SliceOwner::Service(service.into()),
        endpoints: endpoints.into_iter().map(endpoint).collect(),
        ports: [EndpointPort {
            name: port.into(),
            protocol: protocol.into(),
            number: Some(number),
        }]
        .into(),
        triggered: None,
    })
}

/// A running pod with this address.
pub fn pod(namespace: &str, name: &str, address: IpAddr) -> Object {
    pod_on(namespace, name, address, "")
}

/// A running pod with this address, on this node.
pub fn pod_on(namespace: &str, name: &str, address: IpAddr, node: &str) -> Object {
    Object::Pod(Pod {
        key: ObjectKey::new(namespace, name),
        phase: Phase::Running,
        node: node.into(),
        pod_ip: Some(address),
        pod_ips: vec![address],
        ..Pod::default()
    })
}
