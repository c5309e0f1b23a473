//! What is guarded under which configuration. That the API server takes it and acts by it is in
//! tests/live/admission.rs.

use super::*;
use crate::config::Config;
use serde_json::Value;

fn allowed() -> Allowed {
    Allowed {
        groups: vec!["system:masters".to_owned()],
        users: Vec::new(),
    }
}

fn guarded(config: &str) -> Guarded {
    let config = Config::from_toml(config, "t").unwrap();
    Guarded::of(&config.tenancy)
}

fn check(config: &str, labels: &str, others: &str, names: &str) {
    let guarded = guarded(config);
    let text = |set: &BTreeSet<Box<str>>| set.iter().map(|t| &**t).collect::<Vec<_>>().join(" ");
    assert_eq!(text(&guarded.labels), labels, "{config}");
    let more = [&guarded.suffixes, &guarded.annotations]
        .map(text)
        .join("|");
    assert_eq!(more, others, "{config}");
    let sets = [&guarded.names, &guarded.prefixes, &guarded.expressions];
    assert_eq!(sets.map(text).join("|"), names, "{config}");
}

#[test]
fn every_key_and_every_name_that_a_configuration_uses_is_guarded() {
    let own = "tenantdns.io/mode tenantdns.io/role tenantdns.io/tenant tenantdns.io/visibility";
    check("", own, "|", "cluster default kube-system local pod svc||");
    check(
        r#"[tenancy]
        tenant_from = [
            { label = "team" }, { annotation = "example.com/owner" },
            { label_suffix = ".tree.hnc.x-k8s.io/depth" }, { parent_label = "example.com/parent" },
            { name = '^(?P<tenant>[a-z]+)--' },
        ]
        platform = { namespaces = ["infra-*", "ops"], selector = "" }
        shared = { namespaces = ["common"], services = ["tools/git"], selector = "shown in (yes),!hid" }
        audit = { namespaces = ["old-*"], selector = "late" }
        reserved_namespaces = ["com"]
        [[tenancy.rule]]
        effect = "deny"
        from = { namespaces = ["guest"], selector = "from=x" }
        to = { namespaces = ["inner-*"], services = ["bank/web"], selector = "to=y" }
        [[tenancy.forwarder]]
        peers = { services = ["dns/proxy"] }"#,
        "example.com/parent from hid late shown team tenantdns.io/mode to",
        ".tree.hnc.x-k8s.io/depth|example.com/owner",
        "bank com common dns guest ops tools|infra- inner- old-|^(?P<tenant>[a-z]+)--",
    );
    check(
        "[tenancy]\npresets = [\"accurate\", \"rancher\", \"kubeflow\"]\nreserved_namespaces = []\n\
         platform = { selector = \"\" }\nshared = { selector = \"\" }",
        "accurate.cybozu.com/parent accurate.cybozu.com/type app.kubernetes.io/part-of \
         field.cattle.io/projectId tenantdns.io/mode",
        "|field.cattle.io/projectId",
        "default kube-system||",
    );
}

#[test]
fn what_is_printed_is_a_policy_and_its_binding() {
    let options = Options::default();
    let text = admission(
        &options,
        &Allowed {
            users: vec!["it's \\ me".to_owned()],
            ..allowed()
        },
    );
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let [policy, binding] = documents.as_slice() else {
        panic!("{text}");
    };
    assert_eq!(policy["kind"], "ValidatingAdmissionPolicy");
    assert_eq!(policy["metadata"]["name"], binding["spec"]["policyName"]);
    let variables = policy["spec"]["variables"].as_array().unwrap();
    let allowed = variables.iter().find(|v| v["name"] == "allowed").unwrap();
    let expression = allowed["expression"].as_str().unwrap();
    assert!(
        expression.contains(r"username in ['it\'s \\ me']"),
        "{expression}"
    );
    assert!(expression.contains("group in ['system:masters']"));
    for validation in policy["spec"]["validations"].as_array().unwrap() {
        let expression = validation["expression"].as_str().unwrap();
        assert!(
            expression.starts_with("variables.allowed || ("),
            "{validation}"
        );
    }
}

#[test]
fn a_text_of_the_configuration_stays_a_text() {
    for (text, expected) in [
        ("a", "'a'"),
        (r"it's \d", r"'it\'s \\d'"),
        ("a\nb", r"'a\u000ab'"),
        ("", "''"),
    ] {
        assert_eq!(cel_text(text), expected, "{text}");
    }
}

#[test]
fn owners_may_keep_a_namespace_to_themselves_unless_a_rule_gives_something_for_it() {
    let told = |config: &str| {
        let told = guarded(config).validations().into_iter();
        told.filter(|(_, message)| message.contains("but for `private`"))
            .count()
    };
    assert_eq!(told(""), 1);
    assert_eq!(told("[tenancy]\nshared = { selector = \"\" }"), 0);
    let rule = "[[tenancy.rule]]\neffect = \"allow\"\nfrom = { tenants = [\"a\"] }\n\
                to = { selector = \"tenantdns.io/visibility=private\" }";
    assert_eq!(told(rule), 0);
    assert!(guarded(rule).labels.contains(VISIBILITY_LABEL));
}
