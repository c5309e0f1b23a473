"""The results as tables: text of docs/performance.md. Pure."""

import statistics

import paired
from mixes import FIVE

NAMES = {
    "floor": "echo floor",
    "gdnsd": "gdnsd",
    "nsd": "NSD",
    "knot": "Knot",
    "coredns": "CoreDNS, `kubernetes` alone",
    "coredns-kubeadm": "CoreDNS, kubeadm's Corefile",
    "hickory": "hickory-dns",
}
# The upper limits that are aimed at: of the ratio, or of the interval's upper end.
FLOOR_GOALS = {"nxdomain": 1.05, "srv": 1.15, "mean": 1.10}
GDNSD_UPPER, GDNSD_MEAN = 1.00, 0.97
TENANCY_GOAL = 1.05
WORKERS_GOAL = 1.05


def section(found):
    """Everything of one run that was measured."""
    parts = ["### Beside other servers", "", f"    {found['command']}", "", about(found)]
    for make in (against_each, times_the_floor, tenancy, workers, wildcard, latency):
        lines = list(make(found["results"]))
        if lines:
            parts += ["", *lines]
    if found["left_out"]:
        said = "; ".join(f"{what} ({why})" for what, why in found["left_out"].items())
        parts += ["", f"Not measured: {said}."]
    return "\n".join(parts)


def about(found):
    return (
        f"{found['services']:,} services, {found['pods']:,} pods,"
        f" {found['namespaces']:,} namespaces; tenancy enforced, metrics on. Measured {found['date']} on {found['cores']} cores"
        f" ({found['cpu']}), Linux {found['kernel']}, with {', '.join(found['versions'])}."
        f" {found['pairs']} pairs of slices of {found['seconds']:g} s a cell. Other programs and"
        f" the hypervisor took {100 * other(found['results']):.1f} % of the machine (median)."
    )


def other(results):
    return statistics.median(s["other"] for r in results for side in r["slices"] for s in side)


def columns(result, figure="cpu_us"):
    return tuple([one[figure] for one in side] for side in result["slices"])


def chosen(results, name):
    return [r for r in results if r["section"] == name]


def by_opponent(results):
    """The results of the first section: opponent to mix to columns."""
    found = {}
    for result in chosen(results, "peers"):
        found.setdefault(result["second"], {})[result["mix"]] = columns(result)
    return found


def against_each(results):
    """Ours divided by each of the others."""
    rows = by_opponent(results)
    if not rows:
        return
    yield "CPU time of a query, tenantdns ÷ the other (95 % interval):"
    yield ""
    yield f"| other | {' | '.join(FIVE)} | geometric mean |"
    yield f"|---|{'---|' * (len(FIVE) + 1)}"
    for name, mixes in rows.items():
        cells = [
            cell(paired.compare(*mixes[m]), goal(name, m)) if m in mixes else "–" for m in FIVE
        ]
        whole = len(mixes) == len(FIVE)
        together = paired.geometric_mean(list(mixes.values()))
        mean = cell(together, goal(name, "mean")) if whole else "–"
        yield f"| {NAMES.get(name, name)} | {' | '.join(cells)} | {mean} |"


def goal(name, mix):
    """Whether an estimate reaches the goal against this server."""
    if name == "floor" and mix in FLOOR_GOALS:
        return lambda e: e.ratio <= FLOOR_GOALS[mix]
    if name == "gdnsd":
        if mix == "mean":
            return lambda e: e.ratio <= GDNSD_MEAN
        return lambda e: e.high < GDNSD_UPPER
    return None


def cell(estimate, reached=None):
    missed = " (missed)" if reached and not reached(estimate) else ""
    return f"{estimate.ratio:.2f} ({estimate.low:.2f}–{estimate.high:.2f}){missed}"


def times_the_floor(results):
    """Every server as a multiple of the floor, by way of its duel with ours."""
    rows = by_opponent(results)
    if "floor" not in rows:
        return
    ours = {mix: paired.compare(*pair).ratio for mix, pair in rows["floor"].items()}
    yield "As multiples of the echo floor (µs of CPU a query, medians of each one's own slices):"
    yield ""
    yield f"| server | {' | '.join(FIVE)} | geometric mean |"
    yield f"|---|{'---|' * (len(FIVE) + 1)}"
    lines = {"tenantdns": (ours, {m: statistics.median(p[0]) for m, p in rows["floor"].items()})}
    for name, mixes in rows.items():
        times = {m: ours[m] / paired.compare(*pair).ratio for m, pair in mixes.items() if m in ours}
        lines[name] = (times, {m: statistics.median(pair[1]) for m, pair in mixes.items()})
    for name, (times, micros) in lines.items():
        cells = [f"{times[m]:.2f} ({micros[m]:.1f})" if m in times else "–" for m in FIVE]
        mean = f"{statistics.geometric_mean(times.values()):.2f}" if len(times) == 5 else "–"
        yield f"| {NAMES.get(name, name)} | {' | '.join(cells)} | {mean} |"


def tenancy(results):
    rows = chosen(results, "tenancy")
    if rows:
        yield "What isolation costs: tenancy enforced ÷ off, CPU time of a query:"
        yield ""
        yield "| queries | ratio | goal |"
        yield "|---|---|---|"
    for result in rows:
        mixed = result["mix"].startswith("tenant")
        label = "tenant mix, from pods' own addresses" if mixed else "hit-a, from 127.0.0.1"
        found = paired.compare(*columns(result))
        estimate = cell(found, lambda e: e.ratio <= TENANCY_GOAL)
        yield f"| {label} | {estimate} | ≤ {TENANCY_GOAL:g} |"


def workers(results):
    rows = chosen(results, "workers")
    if rows:
        yield "Two workers ÷ one, CPU time of a query, k8s-mix, on the same cores:"
        yield ""
        yield "| server | ratio | goal |"
        yield "|---|---|---|"
    for result in rows:
        found, ours = paired.compare(*columns(result)), result["second"] != "floor"
        reached = (lambda e: e.ratio <= WORKERS_GOAL) if ours else None
        limit = f"≤ {WORKERS_GOAL:g}" if ours else ""
        name = NAMES.get(result["second"], result["second"])
        yield f"| {name} | {cell(found, reached)} | {limit} |"


def wildcard(results):
    rows = {r["mix"]: columns(r) for r in chosen(results, "wildcard")}
    if not rows:
        return
    mixes = [m for m in FIVE if m in rows]
    yield "On `[::]` with mapped sources, tenantdns ÷ a floor that listens and answers likewise:"
    yield ""
    yield f"| {' | '.join(mixes)} | geometric mean |"
    yield f"|{'---|' * (len(mixes) + 1)}"
    cells = [cell(paired.compare(*rows[m]), goal("floor", m)) for m in mixes]
    mean = cell(paired.geometric_mean([rows[m] for m in mixes]), goal("floor", "mean"))
    yield f"| {' | '.join(cells)} | {mean} |"


def latency(results):
    rows = chosen(results, "latency") + chosen(results, "changes")
    if not rows:
        return
    yield "20,000 queries/s offered, k8s-mix, beside gdnsd; latency from when each query was due:"
    yield ""
    heads = ("ours p50", "gdnsd p50", "ours p99", "gdnsd p99", "p99 ours ÷ gdnsd", "CPU ours ÷ gdnsd")
    yield f"| | {' | '.join(heads)} | lost |"
    yield "|---|---|---|---|---|---|---|---|"
    for result in rows:
        label = "nothing changes"
        if result["section"] == "changes":
            label = f"{result['changes_a_second']:,.0f} changes/s"
        medians = [
            f"{statistics.median(side):.0f} µs"
            for figure in ("p50_us", "p99_us")
            for side in columns(result, figure)
        ]
        p99 = cell(paired.compare(*columns(result, "p99_us")), lambda e: e.low <= 1.0)
        cpu = cell(paired.compare(*columns(result)))
        yield f"| {label} | {' | '.join(medians)} | {p99} | {cpu} | 0 |"
