"""A running server: its processes, their CPU time, and whether it answers."""

import os
import pathlib
import signal
import subprocess
import time

from shared import dns

PRIORITY = -10  # before the machine's other programs, where that is permitted


class Server:
    """One server on 127.0.0.1, which `stop` ends with all its children."""

    def __init__(self, name, command, port, cpus, folder, checked=True):
        self.name, self.command, self.port, self.cpus = name, command, port, cpus
        self.log, self.checked = folder / "log", checked
        self.process = None

    def start(self, query, limit=600):
        """Starts it and waits until the name has its address."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: favored(self.cpus),
            )
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended; see {self.log}")
            answer = dns.ask("127.0.0.1", self.port, query, limit=0.2)
            if answer and (not self.checked or answer[0] == "NOERROR" and len(answer[1]) == 1):
                return
            time.sleep(0.05)
        self.stop()
        raise SystemExit(f"{self.name} has no answer for {query} after {limit} s; see {self.log}")

    def stop(self):
        if not self.process or self.process.poll() is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                # Its own session, and so the children that the first process leaves behind.
                os.killpg(self.process.pid, number)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def cpu(self):
        """CPU seconds of all its processes and threads so far, those that ended too."""
        return sum(cpu_of(pid) for pid in tree(self.process.pid))


def favored(cpus, priority=PRIORITY):
    """To run in a new process: a session of its own, on these cores, at this priority."""
    os.setsid()
    os.sched_setaffinity(0, cpus)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, priority)
        # Where sessions are scheduled as groups, a process's own priority counts within them alone.
        pathlib.Path("/proc/self/autogroup").write_text(str(priority))
    except OSError:
        pass


def tree(pid):
    """The process and its descendants."""
    found = [pid]
    for one in found:
        for task in pathlib.Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def cpu_of(pid):
    """CPU seconds of a process, in nanoseconds' resolution: its clock, as clock_getcpuclockid(3)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def machine_cpu():
    """CPU seconds that all programs together have used, and that the hypervisor took."""
    first = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0]
    user, nice, system, _, _, interrupts, soft, stolen = (int(n) for n in first.split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")
