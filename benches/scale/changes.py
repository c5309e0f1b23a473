"""Changes of EndpointSlices: written at a rate, and watched until a server answers with them."""

import ctypes
import itertools
import json
import multiprocessing
import random
import threading
import time

import api
import dns
import objects
from cluster import v4

WRITERS = 4
LIMIT = 10.0  # seconds after which a change counts as never seen


class Change:
    """An address that no endpoint had before, put in the place of a slice's first one."""

    numbers = itertools.count(random.randrange(1 << 21))

    def __init__(self, cluster, service, part=0):
        self.address = v4("10.208.0.0", next(self.numbers) % (1 << 21))
        self.object = objects.slice_object(cluster, service, part)
        self.object["endpoints"][0]["addresses"] = [self.address]

    def write(self, client):
        """Replaces the slice in the API; `client.heard` is then when that was acknowledged."""
        status, answer = client.request("PUT", api.path_of(self.object), self.object)
        if status != 200:
            raise SystemExit(f"PUT {api.path_of(self.object)}: {status} {answer[:300]!r}")


def write_at(rate, seconds, ca, cluster, slices):
    """Changes the slices round robin from a process of its own; its pipe tells how many."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    arguments = (rate, seconds, ca, cluster, slices, sender)
    writer = multiprocessing.Process(target=_write_all, args=arguments)
    writer.start()
    return writer, receiver


def _write_all(rate, seconds, ca, cluster, slices, sender):
    writers = min(WRITERS, len(slices))
    began, counts = time.monotonic(), [0] * writers

    def write(k):
        client, own = api.Client(api.PORT, ca), itertools.cycle(slices[k::writers])
        for n in itertools.count():
            at = began + (n * writers + k) / rate
            if at > began + seconds:
                return
            time.sleep(max(0, at - time.monotonic()))
            Change(cluster, *next(own)).write(client)
            counts[k] += 1

    # A thread for each connection; none of them changes a slice of another's.
    threads = [threading.Thread(target=write, args=(k,)) for k in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.send(sum(counts))


def delays(count, port, ca, cluster, services):
    """How long after the API's acknowledgement each change was visible, in ms; None for never."""
    # A sleep is otherwise 50 µs longer than asked for: PR_SET_TIMERSLACK.
    ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)
    client, found = api.Client(api.PORT, ca), []
    for service in itertools.islice(itertools.cycle(services), count):
        change, query = Change(cluster, service), dns.question(service.fqdn)
        with dns.connect(cluster.clients[service.namespace], port, limit=0.2) as udp:
            change.write(client)
            seen = _seen(udp, query, change.address)
        found.append(None if seen is None else (seen - client.heard) / 1e6)
        time.sleep(random.uniform(0.01, 0.06))
    return found


def _seen(udp, query, address):
    """Asks every tenth of a millisecond; returns when the first answer had the address, in ns."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        try:
            udp.send(query)
            answer, now = udp.recv(4096), time.monotonic_ns()
        except OSError:
            continue
        if address in dns.read(answer)[1]:
            return now
        time.sleep(0.0001)
    return None


def stale(port, ca, cluster, services):
    """How many of the services are answered otherwise than the API's EndpointSlices say."""
    client, wrong = api.Client(api.PORT, ca), 0
    for service in services:
        siblings = objects.slice_object(cluster, service, 0)
        query = f"?labelSelector=kubernetes.io/service-name={service.name}"
        status, answer = client.request("GET", api.path_of(siblings, named=False) + query)
        slices = json.loads(answer)["items"] if status == 200 else []
        expected = {e["addresses"][0] for s in slices for e in s["endpoints"]}
        answered = dns.ask_tcp(cluster.clients[service.namespace], port, service.fqdn)
        wrong += answered != ("NOERROR", expected)
    return wrong
