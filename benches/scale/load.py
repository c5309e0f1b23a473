"""Brings a cluster's objects into an API server.

Namespaces, services and EndpointSlices are created through the API. Pods and nodes are written into
etcd as the API server stores them: each would take two requests otherwise, one for its status.
"""

import base64
import json
import multiprocessing
import os
import shutil
import time

import api
import objects

PROCESSES = 2
BATCH = 100  # etcd takes 128 operations in one transaction


def loaded(program, folder, cluster, cpus):
    """The API server with the cluster's objects, which are created where they aren't there yet."""
    mark, now = folder / "loaded", objects.fingerprint(cluster)
    if not mark.exists() or mark.read_text() != now:
        if folder.exists():
            shutil.rmtree(folder)
        everywhere = api.ApiServer(program, folder, set(range(os.cpu_count())))
        everywhere.start()
        try:
            load(everywhere, cluster)
        finally:
            everywhere.stop()
        mark.write_text(now)
    return api.ApiServer(program, folder, cpus)


def load(server, cluster):
    """Creates everything, says how fast, and fails on the first object that is refused."""
    for kind, work in (
        ("namespaces", _create),
        ("services", _create),
        ("endpointslices", _create),
        ("nodes", _put),
        ("pods", _put),
    ):
        _share(kind, work, server.ca, cluster)


def _share(kind, work, ca, cluster):
    began = time.monotonic()
    arguments = [(ca, cluster, kind, part) for part in range(PROCESSES)]
    with multiprocessing.Pool(PROCESSES) as pool:
        count = sum(pool.starmap(work, arguments))
    seconds = time.monotonic() - began
    print(f"loaded {count:,} {kind} in {seconds:.0f} s", flush=True)


def _create(ca, cluster, kind, part):
    client, count = api.Client(api.PORT, ca), 0
    for thing in objects.of(cluster, kind, part, PROCESSES):
        path = api.path_of(thing, named=False)
        status, answer = client.request("POST", path, thing)
        # What the API server makes by itself: kube-system.
        if status not in (201, 409):
            raise RuntimeError(f"POST {path}: {status} {answer[:500]!r}")
        count += 1
    return count


def _put(_, cluster, kind, part):
    client, count, batch = api.Client(api.ETCD), 0, []
    for thing in objects.of(cluster, kind, part, PROCESSES):
        batch.append(thing)
        count += 1
        if len(batch) == BATCH:
            put(client, batch)
            batch.clear()
    if batch:
        put(client, batch)
    return count


def put(client, things):
    """Writes the objects into etcd, past the API server, in one transaction."""
    operations = []
    for thing in things:
        key, value = key_of(thing).encode(), json.dumps(thing, separators=(",", ":")).encode()
        entry = {"key": base64.b64encode(key).decode(), "value": base64.b64encode(value).decode()}
        operations.append({"requestPut": entry})
    status, answer = client.request("POST", "/v3/kv/txn", {"success": operations})
    if status != 200:
        raise RuntimeError(f"etcd: {status} {answer[:500]!r}")


def key_of(thing):
    """Where the API server keeps the object in etcd."""
    name, namespace = thing["metadata"]["name"], thing["metadata"].get("namespace")
    return {
        "Node": f"/registry/minions/{name}",
        "Pod": f"/registry/pods/{namespace}/{name}",
        "EndpointSlice": f"/registry/endpointslices/{namespace}/{name}",
    }[thing["kind"]]
