//! `[[tenancy.rule]]` and `[[tenancy.client]]`.

use crate::config::document::{Field, Section};
use crate::config::kubernetes::SELECTOR;
use crate::config::text::{cidr, pattern, service, tenant};
use crate::model::Selector;
use crate::tenancy::{ClientRange, Effect, From, Rule, Rules, Tenants, To};
use ipnet::IpNet;

/// Reads the rules.
pub(super) fn read(table: &mut Section<'_>) -> Rules {
    let tables = tables(table.field("rule"), "tables [[tenancy.rule]]");
    Rules::new(tables.map(read_rule).collect())
}

/// Reads the clients that are not pods.
pub(super) fn read_clients(table: &mut Section<'_>) -> Vec<ClientRange> {
    let mut clients: Vec<ClientRange> = Vec::new();
    for mut table in tables(table.field("client"), "tables [[tenancy.client]]") {
        let range = table.field("cidr");
        let owner = table.field("tenant");
        if range.is_none() || owner.is_none() {
            table.problem("needs `cidr` and `tenant`");
        }
        let read = range
            .as_ref()
            .and_then(|field| field.parsed("a range of addresses", cidr));
        let tenant = owner.and_then(|field| field.parsed("a tenant", tenant));
        if let (Some(field), Some(cidr), Some(tenant)) = (range, read, tenant) {
            if clients.iter().any(|client| client.cidr == cidr) {
                field.problem(format_args!("{cidr} is somebody's already"));
            }
            clients.push(ClientRange { cidr, tenant });
        }
        table.finish(&[]);
    }
    clients
}

fn tables<'a>(field: Option<Field<'a>>, want: &'static str) -> impl Iterator<Item = Section<'a>> {
    let items = field.and_then(|field| field.items(want));
    let items = items.into_iter().flatten();
    items.filter_map(move |item| item.table(want))
}

fn read_rule(mut table: Section<'_>) -> Rule {
    let mut rule = Rule {
        name: "".into(),
        effect: Effect::Deny,
        from: From::default(),
        to: To::default(),
    };
    table.parsed("name", &mut rule.name, "a name", |text| {
        Ok::<_, &str>(text.into())
    });
    if !table.has("effect") {
        table.problem("needs `effect`: \"allow\" or \"deny\"");
    }
    let effects = [("allow", Effect::Allow), ("deny", Effect::Deny)];
    table.choice("effect", &mut rule.effect, &effects);

    let mut from = table.table("from");
    let read = &mut rule.from;
    read.tenants = read_tenants(&mut from);
    from.list("namespaces", &mut read.namespaces, "namespaces", pattern);
    read.selectors = selector(&mut from, "selector").into_iter().collect();
    let mut cidrs: Vec<IpNet> = Vec::new();
    from.list("cidrs", &mut cidrs, "ranges of addresses", cidr);
    read.cidrs = cidrs;
    from.flag("nodes", &mut read.nodes);
    from.flag("unknown", &mut read.unknown);
    let keys = [
        "tenants",
        "namespaces",
        "selector",
        "cidrs",
        "nodes",
        "unknown",
    ];
    complain(
        &keys,
        from,
        &table,
        "from",
        "everybody is `tenants = [\"*\"]`",
    );

    let mut to = table.table("to");
    let read = &mut rule.to;
    read.tenants = read_tenants(&mut to);
    to.list("namespaces", &mut read.namespaces, "namespaces", pattern);
    to.list(
        "services",
        &mut read.services,
        "services, as in \"shop/web\"",
        service,
    );
    read.selector = selector(&mut to, "selector");
    read.service_selector = selector(&mut to, "service_selector");
    let hint = "everything is `tenants = [\"*\"]`, which `service_selector` may narrow";
    let keys = ["tenants", "namespaces", "services", "selector"];
    complain(&keys, to, &table, "to", hint);
    table.finish(&[]);
    rule
}

/// Ends a part of a rule; one in which none of `keys` says anything is an error, because what it was
/// meant to do is done by nothing.
fn complain(keys: &[&str], part: Section<'_>, rule: &Section<'_>, key: &str, hint: &str) {
    let is_empty = !keys.iter().any(|key| part.says(key));
    if is_empty && part.is_present() {
        part.problem(format_args!("names nothing; {hint}"));
    } else if is_empty {
        rule.problem(format_args!("needs `{key}`; {hint}"));
    }
    part.finish(&[]);
}

fn read_tenants(table: &mut Section<'_>) -> Tenants {
    let mut names = Vec::new();
    table.list("tenants", &mut names, "tenants", tenant);
    let before = names.len();
    names.retain(|name| &**name != "*");
    Tenants {
        all: names.len() != before,
        names,
    }
}

/// Reads a selector; the empty one is none, because one that selects everything is never meant.
fn selector(table: &mut Section<'_>, key: &'static str) -> Option<Selector> {
    let mut selector = Selector::default();
    table.parsed(key, &mut selector, SELECTOR, str::parse);
    Some(selector).filter(|selector| !selector.is_empty())
}
