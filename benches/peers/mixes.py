"""The queries, each with the rcode and the number of answers that are right.

| mix | queries |
|---|---|
| hit-a | A of services with a ClusterIP |
| k8s-mix | what pods ask: 35 % A, 35 % AAAA (no data), 15 % search lists, 10 % SRV, 5 % PTR |
| nxdomain | 80 % outside names with the search list's suffixes, 20 % services that don't exist |
| srv | SRV of a named port, one target |
| headless | A of headless services with up to ten endpoints |
| ptr | PTR of ClusterIPs |
| tenant-off | from 2,000 pods' addresses: 80 % own namespace, 10 % a shared one, 10 % any |
| tenant-enforce | the same queries, and the answers that tenancy leaves |
| denied | from pods, A of other tenants' services |
| unknown | A of services from addresses that nobody has: SERVFAIL |
"""

import random

from shared import cluster as shapes
from zones import DOMAIN, arpa

FIVE = ("hit-a", "k8s-mix", "nxdomain", "srv", "headless")
CLIENTS = 2000
# Configured as seen by everybody (configurations.py), beside each pod's own tenant.
SHARED = f"{shapes.TEAMS[0]}-{shapes.STAGES[0]}"
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
OUTSIDE = [
    "api.example.com",
    "www.example.com",
    "auth.example.net",
    "cdn.example.org",
    "s3.us-east-1.example.com",
    "registry.example.io.example.net",
    "db-7f3a.eu-west-2.rds.example.com",
    "hooks.chat.example",
    "storage.cloud.example",
    *(f"host-{n:03d}.svc{n % 7}.example.com" for n in range(191)),
]


class Mixes:
    """Makes lines of "SOURCE NAME TYPE RCODE ANCOUNT"; the same for the same cluster and seed."""

    def __init__(self, cluster, seed=1):
        self.cluster, self.rng = cluster, random.Random(seed)
        self.namespaces = list(cluster.tenants)
        self.plain = [s for s in cluster.services if s.kind == "plain"]
        self.homes = {}
        for service in self.plain:
            self.homes.setdefault(service.namespace, []).append(service)
        self.headless = list(cluster.headless(8, 10)) or list(cluster.headless(1, 10))
        # Not of endpoints: their pods have other addresses (benches/scale), and so aren't named.
        self.reverse = [arpa(service.address) for service in self.plain]
        pods = [n for n, (home, _, kind) in enumerate(cluster.pods) if self._asks(home, kind)]
        self.clients = self.rng.sample(pods, min(CLIENTS, len(pods)))
        self.shared = [s for s in self.plain if s.namespace == SHARED]
        self.private = [s for s in self.plain if s.namespace != SHARED]

    def _asks(self, home, kind):
        return kind != "host" and home in self.homes and home != SHARED

    def tenant(self, namespace):
        return self.cluster.tenants[namespace]

    # One query each, for a client of `namespace` that asks for one of `services`: name, type,
    # rcode, answers.

    def a(self, namespace, services):
        return self.rng.choice(services).fqdn, "A", NOERROR, 1

    def aaaa(self, namespace, services):
        return self.rng.choice(services).fqdn, "AAAA", NOERROR, 0

    def srv(self, namespace, services):
        return f"_http._tcp.{self.rng.choice(services).fqdn}", "SRV", NOERROR, 1

    def search(self, namespace, services):
        suffix = self.rng.choice((f"{namespace}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN))
        rtype = self.rng.choice(("A", "AAAA"))
        return f"{self.rng.choice(OUTSIDE)}.{suffix}", rtype, NXDOMAIN, 0

    def missing(self, namespace, services):
        # No service's name has a number without a hyphen.
        name = f"{self.rng.choice(shapes.APPS)}{self.rng.randrange(100, 999)}"
        return f"{name}.{namespace}.svc.{DOMAIN}", "A", NXDOMAIN, 0

    def ptr(self, namespace, services):
        return self.rng.choice(self.reverse), "PTR", NOERROR, 1

    def endpoints(self, namespace, services):
        service = self.rng.choice(self.headless)
        return service.fqdn, "A", NOERROR, len(service.pods)

    def anybody(self, count):
        """The mixes that come from an address which sees everything, by name."""
        parts = {
            "hit-a": ((1, self.a),),
            "k8s-mix": (
                (35, self.a),
                (35, self.aaaa),
                (15, self.search),
                (10, self.srv),
                (5, self.ptr),
            ),
            "nxdomain": ((80, self.search), (20, self.missing)),
            "srv": ((1, self.srv),),
            "headless": ((1, self.endpoints),),
            "ptr": ((1, self.ptr),),
        }
        for name, weighted in parts.items():
            weights, makers = zip(*weighted)
            chosen = self.rng.choices(makers, weights, k=count)
            made = (make(self.rng.choice(self.namespaces), self.plain) for make in chosen)
            yield name, [line("-", *query) for query in made]

    def tenants(self, count):
        """The tenant mix, and what tenancy makes of it."""
        makers, weights = (self.a, self.aaaa, self.search, self.srv), (40, 40, 10, 10)
        off, enforce = [], []
        for _ in range(count):
            source, home = self.client()
            where = self.rng.random()
            services = (
                self.homes[home]
                if where < 0.8
                else self.shared
                if where < 0.9
                else [self.rng.choice(self.plain)]
            )
            name, *right = self.rng.choices(makers, weights)[0](home, services)
            seen = self.sees(home, services[0].namespace) or right[1] == NXDOMAIN
            off.append(line(source, name, *right))
            enforce.append(line(source, name, right[0], *(right[1:] if seen else (NXDOMAIN, 0))))
        yield "tenant-off", off
        yield "tenant-enforce", enforce

    def refused(self, count):
        """Queries for what the client may not see, and from clients that nobody knows."""
        denied, unknown = [], []
        while len(denied) < count:
            source, home = self.client()
            service = self.rng.choice(self.private)
            if not self.sees(home, service.namespace):
                denied.append(line(source, service.fqdn, "A", NXDOMAIN, 0))
        for n in range(count):
            service = self.rng.choice(self.private)
            unknown.append(line(shapes.v4("127.1.0.1", n % 4096), service.fqdn, "A", SERVFAIL, 0))
        yield "denied", denied
        yield "unknown", unknown

    def client(self):
        """A pod's address and namespace."""
        pod = self.rng.choice(self.clients)
        return shapes.pod_address(pod), self.cluster.pods[pod][0]

    def sees(self, home, namespace):
        return namespace == SHARED or self.tenant(namespace) == self.tenant(home)


def line(source, name, rtype, rcode, answers):
    return f"{source} {name} {rtype} {rcode} {answers}"


def write(cluster, folder, count):
    """Writes every mix to FOLDER/NAME, `count` lines each."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Mixes(cluster)
    for several in (made.anybody, made.tenants, made.refused):
        for name, lines in several(count):
            (folder / name).write_text("\n".join(lines) + "\n")
