"""The load: builds the C programs, runs udpblast and says what a query cost the server."""

import dataclasses
import json
import os
import random
import subprocess

from servers import PRIORITY, favored, machine_cpu
from shared import HERE

WINDOW = 128


@dataclasses.dataclass(frozen=True)
class Slice:
    """What one stretch of load gave."""

    cpu_us: float  # of the server, for each answer
    p50_us: float
    p99_us: float
    received: int
    other: float  # the part of the machine that other programs and the hypervisor took


class Wrong(SystemExit):
    """An answer was lost or wrong."""


def build(folder, compiler="gcc"):
    """Compiles both programs where their sources are newer; returns their paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    built = {}
    for name in ("udpblast", "echo_floor"):
        source, program = HERE / f"{name}.c", folder / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            command = [compiler, "-O2", "-Wall", "-Wextra", "-pthread", "-o", program, source]
            subprocess.run(command, check=True)
        built[name] = program
    return built


class Client:
    """Sends the queries of a mix to a server, from other cores than the server's."""

    def __init__(self, program, cpus, shares_cores=False, priority=PRIORITY, window=WINDOW):
        self.program, self.cpus, self.shares_cores = program, cpus, shares_cores
        self.priority, self.window = priority, window
        self.rng = random.Random(1)

    def ask_all(self, server, mix, queries=20_000, limit=20):
        """Checks that many answers; returns whether the server gave them within the limit."""
        told = self._run(server, mix, ["-n", queries, "-l", limit, "-B", "-t", 5000])
        if told["sent"] < queries:
            return False
        self._check(server, mix, told)
        return True

    def slice(self, server, mix, seconds, rate=None):
        """One stretch of load, from a place in the mix that was drawn."""
        options = ["-l", seconds, "-o", self.rng.randrange(1 << 30)]
        if rate:
            options += ["-Q", rate]
        if self.shares_cores:
            options.append("-B")
        before, busy_before, own = server.cpu(), machine_cpu(), sum(os.times()[:4])
        told = self._run(server, mix, options)
        used, busy = server.cpu() - before, machine_cpu() - busy_before
        self._check(server, mix, told)
        own = sum(os.times()[:4]) - own  # with the client's, which has ended
        other = max(0.0, busy - used - own) / (seconds * os.cpu_count())
        answers = told["received"]
        return Slice(used / answers * 1e6, told["p50_us"], told["p99_us"], answers, other)

    def _run(self, server, mix, options):
        command = [self.program, "-p", server.port, "-d", mix, "-w", self.window, *options]
        process = subprocess.Popen(
            [str(part) for part in command] + ([] if server.checked else ["-X"]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: favored(self.cpus, self.priority),
        )
        out, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"udpblast on {server.name}: {errors.strip() or process.returncode}")
        return json.loads(out)

    @staticmethod
    def _check(server, mix, told):
        if told["lost"] or told["wrong"] or not told["received"]:
            raise Wrong(
                f"{server.name}, mix {mix.name}: of {told['sent']} queries {told['lost']} got no"
                f" answer, {told['wrong']} a wrong one (first: line {told['first_wrong']})"
            )
