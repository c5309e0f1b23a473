"""The API server that is measured against, and requests to it."""

import contextlib
import json
import os
import pathlib
import socket
import ssl
import subprocess
import time


def free_ports(count):
    """Ports of 127.0.0.1 that nobody uses, for UDP and TCP."""
    with contextlib.ExitStack() as stack:
        ports = []
        while len(ports) < count:
            tcp, udp = (
                stack.enter_context(socket.socket(socket.AF_INET, kind))
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
            )
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            ports.append(tcp.getsockname()[1])
        return ports


PORT, ETCD, ETCD_PEER = free_ports(3)
TOKEN = "token-of-admin"
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
}
# What the API server has to have read before a server's start is timed.
WATCHED = (
    "/api/v1/namespaces",
    "/api/v1/nodes",
    "/api/v1/pods",
    "/api/v1/services",
    "/apis/discovery.k8s.io/v1/endpointslices",
)


class ApiServer:
    """kube-apiserver and etcd in one process, with data that stay in the folder."""

    def __init__(self, program, folder, cpus):
        # Whole paths: those in a kubeconfig start at its folder.
        self.program, self.folder, self.cpus = program, pathlib.Path(folder).resolve(), cpus
        self.kubeconfig = self.folder / "kubeconfig"
        self.ca = self.folder / "certificates/apiserver.crt"
        self.process = None

    def start(self):
        """Starts it and waits until it has read all objects."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        environment = {
            **os.environ,
            "ETCD_DIR": str(self.folder / "etcd"),
            "ETCD_CLIENT": f"http://127.0.0.1:{ETCD}",
            "ETCD_PEER": f"http://127.0.0.1:{ETCD_PEER}",
            "SERVICE_ACCOUNT_KEY": str(self.folder / "service-account.key"),
        }
        command = [
            self.program,
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={PORT}",
            f"--cert-dir={self.ca.parent}",
            f"--token-auth-file={self.folder}/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--service-cluster-ip-range=10.96.0.0/12",
            "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=ServiceAccount,Priority,TaintNodesByCondition",
        ]
        with open(self.folder / "log", "ab") as log:
            # It ends when its standard input does, so it never outlives this program.
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: os.sched_setaffinity(0, self.cpus),
            )
        self._wait("/readyz")
        self._write_kubeconfig()
        for path in WATCHED:
            self._wait(f"{path}?resourceVersion=0&labelSelector=none=none")

    def _wait(self, path, limit=600):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise SystemExit(f"the API server ended; see {self.folder}/log")
            try:
                if self.client().request("GET", path)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise SystemExit(f"the API server is not ready after {limit} s; see {self.folder}/log")

    def _write_kubeconfig(self):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "scale",
            "contexts": [{"name": "scale", "context": {"cluster": "scale", "user": "admin"}}],
            "clusters": [
                {
                    "name": "scale",
                    "cluster": {
                        "server": f"https://127.0.0.1:{PORT}",
                        "certificate-authority": str(self.ca),
                    },
                }
            ],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
        }
        self.kubeconfig.write_text(json.dumps(config))

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(60)
            self.process = None

    def client(self):
        return Client(PORT, self.ca)

    def version(self):
        return json.loads(self.client().request("GET", "/version")[1])["gitVersion"]

    def counter(self, name, **labels):
        """The sum of a metric's series that have these labels."""
        total = 0.0
        for line in self.client().request("GET", "/metrics")[1].decode().splitlines():
            if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total


class Client:
    """One connection, kept open: of HTTP/1.1, with TLS where a CA is given.

    The standard library's client takes a quarter of a millisecond to read an answer's head, which
    is as long as what is measured here.
    """

    def __init__(self, port, ca=None):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ca:
            context = ssl.create_default_context(cafile=ca)
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.input = self.socket.makefile("rb")
        self.heard = 0

    def send(self, method, path, body=b"", more=""):
        body = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        )
        self.socket.sendall(head.encode() + body)

    def request(self, method, path, body=b""):
        """Returns status and body. `heard` is then when the answer's first line was there, in ns."""
        self.send(method, path, body)
        status = self.input.readline()
        self.heard = time.monotonic_ns()
        if not status:
            raise ConnectionError("the server closed the connection")
        length, chunked = 0, False
        while line := self.input.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line[15:])
            chunked |= line == b"transfer-encoding: chunked"
        if not chunked:
            return int(status.split()[1]), self.input.read(length)
        parts = []
        while size := int(self.input.readline(), 16):
            parts.append(self.input.read(size))
            self.input.readline()
        self.input.readline()
        return int(status.split()[1]), b"".join(parts)

    def read_all(self, path):
        """Reads an answer to its end, keeping nothing; returns its bytes, head and all."""
        self.send("GET", path, more="Accept: application/json\r\nConnection: close\r\n")
        buffer, total, first = bytearray(1 << 20), 0, b""
        while count := self.socket.recv_into(buffer):
            first = first or bytes(buffer[:12])
            total += count
        if first != b"HTTP/1.1 200":
            raise SystemExit(f"GET {path}: {first}")
        return total


def path_of(thing, named=True):
    """The path of an object, or of its siblings."""
    path = PATHS[thing["kind"]].format(thing["metadata"].get("namespace"))
    return f"{path}/{thing['metadata']['name']}" if named else path
