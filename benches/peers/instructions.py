#!/usr/bin/env python3
"""Counts the instructions that a query takes in user space, and fails where they grew.

instructions.py            compares with gate.json: more than 3 % above it fails
instructions.py --update   writes what it counted there

The whole program runs under callgrind and answers the mixes over its sockets, so that everything is
in it but the kernel. What the UDP worker takes is compared: no load of the machine changes it. What
other threads do beside it, such as looking for sweeps, comes in bursts and is only told.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import client
import configurations
import fixture
from shared import HERE, REPOSITORY

MIXES = ("hit-a", "k8s-mix", "nxdomain", "srv", "headless", "ptr", "denied", "unknown")
GATE = HERE / "gate.json"
SLACK = 1.03
LINES = 5_000  # of each mix, all of them asked in each count
SETTLE = 2  # seconds until other threads, which come some times a second, have taken up what was noted


def arguments():
    folder = pathlib.Path(tempfile.gettempdir())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parser.add_argument
    option("--tenantdns", default=REPOSITORY / "target/release/tenantdns", help="a release build")
    option("--work", default=folder / "tenantdns-gate", type=pathlib.Path, help="for files")
    option("--starts", default=3, type=int, help="processes to count; the least is compared")
    option("--update", action="store_true", help="write gate.json")
    return parser.parse_args()


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    needed = {"valgrind": "valgrind", "callgrind_control": "valgrind", "gcc": "gcc libc6-dev"}
    if missing := {package for name, package in needed.items() if not configurations.program(name)}:
        raise SystemExit(f"missing: apt-get install {' '.join(sorted(missing))}")
    if not pathlib.Path(given.tenantdns).exists():
        raise SystemExit(f"{given.tenantdns} is missing: cargo build --release")
    given.work.mkdir(parents=True, exist_ok=True)
    programs = client.build(given.work / "programs", configurations.program("gcc"))
    programs["tenantdns"] = pathlib.Path(given.tenantdns).resolve()
    made = fixture.Fixture("small", given.work, LINES)
    made.make()
    counts = [count(given, programs, made) for _ in range(given.starts)]
    kept = json.loads(GATE.read_text())
    # What was above by chance gets below; what grew does not.
    while not given.update and len(counts) < 2 * given.starts and grown(least(counts), kept):
        counts.append(count(given, programs, made))
    workers, whole = least(counts), {m: statistics.fmean(c[m][1] for c in counts) for m in MIXES}
    if given.update:
        kept = {"rustc": rustc(), "instructions": {mix: round(n) for mix, n in workers.items()}}
        GATE.write_text(json.dumps(kept, indent=2) + "\n")
    print(table(workers, whole, kept["instructions"]))
    if rustc() != kept["rustc"]:
        print(f"gate.json is from {kept['rustc']}, this is {rustc()}: that alone may differ")
    if worse := grown(workers, kept):
        raise SystemExit(
            f"more than {SLACK - 1:.0%} above benches/peers/gate.json: {', '.join(worse)}\n"
            "Find what the change made longer; where it is worth that, say so in the commit and"
            " run `make bench-gate UPDATE=1`."
        )


def least(counts):
    """What the worker took in the start in which it took least: the path without bad luck."""
    return {mix: min(one[mix][0] for one in counts) for mix in MIXES}


def grown(found, kept):
    """The mixes that are above the gate and the slack."""
    return [mix for mix, n in found.items() if n > kept["instructions"][mix] * SLACK]


def table(workers, whole, gate):
    lines = ["| queries | the worker | gate | the whole process |", "|---|---|---|---|"]
    for mix, n in workers.items():
        change = f"{gate[mix]:,} ({n / gate[mix] - 1:+.1%})"
        lines.append(f"| {mix} | {n:,.0f} | {change} | {whole[mix]:,.0f} |")
    return "\n".join(lines)


def count(given, programs, made):
    """One start of the program: instructions a query, of its worker and of all, by mix."""
    cpus = frozenset(range(os.cpu_count()))
    place = configurations.Place(given.work / "counted", made, programs, cpus=cpus)
    server = configurations.tenantdns(place)
    dump = place.folder / "callgrind"
    options = ["-q", "--tool=callgrind", "--separate-threads=yes"]
    options.append(f"--callgrind-out-file={dump}")
    server.command = ["valgrind", *options, *server.command]
    asking = client.Client(programs["udpblast"], set(cpus), shares_cores=True)
    try:
        server.start(made.first_service())
        return {mix: _count(server, dump, asking, made.mix(mix)) for mix in MIXES}
    finally:
        server.stop()
        for old in place.folder.glob("callgrind*"):
            old.unlink()


def _count(server, dump, asking, mix):
    def ask():
        if not asking.ask_all(server, mix, LINES, limit=60):
            raise SystemExit(f"{mix.name} was not answered in a minute; see {server.log}")

    ask()  # warm: code that runs once, pages that are touched first
    time.sleep(SETTLE)
    for old in dump.parent.glob("callgrind.*"):
        old.unlink()
    control(server, "--zero")
    ask()
    control(server, "--dump")
    threads = [total(text) / LINES for text in _dumped(dump)]
    # The one UDP worker; the others take up what it noted, when they come to it.
    return max(threads), sum(threads)


def control(server, what):
    command = ["callgrind_control", what, str(server.process.pid)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{' '.join(command)} had no answer in a minute") from None
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


def _dumped(dump, limit=30):
    """The text of each thread's dump, once they are whole."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        texts = [path.read_text() for path in dump.parent.glob("callgrind.*")]
        if texts and all("\ntotals:" in text for text in texts):
            return texts
        time.sleep(0.02)
    raise SystemExit(f"callgrind wrote no dump beside {dump}")


def total(text):
    """The instructions of one thread's dump."""
    return int(re.search(r"^totals: (\d+)", text, re.MULTILINE).group(1))


def rustc():
    done = subprocess.run(["rustc", "--version"], capture_output=True, text=True, cwd=REPOSITORY)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
