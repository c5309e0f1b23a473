"""The cluster that is measured, as short descriptions: the same for the same size, every time.

Not a copy of a real cluster, but shaped like one: few large namespaces and many small ones, five
namespaces a tenant, mostly one to three endpoints a service and some with thousands. Pods have
addresses of 127.64.0.0/10, so that queries can come from them; the API server refuses such
addresses in EndpointSlices, so endpoints have 10.128.0.0/9 with the same number.
"""

import dataclasses
import ipaddress
import random

TEAMS = (
    "payments checkout identity search catalog billing fraud ledger shipping media "
    "gateway mobile partner growth insights platform security data learning support"
).split()
STAGES = "prod staging dev canary load".split()
APPS = (
    "api auth cart user order price stock notify mail geo feed rank token audit export "
    "import session profile report config webhook event policy quota"
).split()
ROLES = ("", "-svc", "-cache", "-worker")
SLICE = 100  # endpoints in one EndpointSlice, as the controller makes them
PODS_A_NODE = 60


@dataclasses.dataclass(frozen=True)
class Size:
    """How many of each there are, and the endpoints of the largest headless services."""

    services: int
    pods: int
    namespaces: int
    large: tuple


SIZES = {
    "tiny": Size(60, 300, 8, (120,)),
    "small": Size(500, 3_000, 50, (400,)),
    "medium": Size(5_000, 30_000, 400, (1000, 1500)),
    "large": Size(20_000, 150_000, 2_000, (1000,) * 6 + (1500,) * 3 + (2500,)),
}


@dataclasses.dataclass(frozen=True)
class Service:
    """A service and the numbers of the pods that it selects."""

    namespace: str
    name: str
    kind: str  # plain, headless or external
    number: int
    pods: range

    @property
    def fqdn(self):
        return f"{self.name}.{self.namespace}.svc.cluster.local."

    @property
    def address(self):
        """The ClusterIP of a plain service."""
        return v4("10.96.1.0", self.number)

    def slices(self):
        """The parts of its pods that share an EndpointSlice."""
        return [self.pods[k : k + SLICE] for k in range(0, len(self.pods), SLICE)]


class Cluster:
    """All namespaces with their tenants, all services, and all pods by number."""

    def __init__(self, size):
        self.size, rng = SIZES[size], random.Random(1)
        self.nodes = max(3, self.size.pods // PODS_A_NODE)

        self.tenants = {"kube-system": None}
        for n in range(self.size.namespaces - 1):
            tenant = numbered(TEAMS, n // len(STAGES))
            self.tenants[f"{tenant}-{STAGES[n % len(STAGES)]}"] = tenant
        namespaces = list(self.tenants)[1:]
        rng.shuffle(namespaces)
        weights = [1 / (rank + 5) for rank in range(len(namespaces))]

        kinds = self._kinds(rng)
        homes = rng.choices(namespaces, weights, k=len(kinds))
        names = [app + role for role in ROLES for app in APPS]
        used = dict.fromkeys(namespaces, 0)
        self.services, self.pods = [], []  # a pod: namespace, app, kind
        for number, ((kind, endpoints), home) in enumerate(zip(kinds, homes)):
            name = numbered(names, used[home])
            used[home] += 1
            pods = range(len(self.pods), len(self.pods) + endpoints)
            self.services.append(Service(home, name, kind, number, pods))
            self.pods += [(home, name, kind)] * endpoints
        while len(self.pods) < self.size.pods:
            if rng.random() < 0.15:
                self.pods.append(("kube-system", "agent", "host"))
            else:
                self.pods.append((rng.choices(namespaces, weights)[0], "job", "plain"))

        self.clients = {}  # a pod's address for each namespace
        for n, (home, _, kind) in enumerate(self.pods):
            if kind != "host":
                self.clients.setdefault(home, pod_address(n))

    def _kinds(self, rng):
        """Kind and number of endpoints of every service; together they have 90 % of the pods."""
        kinds = [("external", 0)] * (self.size.services // 100)
        kinds += [("headless", n) for n in self.size.large]
        small = self.size.services * 8 // 100 - len(self.size.large)
        kinds += [("headless", rng.randint(1, 10)) for _ in range(small)]
        plain = self.size.services - len(kinds)
        bounds = rng.choices(((1, 3), (4, 10), (11, 60)), (62, 33, 5), k=plain)
        counts = [rng.randint(*b) for b in bounds]
        scale = (self.size.pods * 0.9 - sum(n for _, n in kinds)) / sum(counts)
        kinds += [("plain", min(SLICE, max(1, round(n * scale)))) for n in counts]
        rng.shuffle(kinds)
        return kinds

    def node_of(self, pod):
        return pod % self.nodes

    def headless(self, at_least, at_most):
        """The headless services with so many endpoints."""
        for service in self.services:
            if service.kind == "headless" and at_least <= len(service.pods) <= at_most:
                yield service


def numbered(names, n):
    """The n-th of the names, which start again with a number."""
    again, n = divmod(n, len(names))
    return f"{names[n]}-{again}" if again else names[n]


def v4(base, n):
    return str(ipaddress.IPv4Address(base) + n)


def pod_address(pod):
    return v4("127.64.0.1", pod)


def endpoint_address(pod):
    return v4("10.128.0.1", pod)


def host_address(node):
    return v4("10.64.0.10", node)
