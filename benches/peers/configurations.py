"""How each server is configured: alike where it can be.

One function a server. Each writes what the server needs below `folder` and gives back a
`servers.Server` on 127.0.0.1. Logs of queries, rate limits and DNSSEC are off, answers are minimal,
and there are as many SO_REUSEPORT sockets as threads.
"""

import dataclasses
import grp
import os
import pathlib
import pwd
import shutil

from mixes import SHARED
from servers import Server
from shared import api
from zones import FILES

# Debian's packages of the programs that are looked for.
PACKAGES = {"gcc": "gcc libc6-dev", "gdnsd": "gdnsd", "nsd": "nsd", "knotd": "knot"}
ZONES = "cluster.local in-addr.arpa ip6.arpa"


@dataclasses.dataclass
class Place:
    """What a server is given: its folder, the cluster's files, programs, threads and cores."""

    folder: pathlib.Path
    fixture: object
    programs: dict
    threads: int = 1
    cpus: frozenset = frozenset({0})
    kubeconfig: pathlib.Path | None = None

    def put(self, name, text):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)
        return self.folder / name

    def zones(self, form):
        """The text for each zone and its file, one after the other."""
        return "".join(form.format(zone=z, file=self.fixture.folder / f) for z, f in FILES.items())

    def server(self, name, command, port, checked=True):
        self.folder.mkdir(parents=True, exist_ok=True)
        return Server(name, command, port, set(self.cpus), self.folder, checked)


def program(name):
    """Where a program is, looked for where Debian puts servers too; None if it isn't there."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def floor(place, wildcard=False):
    (port,) = api.free_ports(1)
    command = [place.programs["echo_floor"], "-p", port, "-t", place.threads]
    return place.server("floor", command + ["-6"] * wildcard, port, checked=False)


def tenantdns(place, mode="enforce", wildcard=False):
    """tenantdns with metrics, and 127.0.0.1 as a tenant that may see everything."""
    port, scrape = api.free_ports(2)
    listen = f"[::]:{port}" if wildcard else f"127.0.0.1:{port}"
    source = f'[source]\nmanifests = ["{place.fixture.manifests}"]'
    if place.kubeconfig:
        source = f'[source.kubernetes]\nkubeconfig = "{place.kubeconfig}"'
    config = place.put(
        "tenantdns.toml",
        f"""
[server]
listen = ["{listen}"]
threads = {place.threads}
{source}
[health]
listen = ""
[ready]
listen = ""
[metrics]
listen = "127.0.0.1:{scrape}"
[admin]
listen = ""
[kubernetes]
startup_timeout = "10m"
[tenancy]
mode = "{mode}"
unknown_wait = "0"
[[tenancy.client]]
cidr = "127.0.0.1/32"
tenant = "bench"
[[tenancy.rule]]
name = "the bench sees everything"
effect = "allow"
from = {{ tenants = ["bench"] }}
to = {{ tenants = ["*"] }}
[[tenancy.rule]]
name = "a namespace that serves all"
effect = "allow"
from = {{ tenants = ["*"] }}
to = {{ namespaces = ["{SHARED}"] }}
""",
    )
    command = [place.programs["tenantdns"], "serve", "--config", config]
    return place.server("tenantdns" if mode == "enforce" else f"tenantdns-{mode}", command, port)


def gdnsd(place):
    (port,) = api.free_ports(1)
    place.put(
        "config",
        f"""options => {{
  listen => 127.0.0.1:{port}
  udp_threads => {place.threads}
  tcp_threads => 1
  udp_recv_width => 32
  zones_default_ttl => 30
  run_dir => {place.folder}/run
  state_dir => {place.folder}/state
}}
""",
    )
    for below in ("run", "state", "zones"):
        (place.folder / below).mkdir(exist_ok=True)
    for zone, file in FILES.items():
        shutil.copy(place.fixture.folder / file, place.folder / "zones" / zone)
    return place.server("gdnsd", [place.programs["gdnsd"], "-c", place.folder, "start"], port)


def nsd(place):
    (port,) = api.free_ports(1)
    zones = place.zones('zone:\n  name: "{zone}"\n  zonefile: "{file}"\n')
    config = place.put(
        "nsd.conf",
        f"""server:
  ip-address: 127.0.0.1
  port: {port}
  server-count: {place.threads}
  reuseport: yes
  username: ""
  zonesdir: "{place.folder}"
  pidfile: "{place.folder}/nsd.pid"
  xfrdfile: "{place.folder}/xfrd.state"
  zonelistfile: "{place.folder}/zone.list"
  verbosity: 0
  rrl-ratelimit: 0
  round-robin: no
  minimal-responses: yes
remote-control:
  control-enable: no
{zones}""",
    )
    return place.server("nsd", [place.programs["nsd"], "-d", "-c", config], port)


def knot(place):
    (port,) = api.free_ports(1)
    zones = place.zones("  - domain: {zone}\n    file: {file}\n")
    config = place.put(
        "knot.conf",
        f"""server:
  rundir: {place.folder}
  listen: 127.0.0.1@{port}
  udp-workers: {place.threads}
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: error
database:
  storage: {place.folder}/db
template:
  - id: default
    zonefile-sync: -1
    journal-content: none
    semantic-checks: false
zone:
{zones}""",
    )
    return place.server("knot", [place.programs["knotd"], "-c", config], port)


def hickory(place):
    """hickory-dns, the program of the hickory-server crate."""
    (port,) = api.free_ports(1)
    zones = place.zones('[[zones]]\nzone = "{zone}."\nzone_type = "Primary"\nfile = "{file}"\n\n')
    config = place.put(
        "hickory.toml",
        f"""listen_addrs_ipv4 = ["127.0.0.1"]
listen_port = {port}
directory = "{place.folder}"
user = "{pwd.getpwuid(os.getuid()).pw_name}"
group = "{grp.getgrgid(os.getgid()).gr_name}"

{zones}""",
    )
    command = [place.programs["hickory-dns"], "-q", "--workers", place.threads, "-c", config]
    return place.server("hickory", command, port)


def coredns(place, kubeadm=False):
    """CoreDNS with its kubernetes plugin alone, or with the plugins of kubeadm's Corefile."""
    port, prometheus = api.free_ports(2)
    around = f"""
  prometheus 127.0.0.1:{prometheus}
  cache 30 {{
    disable success cluster.local
    disable denial cluster.local
  }}
  loop
  reload
  loadbalance"""
    fallthrough = "\n    fallthrough in-addr.arpa ip6.arpa"
    config = place.put(
        "Corefile",
        f""".:{port} {{
  bind 127.0.0.1
  errors{around if kubeadm else ""}
  kubernetes {ZONES} {{
    kubeconfig {place.kubeconfig}
    pods insecure
    ttl 30{fallthrough if kubeadm else ""}
  }}
}}
""",
    )
    name = "coredns-kubeadm" if kubeadm else "coredns"
    # As many threads as cores: CoreDNS has one socket whatever GOMAXPROCS is.
    return place.server(name, [place.programs["coredns"], "-conf", config], port)


def coredns_kubeadm(place):
    return coredns(place, kubeadm=True)


OPPONENTS = {
    "floor": (floor, "echo_floor"),
    "gdnsd": (gdnsd, "gdnsd"),
    "nsd": (nsd, "nsd"),
    "knot": (knot, "knotd"),
    "coredns": (coredns, "coredns"),
    "coredns-kubeadm": (coredns_kubeadm, "coredns"),
    "hickory": (hickory, "hickory-dns"),
}
