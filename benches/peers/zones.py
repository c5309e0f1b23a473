"""The cluster's names as zone files, for servers that read no Kubernetes objects."""

DOMAIN = "cluster.local."
TTL = 30
SOA = f"IN SOA ns.dns.{DOMAIN} hostmaster.{DOMAIN} 1 7200 1800 86400 30"
FILES = {"cluster.local": "cluster.local.zone", "10.in-addr.arpa": "10.in-addr.arpa.zone"}
# gdnsd loads no zone with a larger RRset; none of the mixes asks for one.
MAX_RRSET = 16_000


def write(cluster, folder, names):
    """Writes both zones. `names` gives the name of a pod of a headless service."""
    forward = [f"{DOMAIN} {TTL} {SOA}", f"{DOMAIN} {TTL} IN NS ns.dns.{DOMAIN}"]
    forward.append(f"ns.dns.{DOMAIN} {TTL} IN A 10.96.0.10")
    reverse = [f"10.in-addr.arpa. {TTL} {SOA}", f"10.in-addr.arpa. {TTL} IN NS ns.dns.{DOMAIN}"]
    for service in cluster.services:
        add, add_reverse = RECORDS[service.kind](service, names)
        forward += add
        reverse += add_reverse
    for lines, file in ((forward, FILES["cluster.local"]), (reverse, FILES["10.in-addr.arpa"])):
        (folder / file).write_text("\n".join(lines) + "\n")


def plain(service, _):
    name = service.fqdn
    return (
        [
            f"{name} {TTL} IN A {service.address}",
            f"_http._tcp.{name} {TTL} IN SRV 0 100 8080 {name}",
        ],
        [f"{arpa(service.address)} {TTL} IN PTR {name}"],
    )


def headless(service, names):
    name, forward, reverse = service.fqdn, [], []
    for host, address in names(service):
        endpoint = f"{host}.{name}"
        forward.append(f"{endpoint} {TTL} IN A {address}")
        reverse.append(f"{arpa(address)} {TTL} IN PTR {endpoint}")
        if len(service.pods) * 16 <= MAX_RRSET:
            forward.append(f"{name} {TTL} IN A {address}")
        if len(service.pods) * (len(endpoint) + 22) <= MAX_RRSET:
            weight = max(1, 100 // len(service.pods))
            forward.append(f"_http._tcp.{name} {TTL} IN SRV 0 {weight} 8080 {endpoint}")
    return forward, reverse


def external(service, _):
    target = f"{service.name}.{service.namespace}.example.net."
    return [f"{service.fqdn} {TTL} IN CNAME {target}"], []


RECORDS = {"plain": plain, "headless": headless, "external": external}


def arpa(address):
    """The reverse name of an IPv4 address."""
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa."
