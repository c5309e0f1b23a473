"""The cluster as files: manifests, zones and mixes, made once for each size.

The cluster itself is that of benches/scale, so that the API server there and the files here have
the same names and addresses.
"""

import hashlib
import json
import shutil

import mixes
import zones
from pods import pod_name  # of benches/scale
from shared import HERE, REPOSITORY, cluster, objects

A_FILE = 5000  # objects in one manifest
QUERIES = 50_000  # lines in a mix


class Fixture:
    """Where the files of a size are, and its cluster."""

    def __init__(self, size, folder, queries=QUERIES):
        self.size, self.queries = size, queries
        self.cluster = cluster.Cluster(size)
        self.folder = folder / size
        self.manifests = self.folder / "manifests"

    def mix(self, name):
        return self.folder / "mixes" / name

    def first_service(self):
        """A name with one address, to ask whether a server is ready."""
        return next(s for s in self.cluster.services if s.kind == "plain").fqdn

    def make(self):
        """Writes what is not there yet, or is of another version of what makes it."""
        mark, now = self.folder / "made", fingerprint(self.queries)
        if mark.exists() and mark.read_text() == now:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.manifests.mkdir(parents=True)
        for kind in objects.KINDS:
            self._write_manifests(kind)
        zones.write(self.cluster, self.folder, endpoints)
        mixes.write(self.cluster, self.folder / "mixes", self.queries)
        mark.write_text(now)

    def _write_manifests(self, kind):
        made = (slim(thing) for thing in objects.of(self.cluster, kind))
        for number, group in enumerate(groups(made, A_FILE)):
            items = ",\n".join(json.dumps(thing, separators=(",", ":")) for thing in group)
            text = '{"apiVersion":"v1","kind":"List","items":[\n' + items + "\n]}\n"
            (self.manifests / f"{kind}-{number:03d}.json").write_text(text)


def endpoints(service):
    """Host name and address of each endpoint of a headless service."""
    for pod in service.pods:
        yield pod_name(pod, service.name, service.kind), cluster.endpoint_address(pod)


def slim(thing):
    """The object without what no DNS server reads: most of a pod, which else has 8 kB."""
    if thing["kind"] not in ("Pod", "Node"):
        return thing
    kept = ("hostNetwork", "hostname", "subdomain", "nodeName", "podCIDR", "podCIDRs")
    told = ("phase", "hostIP", "hostIPs", "podIP", "podIPs", "addresses", "startTime")
    identity = ("name", "namespace", "uid", "creationTimestamp", "labels")
    parts = (("metadata", identity), ("spec", kept), ("status", told))
    return {
        "apiVersion": thing["apiVersion"],
        "kind": thing["kind"],
        **{p: {k: v for k, v in thing[p].items() if k in keys} for p, keys in parts},
    }


def groups(things, size):
    group = []
    for thing in things:
        group.append(thing)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def fingerprint(queries):
    """Tells whether files that were made once are those that would be made now."""
    digest = hashlib.sha256(str(queries).encode())
    for path in (HERE / "fixture.py", HERE / "zones.py", HERE / "mixes.py"):
        digest.update(path.read_bytes())
    for name in ("cluster.py", "objects.py", "pods.py"):
        digest.update((REPOSITORY / "benches/scale" / name).read_bytes())
    return digest.hexdigest()
