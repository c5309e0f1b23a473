#!/usr/bin/env python3
"""Measures tenantdns beside other DNS servers: what a query costs each of them.

peers.py --quick                           about three minutes, to see whether it works
peers.py --size large --write              the whole, and its tables into docs/performance.md
peers.py --sections latency --pairs 40     one part
peers.py --report                          the last figures again

What is measured and how to read it is in README.md.
"""

import argparse
import fcntl
import json
import multiprocessing
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time

import client
import configurations
import duel
import fixture
import tables
from shared import REPOSITORY, cluster, section


def arguments():
    built = REPOSITORY / os.environ.get("TENANTDNS_PEERS", "target/peers")
    folder = pathlib.Path(tempfile.gettempdir())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parser.add_argument
    option("--size", default="small", choices=list(cluster.SIZES))
    option("--quick", action="store_true", help="few and short slices")
    option("--pairs", type=int, help="pairs of slices for each figure (20, quick 4)")
    option("--seconds", type=float, help="of a slice (0.5, quick 0.25)")
    option("--sections", default=",".join(duel.SECTIONS), help="which; more with commas")
    option("--against", default=",".join(configurations.OPPONENTS), help="which; more with commas")
    option("--tenantdns", default=REPOSITORY / "target/release/tenantdns", help="the program")
    option("--apiserver", default=built / "apiserver", help="as `make peers` builds it")
    option("--coredns", default=built / "coredns", help="as `make peers` builds it")
    option("--work", default=folder / "tenantdns-peers", type=pathlib.Path, help="for files")
    option("--cluster-work", default=folder / "tenantdns-scale", type=pathlib.Path,
           help="the API server's data, which are those of bench-scale")  # fmt: skip
    option("--server-cpu", default=0, type=int, help="the core of what is measured")
    option("--other-cpus", default="", help="the cores of everything else; more with commas")
    option("--report", action="store_true", help="only print what was measured last")
    option("--write", action="store_true", help="put the tables into docs/performance.md")
    given = parser.parse_args()
    given.pairs = given.pairs or (4 if given.quick else 20)
    given.seconds = given.seconds or (0.25 if given.quick else 0.5)
    given.sections, given.against = given.sections.split(","), given.against.split(",")
    last = str(min(1, os.cpu_count() - 1))
    given.other_cpus = frozenset(int(n) for n in (given.other_cpus or last).split(","))
    for named, known in ((given.sections, duel.SECTIONS), (given.against, configurations.OPPONENTS)):
        if unknown := set(named) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return given


def main():
    given = arguments()
    # So that servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    multiprocessing.set_start_method("fork")
    kept = given.work / given.size / "results.json"
    if not given.report:
        kept.write_text(json.dumps(measured(given)))
    found = json.loads(kept.read_text())
    text = tables.section(found)
    print(f"\n{text}")
    if given.write:
        section.write(REPOSITORY / "docs/performance.md", "make bench-peers", text)


def measured(given):
    locks = [locked(given.work), locked(given.cluster_work)]
    if os.getloadavg()[0] > 0.5:
        duel.say("the machine is busy with something else: the figures will be worse for it")
    programs = found_programs(given)
    made = fixture.Fixture(given.size, given.work)
    made.make()
    # Off the core of what is measured.
    os.sched_setaffinity(0, given.other_cpus)
    bench = duel.Bench(
        made,
        programs,
        given.work / given.size / "servers",
        frozenset({given.server_cpu}),
        given.other_cpus,
        given.pairs,
        given.seconds,
        given.cluster_work,
    )
    for name in given.sections:
        duel.SECTIONS[name](bench, given.against)
    del locks
    return about(given, bench)


def locked(folder):
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit(f"another run uses {folder}") from None
    return lock


def found_programs(given):
    """The programs that are there, by name; says what is missing. Installs nothing."""
    programs, missing = {}, []
    for name in ("gcc", "gdnsd", "nsd", "knotd", "hickory-dns"):
        if path := configurations.program(name):
            programs[name] = path
        elif package := configurations.PACKAGES.get(name):
            missing.append(package)
    for name in ("tenantdns", "apiserver", "coredns"):
        path = pathlib.Path(getattr(given, name))
        if path.exists():
            programs[name] = path.resolve()
        elif name != "tenantdns":
            duel.say(f"left out: {name}, which `make peers` builds")
    if missing:
        duel.say(
            "missing: apt-get install --no-install-recommends", *missing, "(which starts daemons)"
        )
    for name in ("tenantdns", "gcc"):
        if name not in programs:
            raise SystemExit(f"{name} is needed")
    return programs | client.build(given.work / "programs", programs["gcc"])


VERSIONS = {
    "gdnsd": ("version",),
    "nsd": ("-v",),
    "knotd": ("-V",),
    "coredns": ("-version",),
    "hickory-dns": ("--version",),
}


def versions(programs):
    """The first line that each says about itself."""
    options = {"tenantdns": ("--version",), **VERSIONS}
    for name, option in options.items():
        if name in programs:
            done = subprocess.run([programs[name], *option], capture_output=True, text=True)
            lines = (done.stdout + done.stderr).strip().splitlines()
            number = re.search(r"\d+\.\d+[\w.+-]*", lines[0] if lines else "")
            yield f"{name} {number.group() if number else '?'}"


def about(given, bench):
    """The results, and what was measured, where and when."""
    shape = bench.fixture.cluster
    quick = " QUICK=1" if given.quick else ""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {
        "command": f"make bench-peers SIZE={given.size}{quick} WRITE=1",
        "services": len(shape.services),
        "pods": len(shape.pods),
        "namespaces": len(shape.tenants),
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "cpu": model.group(1) if model else platform.machine(),
        "kernel": platform.release().split("-")[0],
        "versions": list(versions(bench.programs)),
        "pairs": given.pairs,
        "seconds": given.seconds,
        "results": bench.results,
        "left_out": bench.left_out,
    }


if __name__ == "__main__":
    main()
