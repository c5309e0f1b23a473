//! What is wrong between keys and between blocks.

use super::check;

#[test]
fn an_entry_of_tenant_from_is_one_source() {
    const ONE: &str = "needs exactly one key: { label = \"…\" }, { annotation = \"…\" }, \
         { label_suffix = \"…\" }, { parent_label = \"…\" } or { name = \"…\" }";
    let key = "is not the key of a label or annotation, as in `team` or `example.com/team`";
    for (entry, column, path, message) in [
        ("{}", 24, "", ONE.to_owned()),
        (
            "{ label = \"a\", name = \"(?P<tenant>a)\" }",
            24,
            "",
            ONE.to_owned(),
        ),
        ("{ label = \"a b\" }", 34, ".label", format!("`a b` {key}")),
        (
            "{ label = \"a/b/c\" }",
            34,
            ".label",
            format!("`a/b/c` {key}"),
        ),
        (
            "{ label = \"Example.com/team\" }",
            34,
            ".label",
            format!("`Example.com/team` {key}"),
        ),
        (
            "{ annotation = \"-a\" }",
            39,
            ".annotation",
            format!("`-a` {key}"),
        ),
        (
            "{ name = \"[\" }",
            33,
            ".name",
            "`[` is not a regular expression: unclosed character class".to_owned(),
        ),
        (
            "{ name = \"^(?P<team>[a-z]+)-\" }",
            33,
            ".name",
            "`^(?P<team>[a-z]+)-` has no group `tenant`; write `(?P<tenant>…)` around the part \
             that names the tenant"
                .to_owned(),
        ),
        (
            "{ label_suffix = \"depth\" }",
            41,
            ".label_suffix",
            "`depth` is not the end of a label's key, as in `.tree.hnc.x-k8s.io/depth`".to_owned(),
        ),
        (
            "{ label_suffix = \".a/depth\", level = 33 }",
            61,
            ".level",
            "33 is out of range; a level is 0 (the root of the tree) to 32".to_owned(),
        ),
        (
            "{ label = \"a\", level = 1 }",
            39,
            ".level",
            "unknown key; did you mean `label`?".to_owned(),
        ),
        (
            "{ lable = \"a\" }",
            26,
            ".lable",
            "unknown key; did you mean `label`?".to_owned(),
        ),
    ] {
        let text = format!("tenancy.tenant_from = [{entry}]");
        let line = format!("1:{column}: tenancy.tenant_from[0]{path}: {message}");
        check(entry, &text, &[&line]);
    }
    check(
        "a text is no entry",
        "tenancy.tenant_from = [\"team\"]",
        &[
            "1:24: tenancy.tenant_from[0]: needs { label = \"…\" }, { annotation = \"…\" }, \
             { label_suffix = \"…\" }, { parent_label = \"…\" } or { name = \"…\" }, not a string",
        ],
    );
}

#[test]
fn a_source_that_can_never_say_anything_is_refused() {
    for (text, expected) in [
        (
            "tenancy.tenant_from = [{ label = \"a\" }, { label = \"a\" }]",
            "1:41: tenancy.tenant_from[1]: label a is read already; leave out one of the two",
        ),
        (
            "[tenancy]\npresets = [\"flux\", \"kiosk\", \"flux\"]",
            "2:29: tenancy.presets[2]: label toolkit.fluxcd.io/tenant is read already; leave out \
             one of the two",
        ),
        (
            "[tenancy]\npresets = [\"flux\"]\ntenant_from = [{ label = \"toolkit.fluxcd.io/tenant\" }]",
            "2:12: tenancy.presets[0]: label toolkit.fluxcd.io/tenant is read already; leave out \
             one of the two",
        ),
        (
            "[tenancy]\npresets = [\"capsul\"]",
            "2:12: tenancy.presets[0]: `capsul` is not one of `capsule`, `rancher`, `hnc`, \
             `accurate`, `kubesphere`, `gke-fleet`, `mto`, `flux`, `kiosk`, `kubeflow`",
        ),
        (
            "tenancy.platform.presets = [\"k8s\"]",
            "1:29: tenancy.platform.presets[0]: `k8s` is not one of `openshift`, `rke2`, `k3s`, \
             `rancher`, `eks`, `gke`, `aks`",
        ),
        (
            "tenancy.shared.presets = [\"consul\"]",
            "1:27: tenancy.shared.presets[0]: `consul` is not one of `istio`, `linkerd`, `vault`, \
             `cert-manager`, `otel`",
        ),
    ] {
        check(text, text, &[expected]);
    }
}

#[test]
fn a_rule_says_whom_it_means_and_what() {
    const FROM: &str = "everybody is `tenants = [\"*\"]`";
    const TO: &str = "everything is `tenants = [\"*\"]`, which `service_selector` may narrow";
    for (rule, lines) in [
        (
            "",
            vec![
                "1:1: tenancy.rule[0]: needs `effect`: \"allow\" or \"deny\"".to_owned(),
                format!("1:1: tenancy.rule[0]: needs `from`; {FROM}"),
                format!("1:1: tenancy.rule[0]: needs `to`; {TO}"),
            ],
        ),
        (
            "effect = \"allow\"\nfrom = {}\nto = { service_selector = \"a=b\" }",
            vec![
                format!("3:1: tenancy.rule[0].from: names nothing; {FROM}"),
                format!("4:1: tenancy.rule[0].to: names nothing; {TO}"),
            ],
        ),
        (
            "effect = \"permit\"\nfrom.nodes = true\nto.services = [\"web\"]",
            vec![
                "2:10: tenancy.rule[0].effect: `permit` is not one of `allow`, `deny`".to_owned(),
                "4:16: tenancy.rule[0].to.services[0]: `web` is not a service; one is \
                 `namespace/name`"
                    .to_owned(),
            ],
        ),
        (
            "effect = \"deny\"\nfrom.cidrs = [\"10.0.0.1/8\", \"x\"]\nto.selector = \"a in\"",
            vec![
                "3:15: tenancy.rule[0].from.cidrs[0]: `10.0.0.1/8` has bits behind its length; \
                 the range is `10.0.0.0/8`"
                    .to_owned(),
                "3:29: tenancy.rule[0].from.cidrs[1]: `x` is not a range of addresses, as in \
                 `10.9.0.0/16`"
                    .to_owned(),
                selector_error("4:15: tenancy.rule[0].to.selector", "a in"),
            ],
        ),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        check(rule, &format!("[[tenancy.rule]]\n{rule}"), &lines);
    }
}

fn selector_error(place: &str, text: &str) -> String {
    let error = text.parse::<crate::model::Selector>().unwrap_err();
    format!("{place}: {error}")
}

#[test]
fn a_client_range_has_a_tenant_of_its_own() {
    check(
        "half of one, and one twice",
        "[[tenancy.client]]\ncidr = \"10.9.0.0/16\"\n[[tenancy.client]]\ncidr = \"10.8.0.0/16\"\n\
         tenant = \"a\"\n[[tenancy.client]]\ncidr = \"10.8.0.0/16\"\ntenant = \"b\"",
        &[
            "1:1: tenancy.client[0]: needs `cidr` and `tenant`",
            "7:8: tenancy.client[2].cidr: 10.8.0.0/16 is somebody's already",
        ],
    );
}

#[test]
fn what_contradicts_another_key_is_refused() {
    const INSECURE: &str = "`insecure` answers for any address in any namespace, hidden ones \
        too; while tenancy.mode is \"enforce\" it is `disabled` or `verified`";
    check(
        "pod names are guesses where tenancy is enforced by default",
        "[kubernetes]\npods = \"insecure\"",
        &[&format!("2:8: kubernetes.pods: {INSECURE}")],
    );
    check(
        "in a block too",
        "[[block]]\nzones = [\"a\"]\n[block.kubernetes]\npods = \"insecure\"\n\
         [tenancy]\nmode = \"enforce\"",
        &[&format!("4:8: block[0].kubernetes.pods: {INSECURE}")],
    );
    check(
        "namespaces twice",
        "[kubernetes]\nnamespace_labels = \"a=b\"\nnamespaces = [\"a\"]",
        &[
            "2:20: kubernetes.namespace_labels: can't stand beside `namespaces`; name the \
             namespaces or select them",
        ],
    );
}

#[test]
fn a_block_that_can_never_answer_is_refused() {
    for (text, expected) in [
        (
            "[[block]]\n[block.kubernetes]",
            "1:1: block[0]: needs `zones`, the names that choose this block",
        ),
        (
            "[[block]]\nzones = []\n[block.kubernetes]",
            "2:9: block[0].zones: is empty; a block without a zone is never chosen",
        ),
        (
            "[[block]]\nzones = [\"a\"]\nlisten = []\n[block.kubernetes]",
            "3:10: block[0].listen: is empty; without an address nobody is answered",
        ),
        (
            "\n[[block]]\nzones = [\"a\"]",
            "2:1: block[0]: has no table that answers, such as [block.kubernetes]",
        ),
        (
            "[[block]]\nzones = [\"10.0.0.0/8\"]\n[block.kubernetes]",
            "3:8: block[0].kubernetes: has reverse zones only; at least one zone for the \
             services' names is needed",
        ),
        (
            "[[block]]\nzones = [\"a.example\"]\n[block.kubernetes]\nzones = [\"example\", \"b\"]",
            "4:21: block[0].kubernetes.zones[1]: `b.` is outside of the block's `zones`, so no \
             query for it comes here",
        ),
        (
            "[kubernetes]\n[[block]]\nzones = [\".\"]\n[block.kubernetes]",
            "3:10: block[0].zones[0]: another block has `.` on [::]:53",
        ),
        (
            "[[block]]\nzones = [\"a\"]\nlisten = [\":1\", \":2\"]\n[block.kubernetes]\n\
             [[block]]\nzones = [\"b\", \"A.\"]\nlisten = [\":2\"]\n[block.kubernetes]",
            "6:15: block[1].zones[1]: another block has `a.` on [::]:2",
        ),
        (
            "[kubernetes]\n[[block]]\nzones = [\"a\"]\nlisten = [\"0.0.0.0:53\"]\n[block.kubernetes]",
            "4:11: block[0].listen[0]: `[::]:53` takes IPv4 too; drop `0.0.0.0:53`",
        ),
        (
            "[[block]]\nzones = [\"a\", \"a\"]\n[block.kubernetes]",
            "2:15: block[0].zones[1]: `a.` is in the list already",
        ),
    ] {
        check("a block", text, &[expected]);
    }
}

#[test]
fn one_nodes_identities_answer_for_no_other_nodes_pods() {
    const NODE: &str = "[source.kubernetes]\nidentity_scope = \"node\"\n";
    let message = "2:18: source.kubernetes.identity_scope: `node` reads the pods of one node alone; \
        pods = \"verified\" answers for those of all";
    for zones in [
        "[kubernetes]\npods = \"verified\"",
        "[[block]]\nzones = [\"a\"]\n[block.kubernetes]\npods = \"verified\"",
    ] {
        check(zones, &format!("{NODE}{zones}"), &[message]);
    }
}

#[test]
fn a_burst_goes_with_a_rate_that_it_can_keep() {
    check(
        "without a rate",
        "[limits]\ntenant_burst = 5\n",
        &["2:16: limits.tenant_burst: has no meaning without `tenant_qps`"],
    );
    check(
        "too small for the clock",
        "[limits]\nclient_qps = 501\nclient_burst = 5\n",
        &[
            "3:16: limits.client_burst: 5 is less than a hundredth of `client_qps`: the rate could \
             not be reached",
        ],
    );
    check(
        "more than is told apart",
        "[limits]\nsweep_ptr_names = 2001\n",
        &[
            "2:19: limits.sweep_ptr_names: 2001 is out of range; it is 0 (never) to 2000 names a minute",
        ],
    );
    check(
        "out of range",
        "[limits]\nclient_qps = 1000001\n",
        &[
            "2:14: limits.client_qps: 1000001 is out of range; it is 0 (no limit) to 1000000 \
             queries a second",
        ],
    );
}

#[test]
fn what_names_tenants_is_shown_beyond_loopback_over_tls_alone() {
    const CERT: &str = "tls_cert = \"/tls/tls.crt\"\n";
    const KEY: &str = "tls_key = \"/tls/tls.key\"\n";
    let refused = |address: &str, port: u16, missing: &str| {
        format!(
            "2:10: admin.listen: `{address}` is not a loopback address: these pages name tenants, and \
             are shown there over TLS alone; {missing} missing. Or write `127.0.0.1:{port}` or \
             `unix:PATH`"
        )
    };
    let both = "`tls_cert` and `tls_key` are";
    for (listen, address, port, rest, missing) in [
        ("0.0.0.0:9154", "0.0.0.0:9154", 9154, "", both),
        (":9154", "[::]:9154", 9154, "audiences = [\"a\"]\n", both),
        ("10.0.0.1:80", "10.0.0.1:80", 80, CERT, "`tls_key` is"),
        ("[fd00::1]:80", "[fd00::1]:80", 80, KEY, "`tls_cert` is"),
        (
            "[::]:80",
            "[::]:80",
            80,
            "tls_cert = \"\"\ntls_key = \"\"\n",
            both,
        ),
    ] {
        let expected = refused(address, port, missing);
        let text = format!("[admin]\nlisten = \"{listen}\"\n{rest}");
        check(listen, &text, &[&expected]);
    }
    let files = "2:10: admin.listen: beyond loopback, who reads these pages is asked of a cluster's API, and \
         objects do not come from one; write a loopback address or `unix:PATH`";
    let source = "[source]\nmanifests = [\"cluster\"]\n";
    let text = format!("[admin]\nlisten = \":9154\"\n{CERT}{KEY}{source}");
    check("nobody is there to ask", &text, &[files]);
    for listen in [
        "",
        "listen = \"127.0.0.1:9154\"\n",
        "listen = \"unix:/run/a\"\n",
    ] {
        let line = 2 + listen.lines().count();
        let meaning = "has no meaning here: `listen` is a loopback address or a Unix socket, where nobody is \
             asked for a token";
        let expected = [
            format!("{line}:12: admin.tls_cert: {meaning}"),
            format!("{}:11: admin.tls_key: {meaning}", line + 1),
            format!("{}:13: admin.audiences: {meaning}", line + 2),
        ];
        let text = format!("[admin]\n{listen}{CERT}{KEY}audiences = [\"a\"]\n");
        check(listen, &text, &expected.each_ref().map(String::as_str));
    }
    check(
        "an audience of nothing",
        &format!("[admin]\nlisten = \":9154\"\n{CERT}{KEY}audiences = [\"\"]\n"),
        &[
            "5:14: admin.audiences[0]: is empty; an audience is what tokens are issued for, as \
             \"tenantdns\"",
        ],
    );
}

#[test]
fn what_names_tenants_has_an_address_of_its_own() {
    check(
        "the page of everybody",
        "[metrics]\nlisten = \"127.0.0.1:9153\"\n[admin]\nlisten = \"127.0.0.1:9153\"\n",
        &[
            "4:10: admin.listen: `127.0.0.1:9153` is where [metrics] is; what names tenants has an \
             address of its own",
        ],
    );
    check(
        "a path that is none",
        "[admin]\nlisten = \"unix:run/a\"\n",
        &[
            "2:10: admin.listen: `run/a` is not the path of a socket: it starts with `/` and has at \
             most 107 octets",
        ],
    );
}

#[test]
fn an_api_server_has_its_address_and_a_pair_of_files() {
    let table = "[source.kubernetes]\n";
    for (fact, keys, expected) in [
        (
            "an address has a scheme",
            "server = \"10.0.0.1:6443\"",
            "2:10: source.kubernetes.server: `10.0.0.1:6443` is not an address, as in `https://10.0.0.1:6443`",
        ),
        (
            "a certificate has a key",
            "server = \"https://a\"\ncertificate = \"c\"",
            "1:9: source.kubernetes: has one of `certificate` and `key`; they go together",
        ),
        (
            "an authority is a server's",
            "ca = \"a\"",
            "2:6: source.kubernetes.ca: is for a `server`, which is missing; a kubeconfig names its own",
        ),
        (
            "one of two",
            "kubeconfig = \"k\"\nserver = \"https://a\"",
            "2:14: source.kubernetes.kubeconfig: can't stand beside `server`: a kubeconfig names its own",
        ),
    ] {
        check(fact, &format!("{table}{keys}\n"), &[expected]);
    }
}
