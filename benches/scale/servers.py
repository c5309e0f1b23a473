"""The DNS servers that are compared: how each is configured, started and accounted for."""

import http.client
import os
import pathlib
import subprocess
import time

import api

PORT, READY, HEALTH, METRICS = api.free_ports(4)
ZONES = ("cluster.local", "in-addr.arpa", "ip6.arpa")


class Server:
    """A running DNS server, on 127.0.0.1."""

    def __init__(self, name, command, folder, cpus):
        self.name, self.command, self.cpus = name, command, cpus
        self.log = pathlib.Path(folder) / "log"

    def start(self):
        with open(self.log, "wb") as log:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: os.sched_setaffinity(0, self.cpus),
            )

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def is_ready(self):
        """Whether it says so: at its ready port, or in its log once it answers from the cluster."""
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended; see {self.log}")
        if b"\nlistening on " in b"\n" + self.log.read_bytes():
            return True
        try:
            connection = http.client.HTTPConnection("127.0.0.1", READY, timeout=1)
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def cpu(self):
        """CPU seconds used so far by all its threads, those that ended too."""
        # The clock of another process, as clock_getcpuclockid(3) makes it.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def settle(self, limit=60):
        """Waits until it uses less than 2 % of a core for two seconds."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            before = self.cpu()
            time.sleep(2)
            if self.cpu() - before < 0.04:
                return

    def memory(self):
        """Resident memory now and at most since the start or `forget_peak`, in MiB."""
        status = dict(
            line.split(":", 1)
            for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        )
        rss, peak = (int(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        return {"rss_mib": rss, "peak_mib": peak}

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def tenantdns(program, folder, kubeconfig, mode, cpus):
    """tenantdns with the given tenancy mode; else as a cluster would run it."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "tenantdns.toml"
    text = f"""
[server]
listen = ["127.0.0.1:{PORT}"]
[source.kubernetes]
kubeconfig = "{kubeconfig}"
[kubernetes]
zones = {list(ZONES)}
pods = "verified"
startup_timeout = "10m"
[tenancy]
mode = "{mode}"
"""
    for table, port in (("ready", READY), ("health", HEALTH), ("metrics", METRICS)):
        longer = text + f'[{table}]\nlisten = "127.0.0.1:{port}"\n'
        config.write_text(longer)
        # A version without this listener refuses the table.
        if (
            subprocess.run([program, "check", "--config", config], capture_output=True).returncode
            == 0
        ):
            text = longer
    config.write_text(text)
    return Server(f"tenantdns-{mode}", [program, "serve", "--config", config], folder, cpus)


def coredns(program, folder, kubeconfig, cpus):
    """CoreDNS with the names of existing pods, which makes it watch pods as tenantdns does."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    corefile = folder / "Corefile"
    corefile.write_text(f"""
.:{PORT} {{
  bind 127.0.0.1
  errors
  ready 127.0.0.1:{READY}
  kubernetes {" ".join(ZONES)} {{
    kubeconfig {kubeconfig}
    pods verified
  }}
}}
""")
    return Server("coredns", [program, "-conf", corefile], folder, cpus)


def version(program):
    """What the program says when asked for its version."""
    for option in ("--version", "-version"):
        done = subprocess.run([program, option], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.split("\n")[0].strip()
    return "unknown"
