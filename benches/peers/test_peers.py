"""What of this can be tested without a server: python3 -m unittest discover -s benches/peers"""

import json
import math
import pathlib
import tempfile
import unittest

import client
import configurations
import fixture
import instructions
import mixes
import paired
import purposes
import tables
from shared import cluster, section


class Statistics(unittest.TestCase):
    def test_equal_columns_are_one_with_no_doubt(self):
        self.assertEqual(paired.compare([3.0, 4.0], [3.0, 4.0]), paired.Estimate(1, 1, 1))

    def test_drift_that_both_share_cancels_out(self):
        second = [1.0, 1.5, 2.0, 4.0]
        found = paired.compare([1.1 * x for x in second], second)
        self.assertTrue(math.isclose(found.low, 1.1) and math.isclose(found.high, 1.1))

    def test_one_slice_that_was_disturbed_moves_the_interval_but_not_the_ratio(self):
        found = paired.compare([1.0] * 6 + [9.0], [1.0] * 7)
        self.assertEqual(found.ratio, 1.0)
        self.assertGreaterEqual(found.high, found.ratio)

    def test_pairs_that_differ_widen_the_interval(self):
        found = paired.compare([0.8, 0.9, 1.0, 1.1, 1.2], [1.0] * 5)
        self.assertLess(found.low, 1.0)
        self.assertGreater(found.high, 1.0)

    def test_the_same_pairs_give_the_same_interval(self):
        pairs = [1.0, 1.2, 0.9, 1.1], [1.0, 1.0, 1.0, 1.0]
        self.assertEqual(paired.compare(*pairs), paired.compare(*pairs))

    def test_means_are_geometric(self):
        found = paired.geometric_mean([([2.0], [1.0]), ([1.0], [2.0])])
        self.assertTrue(math.isclose(found.ratio, 1.0))

    def test_columns_of_different_length_are_refused(self):
        with self.assertRaises(ValueError):
            paired.compare([1.0, 2.0], [1.0])

    def test_each_side_goes_first_in_every_other_pair(self):
        self.assertEqual(paired.order(3), [(0, 1), (1, 0), (0, 1)])


class Fixture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.made = [
            fixture.Fixture("tiny", pathlib.Path(cls.folder.name) / name, 500) for name in "ab"
        ]
        for one in cls.made:
            one.make()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def lines(self, mix):
        return [line.split() for line in self.made[0].mix(mix).read_text().splitlines()]

    def test_the_same_size_is_made_of_the_same_bytes(self):
        files = [p.relative_to(self.made[0].folder) for p in self.made[0].folder.rglob("*.*")]
        self.assertGreater(len(files), 5)
        for file in [*files, *(pathlib.Path("mixes") / mix for mix in instructions.MIXES)]:
            first, second = ((one.folder / file).read_bytes() for one in self.made)
            self.assertEqual(first, second, file)

    def test_what_is_there_is_not_made_again(self):
        before = self.made[0].mix("hit-a").stat().st_mtime_ns
        self.made[0].make()
        self.assertEqual(self.made[0].mix("hit-a").stat().st_mtime_ns, before)

    def test_manifests_hold_every_object(self):
        shape, counts = self.made[0].cluster, {}
        for path in self.made[0].manifests.iterdir():
            kind = path.name.split("-")[0]
            counts[kind] = counts.get(kind, 0) + len(json.loads(path.read_text())["items"])
        self.assertEqual(
            (counts["services"], counts["pods"], counts["nodes"], counts["namespaces"]),
            (len(shape.services), len(shape.pods), shape.nodes, len(shape.tenants)),
        )

    def test_the_zone_has_each_name_that_a_mix_expects_and_no_other(self):
        zone = {}
        for file in ("cluster.local.zone", "10.in-addr.arpa.zone"):
            for record in (self.made[0].folder / file).read_text().splitlines():
                owner, _, _, rtype, *_ = record.split()
                zone[owner, rtype] = zone.get((owner, rtype), 0) + 1
        owners = {owner for owner, _ in zone}
        for mix in (*mixes.FIVE, "ptr", "tenant-off"):
            for _, name, rtype, rcode, answers in self.lines(mix):
                self.assertEqual(zone.get((name, rtype), 0), int(answers), (mix, name, rtype))
                self.assertEqual(name in owners, rcode == "0", (mix, name))

    def test_tenants_ask_the_same_and_are_shown_less(self):
        off, enforce = self.lines("tenant-off"), self.lines("tenant-enforce")
        self.assertEqual([line[:3] for line in off], [line[:3] for line in enforce])
        hidden = [b for a, b in zip(off, enforce) if a != b]
        self.assertEqual({tuple(line[3:]) for line in hidden}, {("3", "0")})
        self.assertLess(len(hidden), len(off) / 5)

    def test_nobody_is_denied_the_own_tenant_or_what_is_shared(self):
        made = mixes.Mixes(self.made[0].cluster)
        homes = {a: n for n, a in self.made[0].cluster.clients.items()}
        for source, name, *_ in self.lines("denied"):
            if source in homes:
                self.assertFalse(made.sees(homes[source], name.split(".")[1]))

    def test_nobody_has_the_address_of_an_unknown_client(self):
        pods = {cluster.pod_address(n) for n in range(len(self.made[0].cluster.pods))}
        self.assertTrue(pods.isdisjoint(line[0] for line in self.lines("unknown")))


class Load(unittest.TestCase):
    """The load generator against the echo floor, both as they are."""

    @classmethod
    def setUpClass(cls):
        if not configurations.program("gcc"):
            raise unittest.SkipTest("gcc is not installed")
        cls.folder = tempfile.TemporaryDirectory()
        cls.work = pathlib.Path(cls.folder.name)
        cls.programs = client.build(cls.work / "programs")
        cls.mix = cls.work / "mix"
        cls.mix.write_text("- a.example. A 0 0\n127.9.8.7 b.example. SRV 0 0\n")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def ask(self, text, wildcard=False, checked=True):
        self.mix.write_text(text)
        place = configurations.Place(self.work / "floor", None, self.programs, cpus={0})
        server = configurations.floor(place, wildcard)
        try:
            server.start("a.example.")
            server.checked = checked
            return client.Client(self.programs["udpblast"], {0}, True).ask_all(server, self.mix, 100)
        finally:
            server.stop()

    def test_right_answers_pass(self):
        self.assertTrue(self.ask("- a.example. A 0 0\n- b.example. SRV 0 0\n"))

    def test_a_wrong_count_or_rcode_fails(self):
        for wrong in ("- a.example. A 0 1\n", "- a.example. A 3 0\n"):
            with self.assertRaises(client.Wrong):
                self.ask(wrong)

    def test_queries_come_from_the_addresses_that_the_mix_names(self):
        for wildcard in (False, True):
            self.assertTrue(self.ask("127.9.8.7 a.example. A 0 0\n", wildcard))

    def test_a_mix_that_names_some_sources_or_others_than_loopback_is_refused(self):
        for text in ("- a. A 0 0\n127.0.0.9 a. A 0 0\n", "192.0.2.1 a. A 0 0\n", "- a. A 0\n"):
            with self.assertRaises(SystemExit):
                self.ask(text)


class Gate(unittest.TestCase):
    def test_a_dump_says_its_total_once(self):
        text = "events: Ir\nsummary: 12\nfn=(1) totals: 9\n1 2\ntotals: 700\n"
        self.assertEqual(instructions.total(text), 700)

    def test_only_what_grew_by_more_than_three_percent_fails(self):
        found = {"a": 103.0, "b": 104.0, "c": 50.0}
        self.assertEqual(instructions.grown(found, {"instructions": {"a": 100, "b": 100, "c": 100}}), ["b"])

    def test_the_gate_has_every_mix(self):
        self.assertEqual(
            set(json.loads(instructions.GATE.read_text())["instructions"]), set(instructions.MIXES)
        )


class Purposes(unittest.TestCase):
    def test_a_sample_is_for_what_its_stack_says_first_in_the_list_of_rules(self):
        kernel = "ffffffff0 {} ([kernel.kallsyms])"
        for frames, expected in (
            (["7f respond (/usr/bin/tenantdns)"], purposes.OWN),
            ([kernel.format("udp_recvmsg"), kernel.format("__x64_sys_recvmmsg")], "receiving"),
            # What the softirq delivers is in the stack of the system call that sends.
            ([kernel.format("net_rx_action"), kernel.format("__x64_sys_sendmmsg")],
             "delivery to the client's socket"),
            ([kernel.format("entry_SYSCALL_64")], purposes.REST),
        ):  # fmt: skip
            self.assertEqual(purposes.purpose("\n".join(frames)), expected)


def results(ratio):
    """Results of a run in which ours took so many times what the others took."""
    def one(cpu):
        return {"cpu_us": cpu, "p50_us": 30.0, "p99_us": 90.0 * cpu, "received": 9, "other": 0.0}

    def result(part, mix, second, **more):
        slices = [[one(ratio)] * 3, [one(1.0)] * 3]
        return {"section": part, "mix": mix, "first": "tenantdns", "second": second,
                "slices": slices, **more}  # fmt: skip

    return [
        *(result("peers", mix, other) for mix in mixes.FIVE for other in ("floor", "gdnsd")),
        result("tenancy", "tenant-enforce", "tenantdns-off"),
        result("workers", "k8s-mix", "tenantdns"),
        *(result("wildcard", mix, "floor") for mix in mixes.FIVE),
        result("latency", "k8s-mix", "gdnsd"),
        result("changes", "k8s-mix", "gdnsd", changes_a_second=1000.4),
    ]


class Tables(unittest.TestCase):
    def text(self, ratio):
        about = {"command": "make", "services": 1, "pods": 2, "namespaces": 3, "date": "d", "cpu": "c",
                 "cores": 2, "kernel": "k", "versions": [], "pairs": 3, "seconds": 1, "left_out": {}}  # fmt: skip
        return tables.section({**about, "results": results(ratio)})

    def test_goals_that_are_reached_are_not_marked(self):
        self.assertNotIn("missed", self.text(0.9))

    def test_goals_that_are_missed_are_marked(self):
        # Floor and gdnsd on all mixes (of the floor three have a goal), tenancy, workers,
        # [::] as the floor, and the p99 of both.
        self.assertEqual(self.text(1.2).count("(missed)"), 3 + 6 + 1 + 1 + 3 + 2)

    def test_every_server_is_a_multiple_of_the_floor(self):
        self.assertIn("| tenantdns | 1.50 (1.5) |", self.text(1.5))

    def test_a_section_replaces_the_one_before_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "doc.md"
            path.write_text("# Doc\n")
            for text in ("one", "two \\1"):
                section.write(path, "make x", text)
            kept = path.read_text()
        self.assertEqual(
            kept, "# Doc\n\n\n<!-- begin: make x -->\ntwo \\1\n<!-- end: make x -->\n"
        )


if __name__ == "__main__":
    unittest.main()
