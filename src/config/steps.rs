//! The tables of a server block beside `kubernetes` and `forward`: the words of CoreDNS's plugins. Here
//! the small ones; `hosts` and `template`, `rewrite`, and `transfer` have files of their own.

mod options;
mod records;
mod rewrite;
mod transfer;

use super::document::{Placed, Section};
use super::kubernetes::flat;
use super::text::{object_name, shown};
use super::zones::zone;
use crate::chain::{
    AclAction, AclOptions, AclRule, AutopathOptions, BlockOptions, ChaosOptions, Dns64Options,
    HeaderOptions, LoadbalanceOptions, SearchList, ViewOptions, WeightOptions,
};
use crate::tenancy::Mode;
use crate::wire::{HeaderFlags, Name, RType, Rcode};
use ipnet::{IpNet, Ipv6Net};
use std::net::IpAddr;
use std::time::Duration;

/// What `version.bind` says where the table does not.
const VERSION: &str = concat!("tenantdns-", env!("CARGO_PKG_VERSION"));

/// The tables of a block that answer, or change answers.
pub(super) const TABLES: [&str; 24] = [
    "kubernetes",
    "k8s_external",
    "forward",
    "cache",
    "loop",
    "log",
    "errors",
    "dnstap",
    "opentelemetry",
    "nsid",
    "bufsize",
    "local",
    "dns64",
    "any",
    "chaos",
    "loadbalance",
    "rewrite",
    "autopath",
    "acl",
    "header",
    "minimal",
    "template",
    "transfer",
    "hosts",
];

const NO_ASKER: &str = "needs to know who asks, and with tenancy.mode = \"off\" nobody does";

/// Reads for whom a block is.
pub(super) fn read_view(mut table: Section<'_>, mode: Mode) -> Option<ViewOptions> {
    let is_present = table.is_present();
    let mut options = ViewOptions::default();
    if is_present && !table.says("tenants") && !table.says("namespaces") {
        table.problem("is for nobody: it needs `tenants` or `namespaces`");
    }
    if is_present && mode == Mode::Off {
        table.problem(NO_ASKER);
    }
    table.list("tenants", &mut options.tenants, "tenants", short_text);
    table.list(
        "namespaces",
        &mut options.namespaces,
        "namespaces",
        object_name,
    );
    table.finish(&[]);
    is_present.then_some(options)
}

/// Reads every step's table that stands at the top level, or in a block.
pub(super) fn read(tables: &mut Section<'_>, zones: &[Name], block: &mut BlockOptions) {
    block.nsid = read_nsid(tables.table("nsid"));
    block.bufsize = read_bufsize(tables.table("bufsize"));
    block.local = read_empty(tables.table("local"));
    block.dns64 = read_dns64(tables.table("dns64"));
    block.any = read_empty(tables.table("any"));
    block.chaos = read_chaos(tables.table("chaos"));
    block.loadbalance = read_loadbalance(tables.table("loadbalance"));
    block.rewrite = each(tables, "rewrite", rewrite::read);
    block.autopath = read_autopath(tables.table("autopath"), zones);
    block.acl = each(tables, "acl", |table| Some(read_acl(table, zones)));
    block.header = read_header(tables);
    block.minimal = read_empty(tables.table("minimal"));
    block.template = each(tables, "template", |table| {
        records::read_template(table, zones)
    });
    block.transfer = transfer::read(tables.table("transfer"), zones);
    block.hosts = records::read_hosts(tables.table("hosts"), zones);
}

/// Reads each table of a list.
fn each<'a, T>(
    tables: &mut Section<'a>,
    key: &'static str,
    mut read: impl FnMut(Section<'a>) -> Option<T>,
) -> Vec<T> {
    let Some(field) = tables.field(key) else {
        return Vec::new();
    };
    let want = format!("tables [[{key}]]");
    let items = field.items(&want).unwrap_or_default();
    let sections = items.iter().filter_map(|item| item.table(&want));
    sections.filter_map(&mut read).collect()
}

fn read_empty(table: Section<'_>) -> bool {
    let is_present = table.is_present();
    table.finish(&[]);
    is_present
}

fn read_nsid(mut table: Section<'_>) -> Option<Box<str>> {
    let is_present = table.is_present();
    let mut id = Box::<str>::default();
    table.parsed("id", &mut id, "a text", short_text);
    table.finish(&[]);
    is_present.then_some(id)
}

fn read_bufsize(mut table: Section<'_>) -> Option<u16> {
    let is_present = table.is_present();
    let mut size = crate::wire::PAYLOAD_SIZE;
    table.number("size", &mut size, 512..=4096, "it is 512 to 4096 octets");
    table.finish(&[]);
    is_present.then_some(size)
}

fn read_dns64(mut table: Section<'_>) -> Option<Dns64Options> {
    let is_present = table.is_present();
    let mut options = Dns64Options {
        prefix: (std::net::Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
        translate_all: false,
        allow_ipv4: false,
    };
    table.parsed(
        "prefix",
        &mut options.prefix,
        "a prefix, as in \"64:ff9b::/96\"",
        dns64_prefix,
    );
    table.flag("translate_all", &mut options.translate_all);
    table.flag("allow_ipv4", &mut options.allow_ipv4);
    table.finish(&[]);
    is_present.then_some(options)
}

fn dns64_prefix(text: &str) -> Result<(std::net::Ipv6Addr, u8), String> {
    let wrong = || {
        let text = shown(text);
        format!("`{text}` is not an IPv6 prefix of length 32, 40, 48, 56, 64 or 96")
    };
    let net: Ipv6Net = text.parse().map_err(|_| wrong())?;
    let length = net.prefix_len();
    match matches!(length, 32 | 40 | 48 | 56 | 64 | 96) {
        true => Ok((net.network(), length)),
        false => Err(wrong()),
    }
}

fn read_chaos(mut table: Section<'_>) -> Option<ChaosOptions> {
    let is_present = table.is_present();
    let mut options = ChaosOptions {
        version: VERSION.into(),
        ..ChaosOptions::default()
    };
    table.parsed(
        "version",
        &mut options.version,
        "a text",
        |text| match short_text(text) {
            Ok(text) if text.is_empty() => Ok(VERSION.into()),
            other => other,
        },
    );
    table.list("authors", &mut options.authors, "texts", short_text);
    table.finish(&[]);
    is_present.then_some(options)
}

fn short_text(text: &str) -> Result<Box<str>, String> {
    match text.len() <= 255 {
        true => Ok(text.into()),
        false => Err(format!("has {} octets; at most 255 fit", text.len())),
    }
}

fn read_loadbalance(mut table: Section<'_>) -> Option<LoadbalanceOptions> {
    let is_present = table.is_present();
    let mut is_weighted = false;
    table.choice(
        "policy",
        &mut is_weighted,
        &[("round_robin", false), ("weighted", true)],
    );
    let (mut file, mut reload) = (Box::<str>::default(), Duration::from_secs(30));
    for key in ["file", "reload"] {
        if let Some(field) = table.field(key).filter(|_| !is_weighted) {
            field.problem("is for `policy = \"weighted\"`");
        }
    }
    table.parsed("file", &mut file, "the path of a file", |text| {
        Ok::<_, std::convert::Infallible>(text.into())
    });
    table.duration(
        "reload",
        &mut reload,
        Duration::ZERO..=Duration::from_secs(24 * 3600),
        "it is `0` (never) to `24h`",
    );
    let mut nets = Vec::new();
    let preferred = table.field("prefer");
    table.list("prefer", &mut nets, "prefixes", net);
    let options = match (is_weighted, nets.is_empty()) {
        (false, true) => LoadbalanceOptions::RoundRobin,
        (false, false) => LoadbalanceOptions::Prefer(nets),
        (true, _) => {
            if file.is_empty() {
                table.problem("needs `file`, which has the weights");
            }
            if let Some(field) = preferred.filter(|_| !nets.is_empty()) {
                field.problem("can't stand beside weights: either decides which address is first");
            }
            LoadbalanceOptions::Weighted(WeightOptions { file, reload })
        }
    };
    table.finish(&[]);
    is_present.then_some(options)
}

fn read_autopath(mut table: Section<'_>, zones: &[Name]) -> Option<AutopathOptions> {
    let is_present = table.is_present();
    let zones = read_zones(&mut table, "zones").unwrap_or_else(|| zones.to_vec());
    let mut from = SearchList::Kubernetes;
    table.parsed(
        "from",
        &mut from,
        "\"kubernetes\" or a file like /etc/resolv.conf",
        |text| match text {
            "kubernetes" => Ok(SearchList::Kubernetes),
            path if path.starts_with('/') => Ok(SearchList::File(path.into())),
            other => Err(format!(
                "`{}` is neither `kubernetes` nor the absolute path of a file",
                shown(other)
            )),
        },
    );
    table.finish(&[]);
    is_present.then_some(AutopathOptions {
        zones,
        from,
        search: Vec::new(),
    })
}

fn read_acl(mut table: Section<'_>, zones: &[Name]) -> AclOptions {
    let zones = read_zones(&mut table, "zones").unwrap_or_else(|| zones.to_vec());
    let mut rules = Vec::new();
    if let Some(field) = table.field("rules") {
        let want = "a list of rules, as in [{ action = \"block\", nets = [\"10.9.0.0/16\"] }]";
        for item in field.items(want).into_iter().flatten() {
            rules.extend(item.table(want).and_then(read_acl_rule));
        }
    } else {
        table.problem("needs `rules`: without one it does nothing");
    }
    table.finish(&[]);
    AclOptions { zones, rules }
}

fn read_acl_rule(mut table: Section<'_>) -> Option<AclRule> {
    const ACTIONS: [(&str, AclAction); 4] = [
        ("allow", AclAction::Allow),
        ("block", AclAction::Block),
        ("filter", AclAction::Filter),
        ("drop", AclAction::Drop),
    ];
    if !table.has("action") {
        table.problem("needs an `action`: `allow`, `block`, `filter` or `drop`");
    }
    let mut rule = AclRule {
        action: AclAction::Block,
        types: Vec::new(),
        nets: Vec::new(),
    };
    table.choice("action", &mut rule.action, &ACTIONS);
    table.list("types", &mut rule.types, "types", str::parse::<RType>);
    table.list("nets", &mut rule.nets, "addresses and prefixes", net);
    table.finish(&[]);
    Some(rule)
}

/// Parses a prefix, or an address, which is the only one of its prefix.
fn net(text: &str) -> Result<IpNet, String> {
    let whole = || text.parse::<IpAddr>().map(IpNet::from);
    let parsed = text.parse::<IpNet>().or_else(|_| whole());
    parsed.map_err(|_| {
        let text = shown(text);
        format!("`{text}` is neither an address nor a prefix, as in `10.9.0.0/16`")
    })
}

fn read_header(tables: &mut Section<'_>) -> Option<HeaderOptions> {
    const FLAGS: [(&str, HeaderFlags); 3] = [
        ("aa", HeaderFlags::AA),
        ("ra", HeaderFlags::RA),
        ("rd", HeaderFlags::RD),
    ];
    let mut options = None;
    each(tables, "header", |mut table| {
        let mut of_answers = true;
        let words = [("response", true), ("query", false)];
        table.choice("of", &mut of_answers, &words);
        let mut sets = true;
        table.choice("action", &mut sets, &[("set", true), ("clear", false)]);
        let mut flags = Vec::new();
        table.list("flags", &mut flags, "flags", |text| {
            let known = FLAGS.iter().find(|(word, _)| *word == text);
            let flag = known.map(|(_, flag)| *flag);
            flag.ok_or_else(|| format!("`{}` is not `aa`, `ra` or `rd`", shown(text)))
        });
        if !table.has("action") || !table.has("flags") {
            table.problem("needs `action` and `flags`");
        }
        let all = options.get_or_insert_with(HeaderOptions::default);
        let rules = match of_answers {
            true => &mut all.response,
            false => &mut all.query,
        };
        flags.into_iter().for_each(|flag| rules.add(flag, sets));
        table.finish(&[]);
        Some(())
    });
    options
}

/// Reads a list of zones; `None` where it is left out or empty, and the block's count.
fn read_zones(table: &mut Section<'_>, key: &'static str) -> Option<Vec<Name>> {
    let placed: Vec<Placed<'_, Vec<Name>>> =
        table.field(key)?.placed("zones", |text| match text {
            // CoreDNS's `/.`, as some write it, is the root as well.
            "/." => zone("."),
            _ => zone(text),
        })?;
    Some(flat(&placed)).filter(|zones| !zones.is_empty())
}

/// Parses a response code by its mnemonic or number.
pub(super) fn rcode(text: &str) -> Result<Rcode, String> {
    const CODES: [(&str, u16); 13] = [
        ("NOERROR", 0),
        ("FORMERR", 1),
        ("SERVFAIL", 2),
        ("NXDOMAIN", 3),
        ("NOTIMP", 4),
        ("NOTIMPL", 4),
        ("REFUSED", 5),
        ("YXDOMAIN", 6),
        ("YXRRSET", 7),
        ("NXRRSET", 8),
        ("NOTAUTH", 9),
        ("NOTZONE", 10),
        ("BADVERS", 16),
    ];
    let upper = text.to_ascii_uppercase();
    let named = CODES.iter().find(|(word, _)| *word == upper);
    let number = || text.parse().ok().filter(|number| *number <= 23);
    let code = named.map(|(_, number)| *number).or_else(number);
    code.map(Rcode).ok_or_else(|| {
        let text = shown(text);
        format!("`{text}` is not a response code, as NOERROR, NXDOMAIN, SERVFAIL or REFUSED are")
    })
}
