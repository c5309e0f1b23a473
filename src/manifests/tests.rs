//! What texts become, and what is said about the bad ones. The fields of each kind are tested in
//! `convert`, following files over time in `source`.

use super::*;
use crate::model::Kind;

/// Reads `text` and compares the objects as `Kind namespace/name`, and the diagnostics as text.
pub(super) fn check(name: &str, text: &str, objects: &[&str], diagnostics: &[&str]) {
    let (got, said) = parse_str(text);
    let got = got
        .iter()
        .map(|o| format!("{} {}", o.kind().as_str(), o.key()));
    assert_eq!(got.collect::<Vec<_>>(), objects, "{name}");
    let said = said.iter().map(ToString::to_string);
    assert_eq!(said.collect::<Vec<_>>(), diagnostics, "{name}");
}

const NS: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}";

#[test]
fn kinds_are_told_by_api_version() {
    let object = |api: &str, kind: &str| {
        format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: web, namespace: shop}}\n")
    };
    for (api, kind, expected) in [
        ("v1", "Namespace", "Namespace web"),
        ("v1", "Node", "Node web"),
        ("v1", "Service", "Service shop/web"),
        ("v1", "Pod", "Pod shop/web"),
        (
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "EndpointSlice shop/web",
        ),
        (
            "discovery.k8s.io/v1beta1",
            "EndpointSlice",
            "EndpointSlice shop/web",
        ),
        (
            "multicluster.x-k8s.io/v1alpha1",
            "ServiceImport",
            "ServiceImport shop/web",
        ),
        (
            "multicluster.x-k8s.io/v1beta1",
            "ServiceImport",
            "ServiceImport shop/web",
        ),
    ] {
        check(api, &object(api, kind), &[expected], &[]);
    }
    for (api, kind) in [
        ("serving.knative.dev/v1", "Service"),
        ("net.gke.io/v1", "ServiceImport"),
        ("apps/v1", "Deployment"),
        ("v1", "ConfigMap"),
        ("v1", "service"),
    ] {
        check(api, &object(api, kind), &[], &[]);
    }
}

#[test]
fn documents_and_lists_are_taken_apart() {
    check("empty text", "", &[], &[]);
    check("comments alone", "# nothing\n---\n# here\n", &[], &[]);
    check("null documents", "---\n---\nnull\n---\n~\n", &[], &[]);
    check(
        "several documents",
        &format!("---\n{NS}\n---\n{}\n", NS.replace("shop", "bank")),
        &["Namespace shop", "Namespace bank"],
        &[],
    );
    check(
        "windows",
        &format!("\u{feff}---\r\n{NS}\r\n"),
        &["Namespace shop"],
        &[],
    );
    check(
        "directive",
        &format!("%YAML 1.2\n---\n{NS}\n...\n"),
        &["Namespace shop"],
        &[],
    );
    check(
        "list, also nested",
        &format!(
            "apiVersion: v1\nitems:\n- {NS}\n- null\n- {{apiVersion: v1, kind: List, items: [{}]}}\nkind: List\n",
            NS.replace("shop", "bank")
        ),
        &["Namespace shop", "Namespace bank"],
        &[],
    );
    check(
        "list as the API writes it, without the kind of its items",
        r#"{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"a","namespace":"shop"}}]}"#,
        &["Pod shop/a"],
        &[],
    );
    check(
        "empty list",
        "apiVersion: v1\nkind: List\nitems: null\n",
        &[],
        &[],
    );
    check(
        "items of another kind",
        "apiVersion: v1\nkind: Secret\nitems: 7\n",
        &[],
        &[],
    );
    check(
        "json values in a row",
        "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"a\"}}\n{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"b\"}}",
        &["Node a", "Node b"],
        &[],
    );
    check(
        "not of Kubernetes",
        "replicas: 3\nimage: {tag: latest}\n",
        &[],
        &[],
    );
    check(
        "no namespace is default, as in kubectl",
        "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: ''}}",
        &["Pod default/a"],
        &[],
    );
    check(
        "anchors and merge keys",
        "apiVersion: v1\nkind: Pod\nmetadata: &m {name: a, labels: {x: y}}\nspec: {<<: *m}\n",
        &["Pod default/a"],
        &[],
    );
    check(
        "what other kinds hold is not looked at",
        "apiVersion: x/v1\nkind: X\nspec: {ports: 7, type: [], n: .nan, big: 99999999999999999999999}\n",
        &[],
        &[],
    );
}

#[test]
fn a_malformed_object_is_skipped_and_named() {
    let service = |fields: &str| {
        format!(
            "kind: Service\napiVersion: v1\nmetadata: {{name: web, namespace: shop}}\n{fields}\n"
        )
    };
    let fine = ["Namespace shop"];
    for (name, text, expected) in [
        (
            "text for a port",
            service("spec: {ports: [{port: x}]}"),
            "document 3: Service shop/web: spec.ports[0].port: invalid type: string \"x\", expected u16",
        ),
        (
            "port too large",
            service("spec: {ports: [{port: 80}, {port: 70000}]}"),
            "document 3: Service shop/web: spec.ports[1].port: invalid value: integer `70000`, expected u16",
        ),
        (
            "no port",
            service("spec: {ports: [{name: http}]}"),
            "document 3: Service shop/web: spec.ports[0].port: missing",
        ),
        (
            "spec is text",
            service("spec: none"),
            "document 3: Service shop/web: spec: invalid type: string \"none\", expected struct ServiceSpec",
        ),
        (
            "external name without one",
            service("spec: {type: ExternalName}"),
            "document 3: Service shop/web: spec.externalName: missing",
        ),
        (
            "no name",
            "kind: Pod\napiVersion: v1\nmetadata: {generateName: a-}\n".to_owned(),
            "document 3: Pod: metadata.name: missing",
        ),
        (
            "no metadata",
            "kind: Node\napiVersion: v1\n".to_owned(),
            "document 3: Node: metadata.name: missing",
        ),
        (
            "number for a name",
            "kind: Pod\napiVersion: v1\nmetadata: {name: 12}\n".to_owned(),
            "document 3: Pod: metadata.name: invalid type: integer `12`, expected a string",
        ),
        (
            "label is a boolean",
            "kind: Pod\napiVersion: v1\nmetadata: {name: a, labels: {x: true}}\n".to_owned(),
            "document 3: Pod default/a: metadata.labels.x: invalid type: boolean `true`, expected a string",
        ),
        (
            "phase that nobody knows",
            "kind: Pod\napiVersion: v1\nmetadata: {name: a}\nstatus: {phase: Odd}\n".to_owned(),
            "document 3: Pod default/a: status.phase: `Odd` is no phase of a Pod",
        ),
        (
            "no apiVersion",
            "kind: Pod\nmetadata: {name: a}\n".to_owned(),
            "document 3: Pod default/a: apiVersion: missing",
        ),
        (
            "no kind",
            "apiVersion: v1\nmetadata: {name: a}\n".to_owned(),
            "document 3: kind: missing",
        ),
        (
            "kind is a list",
            "apiVersion: v1\nkind: [Pod]\n".to_owned(),
            "document 3: kind: `[\"Pod\"]` is no text",
        ),
        (
            "a sequence",
            "- a\n- b\n".to_owned(),
            "document 3: a sequence, not a Kubernetes object",
        ),
        (
            "text",
            "hello\n".to_owned(),
            "document 3: text, not a Kubernetes object",
        ),
        (
            "in a list",
            "apiVersion: v1\nkind: List\nitems: [null, {apiVersion: v1, kind: Pod}, 7]\n"
                .to_owned(),
            "document 3: Pod: items[1].metadata.name: missing|document 3: items[2]: a number, not a Kubernetes object",
        ),
    ] {
        // The second document is empty: it has a number and no content.
        let text = format!("{NS}\n---\n# empty\n---\n{text}");
        check(name, &text, &fine, &expected.split('|').collect::<Vec<_>>());
    }
}

#[test]
fn text_that_does_not_parse_gives_its_place_and_no_object() {
    for (name, text, expected) in [
        ("yaml", format!("{NS}\n---\na: [1\nb: 2\n"), "line 4:"),
        (
            "json",
            "{\"kind\": \"Pod\",\n  \"x\": ]}".to_owned(),
            "line 2:",
        ),
        (
            "template",
            format!("{NS}\n---\nkind: {{{{ .Values.a }}}}\n"),
            "line 3:",
        ),
    ] {
        let (objects, diagnostics) = parse_str(&text);
        assert_eq!(objects, [], "{name}");
        assert_eq!(diagnostics.len(), 1, "{name}");
        assert_eq!(diagnostics[0].severity, Severity::Error, "{name}");
        let said = diagnostics[0].to_string();
        assert!(said.starts_with(expected), "{name}: {said}");
        assert!(!said.contains('\n'), "{name}: {said}");
    }
}

#[test]
fn diagnostics_name_the_file_first() {
    let warning = Diagnostic {
        file: Some("examples/x.yaml".into()),
        document: Some(3),
        object: Some("Service shop/web".into()),
        ..Diagnostic::field("spec.type", "odd")
    };
    assert_eq!(
        warning.to_string(),
        "examples/x.yaml: document 3: Service shop/web: spec.type: odd"
    );
    let error = Diagnostic {
        file: Some("x.yaml".into()),
        line: Some(12),
        column: Some(5),
        ..Diagnostic::error("odd")
    };
    assert_eq!(error.to_string(), "x.yaml:12:5: odd");
}

#[test]
fn bombs_are_refused_and_large_files_are_not() {
    let mut billion = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..10 {
        let last = format!("*a{}", i - 1);
        billion += &format!("a{i}: &a{i} [{}]\n", [&*last; 9].join(", "));
    }
    // The text that each alias repeats is large, not their number.
    let mut wide = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: &big {}\n  labels:\n",
        "x".repeat(1 << 20)
    );
    for i in 0..200 {
        wide += &format!("    l{i}: *big\n");
    }
    let deep = "[".repeat(100_000);
    let deep_block = format!("{}x", "- ".repeat(20_000));
    let deep_map = format!("ports: {}", "{ports: ".repeat(20_000));
    let deep_json = "{\"ports\":".repeat(100_000);
    let aliases = "its aliases make it too large";
    for (name, text, expected) in [
        ("billion laughs", billion, aliases),
        ("wide", wide, aliases),
        ("deep", deep, "recursion limit exceeded"),
        ("deep block", deep_block, "nested more than 64 levels deep"),
        ("deep map", deep_map, "nested more than 64 levels deep"),
        ("deep json", deep_json, "recursion limit exceeded"),
    ] {
        let (objects, diagnostics) = parse_str(&text);
        assert_eq!(objects, [], "{name}");
        assert_eq!(diagnostics.len(), 1, "{name}");
        let said = &diagnostics[0].message;
        assert!(said.starts_with(expected), "{name}: {said}");
    }

    // More documents, aliases of one anchor and nodes than the parser's defaults allow.
    let mut large = String::new();
    for i in 0..3_000 {
        large += &format!("---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{i}}}\n");
    }
    large +=
        "---\napiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a, labels: &l {x: y}}\n";
    for i in 0..20_000 {
        large += &format!(
            "- metadata: {{name: q{i}, labels: *l}}\n  status: {{podIP: 10.0.0.1, phase: Running}}\n"
        );
    }
    let (objects, diagnostics) = parse_str(&large);
    assert_eq!(diagnostics, []);
    assert_eq!(objects.len(), 23_001);
    assert!(objects.iter().all(|o| o.kind() == Kind::Pod));
}
