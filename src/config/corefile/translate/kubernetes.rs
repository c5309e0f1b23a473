//! `kubernetes`: a zone's options, and where its objects come from.

use super::values::{duration, number, word};
use super::{Cursor, Fault, Out, Place, Table, Token, Value, once, only_once, texts, zones};

const OPTIONS: [&str; 19] = [
    "endpoint",
    "tls",
    "kubeconfig",
    "namespaces",
    "namespace_labels",
    "labels",
    "pods",
    "endpoint_pod_names",
    "ttl",
    "noendpoints",
    "fallthrough",
    "ignore",
    "multicluster",
    "zonal",
    "startup_timeout",
    "apiserver_qps",
    "apiserver_burst",
    "apiserver_max_inflight",
    "upstream",
];

/// `kubernetes [ZONES…] { … }`
pub(super) fn read(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let place = cursor.place();
    let mut table = Table::new("block.kubernetes", Some(&place));
    let mut source = Table::new("source.kubernetes", None);
    let names = cursor.arguments();
    if !names.is_empty() {
        table.extend("zones", zones::arguments(&names)?);
    }
    let mut has_fallthrough = false;
    while cursor.next_in_block() {
        let option = cursor.token();
        match cursor.text() {
            "pods" => {
                let mode = cursor.argument("`disabled`, `insecure` or `verified`")?;
                let mode = word(mode, &["disabled", "insecure", "verified"])?;
                table.set("pods", mode, &option.place);
            }
            "fallthrough" => {
                has_fallthrough = true;
                let zones = zones::fallthrough(&cursor.arguments(), option)?;
                table.set("fallthrough", Value::List(zones), &option.place);
            }
            "multicluster" => {
                let zones = zones::arguments(&cursor.arguments())?;
                table.set("multicluster", Value::List(zones), &option.place);
            }
            "namespaces" => {
                let names = cursor.some_arguments("namespaces")?;
                table.extend("namespaces", texts(&names));
            }
            "namespace_labels" => set_selector(cursor, &mut table, "namespace_labels")?,
            "labels" => set_selector(cursor, &mut table, "labels")?,
            "ttl" => {
                let tokens = cursor.some_arguments("seconds")?;
                let ttl = number(tokens[0], 0..=3600, "a TTL is 0 to 3600 seconds")?;
                table.set("ttl", Value::plain(ttl), &option.place);
            }
            "startup_timeout" => {
                let tokens = cursor.some_arguments("a duration")?;
                table.set("startup_timeout", duration(tokens[0])?, &option.place);
            }
            "endpoint_pod_names" => set_flag(cursor, &mut table, "endpoint_pod_names")?,
            "noendpoints" => set_flag(cursor, &mut table, "noendpoints")?,
            "zonal" => set_flag(cursor, &mut table, "zonal")?,
            "ignore" => {
                let what = cursor.some_arguments("`empty_service`")?;
                word(what[0], &["empty_service"])?;
                table.set("ignore_empty_service", Value::plain(true), &option.place);
            }
            "apiserver_qps" | "apiserver_burst" | "apiserver_max_inflight" => {
                cursor.argument("a number")?;
                let text = format!(
                    "`{}` has no meaning here: the API is asked once a kind, and watched",
                    option.text
                );
                out.note(&option.place, text);
            }
            "kubeconfig" | "endpoint" | "tls" => read_source(cursor, out, &mut source)?,
            _ => return Err(removed(option).unwrap_or_else(|| cursor.unknown(&OPTIONS))),
        }
    }
    only_once(cursor)?;
    if !has_fallthrough {
        // Nothing falls through that is not told to.
        table.imply("fallthrough", Value::List(Vec::new()));
    }
    out.block.tables.push(table);
    if let Some(place) = source.place.clone() {
        check_source(&source, &place)?;
        once::set(&mut out.once.source, source)?;
    }
    Ok(())
}

fn set_flag(cursor: &mut Cursor<'_>, table: &mut Table, key: &'static str) -> Result<(), Fault> {
    let place = cursor.place();
    cursor.no_argument()?;
    table.set(key, Value::plain(true), &place);
    Ok(())
}

fn set_selector(
    cursor: &mut Cursor<'_>,
    table: &mut Table,
    key: &'static str,
) -> Result<(), Fault> {
    let place = cursor.place();
    let words = cursor.some_arguments("a label selector")?;
    let words: Vec<&str> = words.iter().map(|word| &*word.text).collect();
    table.set(key, Value::text(words.join(" ")), &place);
    Ok(())
}

/// Reads where the API is.
fn read_source(
    cursor: &mut Cursor<'_>,
    out: &mut Out<'_>,
    source: &mut Table,
) -> Result<(), Fault> {
    let option = cursor.token();
    source.place.get_or_insert_with(|| option.place.clone());
    let arguments = cursor.arguments();
    match (&*option.text, &arguments[..]) {
        ("kubeconfig", [file]) => source.set_text("kubeconfig", file),
        ("kubeconfig", [file, context]) => {
            source.set_text("kubeconfig", file);
            source.set_text("context", context);
        }
        ("kubeconfig", _) => {
            return Err(option.fault("`kubeconfig` needs a file, and takes a context behind it"));
        }
        ("endpoint", [url, rest @ ..]) => {
            source.set_text("server", url);
            if let Some(second) = rest.first() {
                out.note(&second.place, "of several endpoints the first counts");
            }
        }
        ("endpoint", []) => return Err(option.fault("`endpoint` needs the API server's address")),
        ("tls", [certificate, key, ca]) => {
            source.set_text("certificate", certificate);
            source.set_text("key", key);
            source.set_text("ca", ca);
        }
        _ => return Err(option.fault("`tls` needs a certificate, its key and the authority's")),
    }
    Ok(())
}

/// A kubeconfig file says all of it, and so does an endpoint.
fn check_source(source: &Table, place: &Place) -> Result<(), Fault> {
    let has = |key| source.value(key).is_some();
    let message = match (has("kubeconfig"), has("server"), has("ca")) {
        (true, true, _) | (true, _, true) => "`kubeconfig` names server and certificates by itself",
        (false, false, true) => "`tls` is for an `endpoint`, which is missing",
        _ => return Ok(()),
    };
    Err(Fault {
        place: place.clone(),
        message: message.into(),
    })
}

/// Says what to write instead of an option that CoreDNS once had.
fn removed(option: &Token) -> Option<Fault> {
    let message = match &*option.text {
        "resyncperiod" => {
            "CoreDNS has no `resyncperiod` since 1.8; take it out: nothing is resynced"
        }
        "upstream" => {
            "CoreDNS has no `upstream` since 1.7; take it out: names outside go through the block \
             again, to `forward`"
        }
        "transfer" => {
            "CoreDNS has no `transfer` in here since 1.8; write `transfer { to … }` beside \
             `kubernetes`"
        }
        "federation" => "CoreDNS has no `federation` since 1.7, nor has Kubernetes; take it out",
        "cidrs" => "CoreDNS has no `cidrs` any more; name the ranges behind `kubernetes`",
        _ => return None,
    };
    Some(option.fault(message))
}

/// `k8s_external [ZONES…] { apex; ttl; headless; fallthrough }`
pub(super) fn read_external(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let mut table = Table::new("block.k8s_external", Some(&cursor.place()));
    let names = cursor.arguments();
    if !names.is_empty() {
        table.extend("zones", zones::arguments(&names)?);
    }
    while cursor.next_in_block() {
        let option = cursor.token();
        match cursor.text() {
            "ttl" => {
                let tokens = cursor.some_arguments("seconds")?;
                let ttl = number(tokens[0], 0..=3600, "a TTL is 0 to 3600 seconds")?;
                table.set("ttl", Value::plain(ttl), &option.place);
            }
            "apex" => table.set_text("apex", cursor.some_arguments("a label")?[0]),
            "headless" => set_flag(cursor, &mut table, "headless")?,
            "fallthrough" => {
                let zones = zones::fallthrough(&cursor.arguments(), option)?;
                table.set("fallthrough", Value::List(zones), &option.place);
            }
            _ => return Err(cursor.unknown(&["ttl", "apex", "headless", "fallthrough"])),
        }
    }
    only_once(cursor)?;
    out.block.tables.push(table);
    Ok(())
}
