"""Questions from pods: over UDP to time answers, over TCP where the whole answer counts."""

import socket
import struct

A = 1
RCODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


def question(name, rtype=A):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">xHH", rtype, 1)


def connect(source, port, kind=socket.SOCK_DGRAM, limit=1.0):
    """A socket whose packets come from this pod's address."""
    made = socket.socket(socket.AF_INET, kind)
    made.settimeout(limit)
    made.bind((source, 0))
    made.connect(("127.0.0.1", port))
    return made


def ask(source, port, name, limit=1.0):
    """The rcode and the addresses of one answer; None without one."""
    with connect(source, port, limit=limit) as udp:
        try:
            udp.send(question(name))
            return read(udp.recv(4096))
        except OSError:
            return None


def ask_tcp(source, port, name, limit=5.0):
    """The same over TCP, which has room for a service with thousands of endpoints."""
    with connect(source, port, socket.SOCK_STREAM, limit) as tcp:
        query = question(name)
        tcp.sendall(struct.pack(">H", len(query)) + query)
        with tcp.makefile("rb") as stream:
            return read(stream.read(struct.unpack(">H", stream.read(2))[0]))


def read(answer):
    """Rcode and addresses: the data of every A record in the answer section."""
    (flags, count), at = struct.unpack_from(">2xH2xH", answer), skip_name(answer, 12) + 4
    addresses = set()
    for _ in range(count):
        at = skip_name(answer, at)
        rtype, length = struct.unpack_from(">H6xH", answer, at)
        if rtype == A:
            addresses.add(socket.inet_ntoa(answer[at + 10 : at + 14]))
        at += 10 + length
    return RCODES.get(flags & 15, flags & 15), addresses


def skip_name(message, at):
    while (length := message[at]) and length < 0xC0:
        at += 1 + length
    return at + (2 if length else 1)
