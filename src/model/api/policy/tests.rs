//! What is read of our own kinds, and that nothing in them can make reading fail.

use super::*;

/// Reads a grant's `spec`.
fn read(spec: &str) -> DnsGrant {
    let text = format!(r#"{{"metadata": {{"name": "g", "generation": 7}}, "spec": {spec}}}"#);
    let raw: Raw<'_> = serde_json::from_str(&text).unwrap();
    grant(raw).unwrap()
}

#[test]
fn a_grant_is_read_with_every_field() {
    let grant = read(
        r#"{"effect": "Deny",
        "from": [{"tenants": ["a", "*"], "namespaces": ["x", "y-*"], "cidrs": ["10.0.0.0/8", "::1"],
          "namespaceSelector": {"matchLabels": {"k": "v", "l": ""},
            "matchExpressions": [{"key": "m", "operator": "NotIn", "values": ["1", "2"]},
                                 {"key": "n", "operator": "DoesNotExist"}]},
          "nodes": {}, "unknown": {}}],
        "to": [{"services": ["a/b"], "serviceSelector": {"matchLabels": {"k": "v"}}}]}"#,
    );
    assert_eq!(grant.meta.flaws, []);
    assert_eq!((&*grant.meta.key.name, grant.meta.generation), ("g", 7));
    assert_eq!(grant.effect, Some(GrantEffect::Deny));
    let [from] = grant.from.as_slice() else {
        panic!("{:?}", grant.from);
    };
    let selector = from.selector.as_ref().unwrap().to_string();
    assert_eq!(selector, "k in (v),l in (),m notin (1,2),!n");
    assert!(from.nodes && from.unknown && from.cidrs.len() == 2);
    let labels = |pairs: &[(&str, &str)]| pairs.iter().copied().collect();
    let selector = from.selector.as_ref().unwrap();
    assert!(selector.matches(&labels(&[("k", "v"), ("l", "")])));
    assert!(!selector.matches(&labels(&[("k", "v"), ("l", ""), ("m", "2")])));
    assert_eq!(&*grant.to[0].services[0].name, "b");
}

#[test]
fn a_text_in_a_selector_is_never_more_than_one_requirement() {
    for (labels, field) in [
        (r#"{"a": "b,c=d"}"#, "value"),
        (r#"{"a": "b) , !x"}"#, "value"),
        (r#"{"a,b": "c"}"#, "key"),
        (r#"{"!a": "c"}"#, "key"),
        (r#"{"": "c"}"#, "key"),
    ] {
        let spec = format!(
            r#"{{"effect": "Allow", "from": [{{"namespaceSelector": {{"matchLabels": {labels}}}}}],
                "to": [{{"tenants": ["*"]}}]}}"#
        );
        let grant = read(&spec);
        assert_eq!(grant.meta.flaws.len(), 1, "{field} {labels}: {grant:?}");
        assert!(grant.from.is_empty(), "{labels}");
    }
}

#[test]
fn whatever_stands_in_a_field_is_survived_and_told() {
    let odd = [
        "null",
        "true",
        "7",
        r#""text""#,
        "[]",
        "[7]",
        "[[]]",
        "{}",
        r#"{"a": 1}"#,
    ];
    for value in odd {
        for spec in [
            value.to_owned(),
            format!(r#"{{"effect": {value}, "from": {value}, "to": {value}}}"#),
            format!(
                r#"{{"effect": "Allow", "to": [{{"tenants": ["*"]}}], "from": [{{"tenants": ["*"],
                    "namespaces": {value}, "namespaceSelector": {value}, "cidrs": {value}, "x": {value}}}]}}"#
            ),
            format!(
                r#"{{"effect": "Allow", "to": [{{"tenants": ["*"]}}], "from": [{{"nodes": 1,
                    "namespaceSelector": {{"matchLabels": {value}, "matchExpressions": {value}}}}}]}}"#
            ),
        ] {
            assert!(!read(&spec).meta.flaws.is_empty(), "{spec}");
        }
        let text = format!(
            r#"{{"metadata": {{"name": "e"}}, "spec": {{"services": {value}, "to": [{value}],
                "from": [{value}]}}}}"#
        );
        let raw = || serde_json::from_str::<Raw<'_>>(&text).unwrap();
        assert!(!export(raw()).unwrap().meta.flaws.is_empty(), "{text}");
        assert!(
            !policy_import(raw()).unwrap().meta.flaws.is_empty(),
            "{text}"
        );
    }
}

#[test]
fn what_was_read_is_read_again_from_what_is_kept() {
    let grant = read(r#"{"to": [7], "effect": "Deny", "from": [{"tenants": ["a"]}], "x": null}"#);
    let again = read(&grant.meta.spec);
    assert_eq!(again, grant);
}
