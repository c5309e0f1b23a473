//! What the keys of `[tenancy]` become.

use super::{check, parse, selector};
use crate::model::Selector;
use crate::tenancy::*;
use std::time::Duration;

#[test]
fn tenancy_keys_reach_the_policy() {
    let text = r#"
        [tenancy]
        mode = "audit"
        tenant_from = [
            { label = "capsule.clastix.io/tenant" },
            { annotation = "field.cattle.io/projectId" },
            { name = '^(?P<tenant>[a-z0-9]+)--' },
        ]
        conflict = "first"
        untenanted = "open"
        unknown = "refused"
        unknown_wait = "1m"
        node = "deny"
        reserved_namespaces = []
        wildcard = "off"
        soa_serial = "coredns"
        platform = { namespaces = ["ops", "infra-*"], tenants = ["c-1:p-2"], selector = "" }
        [tenancy.shared]
        namespaces = ["ingress"]
        services = ["shop/api", "default/kubernetes"]
        selector = "!private"
    "#;
    check("every key", text, |c| {
        c.tenancy.mode = Mode::Audit;
        let expression = regex::Regex::new("^(?P<tenant>[a-z0-9]+)--").unwrap();
        c.tenancy.tenant_from = vec![
            TenantSource::Label("capsule.clastix.io/tenant".into()),
            TenantSource::AnnotationAfterColon("field.cattle.io/projectId".into()),
            TenantSource::Name(expression),
        ];
        c.tenancy.conflict = Conflict::First;
        c.tenancy.untenanted = Untenanted::Open;
        c.tenancy.unknown = Unknown::Refused;
        c.tenancy.unknown_wait = Duration::from_secs(60);
        c.server.unknown_wait = Duration::from_secs(60);
        c.tenancy.node = NodeView::Deny;
        c.tenancy.reserved_namespaces = Vec::new();
        c.tenancy.wildcard = Wildcard::Off;
        c.tenancy.soa_serial = SoaSerial::Coredns;
        let namespaces = &mut c.tenancy.platform.namespaces;
        *namespaces = vec![
            NamePattern::Exact("ops".into()),
            NamePattern::Prefix("infra-".into()),
        ];
        c.tenancy.platform.tenants = vec!["c-1:p-2".into()];
        c.tenancy.platform.selector = Selector::default();
        c.tenancy.shared.namespaces = vec![NamePattern::Exact("ingress".into())];
        let service = |namespace: &str, name: &str| ServiceRef {
            namespace: namespace.into(),
            name: name.into(),
        };
        c.tenancy.shared.services = vec![service("shop", "api"), service("default", "kubernetes")];
        c.tenancy.shared.selector = selector("!private");
    });
}

#[test]
fn exceptions_reach_the_policy() {
    let text = r#"
        [tenancy]
        presets = ["hnc", "accurate"]
        tenant_from = [
            { label_suffix = ".tree.example.com/depth", level = 2 },
            { parent_label = "example.com/parent" },
        ]
        exports = "mutual"
        audit = { namespaces = ["old-*"], selector = "audit=yes" }
        reserved_namespaces = ["special-use", "mine"]
        platform = { presets = ["k3s"], except = "proxy=yes" }
        shared = { presets = ["linkerd"] }
        [[tenancy.rule]]
        name = "monitoring"
        effect = "allow"
        from = { tenants = ["ops", "*"], namespaces = ["m-*"], selector = "role=m", cidrs = ["10.1.0.0/16", "::1"], nodes = true, unknown = true }
        to = { tenants = ["t"], namespaces = ["n"], services = ["a/b"], selector = "x", service_selector = "metrics=true" }
        [[tenancy.client]]
        cidr = "10.9.0.0/16"
        tenant = "office"
    "#;
    check("every key", text, |c| {
        let hnc = |suffix: &str, level| TenantSource::LabelSuffix {
            suffix: suffix.into(),
            level,
        };
        let parent = |label: &str| TenantSource::ParentLabel(Parentage::of(label.into()));
        let tenancy = &mut c.tenancy;
        tenancy.tenant_from = vec![
            hnc(".tree.example.com/depth", 2),
            parent("example.com/parent"),
            hnc(".tree.hnc.x-k8s.io/depth", 0),
            parent("accurate.cybozu.com/parent"),
        ];
        tenancy.exports = Exporting::Mutual;
        tenancy.audit.namespaces = vec![NamePattern::Prefix("old-".into())];
        tenancy.audit.selector = selector("audit=yes");
        tenancy.reserved_namespaces = [
            "corp",
            "home",
            "internal",
            "intranet",
            "lan",
            "local",
            "localhost",
            "mine",
            "private",
            "test",
        ]
        .map(Into::into)
        .to_vec();
        tenancy
            .platform
            .namespaces
            .push(NamePattern::Exact("kube-system".into()));
        tenancy.platform.except = vec![
            selector("proxy=yes"),
            selector("app.kubernetes.io/name=traefik"),
        ];
        for name in [
            "linkerd-dst-headless",
            "linkerd-identity-headless",
            "linkerd-policy",
        ] {
            tenancy.shared.services.push(ServiceRef {
                namespace: "linkerd".into(),
                name: name.into(),
            });
        }
        let exact = |name: &str| NamePattern::Exact(name.into());
        tenancy.rules = Rules::new(vec![Rule {
            name: "monitoring".into(),
            effect: Effect::Allow,
            from: From {
                tenants: Tenants {
                    all: true,
                    names: vec!["ops".into()],
                },
                namespaces: vec![NamePattern::Prefix("m-".into())],
                selectors: vec![selector("role=m")],
                cidrs: vec!["10.1.0.0/16".parse().unwrap(), "::1/128".parse().unwrap()],
                nodes: true,
                unknown: true,
            },
            to: To {
                tenants: Tenants {
                    all: false,
                    names: vec!["t".into()],
                },
                namespaces: vec![exact("n")],
                services: vec![ServiceRef {
                    namespace: "a".into(),
                    name: "b".into(),
                }],
                selector: Some(selector("x")),
                service_selector: Some(selector("metrics=true")),
            },
        }]);
        tenancy.clients = vec![ClientRange {
            cidr: "10.9.0.0/16".parse().unwrap(),
            tenant: "office".into(),
        }];
    });
}

#[test]
fn a_profile_is_the_bundle_of_keys_that_it_says_and_written_keys_win() {
    check("enterprise", "tenancy.profile = \"enterprise\"", |c| {
        c.tenancy.profile = Some(Profile::Enterprise);
        c.tenancy.mode = Mode::Audit;
        c.tenancy.untenanted = Untenanted::Open;
    });
    check(
        "saas",
        "tenancy = { profile = \"saas\", exports = \"named\" }",
        |c| {
            c.tenancy.profile = Some(Profile::Saas);
            c.tenancy.shared.selector = Selector::default();
        },
    );
    let kaas = "[tenancy]\nprofile = \"kaas\"\nreserved_namespaces = [\"svc\"]\nexports = \"off\"";
    check("kaas", kaas, |c| {
        c.tenancy.profile = Some(Profile::Kaas);
        c.tenancy.exports = Exporting::Off;
        c.tenancy.platform.selector = Selector::default();
        c.tenancy.shared.selector = Selector::default();
        c.tenancy.reserved_namespaces = vec!["svc".into()];
        c.source.kubernetes.identity_max_age = Some(Duration::from_secs(86_400));
    });
    let whole = parse("tenancy.profile = \"kaas\"");
    assert_eq!(whole.tenancy.exports, Exporting::Mutual);
    for name in ["svc", "com", "internal", "xn--p1ai"] {
        assert!(
            whole
                .tenancy
                .reserved_namespaces
                .iter()
                .any(|r| **r == *name),
            "{name}"
        );
    }
}
