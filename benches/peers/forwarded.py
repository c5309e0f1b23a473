#!/usr/bin/env python3
"""Names that are not ours: what an answer costs that is kept, and one that an upstream is asked for.

    make bench-forward                    # some three minutes; needs unbound and nsd, and CoreDNS from `make peers`
    make bench-forward WRITE=1            # and the tables into docs/performance.md

The upstream is NSD with one zone of a thousand names, on the client's core. Kept answers are compared with
Unbound's, which has the same upstream; answers that are asked for with CoreDNS's `forward`, both without a
cache. What a figure is and how it is measured: README.md.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import client
import paired
from configurations import program
from servers import Server
from shared import REPOSITORY, api, section

NAMES = 1000
ZONE = "outside.example"
CACHED_GOAL, MISS_GOAL = 1.3, 1.0
GOALS = {"kept": ("Unbound", CACHED_GOAL), "asked": ("CoreDNS", MISS_GOAL)}


def arguments():
    built = REPOSITORY / os.environ.get("TENANTDNS_PEERS", "target/peers")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parser.add_argument
    option("--tenantdns", default=REPOSITORY / "target/release/tenantdns", help="the program")
    option("--coredns", default=built / "coredns", help="as `make peers` builds it")
    option("--pairs", type=int, default=20, help="pairs of slices for each figure")
    option("--seconds", type=float, default=0.5, help="of a slice")
    option("--work", default=pathlib.Path(tempfile.gettempdir()) / "tenantdns-forwarded",
           type=pathlib.Path, help="for files")  # fmt: skip
    option("--server-cpu", default=0, type=int, help="the core of what is measured")
    option("--write", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args()


@dataclasses.dataclass
class Place:
    """Where servers are, and on which core."""

    work: pathlib.Path
    cpus: set

    def server(self, name, command, port):
        folder = self.work / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        return Server(name, command, port, self.cpus, folder)

    def put(self, name, text):
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / name).write_text(text)
        return self.work / name


def upstream(place, nsd):
    """NSD with a thousand names."""
    (port,) = api.free_ports(1)
    records = "".join(f"n{n} 3600 IN A 192.0.2.{n % 250 + 1}\n" for n in range(NAMES))
    zone = place.put(
        "zone", f"$ORIGIN {ZONE}.\n@ 3600 IN SOA ns hostmaster 1 3600 600 86400 60\n"
        f"@ 3600 IN NS ns\nns 3600 IN A 127.0.0.1\n{records}"
    )  # fmt: skip
    config = place.put(
        "nsd.conf",
        f"""
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{place.work}"
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "{place.work}/zone.list"
  logfile: "{place.work}/nsd.log"
  rrl-ratelimit: 0
  minimal-responses: yes
remote-control:
  control-enable: no
zone:
  name: {ZONE}
  zonefile: "{zone}"
""",
    )
    return place.server("nsd", [nsd, "-d", "-c", config], port)


def ours(place, tenantdns, to, kept):
    port, scrape = api.free_ports(2)
    manifests = place.put("cluster.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n")
    config = place.put(
        f"tenantdns-{kept}.toml",
        f"""
[server]
listen = ["127.0.0.1:{port}"]
threads = 1
[source]
manifests = ["{manifests}"]
[health]
listen = ""
[ready]
listen = ""
[metrics]
listen = "127.0.0.1:{scrape}"
[[forward]]
to = ["127.0.0.1:{to.port}"]
{"[cache]" if kept else ""}
""",
    )
    return place.server("tenantdns", [tenantdns, "serve", "--config", config], port)


def unbound(place, path, to):
    (port,) = api.free_ports(1)
    config = place.put(
        "unbound.conf",
        f"""
server:
  interface: 127.0.0.1
  port: {port}
  num-threads: 1
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{place.work}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 0
  module-config: "iterator"
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  minimal-responses: yes
  so-reuseport: yes
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{to.port}
""",
    )
    return place.server("unbound", [path, "-d", "-c", config], port)


def coredns(place, path, to):
    (port,) = api.free_ports(1)
    corefile = place.put(
        "Corefile",
        f".:{port} {{\n  bind 127.0.0.1\n  errors\n  forward . 127.0.0.1:{to.port}\n}}\n",
    )
    return place.server("coredns", [path, "-conf", corefile], port)


def queries(place):
    lines = "".join(f"- n{n}.{ZONE} A 0 1\n" for n in range(NAMES))
    return place.put("queries", lines)


def duel(load, first, second, mix, given):
    """Pairs of slices of both servers; each checks every answer."""
    for server in (first, second):
        if not load.ask_all(server, mix):
            raise SystemExit(f"{server.name} is too slow")
    taken = ([], [])
    for turn in paired.order(given.pairs):
        for side in turn:
            one = load.slice((first, second)[side], mix, given.seconds)
            taken[side].append(dataclasses.asdict(one))
    return taken


def measured(given):
    programs = {name: program(name) for name in ("gcc", "nsd", "unbound")}
    missing = [name for name, path in programs.items() if not path]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    for path in (given.tenantdns, given.coredns):
        if not pathlib.Path(path).exists():
            raise SystemExit(f"{path} is missing")
    built = client.build(given.work / "programs", programs["gcc"])
    other = {min(given.server_cpu + 1, os.cpu_count() - 1)}
    os.sched_setaffinity(0, other)
    load = client.Client(built["udpblast"], other)
    here, there = Place(given.work, {given.server_cpu}), Place(given.work, other)
    mix = queries(here)
    name = f"n1.{ZONE}"
    source = upstream(there, programs["nsd"])
    results = {}
    started = []
    try:
        def run(server):
            started.append(server)
            server.start(name)
            return server

        run(source)
        kept = run(ours(here, given.tenantdns, source, True))
        peer = run(unbound(here, programs["unbound"], source))
        results["kept"] = duel(load, kept, peer, mix, given)
        for server in (kept, peer):
            server.stop()
        asked = run(ours(here, given.tenantdns, source, False))
        peer = run(coredns(here, given.coredns, source))
        # NSD needs its part of the client's core.
        patient = client.Client(built["udpblast"], other, shares_cores=True, priority=0)
        results["asked"] = duel(patient, asked, peer, mix, given)
    finally:
        for server in started:
            server.stop()
    return results, versions(given, programs)


def versions(given, programs):
    for name, command in (
        ("tenantdns", [given.tenantdns, "--version"]),
        ("Unbound", [programs["unbound"], "-V"]),
        ("CoreDNS", [given.coredns, "-version"]),
        ("NSD", [programs["nsd"], "-v"]),
    ):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        number = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
        yield f"{name} {number.group() if number else '?'}"


def text(results, told, given):
    """The table for docs/performance.md."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    other = [one["other"] for sides in results.values() for side in sides for one in side]
    lines = [
        "### Forwarded answers",
        "",
        "    make bench-forward WRITE=1",
        "",
        f"{NAMES:,} names of one upstream (NSD), tenancy enforced, metrics on; one worker, and beside it the"
        f" thread that asks, on one core. Measured {time.strftime('%Y-%m-%d')} on {os.cpu_count()} cores"
        f" ({model.group(1) if model else platform.machine()}), Linux {platform.release().split('-')[0]},"
        f" with {', '.join(told)}. {given.pairs} pairs of slices of {given.seconds:g} s a row. Other programs"
        f" and the hypervisor took {100 * statistics.median(other):.1f} % of the machine (median).",
        "",
        "| answer | beside | CPU time × | 95 % | goal | µs | its µs | answers/s × |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for what, (first, second) in results.items():
        peer, goal = GOALS[what]
        cpu = [[one["cpu_us"] for one in side] for side in (first, second)]
        found = paired.compare(*cpu)
        rate = paired.compare(*[[one["received"] for one in side] for side in (first, second)])
        missed = " (missed)" if found.ratio > goal else ""
        words = {"kept": "kept", "asked": "asked for, nothing kept"}[what]
        middle = [statistics.median(side) for side in cpu]
        lines.append(
            f"| {words} | {peer} | {found.ratio:.2f}{missed} | {found.low:.2f} to {found.high:.2f} | ≤ {goal:g} |"
            f" {middle[0]:.1f} | {middle[1]:.1f} | {rate.ratio:.2f} |"
        )
    return "\n".join(lines)


def main():
    given = arguments()
    # So that servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given.work.mkdir(parents=True, exist_ok=True)
    results, told = measured(given)
    (given.work / "results.json").write_text(json.dumps(results))
    table = text(results, list(told), given)
    print(f"\n{table}")
    if given.write:
        section.write(REPOSITORY / "docs/performance.md", "make bench-forward", table)


if __name__ == "__main__":
    main()
