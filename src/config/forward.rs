//! `[[forward]]` and `[loop]`: names that are not ours, with the words of CoreDNS's `forward` and
//! `loop`. Not how they are asked.

use super::document::{Field, Placed, Section};
use super::steps::rcode;
use super::text::{duration, shown, tenant};
use super::zones::{is_reverse, zone};
use crate::chain::{BlockOptions, Clients, ForwardOptions, UpstreamId};
use crate::forward::{DohMethod, Host, MAX_TO, Options, Policy, Scheme, To, Upstream};
use crate::wire::{Name, Rcode};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const TIMES: &str = "it is `0` to `24h`";
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const COUNTS: &str = "it is 0 to 4294967295";

/// Reads the tables of the block of this number, with its cache. `all` are those of the blocks before it, and then of this one.
pub(super) fn read(
    tables: &mut Section<'_>,
    (number, cache): (u16, Option<u16>),
    block: &mut BlockOptions,
    all: &mut Vec<Options>,
) {
    let looking = tables.table("loop");
    let finds_loops = looking.is_present();
    looking.finish(&[]);
    let want = "tables [[forward]]";
    let items = tables.field("forward").and_then(|field| field.items(want));
    for item in items.into_iter().flatten() {
        let Some(table) = item.table(want) else {
            continue;
        };
        let id = UpstreamId(u16::try_from(all.len()).unwrap_or(u16::MAX));
        let (step, mut options) = read_one(table, id);
        (options.block, options.cache) = (number, cache);
        options.finds_loops = finds_loops;
        block.forward.push(step);
        all.push(options);
    }
}

/// Passes reverse names that are not the cluster's on to the upstreams, where there are any and the
/// configuration does not say otherwise.
pub(super) fn fall_through(is_written: bool, block: &mut BlockOptions) {
    if is_written || block.forward.is_empty() {
        return;
    }
    if let Some(kubernetes) = &mut block.kubernetes {
        let reverse = kubernetes.origins.iter().filter(|zone| is_reverse(zone));
        kubernetes.fallthrough = reverse.cloned().collect();
    }
}

fn read_one(mut table: Section<'_>, id: UpstreamId) -> (ForwardOptions, Options) {
    let mut names = vec![Name::root()];
    if let Some(field) = table.field("zone")
        && let Some(zones) = field.parsed("a zone", zone)
    {
        if zones.len() > 1 {
            field.problem(format_args!(
                "is {} reverse zones; write a table for each",
                zones.len()
            ));
        }
        names = zones;
    }
    let name = names.into_iter().next().unwrap_or_else(Name::root);
    let mut step = ForwardOptions::new(name.clone(), id);
    let mut options = Options::new(name);
    read_step(&mut table, &mut step);
    read_to(&mut table, &mut options);
    read_named(&mut table, &mut options);
    read_sockets(&mut table, &mut options);
    read_health(&mut table, &mut options);
    read_limits(&mut table, &mut options);
    read_tls(&mut table, &mut options);
    table.finish(&[]);
    (step, options)
}

fn read_step(table: &mut Section<'_>, step: &mut ForwardOptions) {
    if let Some(zones) = table.field("except").and_then(|f| f.placed("zones", zone)) {
        step.except = zones.into_iter().flat_map(|placed| placed.value).collect();
    }
    read_rcodes(table.field("next"), &mut step.next);
    table.flag("next_on_nodata", &mut step.next_on_nodata);
    if let Some(words) = table.filled(
        "clients",
        ("`cluster`, `private` or `any`", "nobody would be answered"),
        client,
    ) {
        let has = |word| words.iter().any(|placed| placed.value == word);
        step.clients = Clients {
            cluster: has("cluster"),
            private: has("private"),
            any: has("any"),
        };
    }
    table.list("tenants", &mut step.tenants, "names of tenants", tenant);
}

fn client(text: &str) -> Result<&'static str, String> {
    let known = ["cluster", "private", "any"];
    let found = known.into_iter().find(|word| *word == text);
    found.ok_or_else(|| {
        format!(
            "`{}` is not one of `cluster`, `private`, `any`",
            shown(text)
        )
    })
}

fn read_rcodes(field: Option<Field<'_>>, target: &mut Vec<Rcode>) -> Option<()> {
    let placed = field?.placed("response codes, as in \"NXDOMAIN\"", rcode)?;
    *target = placed.into_iter().map(|placed| placed.value).collect();
    Some(())
}

fn read_to(table: &mut Section<'_>, options: &mut Options) {
    let empty = "without upstreams nobody is asked";
    let to = table.filled("to", ("upstreams: addresses, or files", empty), upstream);
    let Some(to) = to else { return };
    if let Some(Placed { field, .. }) = to.get(MAX_TO) {
        field.problem(format_args!("there are {MAX_TO} upstreams at most"));
    }
    options.to = to.into_iter().map(|placed| placed.value).collect();
}

/// Reads how upstreams over HTTPS are asked, and who knows those that are named.
fn read_named(table: &mut Section<'_>, options: &mut Options) {
    let methods = [("POST", DohMethod::Post), ("GET", DohMethod::Get)];
    table.choice("doh_method", &mut options.doh_method, &methods);
    let want = "addresses, as in \"10.0.0.2\" or \"10.0.0.2:5353\"";
    let resolver = |text: &str| {
        let found = address(text, Scheme::Dns.port());
        found.ok_or_else(|| format!("`{}` is not an address", shown(text)))
    };
    table.list("resolver", &mut options.resolver, want, resolver);
}

/// Parses an upstream: an address or a host with or without a port, behind `dns://`, `tls://` or
/// `https://` and before `%NAME`; or a file.
fn upstream(text: &str) -> Result<To, String> {
    if text.starts_with('/') {
        return Ok(To::File(text.into()));
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("dns", text));
    let Some(scheme) = Scheme::ALL.into_iter().find(|it| it.as_str() == scheme) else {
        return Err(format!(
            "`{}` is not one of the ways in which upstreams are asked: `dns://`, `tls://`, `https://`",
            shown(&format!("{scheme}://"))
        ));
    };
    if rest.contains('/') {
        return Err(format!(
            "`{}` has a path; upstreams over HTTPS are asked at `/dns-query`",
            shown(text)
        ));
    }
    if scheme == Scheme::Https && !cfg!(feature = "encrypted") {
        return Err(
            "`https://` needs a tenantdns that was built with the feature `encrypted`".into(),
        );
    }
    let (rest, servername) = match rest.rsplit_once('%') {
        None => (rest.to_owned(), ""),
        // The port may stand behind the name, and the name within brackets, as in CoreDNS.
        Some((address, name)) => {
            let (name, port) = match name.rsplit_once(':') {
                Some((name, port)) => (name, format!(":{port}")),
                None => (name, String::new()),
            };
            match name.strip_suffix(']') {
                Some(name) => (format!("{address}]{port}"), name),
                None => (format!("{address}{port}"), name),
            }
        }
    };
    if !servername.is_empty() && scheme == Scheme::Dns {
        return Err(format!(
            "`{}` names a certificate, which only an upstream over `tls://` or `https://` has",
            shown(text)
        ));
    }
    let Some(address) = address(&rest, scheme.port()) else {
        let host = host(&rest, scheme, servername);
        return host.map(To::Host).ok_or_else(|| {
            format!(
                "`{}` is not an upstream: an address as in `10.0.0.2`, `10.0.0.2:5353`, \
                 `tls://9.9.9.9%dns.quad9.net`, a host as in `dns.example`, or a file as in \
                 `/etc/resolv.conf`",
                shown(text)
            )
        });
    };
    if address.ip().is_unspecified() || address.port() == 0 {
        return Err(format!("nobody can be asked at `{}`", shown(text)));
    }
    Ok(To::Upstream(Upstream {
        address,
        scheme,
        servername: servername.into(),
    }))
}

/// Parses an address with or without a port.
fn address(text: &str, usual: u16) -> Option<SocketAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match (text.parse::<SocketAddr>(), bare.parse::<IpAddr>()) {
        (Ok(address), _) => Some(address),
        (_, Ok(ip)) => Some(SocketAddr::new(ip, usual)),
        _ => None,
    }
}

/// Parses a host with or without a port. What ends in a number is no name, but an address gone wrong.
fn host(text: &str, scheme: Scheme, servername: &str) -> Option<Host> {
    let (name, port) = match text.rsplit_once(':') {
        None => (text, scheme.port()),
        Some((name, port)) => (name, port.parse().ok().filter(|port| *port > 0)?),
    };
    let labels = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let is_octet = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=63).contains(&label.len())
            && label.chars().all(is_octet)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = labels.rsplit('.').next()?;
    let is_host = labels.len() <= 253
        && labels.split('.').all(is_label)
        && !last.bytes().all(|octet| octet.is_ascii_digit());
    is_host.then(|| Host {
        name: name.into(),
        port,
        scheme,
        servername: servername.into(),
    })
}

fn read_sockets(table: &mut Section<'_>, options: &mut Options) {
    table.flag("force_tcp", &mut options.force_tcp);
    table.flag("prefer_udp", &mut options.prefer_udp);
    table.duration(
        "expire",
        &mut options.expire,
        Duration::ZERO..=LONGEST,
        TIMES,
    );
    let aged = table.field("max_age");
    if let Some(field) = &aged
        && let Some(age) = field.parsed("a duration, as in \"1h\"", duration)
    {
        options.max_age = age;
        if age > Duration::ZERO && age < options.expire {
            field.problem("is less than `expire`: no socket would be idle for so long");
        }
    }
    let most = u64::from(u32::MAX);
    table.number(
        "max_idle_conns",
        &mut options.max_idle_conns,
        0..=most,
        COUNTS,
    );
    table.duration(
        "read_timeout",
        &mut options.read_timeout,
        Duration::from_millis(1)..=LONGEST,
        "it is `1ms` to `24h`",
    );
    let mut source = None;
    table.parsed("source_address", &mut source, "an address", |text| {
        let address = text.parse::<IpAddr>();
        match text {
            "" => Ok(None),
            _ => address
                .map(Some)
                .map_err(|_| format!("`{}` is not an address", shown(text))),
        }
    });
    options.source_address = source;
}

fn read_health(table: &mut Section<'_>, options: &mut Options) {
    let most = u64::from(u32::MAX);
    table.number("max_fails", &mut options.max_fails, 0..=most, COUNTS);
    let words = [
        ("random", Policy::Random),
        ("round_robin", Policy::RoundRobin),
        ("sequential", Policy::Sequential),
    ];
    table.choice("policy", &mut options.policy, &words);
    let mut check = table.table("health_check");
    let health = &mut options.health_check;
    check.duration(
        "interval",
        &mut health.interval,
        Duration::from_millis(1)..=LONGEST,
        "it is `1ms` to `24h`",
    );
    let mut no_rec = false;
    check.flag("no_rec", &mut no_rec);
    health.recursive = !no_rec;
    check.parsed("domain", &mut health.domain, "a name", |text| {
        text.parse::<Name>()
            .map_err(|error| format!("`{}`: {error}", shown(text)))
    });
    check.finish(&[]);
    let failover = table.field("failover");
    if let Some(field) = &failover
        && read_rcodes(Some(field.clone()), &mut options.failover).is_some()
        && options.failover.contains(&Rcode::NOERROR)
    {
        field.problem("has NOERROR, which is no failure");
    }
    table.flag("failfast_all_unhealthy_upstreams", &mut options.failfast);
}

fn read_limits(table: &mut Section<'_>, options: &mut Options) {
    let most = u64::from(u32::MAX);
    table.number(
        "max_concurrent",
        &mut options.max_concurrent,
        0..=most,
        COUNTS,
    );
    table.number(
        "max_concurrent_per_tenant",
        &mut options.max_concurrent_per_tenant,
        0..=most,
        COUNTS,
    );
    let mut attempts = 0u32;
    let written = table.number("max_connect_attempts", &mut attempts, 0..=most, COUNTS);
    options.max_connect_attempts = written.map(|_| attempts);
}

fn read_tls(table: &mut Section<'_>, options: &mut Options) {
    let mut files = table.table("tls");
    let mut path = |key| {
        let mut path = String::new();
        files.parsed(key, &mut path, "a file", |text| {
            Ok::<_, std::convert::Infallible>(text.to_owned())
        });
        (!path.is_empty()).then(|| PathBuf::from(path))
    };
    let (certificate, key) = (path("certificate"), path("key"));
    options.tls.ca = path("ca");
    options.tls.pair = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            files.problem("has one of `certificate` and `key`; they go together");
            None
        }
    };
    files.finish(&[]);
    if let Some(field) = table.field("tls_servername")
        && let Some(name) = field.text("the name of an upstream's certificate")
    {
        options.tls_servername = name.into();
        let named = options.to.iter().any(|to| match to {
            To::Upstream(upstream) => !upstream.servername.is_empty(),
            To::Host(host) => !host.servername.is_empty(),
            To::File(_) => false,
        });
        if named && !name.is_empty() {
            field
                .problem("names the certificate of upstreams of which one has its own, behind `%`");
        }
    }
}
