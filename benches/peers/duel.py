"""Two servers in short slices that alternate, and the sections of the measurement made of them."""

import contextlib
import dataclasses
import os
import sys
import time

import changes_at_rate
import configurations
import mixes
import paired
from client import WINDOW, Client
from shared import load


@dataclasses.dataclass
class Bench:
    """Where, with what and how long everything is measured."""

    fixture: object
    programs: dict
    work: object  # the folder of this size
    server_cpus: frozenset
    other_cpus: frozenset
    pairs: int
    seconds: float  # of a slice
    cluster_work: object  # where the API server's data are
    results: list = dataclasses.field(default_factory=list)
    left_out: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        self.client = Client(self.programs["udpblast"], set(self.other_cpus))

    def place(self, name, **more):
        more = {"cpus": self.server_cpus, **more}
        return configurations.Place(self.work / name, self.fixture, self.programs, **more)

    @contextlib.contextmanager
    def running(self, server):
        """The server, started and ready; ended in any case."""
        try:
            server.start(self.fixture.first_service())
            yield server
        finally:
            server.stop()

    @contextlib.contextmanager
    def api_server(self):
        """The real API server with the cluster's objects, on the client's cores."""
        folder = self.cluster_work / self.fixture.size
        program = self.programs["apiserver"]
        server = load.loaded(program, folder, self.fixture.cluster, set(self.other_cpus))
        server.start()
        try:
            yield server
        finally:
            server.stop()

    def duel(self, section, first, second, mix, *, other_mix=None, client=None, rate=None):
        """Pairs of slices of both servers with a mix; raises where an answer is lost or wrong."""
        client = client or self.client
        paths = self.fixture.mix(mix), self.fixture.mix(other_mix or mix)
        sides = tuple(zip((first, second), paths))
        for server, path in sides:
            if not client.ask_all(server, path):
                say(f"{server.name} is too slow for {mix}")
                self.left_out[f"{server.name} on {mix}"] = "too slow"
                return
        taken = ([], [])
        seconds = max(1.0, 4 * self.seconds) if rate else self.seconds
        for turn in paired.order(self.pairs):
            for side in turn:
                server, path = sides[side]
                taken[side].append(dataclasses.asdict(client.slice(server, path, seconds, rate)))
        result = {
            "section": section,
            "mix": mix,
            "first": first.name,
            "second": second.name,
            "slices": taken,
        }
        self.results.append(result)
        columns = [[one["cpu_us"] for one in side] for side in taken]
        found = paired.compare(*columns)
        say(
            f"{section}: {mix}: {first.name} / {second.name}"
            f" {found.ratio:.3f} ({found.low:.3f} to {found.high:.3f})"
        )


def peers(bench, names):
    """Ours, enforced, against each of the others on the five mixes."""
    with bench.running(configurations.tenantdns(bench.place("ours"))) as ours:
        plain = [name for name in names if not name.startswith("coredns")]
        against(bench, ours, plain, None)
        watching = [name for name in names if name.startswith("coredns")]
        if watching and "apiserver" in bench.programs:
            with bench.api_server() as server:
                against(bench, ours, watching, server.kubeconfig)


def against(bench, ours, names, kubeconfig):
    for name in names:
        make, program = configurations.OPPONENTS[name]
        if program not in bench.programs:
            bench.left_out[name] = f"{program} is not installed"
            continue
        with bench.running(make(bench.place(name, kubeconfig=kubeconfig))) as other:
            for mix in mixes.FIVE:
                bench.duel("peers", ours, other, mix)


def tenancy(bench, _):
    """Tenancy enforced against tenancy off, from pods' own addresses."""
    with (
        bench.running(configurations.tenantdns(bench.place("ours"))) as ours,
        bench.running(configurations.tenantdns(bench.place("off"), mode="off")) as off,
    ):
        bench.duel("tenancy", ours, off, "tenant-enforce", other_mix="tenant-off")
        # What both answer alike: what is left is the price of the look-up alone.
        bench.duel("tenancy", ours, off, "hit-a")


def workers(bench, _):
    """Two workers against one, on the same cores, and the floor with two threads and one."""
    count = os.cpu_count()
    apart = count >= 4
    cpus = frozenset({0, 1}) if apart else frozenset(range(count))
    others = set(range(count)) - cpus if apart else set(cpus)
    # As many queries under way for each of two as the other sections have for one: with fewer, two have
    # smaller batches, and each query pays more of a system call.
    client = Client(
        bench.programs["udpblast"], others, shares_cores=not apart, window=2 * WINDOW
    )
    for make in (configurations.tenantdns, configurations.floor):
        two, one = (
            make(bench.place(f"workers-{threads}", cpus=cpus, threads=threads)) for threads in (2, 1)
        )
        two.name = f"{two.name}, two"
        with bench.running(two), bench.running(one):
            bench.duel("workers", two, one, "k8s-mix", client=client)


def wildcard(bench, _):
    """On [::], where clients of IPv4 have mapped addresses and each answer names its source."""
    with (
        bench.running(configurations.tenantdns(bench.place("any"), wildcard=True)) as ours,
        bench.running(configurations.floor(bench.place("any-floor"), wildcard=True)) as floor,
    ):
        for mix in mixes.FIVE:
            bench.duel("wildcard", ours, floor, mix)


RATE = 20_000  # queries a second
CHANGES = 1000  # EndpointSlices a second


def latency(bench, _):
    """At a fixed rate beside gdnsd: how long answers take."""
    if "gdnsd" not in bench.programs:
        return
    with (
        bench.running(configurations.tenantdns(bench.place("ours"))) as ours,
        bench.running(configurations.gdnsd(bench.place("gdnsd"))) as other,
    ):
        bench.duel("latency", ours, other, "k8s-mix", rate=RATE)


def changes(bench, _):
    """The same while EndpointSlices change in the API that ours follows."""
    if not {"gdnsd", "apiserver"} <= bench.programs.keys():
        return
    with bench.api_server() as server:
        place = bench.place("following", kubeconfig=server.kubeconfig)
        with (
            bench.running(configurations.tenantdns(place)) as ours,
            bench.running(configurations.gdnsd(bench.place("gdnsd"))) as other,
        ):
            # The API server and the writer need what the client leaves of its cores.
            program, cpus = bench.programs["udpblast"], set(bench.other_cpus)
            client = Client(program, cpus, shares_cores=True, priority=0)
            writer = changes_at_rate.Writer(server, bench.fixture.cluster, CHANGES)
            try:
                bench.duel("changes", ours, other, "k8s-mix", rate=RATE, client=client)
            finally:
                rate, last = writer.stop()
            changes_at_rate.wait_until_seen(ours, last)
            bench.results[-1]["changes_a_second"] = rate


SECTIONS = {
    "peers": peers,
    "tenancy": tenancy,
    "workers": workers,
    "wildcard": wildcard,
    "latency": latency,
    "changes": changes,
}


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)
