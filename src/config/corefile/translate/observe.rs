//! `prometheus`, `errors`, `log`, `dnstap`, `trace`: what is told of queries. None of it changes an
//! answer, so what can't be kept is noted.

use super::values::{duration, http_address, item, number, word};
use super::{Cursor, Fault, Item, Out, Table, Value, once, only_once, texts};

/// `prometheus [ADDRESS] { runtime_metrics; tls FILE }`
pub(super) fn prometheus(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let place = cursor.place();
    let mut table = Table::new("metrics", Some(&place));
    let listen = match cursor.arguments()[..] {
        [] => Value::text("127.0.0.1:9153"),
        [address] => http_address(address)?,
        [_, second, ..] => return Err(second.fault("`prometheus` takes one address")),
    };
    table.set("listen", listen, &place);
    while cursor.next_in_block() {
        let option = cursor.token();
        match cursor.text() {
            "runtime_metrics" => {
                cursor.no_argument()?;
                let text = "`runtime_metrics` has no meaning here: there is no Go runtime";
                out.note(&option.place, text);
            }
            "tls" => {
                return Err(option.fault(
                    "metrics are not served over TLS; listen on 127.0.0.1 and put a proxy in front, \
                     as kube-rbac-proxy",
                ));
            }
            _ => return Err(cursor.unknown(&["runtime_metrics"])),
        }
    }
    only_once(cursor)?;
    once::set_first(&mut out.once.metrics, table, out.notes);
    Ok(())
}

/// `errors [stdout] { stacktrace; consolidate DURATION REGEX [LEVEL] [show_first] }`
pub(super) fn errors(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let mut table = Table::new("block.errors", Some(&cursor.place()));
    match cursor.arguments()[..] {
        [] => {}
        [file] if file.text == "stdout" => {}
        [other, ..] => return Err(other.fault("errors go to the log alone; leave this out")),
    }
    let mut rules = Vec::new();
    while cursor.next_in_block() {
        let option = cursor.token();
        match cursor.text() {
            "stacktrace" => {
                let text = "`stacktrace` has no meaning here: a panic's place is always in the log";
                out.note(&option.place, text);
            }
            "consolidate" => rules.push(consolidate(cursor)?),
            _ => return Err(cursor.unknown(&["stacktrace", "consolidate"])),
        }
    }
    only_once(cursor)?;
    if !rules.is_empty() {
        table.extend("consolidate", rules);
    }
    out.block.tables.push(table);
    Ok(())
}

fn consolidate(cursor: &mut Cursor<'_>) -> Result<Item, Fault> {
    const LEVELS: [&str; 4] = ["warning", "error", "info", "debug"];
    let option = cursor.token();
    let arguments = cursor.arguments();
    let [interval, pattern, rest @ ..] = &arguments[..] else {
        return Err(option.fault("`consolidate` needs a duration and a pattern"));
    };
    let mut pairs = vec![
        ("interval", duration(interval)?),
        ("pattern", Value::text(&pattern.text)),
    ];
    let (level, rest) = match rest {
        [level, rest @ ..] if LEVELS.contains(&&*level.text) => (Some(level), rest),
        rest => (None, rest),
    };
    if let Some(level) = level {
        pairs.push(("level", Value::text(&level.text)));
    }
    match rest {
        [] => {}
        [first] if first.text == "show_first" => pairs.push(("show_first", Value::plain(true))),
        [other, ..] => {
            return Err(other.fault(
                "behind the pattern stand a level (`warning`, `error`, `info`, `debug`) and \
                 `show_first`, in this order",
            ));
        }
    }
    Ok(item(Value::Inline(pairs), option))
}

/// The format that `{common}` stands for.
const COMMON: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} {>rflags} {rsize} {duration}";

/// `log [NAMES…] [FORMAT] { class CLASSES… }`
pub(super) fn log(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    while cursor.next() {
        let mut table = Table::entry("block.log", Some(&cursor.place()));
        let mut arguments = cursor.arguments();
        if arguments.len() > 1
            && let Some(format) = arguments.pop_if(|last| last.text.contains('{'))
        {
            let combined = format!("{COMMON} \"{{>opcode}}\"");
            let text = format.text.replace("{common}", COMMON);
            let text = text.replace("{combined}", &combined);
            table.set("format", Value::text(text), &format.place);
        }
        if !arguments.is_empty() {
            table.extend("zones", super::zones::arguments(&arguments)?);
        }
        while cursor.next_in_block() {
            match cursor.text() {
                "class" => {
                    let words = ["all", "denial", "error", "success"];
                    let classes = cursor.some_arguments("classes")?;
                    for class in &classes {
                        word(class, &words)?;
                    }
                    table.extend("class", texts(&classes));
                }
                _ => return Err(cursor.unknown(&["class"])),
            }
        }
        out.block.tables.push(table);
    }
    Ok(())
}

/// `dnstap SOCKET [full] [WRITEBUFFER] [QUEUE] { identity; version; extra; skipverify }`
pub(super) fn dnstap(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    let mut kept = false;
    while cursor.next() {
        let word = cursor.token();
        let mut table = Table::new("block.dnstap", Some(&word.place));
        let arguments = cursor.some_arguments("where to send to")?;
        let is_listener = arguments[0].text == "listen";
        if let Some(mode) = arguments.get(1).filter(|_| !is_listener) {
            table.set("full", Value::plain(mode.text == "full"), &mode.place);
        }
        for size in arguments.iter().skip(2).filter(|_| !is_listener) {
            number(size, 1..=4096, "it is 1 to 4096")?;
            out.note(
                &size.place,
                "the sizes of dnstap's buffers are chosen here by themselves",
            );
        }
        table.set_text("to", arguments[0]);
        while cursor.next_in_block() {
            let option = cursor.token();
            match cursor.text() {
                "identity" => table.set_text("identity", cursor.argument("a text")?),
                "version" => table.set_text("version", cursor.argument("a text")?),
                "extra" | "skipverify" | "tls" => {
                    cursor.arguments();
                    let text = format!("`{}` of dnstap has no meaning here", option.text);
                    out.note(&option.place, text);
                }
                _ => {
                    let known = ["identity", "version", "extra", "skipverify", "tls"];
                    return Err(cursor.unknown(&known));
                }
            }
        }
        if is_listener {
            out.note(
                &word.place,
                "`dnstap listen` is left out: dnstap is sent, not waited for",
            );
        } else if kept {
            out.note(&word.place, "of several dnstap receivers the first counts");
        } else {
            kept = true;
            out.block.tables.push(table);
        }
    }
    Ok(())
}

/// `trace`: Zipkin and Datadog are not spoken here.
pub(super) fn trace(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let text = "`trace` is left out: neither Zipkin nor Datadog is spoken here; `[opentelemetry] to` sends spans \
                to a collector";
    out.note(&cursor.place(), text);
    out.block.comments.push(text.into());
    Ok(())
}
