"""The figures as a table beside their goals."""

SERVERS = {"tenantdns-enforce": "tenantdns", "tenantdns-off": "tenancy off", "coredns": "CoreDNS"}


def rows(size):
    """Label, the goal's limit or None, format, and the figure of a server's results."""
    pods = size["pods"]
    # On a small cluster what every process costs outweighs what a pod does.
    large = (lambda goal: goal) if pods >= 100_000 else (lambda goal: None)
    return (
        ("a plain GET of all pods", None, "{:.1f} s", lambda s: s["get"]["seconds"]),
        ("ready after", None, "{:.1f} s", lambda s: s["start"]["ready_s"]),
        (
            "… × the GET",
            large(1.3),
            "{:.2f}",
            lambda s: s["start"]["ready_s"] / s["get"]["seconds"],
        ),
        ("CPU until settled", None, "{:.1f} s", lambda s: s["start"]["cpu_s"]),
        ("… a pod", large(20), "{:.0f} µs", lambda s: s["start"]["cpu_s"] / pods * 1e6),
        ("RSS at rest", 60, "{:.0f} MiB", lambda s: s["rest"]["rss_mib"]),
        ("peak since the start, × that", 1.3, "{:.2f}", lambda s: peak(s["rest"])),
        ("RSS after 100,000 queries", 60, "{:.0f} MiB", lambda s: s["load"]["rss_mib"]),
        ("RSS at rest after a re-list", 60, "{:.0f} MiB", lambda s: s["relist"]["rss_mib"]),
        ("peak since then, × that", 1.3, "{:.2f}", lambda s: peak(s["relist"])),
        ("visible after, idle, p50", 0.3, "{:.2f} ms", lambda s: s["idle"]["p50_ms"]),
        ("visible after, idle, p99", 2, "{:.2f} ms", lambda s: s["idle"]["p99_ms"]),
        ("visible after, 100 changes/s, p99", 10, "{:.2f} ms", lambda s: s["busy"]["p99_ms"]),
        ("CPU an update, ≤ 10 endpoints", 0.1, "{:.3f} ms", lambda s: update(s, "small")),
        ("CPU an update, 100 endpoints", None, "{:.3f} ms", lambda s: update(s, "full")),
        ("changes never seen", 0, "{:.0f}", never),
        ("stale afterwards", 0, "{:.0f}", stale),
    )


def never(server):
    return sum(server[part]["never"] for part in ("idle", "busy", "relist"))


def stale(server):
    return server["stale"] + server["relist"]["stale"]


def wrong(results):
    """How many changes tenantdns never showed, or not in the end."""
    servers = [size["servers"].get("tenantdns-enforce", {}) for size in results]
    return sum(never(server) + stale(server) for server in servers if "relist" in server)


def peak(memory):
    return memory["peak_mib"] / memory["rss_mib"]


def update(server, which):
    return server["churn"][f"{which}_update_us"] / 1e3


def section(results):
    """The text of every size that was measured, the largest first."""
    parts = [
        "## On a large cluster",
        "",
        "    make bench-scale WRITE=1",
        "",
        "What each figure means is in [benches/scale](../benches/scale/README.md). The column",
        "*tenancy off* has only what can differ from the first: the start.",
    ]
    for size in sorted(results, key=lambda size: -size["pods"]):
        parts += ["", *table(size)]
    return "\n".join(parts)


def table(size):
    """One size: what it is, where and when it was measured, and its rows."""
    servers = [name for name in SERVERS if name in size["servers"]]
    yield (
        f"**{size['services']:,} services, {size['pods']:,} pods** of {size['pod_bytes']:,} bytes of"
        f" JSON, {size['namespaces']:,} namespaces, {size['nodes']:,} nodes."
    )
    yield (
        f"Measured {size['date']} on {size['cores']} cores, Linux {size['kernel']}, with"
        f" {', '.join(size['versions'])}."
    )
    yield ""
    yield f"| figure | goal | {' | '.join(SERVERS[name] for name in servers)} |"
    yield f"|---|---|{'---|' * len(servers)}"
    for label, goal, form, figure in rows(size):
        cells = [cell(figure, form, goal, size["servers"][name], name) for name in servers]
        yield f"| {label} | {limit(goal, form)} | {' | '.join(cells)} |"


def limit(goal, form):
    if goal is None:
        return ""
    unit = form.split("}")[1]
    return f"≤ {goal:g}{unit}" if goal else "0"


def cell(figure, form, goal, server, name):
    """A figure; a goal of ours that it misses is named."""
    try:
        value = figure(server)
    except KeyError:
        return "–"
    missed = goal is not None and value > goal and name != "coredns"
    return form.format(value) + (" (missed)" if missed else "")
