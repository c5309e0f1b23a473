//! `forward` and `loop`: names that are not ours.

use super::super::key::Transport;
use super::values::{duration, item, number, word};
use super::{Cursor, Fault, Out, Table, Token, Value, only_once, shown, texts, zones};

const OPTIONS: [&str; 24] = [
    "except",
    "force_tcp",
    "prefer_udp",
    "expire",
    "max_idle_conns",
    "max_age",
    "max_fails",
    "max_connect_attempts",
    "tls",
    "tls_servername",
    "policy",
    "health_check",
    "max_concurrent",
    "next",
    "next_on_nodata",
    "failover",
    "failfast_all_unhealthy_upstreams",
    "read_timeout",
    "source_address",
    "doh_method",
    "resolver",
    "clients",
    "tenants",
    "max_concurrent_per_tenant",
];

/// `forward FROM TO… { … }`, as often as wanted.
pub(super) fn read(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    while cursor.next() {
        let directive = cursor.token();
        let mut table = Table::entry("block.forward", Some(&directive.place));
        if !cursor.next_argument() {
            return Err(directive.fault("needs a zone, and upstreams behind it"));
        }
        let from = cursor.token();
        let zone = zones::argument(from)?;
        if zone.names.len() > 1 {
            let text = format!(
                "`{}` is several reverse zones, of which `forward` takes the first, {}",
                from.text, zone.names[0]
            );
            out.note(&from.place, text);
        }
        let name = zone.names.first().map(ToString::to_string);
        let name = name.unwrap_or_else(|| ".".into());
        let name = name.strip_suffix('.').filter(|name| !name.is_empty());
        table.set("zone", Value::text(name.unwrap_or(".")), &from.place);
        let to = cursor.some_arguments("upstreams: addresses, or a file like /etc/resolv.conf")?;
        if to.len() > 15 {
            return Err(to[15].fault("there are 15 upstreams at most"));
        }
        for token in &to {
            check_upstream(token)?;
        }
        table.extend("to", texts(&to));
        while cursor.next_in_block() {
            read_option(cursor, out, &mut table)?;
        }
        if !out.has_tenancy && table.value("clients").is_none() {
            // CoreDNS forwards for everybody who reaches it.
            table.imply(
                "clients",
                Value::List(vec![item(Value::text("any"), directive)]),
            );
        }
        out.block.tables.push(table);
    }
    Ok(())
}

fn check_upstream(token: &Token) -> Result<(), Fault> {
    let (transport, _) = Transport::of(&token.text);
    match transport {
        Transport::Dns | Transport::Tls | Transport::Https => Ok(()),
        _ => Err(token.fault(format!(
            "`{}` is not supported: upstreams are asked over dns://, tls:// and https://",
            transport.scheme()
        ))),
    }
}

fn read_option(cursor: &mut Cursor<'_>, out: &mut Out<'_>, table: &mut Table) -> Result<(), Fault> {
    let option = cursor.token();
    let place = &option.place;
    let most = i64::from(u32::MAX);
    let mut count = |cursor: &mut Cursor<'_>, key| {
        let value = number(cursor.argument("a number")?, 0..=most, "it is 0 or more")?;
        table.set(key, Value::plain(value), place);
        Ok(())
    };
    match &*option.text {
        "max_fails" => return count(cursor, "max_fails"),
        "max_idle_conns" => return count(cursor, "max_idle_conns"),
        "max_concurrent" => return count(cursor, "max_concurrent"),
        "max_connect_attempts" => return count(cursor, "max_connect_attempts"),
        "max_concurrent_per_tenant" => return count(cursor, "max_concurrent_per_tenant"),
        _ => {}
    }
    let mut time = |cursor: &mut Cursor<'_>, key| {
        table.set(key, duration(cursor.argument("a duration")?)?, place);
        Ok(())
    };
    match &*option.text {
        "expire" => return time(cursor, "expire"),
        "max_age" => return time(cursor, "max_age"),
        "read_timeout" => return time(cursor, "read_timeout"),
        _ => {}
    }
    let mut flag = |cursor: &mut Cursor<'_>, key| {
        cursor.no_argument()?;
        table.set(key, Value::plain(true), place);
        Ok(())
    };
    match &*option.text {
        "force_tcp" => flag(cursor, "force_tcp"),
        "prefer_udp" => flag(cursor, "prefer_udp"),
        "next_on_nodata" => flag(cursor, "next_on_nodata"),
        "failfast_all_unhealthy_upstreams" => flag(cursor, "failfast_all_unhealthy_upstreams"),
        "except" => {
            let zones = zones::arguments(&cursor.some_arguments("zones")?)?;
            table.extend("except", zones);
            Ok(())
        }
        "tls" => {
            let files = cursor.arguments();
            let keys: &[&'static str] = match files.len() {
                0 => &[],
                1 => &["ca"],
                2 => &["certificate", "key"],
                3 => &["certificate", "key", "ca"],
                _ => return Err(files[3].fault("`tls` takes three files at most")),
            };
            let paths = files.iter().map(|file| Value::text(out.path(&file.text)));
            let pairs = keys.iter().copied().zip(paths).collect();
            table.set("tls", Value::Inline(pairs), place);
            Ok(())
        }
        "tls_servername" => {
            table.set_text("tls_servername", cursor.argument("a name")?);
            Ok(())
        }
        "source_address" => {
            table.set_text("source_address", cursor.argument("an address")?);
            Ok(())
        }
        "policy" => {
            let words = ["random", "round_robin", "sequential"];
            let policy = word(cursor.argument("a policy")?, &words)?;
            table.set("policy", policy, place);
            Ok(())
        }
        "health_check" => {
            table.set("health_check", health_check(cursor)?, place);
            Ok(())
        }
        "next" | "failover" => {
            let rcodes = cursor.some_arguments("rcodes, as in NXDOMAIN")?;
            let upper = |token: &&Token| item(Value::text(token.text.to_uppercase()), token);
            let key = if option.text == "next" {
                "next"
            } else {
                "failover"
            };
            table.extend(key, rcodes.iter().map(upper).collect());
            Ok(())
        }
        "clients" => {
            let clients = cursor.some_arguments("`cluster`, `private` or `any`")?;
            for client in &clients {
                word(client, &["cluster", "private", "any"])?;
            }
            table.extend("clients", texts(&clients));
            Ok(())
        }
        "tenants" => {
            table.extend("tenants", texts(&cursor.some_arguments("tenants")?));
            Ok(())
        }
        "doh_method" => {
            let method = word(cursor.argument("a method")?, &["GET", "POST"])?;
            table.set("doh_method", method, place);
            Ok(())
        }
        "resolver" => {
            let addresses = cursor.some_arguments("addresses")?;
            table.extend("resolver", texts(&addresses));
            Ok(())
        }
        _ => Err(cursor.unknown(&OPTIONS)),
    }
}

fn health_check(cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let option = cursor.token();
    let arguments = cursor.some_arguments("a duration")?;
    let mut pairs = vec![("interval", duration(arguments[0])?)];
    let mut rest = arguments[1..].iter();
    while let Some(token) = rest.next() {
        match &*token.text {
            "no_rec" => pairs.push(("no_rec", Value::plain(true))),
            "domain" => {
                let name = rest.next();
                let name = name.ok_or_else(|| option.fault("`domain` needs a name"))?;
                pairs.retain(|(key, _)| *key != "domain");
                pairs.push(("domain", Value::text(zones::argument(name)?.text)));
            }
            other => {
                let message = format!("`{}` is neither `no_rec` nor `domain`", shown(other));
                return Err(token.fault(message));
            }
        }
    }
    pairs.dedup_by_key(|(key, _)| *key);
    Ok(Value::Inline(pairs))
}

/// `loop`
pub(super) fn read_loop(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let table = Table::new("block.loop", Some(&cursor.place()));
    cursor.no_argument()?;
    only_once(cursor)?;
    out.block.tables.push(table);
    Ok(())
}
