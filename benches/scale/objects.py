"""The cluster's objects as the API server has them, made one by one.

Pods are in pods.py, because one is as long as all the rest.
"""

import hashlib
import json

from cluster import APPS, endpoint_address, host_address, v4
from pods import TIME, digest, managed, node_name, pod_name, pod_object, uid

KINDS = ("namespaces", "services", "endpointslices", "nodes", "pods")


def of(cluster, kind, start=0, step=1):
    """The objects of a kind, or every so many of them, in an order that is always the same."""
    slices = [(service, n) for service in cluster.services for n in range(len(service.slices()))]
    make, described = {
        "namespaces": (namespace_object, list(cluster.tenants.items())),
        "services": (service_object, [(service,) for service in cluster.services]),
        "endpointslices": (slice_object, [(cluster, *described) for described in slices]),
        "nodes": (node_object, [(n,) for n in range(cluster.nodes)]),
        "pods": (pod_object, [(cluster, n) for n in range(len(cluster.pods))]),
    }[kind]
    return (make(*arguments) for arguments in described[start::step])


def fingerprint(cluster):
    """Tells whether objects that were loaded once are those that would be loaded now."""
    digest = hashlib.sha256()
    for kind in KINDS:
        for made in of(cluster, kind, step=101):
            digest.update(json.dumps(made).encode())
    return digest.hexdigest()


def namespace_object(name, tenant):
    labels = {"kubernetes.io/metadata.name": name}
    if tenant:
        labels["tenantdns.io/tenant"] = tenant
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def slice_object(cluster, service, part):
    """One of the service's EndpointSlices, with a hundred endpoints at most."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service.name}-{part:05d}",
            "namespace": service.namespace,
            "labels": {
                "kubernetes.io/service-name": service.name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
        },
        "addressType": "IPv4",
        "endpoints": [endpoint(cluster, service, n) for n in service.slices()[part]],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def endpoint(cluster, service, n):
    name = pod_name(n, service.name, service.kind)
    made = {
        "addresses": [endpoint_address(n)],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": node_name(cluster.node_of(n)),
        "zone": f"zone-{n % 3}",
        "targetRef": {
            "kind": "Pod",
            "name": name,
            "namespace": service.namespace,
            "uid": uid(service.namespace, name),
        },
    }
    if service.kind == "headless":
        made["hostname"] = name
    return made


def service_object(service):
    if service.kind == "external":
        host = f"{service.name}.{service.namespace}.example.net"
        spec = {"type": "ExternalName", "externalName": host}
    else:
        spec = {
            "type": "ClusterIP",
            "clusterIP": "None" if service.kind == "headless" else service.address,
            "ipFamilyPolicy": "SingleStack",
            "selector": {"app": service.name},
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "targetPort": "http"}],
        }
    labels = {"app": service.name, "app.kubernetes.io/part-of": service.namespace}
    metadata = {"name": service.name, "namespace": service.namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def node_object(n):
    """A node as the kubelet reports it, with its newest images."""
    address = host_address(n)
    conditions = {
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "Ready": "True",
    }
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node_name(n),
            "uid": uid("node", str(n)),
            "creationTimestamp": TIME,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": node_name(n),
                "topology.kubernetes.io/zone": f"zone-{n % 3}",
            },
        },
        "spec": {
            "podCIDR": f"{v4('10.192.0.0', n * 256)}/24",
            "podCIDRs": [f"{v4('10.192.0.0', n * 256)}/24"],
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": node_name(n)},
            ],
            "capacity": {"cpu": "32", "memory": "131072Mi", "pods": "110"},
            "allocatable": {"cpu": "31", "memory": "125000Mi", "pods": "110"},
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "lastHeartbeatTime": TIME,
                    "lastTransitionTime": TIME,
                    "reason": f"Kubelet{kind}",
                    "message": "as the kubelet sees it",
                }
                for kind, status in conditions.items()
            ],
            "images": [
                {
                    "names": [
                        f"registry.example/library/{app}@sha256:{digest(app)}",
                        f"registry.example/library/{app}:1.{n % 40}",
                    ],
                    "sizeBytes": 52428800,
                }
                for app in APPS
            ],
            "nodeInfo": {
                "machineID": uid("machine", str(n)).replace("-", ""),
                "systemUUID": uid("system", str(n)),
                "bootID": uid("boot", str(n)),
                "kernelVersion": "6.12.0",
                "osImage": "Linux",
                "containerRuntimeVersion": "containerd://2.1.4",
                "kubeletVersion": "v1.36.3",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }
    managed(node, "kubelet", "status")
    return node
