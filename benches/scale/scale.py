#!/usr/bin/env python3
"""Measures tenantdns and CoreDNS on one real API server: start, memory, changes.

scale.py --size small                              everything, a few minutes
scale.py --size small,large --write                and into docs/performance.md
scale.py --tenantdns PATH --servers enforce        one program alone
scale.py --size large --load-only                  creates the cluster's objects, once for each size
scale.py --size small,large --report               the last figures again

What each figure means is in README.md.
"""

import argparse
import fcntl
import gc
import json
import multiprocessing
import os
import pathlib
import platform
import sys
import tempfile
import time

import figures
import load
import report
import section
import servers
from cluster import SIZES, Cluster

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def arguments():
    peers = REPOSITORY / os.environ.get("TENANTDNS_PEERS", "target/peers")
    work = pathlib.Path(tempfile.gettempdir()) / "tenantdns-scale"
    last = str(min(1, os.cpu_count() - 1))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parser.add_argument
    option("--size", default="small,large", help=f"of {', '.join(SIZES)}; more with commas")
    option("--servers", default="enforce,off,coredns", help="which; more with commas")
    option("--tenantdns", default=REPOSITORY / "target/release/tenantdns", help="the program")
    option("--apiserver", default=peers / "apiserver", help="as `make peers` builds it")
    option("--coredns", default=peers / "coredns", help="as `make peers` builds it")
    option("--work", default=work, type=pathlib.Path, help="where clusters and results are kept")
    option("--starts", default=3, type=int, help="starts to take the median of")
    option("--changes", default=500, type=int, help="changes to time")
    option("--seconds", default=30, type=float, help="of changes at 100/s")
    option("--rest", default=130, type=float, help="seconds without work before memory counts")
    option("--server-cpu", default="0", help="the core of what is measured")
    option("--other-cpu", default=last, help="the core of everything else")
    option("--load-only", action="store_true", help="only bring the objects into the API server")
    option("--report", action="store_true", help="only print what was measured last")
    option("--write", action="store_true", help="put the table into docs/performance.md")
    chosen = parser.parse_args()
    chosen.size = chosen.size.split(",")
    chosen.servers = chosen.servers.split(",")
    return chosen


def main():
    chosen = arguments()
    # Children get what is here: ports, and the cluster without making it again.
    multiprocessing.set_start_method("fork")
    if not chosen.report:
        chosen.work.mkdir(parents=True, exist_ok=True)
        lock = open(chosen.work / "lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"another run uses {chosen.work}") from None
        for size in chosen.size:
            measure(chosen, size)
    if chosen.load_only:
        return 0
    results = [json.loads(results_of(chosen, size).read_text()) for size in chosen.size]
    text = report.section(results)
    print(f"\n{text}")
    if chosen.write:
        section.write(REPOSITORY / "docs/performance.md", "make bench-scale", text)
    return 1 if report.wrong(results) else 0


def results_of(chosen, size):
    return chosen.work / size / "results.json"


def measure(chosen, size):
    if os.getloadavg()[0] > 0.5:
        say("the machine is busy with something else: the figures will be worse than they are")
    cluster = Cluster(size)
    # Pauses of our own would count as the server's. There are no cycles to collect.
    gc.disable()
    os.sched_setaffinity(0, range(os.cpu_count()))
    server = load.loaded(
        chosen.apiserver, chosen.work / size, cluster, cpus={int(chosen.other_cpu)}
    )
    if chosen.load_only:
        return
    os.sched_setaffinity(0, {int(chosen.other_cpu)})
    setting = figures.Setting(
        cluster,
        server,
        server_cpus={int(chosen.server_cpu)},
        starts=chosen.starts,
        changes=chosen.changes,
        seconds=chosen.seconds,
        rest=chosen.rest,
    )
    server.start()
    try:
        setting.lists = setting.listed()
        found = about(chosen, setting)
        for name in chosen.servers:
            say(size, name)
            dns = started(chosen, size, server, name)
            found["servers"][dns.name] = measure_one(setting, dns, whole=name != "off")
        results_of(chosen, size).write_text(json.dumps(found, indent=1))
    finally:
        server.stop()


def started(chosen, size, server, name):
    """The server of this name, not yet started."""
    folder, cpus = chosen.work / size / name, {int(chosen.server_cpu)}
    if name == "coredns":
        return servers.coredns(chosen.coredns, folder, server.kubeconfig, cpus)
    return servers.tenantdns(chosen.tenantdns, folder, server.kubeconfig, name, cpus)


def about(chosen, setting):
    """What is measured, where and when."""
    cluster, bytes_ = setting.cluster, figures.plain_get(setting, 1)["bytes"]
    return {
        "services": len(cluster.services),
        "pods": len(cluster.pods),
        "namespaces": len(cluster.tenants),
        "nodes": cluster.nodes,
        "pod_bytes": bytes_ // len(cluster.pods),
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "kernel": platform.release().split("-")[0],
        "versions": [
            servers.version(chosen.tenantdns),
            servers.version(chosen.coredns),
            f"kube-apiserver {setting.server.version()}",
        ],
        "servers": {},
    }


def measure_one(setting, dns, whole):
    """Every figure of one server, in an order in which none disturbs the next."""
    found = {}

    def note(name, value):
        found[name] = value
        say(dns.name, name, json.dumps(value))

    note("get", figures.plain_get(setting, setting.starts))
    try:
        note("start", figures.starts(setting, dns))
        note("rest", figures.at_rest(setting, dns))
        if not whole:
            return found
        note("load", figures.after_load(setting, dns))
        note("idle", figures.idle(setting))
        note("churn", figures.churn(setting, dns))
        note("busy", figures.under_churn(setting))
        note("stale", figures.stale(setting))
        relist = figures.listed_again(setting, dns)
        note("relist", {**relist, "stale": figures.stale(setting)})
        return found
    finally:
        dns.stop()


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
