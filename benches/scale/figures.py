"""What is measured of one server. Each function's first sentence defines its figures."""

import dataclasses
import multiprocessing
import os
import random
import statistics
import time

import api
import changes
import dns
from cluster import Cluster
from servers import PORT

LIMIT = 600  # seconds to become ready, or to list again
RATE = 100  # changes a second


@dataclasses.dataclass
class Setting:
    """The cluster, the API server that holds it, and how long to measure."""

    cluster: Cluster
    server: api.ApiServer
    server_cpus: set
    starts: int
    changes: int
    seconds: float
    rest: float
    lists: float = 0  # of pods, when no DNS server has asked yet

    def small_slices(self):
        """Services of one small slice: a tenth to watch single changes of, the rest to churn."""
        services = list(self.cluster.headless(1, 10))[:500]
        return services[::10], [s for n, s in enumerate(services) if n % 10]

    def full_slices(self):
        """Every slice of a hundred endpoints, as service and part."""
        return [
            (service, part)
            for service in self.cluster.headless(100, 10_000)
            for part, pods in enumerate(service.slices())
            if len(pods) == 100
        ]

    def listed(self):
        """How often all pods were asked for since the API server started, one way or the other."""
        return self.server.counter(
            "apiserver_request_total", resource="pods", verb="LIST", code="200"
        ) + self.server.counter("apiserver_watch_list_duration_seconds_count", resource="pods")


def plain_get(setting, times):
    """Seconds and bytes of a GET of all pods as JSON from the API server's cache, read to its end on
    the core of the DNS server and thrown away: the median of several."""
    with multiprocessing.Pool(1, os.sched_setaffinity, (0, setting.server_cpus)) as pool:
        return pool.apply(_get, (setting.server.ca, times))


def _get(ca, times):
    taken = []
    for _ in range(times):
        client, began = api.Client(api.PORT, ca), time.monotonic()
        size = client.read_all("/api/v1/pods?resourceVersion=0")
        taken.append(time.monotonic() - began)
    return {"seconds": statistics.median(taken), "bytes": size}


def startup(setting, server):
    """Seconds from exec until the server says that it is ready and 200 pods get the right address
    of a service of their namespace, then the CPU seconds and the memory once it has settled."""
    plain = [service for service in setting.cluster.services if service.kind == "plain"]
    sample = random.Random(2).sample(plain, min(200, len(plain)))
    server.start()
    while not server.is_ready():
        if time.monotonic() > server.began + LIMIT:
            raise SystemExit(f"{server.name} is not ready after {LIMIT} s; see {server.log}")
        time.sleep(0.02)
    said = time.monotonic() - server.began
    for service in sample:
        source = setting.cluster.clients[service.namespace]
        while dns.ask(source, PORT, service.fqdn) != ("NOERROR", {service.address}):
            if time.monotonic() > server.began + LIMIT:
                raise SystemExit(f"{server.name} answers {service.fqdn} to {source} wrongly")
            time.sleep(0.02)
    ready = time.monotonic() - server.began
    server.settle()
    return {"said_ready_s": said, "ready_s": ready, "cpu_s": server.cpu(), **server.memory()}


def starts(setting, server):
    """The medians of several starts; the server of the last one stays."""
    found = []
    for n in range(setting.starts):
        if n:
            server.stop()
        found.append(startup(setting, server))
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


def at_rest(setting, server):
    """Memory after two minutes without work, in which Go collects and gives back what it can."""
    time.sleep(setting.rest)
    return server.memory()


def after_load(setting, server):
    """Memory after 100,000 queries from up to 2,000 pods, half of them for names that exist."""
    answered = _load(setting.cluster, 100_000)
    server.settle()
    return {"answered": answered, **server.memory()}


def _load(cluster, count):
    rng, answered = random.Random(3), 0
    plain = [service for service in cluster.services if service.kind == "plain"]
    for _ in range(count // 50):
        service = rng.choice(plain)
        with dns.connect(cluster.clients[service.namespace], PORT, limit=1) as udp:
            for n in range(50):
                # Every other one is what a pod's search list makes of a name outside.
                outside = f"www.example.com.{service.namespace}.svc.cluster.local."
                udp.send(dns.question(outside if n % 2 else service.fqdn))
            try:
                for _ in range(50):
                    udp.recv(4096)
                    answered += 1
            except OSError:
                pass
    return answered


def idle(setting):
    """Milliseconds from the API's acknowledgement of a change of one endpoint's address until an
    answer to a pod shows it, with nothing else going on."""
    watched, _ = setting.small_slices()
    return _delays(setting, watched)


def churn(setting, server):
    """The CPU that one EndpointSlice update costs at 100/s, beyond what the server uses at rest:
    of slices with at most ten endpoints, and of full ones, with a hundred."""
    _, churned = setting.small_slices()
    found = {}
    for name, slices in (
        ("small", [(service, 0) for service in churned]),
        ("full", setting.full_slices()),
    ):
        time.sleep(1)
        before = server.cpu()
        time.sleep(5)
        resting = (server.cpu() - before) / 5
        before, began = server.cpu(), time.monotonic()
        written = _churn(setting, slices, setting.seconds)
        server.settle()
        spent = server.cpu() - before - resting * (time.monotonic() - began)
        found[f"{name}_update_us"] = spent / written * 1e6
        found[f"{name}_per_s"] = written / setting.seconds
    return found


def under_churn(setting):
    """The same as `idle`, of changes among 100 others a second."""
    watched, churned = setting.small_slices()
    seconds = setting.changes * 0.06 + 5
    slices = [(service, 0) for service in churned]
    writer, result = _start_churn(setting, slices, seconds)
    found = _delays(setting, watched)
    writer.join()
    return {**found, "others": result.recv()}


def stale(setting):
    """How many of the services that were changed are answered otherwise than the API says."""
    watched, churned = setting.small_slices()
    services = {service.fqdn: service for service in watched + churned}
    services |= {service.fqdn: service for service, _ in setting.full_slices()}
    return changes.stale(PORT, setting.server.ca, setting.cluster, services.values())


def listed_again(setting, server):
    """Memory at rest after the API server was restarted, so that every kind was listed again, and
    the most since then."""
    server.forget_peak()
    setting.server.stop()
    setting.server.start()
    end = time.monotonic() + LIMIT
    while setting.listed() <= setting.lists:
        if time.monotonic() > end:
            raise SystemExit(f"{server.name} did not list again within {LIMIT} s; see {server.log}")
        time.sleep(0.5)
    server.settle()
    watched, _ = setting.small_slices()
    delays = _delays(setting, watched, count=10)
    return {"never": delays["never"], **at_rest(setting, server)}


def _start_churn(setting, slices, seconds):
    return changes.write_at(RATE, seconds, setting.server.ca, setting.cluster, slices)


def _churn(setting, slices, seconds):
    writer, result = _start_churn(setting, slices, seconds)
    written = result.recv()
    writer.join()
    return written


def _delays(setting, services, count=None):
    count = count or setting.changes
    found = changes.delays(count, PORT, setting.server.ca, setting.cluster, services)
    seen = sorted(delay for delay in found if delay is not None)
    if not seen:
        return {"changes": count, "never": count}
    return {
        "changes": count,
        "never": count - len(seen),
        "p50_ms": seen[len(seen) // 2],
        "p99_ms": seen[min(len(seen) - 1, len(seen) * 99 // 100)],
    }
