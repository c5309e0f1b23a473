"""Changes of EndpointSlices at a rate that the API server could not take itself on a shared core.

They are written into etcd, from where the API server tells them to who watches.
"""

import itertools
import json
import multiprocessing
import time

from client import Wrong
from shared import api, cluster, dns, load, objects

TICK = 0.01  # seconds from one transaction to the next
SLICES = 400  # that change, round robin
LIMIT = 10  # seconds until the last change has to be seen


class Writer:
    """Writes from a process of its own until it is stopped."""

    def __init__(self, server, shape, rate):
        self.shape = shape
        self.services = list(itertools.islice(shape.headless(1, 10), SLICES))
        self.ending = multiprocessing.Event()
        self.receiver, sender = multiprocessing.Pipe(duplex=False)
        arguments = (server.ca, shape, self.services, rate, self.ending, sender)
        self.process = multiprocessing.Process(target=_write, args=arguments)
        self.process.start()

    def stop(self):
        """Changes a second; and each changed name, a client that sees it, and its last address."""
        self.ending.set()
        try:
            rate, addresses = self.receiver.recv()
        except EOFError:
            raise SystemExit("the writer of changes failed") from None
        self.process.join()
        last = [
            (service.fqdn, self.shape.clients[service.namespace], address)
            for service, address in zip(self.services, addresses)
        ]
        return rate, last


def _write(ca, shape, services, wanted, ending, sender):
    client = api.Client(api.PORT, ca)
    slices = []
    for service in services:
        path = api.path_of(objects.slice_object(shape, service, 0))
        status, answer = client.request("GET", path)
        if status != 200:
            raise SystemExit(f"GET {path}: {status}")
        slices.append(json.loads(answer))
    etcd, began = api.Client(api.ETCD), time.monotonic()
    # Other addresses than the ones that an earlier run left.
    first = time.time_ns() // 1000
    numbers = (cluster.v4("10.208.0.0", (first + n) % (1 << 21)) for n in itertools.count())
    turn, count = itertools.cycle(slices), 0
    while not ending.is_set():
        owed = min(int((time.monotonic() - began) * wanted) - count, len(slices))
        batch = list(itertools.islice(turn, max(0, owed)))
        for made in batch:
            made["endpoints"][0]["addresses"] = [next(numbers)]
        if batch:
            load.put(etcd, batch[: load.BATCH])
            for rest in range(load.BATCH, len(batch), load.BATCH):
                load.put(etcd, batch[rest : rest + load.BATCH])
        count += len(batch)
        time.sleep(TICK)
    rate = count / (time.monotonic() - began)
    sender.send((rate, [made["endpoints"][0]["addresses"][0] for made in slices]))


def wait_until_seen(server, last):
    """Waits until every name has its last address; raises where one never has."""
    end = time.monotonic() + LIMIT
    for name, source, address in last:
        while address not in (dns.ask(source, server.port, name) or (None, ()))[1]:
            if time.monotonic() > end:
                raise Wrong(f"{server.name} still lacks {address} of {name} after {LIMIT} s")
            time.sleep(0.01)
