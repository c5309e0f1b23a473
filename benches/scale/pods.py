"""Pods as the API server has them.

They look as a Deployment's do once they run: with probes, volumes, status and managedFields, which
are half of a pod. What a server reads and throws away is most of what its start costs.
"""

import hashlib
import json

from cluster import host_address, pod_address

TIME = "2026-01-15T06:00:00Z"


def pod_object(cluster, n):
    """A running pod of one container."""
    namespace, app, kind = cluster.pods[n]
    name, node, host = pod_name(n, app, kind), cluster.node_of(n), kind == "host"
    token = f"kube-api-access-{uid(namespace, name)[:5]}"
    owner = "StatefulSet" if kind == "headless" else "DaemonSet" if host else "ReplicaSet"
    owner_name = app if owner != "ReplicaSet" else f"{app}-{template_hash(app)}"
    address = host_address(node) if host else pod_address(n)
    image = f"registry.example/{namespace}/{app}:1.{n % 40}.{n % 7}"
    probe = {
        "httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{owner_name}-",
            "namespace": namespace,
            "uid": uid(namespace, name),
            "creationTimestamp": TIME,
            "labels": {
                "app": app,
                "app.kubernetes.io/name": app,
                "app.kubernetes.io/instance": f"{app}-{namespace}",
                "app.kubernetes.io/part-of": namespace,
                "app.kubernetes.io/version": f"1.{n % 40}.{n % 7}",
                "pod-template-hash": template_hash(app),
            },
            "annotations": {
                "kubectl.kubernetes.io/restartedAt": TIME,
                "prometheus.io/port": "9102",
                "prometheus.io/scrape": "true",
            },
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": owner,
                    "name": owner_name,
                    "uid": uid(owner, namespace, owner_name),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "volumes": [
                {"name": "settings", "configMap": {"name": f"{app}-settings", "defaultMode": 420}},
                {
                    "name": token,
                    "projected": {
                        "defaultMode": 420,
                        "sources": [
                            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                            {
                                "configMap": {
                                    "name": "kube-root-ca.crt",
                                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                                }
                            },
                        ],
                    },
                },
            ],
            "containers": [
                {
                    "name": app,
                    "image": image,
                    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                    "env": [
                        {"name": "LOG_LEVEL", "value": "info"},
                        {
                            "name": "DATABASE_HOST",
                            "value": f"database.{namespace}.svc.cluster.local",
                        },
                        {
                            "name": "POD_IP",
                            "valueFrom": {
                                "fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}
                            },
                        },
                        {
                            "name": "PASSWORD",
                            "valueFrom": {
                                "secretKeyRef": {"name": f"{app}-secret", "key": "password"}
                            },
                        },
                    ],
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "128Mi"},
                        "limits": {"memory": "256Mi"},
                    },
                    "volumeMounts": [
                        {"name": "settings", "readOnly": True, "mountPath": "/etc/settings"},
                        {
                            "name": token,
                            "readOnly": True,
                            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                        },
                    ],
                    "livenessProbe": probe,
                    "readinessProbe": probe,
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": "IfNotPresent",
                    "securityContext": {
                        "capabilities": {"drop": ["ALL"]},
                        "runAsNonRoot": True,
                        "allowPrivilegeEscalation": False,
                    },
                }
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": app,
            "serviceAccount": app,
            "nodeName": node_name(node),
            "securityContext": {"fsGroup": 2000},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {
                    "key": f"node.kubernetes.io/{key}",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
                for key in ("not-ready", "unreachable")
            ],
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": TIME}
                for kind in (
                    "PodReadyToStartContainers",
                    "Initialized",
                    "Ready",
                    "ContainersReady",
                    "PodScheduled",
                )
            ],
            "hostIP": host_address(node),
            "hostIPs": [{"ip": host_address(node)}],
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": TIME,
            "containerStatuses": [
                {
                    "name": app,
                    "state": {"running": {"startedAt": TIME}},
                    "lastState": {},
                    "ready": True,
                    "restartCount": 0,
                    "image": image,
                    "imageID": f"registry.example/{namespace}/{app}@sha256:{digest(namespace, app)}",
                    "containerID": f"containerd://{digest(namespace, name)}",
                    "started": True,
                }
            ],
            "qosClass": "Burstable",
        },
    }
    if host:
        pod["spec"]["hostNetwork"] = True
        pod["spec"]["containers"][0]["ports"][0]["hostPort"] = 8080
    if kind == "headless":
        pod["spec"]["hostname"], pod["spec"]["subdomain"] = name, app
    managed(pod, "kube-controller-manager", "spec", "metadata")
    managed(pod, "kubelet", "status")
    return pod


def managed(thing, manager, *parts):
    """Notes in managedFields that this manager wrote these parts."""
    written = {
        f"f:{part}": fields(thing[part], {"name", "uid", "namespace"} if part == "metadata" else ())
        for part in parts
    }
    entry = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": TIME,
        "fieldsType": "FieldsV1",
        "fieldsV1": written,
    }
    if "status" in parts:
        entry["subresource"] = "status"
    thing["metadata"].setdefault("managedFields", []).append(entry)


def fields(value, but=()):
    """The names of all fields, as FieldsV1 has them; lists of objects by the key of each."""
    if isinstance(value, dict):
        return {f"f:{key}": fields(below) for key, below in value.items() if key not in but}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        keyed = {".": {}}
        for item in value:
            key = next(
                (key for key in ("name", "type", "ip", "uid", "containerPort") if key in item), None
            )
            if key is None:
                return {}
            keyed["k:" + json.dumps({key: item[key]}, separators=(",", ":"))] = {
                ".": {},
                **fields(item),
            }
        return keyed
    return {}


def node_name(node):
    return f"node-{node:05d}.zone-{node % 3}.example"


def uid(*parts):
    h = hashlib.md5("/".join(parts).encode(), usedforsecurity=False).hexdigest()
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:]}"


def digest(*parts):
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def template_hash(app):
    return digest(app)[:10]


def pod_name(n, app, kind):
    if kind == "headless":
        return f"{app}-{n}"
    return f"{app}-{template_hash(app)}-{n * 2654435761 & 0xFFFFF:05x}"
