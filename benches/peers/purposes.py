#!/usr/bin/env python3
"""Shows where a query's CPU time goes: samples a server under load and sorts them by purpose.

purposes.py --mix hit-a --servers tenantdns,floor,gdnsd

Needs perf (Debian: linux-perf) and root. The CPU's clock is sampled, which works without hardware
counters, too; being sampled costs some time itself. The floor's column is what the kernel takes.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import tempfile
import threading

import client
import configurations
import fixture
from shared import REPOSITORY, cluster

# Of a kernel stack, the first rule that matches any frame.
RULES = (
    ("waking the client", r"try_to_wake_up|__wake_up|sock_def_readable|ep_poll_callback"),
    (
        "delivery to the client's socket",
        r"net_rx_action|process_backlog|do_softirq|handle_softirqs",
    ),
    ("sending", r"sendmmsg|sendmsg|sendto"),
    ("receiving", r"recvmmsg|recvmsg|recvfrom"),
    ("waiting", r"epoll|poll|futex|select"),
)
OWN, REST = "the server's own code", "entry to the kernel, interrupts, scheduling"


def purpose(stack):
    """What one sample was for; `stack` is as `perf script` prints it, the innermost frame first."""
    frames = stack.strip().split("\n")
    if "[kernel" not in frames[0]:
        return OWN
    kernel = "\n".join(frame for frame in frames if "[kernel" in frame)
    return next((label for label, pattern in RULES if re.search(pattern, kernel)), REST)


def arguments():
    folder = pathlib.Path(tempfile.gettempdir())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parser.add_argument
    option("--size", default="small", choices=list(cluster.SIZES))
    option("--mix", default="k8s-mix")
    option("--servers", default="tenantdns,floor,gdnsd")
    option("--seconds", default=5, type=float)
    option("--top", default=0, type=int, help="name so many of each server's functions, too")
    option("--tenantdns", default=REPOSITORY / "target/release/tenantdns", help="the program")
    option("--work", default=folder / "tenantdns-peers", type=pathlib.Path, help="for files")
    return parser.parse_args()


def main():
    given = arguments()
    if not configurations.program("perf"):
        raise SystemExit("missing: apt-get install linux-perf")
    made = fixture.Fixture(given.size, given.work)
    made.make()
    programs = client.build(given.work / "programs")
    programs["tenantdns"] = pathlib.Path(given.tenantdns).resolve()
    makers = {**configurations.OPPONENTS, "tenantdns": (configurations.tenantdns, "tenantdns")}
    found = {}
    for name in given.servers.split(","):
        make, program = makers[name]
        programs.setdefault(program, configurations.program(program))
        place = configurations.Place(given.work / "profile" / name, made, programs)
        found[name] = profiled(make(place), made, programs, given)
    print("\n".join(table(found)))


def profiled(server, made, programs, given):
    """CPU µs a query, and how many samples there were for each purpose."""
    asking = client.Client(programs["udpblast"], {1})
    recorded, taken = server.log.parent / "perf.data", []
    server.start(made.first_service())
    try:
        mix, seconds = made.mix(given.mix), given.seconds + 1
        load = threading.Thread(target=lambda: taken.append(asking.slice(server, mix, seconds)))
        load.start()
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-g", "-o", recorded]
        record += ["-p", server.process.pid, "--", "sleep", given.seconds]
        subprocess.run([str(part) for part in record], check=True, capture_output=True)
        load.join()
    finally:
        server.stop()
    script = ["perf", "script", "-i", recorded, "-F", "ip,sym,dso"]
    text = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    stacks = text.strip().split("\n\n")
    if given.top:
        leaves = collections.Counter(s.strip().split("\n")[0].split(maxsplit=1)[1] for s in stacks)
        for leaf, count in leaves.most_common(given.top):
            print(f"{server.name} {count / len(stacks):6.1%}  {leaf}")
    return taken[0].cpu_us, collections.Counter(purpose(stack) for stack in stacks)


def table(found):
    yield f"| CPU µs a query | {' | '.join(found)} |"
    yield f"|---|{'---|' * len(found)}"
    for label in (OWN, *(label for label, _ in RULES), REST):
        cells = [f"{us * n[label] / n.total():.2f}" for us, n in found.values()]
        yield f"| {label} | {' | '.join(cells)} |"
    yield f"| together | {' | '.join(f'{us:.2f}' for us, _ in found.values())} |"


if __name__ == "__main__":
    main()
