//! `[[forward]]` and `[loop]`: names that are not ours, with the words of CoreDNS's `forward` and
//! `loop`. Not how they are asked.

use super::document::{Field, Placed, Section, unavailable};
use super::steps::rcode;
use super::text::{duration, shown, tenant};
use super::zones::{is_reverse, zone};
use crate::chain::{BlockOptions, Clients, ForwardOptions, UpstreamId};
use crate::forward::{MAX_TO, Options, Policy, To, Upstream};
use crate::wire::{Name, Rcode};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const TIMES: &str = "it is `0` to `24h`";
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const COUNTS: &str = "it is 0 to 4294967295";
/// What the ports of upstreams are where none is written.
const PORTS: [(bool, u16); 2] = [(false, 53), (true, 853)];

/// Reads the tables of one block. `all` are those of the blocks before it, and then of this one.
pub(super) fn read(
    tables: &mut Section<'_>,
    cache: Option<u16>,
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
        options.cache = cache;
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
    read_sockets(&mut table, &mut options);
    read_health(&mut table, &mut options);
    read_limits(&mut table, &mut options);
    read_tls(&mut table, &mut options);
    table.finish(&["doh_method", "resolver"]);
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

/// Parses an upstream: an address with or without a port, `dns://`, `tls://…%NAME`, or a file.
fn upstream(text: &str) -> Result<To, String> {
    if text.starts_with('/') {
        return Ok(To::File(text.into()));
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("dns", text));
    let tls = match scheme {
        "dns" => false,
        "tls" => true,
        "https" | "quic" | "grpc" => return Err(unavailable(&format!("{scheme}://"))),
        _ => {
            return Err(format!(
                "`{}` is not known; upstreams are asked over `dns://` and `tls://`",
                shown(&format!("{scheme}://"))
            ));
        }
    };
    let (rest, servername) = match rest.rsplit_once('%') {
        None => (rest.to_owned(), ""),
        // The port may stand behind the name, as in CoreDNS.
        Some((address, name)) => match name.rsplit_once(':') {
            Some((name, port)) => (format!("{address}:{port}"), name),
            None => (address.to_owned(), name),
        },
    };
    if !servername.is_empty() && !tls {
        return Err(format!(
            "`{}` names a certificate, which only an upstream over `tls://` has",
            shown(text)
        ));
    }
    let usual = PORTS.iter().find(|(is_tls, _)| *is_tls == tls);
    let usual = usual.map_or(53, |(_, port)| *port);
    let bare = rest.trim_start_matches('[').trim_end_matches(']');
    let address = match (rest.parse::<SocketAddr>(), bare.parse::<IpAddr>()) {
        (Ok(address), _) => address,
        (_, Ok(ip)) => SocketAddr::new(ip, usual),
        _ => {
            return Err(format!(
                "`{}` is not an upstream: an address as in `10.0.0.2`, `10.0.0.2:5353`, `tls://9.9.9.9%dns.quad9.net`, \
                 or a file as in `/etc/resolv.conf`",
                shown(text)
            ));
        }
    };
    if address.ip().is_unspecified() || address.port() == 0 {
        return Err(format!("nobody can be asked at `{}`", shown(text)));
    }
    Ok(To::Upstream(Upstream {
        address,
        tls,
        servername: servername.into(),
    }))
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
    read_rcodes(table.field("failover"), &mut options.failover);
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
        let named = options
            .to
            .iter()
            .any(|to| matches!(to, To::Upstream(upstream) if !upstream.servername.is_empty()));
        if named && !name.is_empty() {
            field
                .problem("names the certificate of upstreams of which one has its own, behind `%`");
        }
    }
}
