//! `hosts`, `template`: records that the operator writes, which everybody who reaches the block sees. And
//! `transfer`, who may have all of a zone's.

use super::values::{duration, item, number};
use super::{Cursor, Fault, Out, Table, Value, only_once, texts, zones};

/// `hosts [FILE [ZONES…]] { ADDRESS NAMES…; ttl; no_reverse; reload; fallthrough }`
pub(super) fn hosts(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let place = cursor.place();
    let mut table = Table::new("block.hosts", Some(&place));
    match cursor.arguments()[..] {
        // As CoreDNS: beside what is written below.
        [] => table.set("file", Value::text("/etc/hosts"), &place),
        [file, ref names @ ..] => {
            table.set("file", Value::text(out.path(&file.text)), &file.place);
            if !names.is_empty() {
                table.extend("zones", zones::arguments(names)?);
            }
        }
    }
    let mut falls = false;
    while cursor.next_in_block() {
        let option = cursor.token();
        match cursor.text() {
            "fallthrough" => {
                falls = true;
                let zones = zones::fallthrough(&cursor.arguments(), option)?;
                table.set("fallthrough", Value::List(zones), &option.place);
            }
            "fallthrough_unsupported" => {
                return Err(option.fault(
                    "`fallthrough_unsupported` is not supported; `fallthrough` takes names that are \
                     not here to the next step",
                ));
            }
            "no_reverse" => table.set("no_reverse", Value::plain(true), &option.place),
            "ttl" => {
                let tokens = cursor.some_arguments("seconds")?;
                let ttl = number(tokens[0], 1..=65_535, "it is 1 to 65535 seconds")?;
                table.set("ttl", Value::plain(ttl), &option.place);
            }
            "reload" => {
                let value = duration(cursor.argument("a duration")?)?;
                table.set("reload", value, &option.place);
            }
            _ if falls => {
                return Err(
                    option.fault("addresses stand above `fallthrough`; below it are options alone")
                );
            }
            _ => {
                let names = cursor.arguments();
                let words: Vec<&str> = std::iter::once(&option)
                    .chain(&names)
                    .map(|token| &*token.text)
                    .collect();
                table.extend("inline", vec![item(Value::text(words.join(" ")), option)]);
            }
        }
    }
    only_once(cursor)?;
    out.block.tables.push(table);
    Ok(())
}

/// `template CLASS TYPE [ZONES…] { match; answer; additional; authority; rcode; ederror; fallthrough }`
pub(super) fn template(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    const OPTIONS: [&str; 7] = [
        "match",
        "answer",
        "additional",
        "authority",
        "rcode",
        "ederror",
        "fallthrough",
    ];
    while cursor.next() {
        let directive = cursor.token();
        let mut table = Table::entry("block.template", Some(&directive.place));
        let arguments = cursor.arguments();
        let [class, rtype, names @ ..] = &arguments[..] else {
            return Err(directive.fault("needs a class and a type, as in `template IN A`"));
        };
        table.set_text("class", class);
        table.set_text("type", rtype);
        if !names.is_empty() {
            table.extend("zones", zones::arguments(names)?);
        }
        while cursor.next_in_block() {
            let option = cursor.token();
            match cursor.text() {
                "match" => table.extend("match", texts(&cursor.some_arguments("a pattern")?)),
                "answer" => table.extend("answer", texts(&cursor.some_arguments("a record")?)),
                "additional" => {
                    table.extend("additional", texts(&cursor.some_arguments("a record")?));
                }
                "authority" => {
                    table.extend("authority", texts(&cursor.some_arguments("a record")?));
                }
                "rcode" => table.set_text("rcode", cursor.argument("a code, as in NXDOMAIN")?),
                "ederror" => {
                    let arguments = cursor.some_arguments("a code, and a reason behind it")?;
                    let code = number(arguments[0], 0..=65_535, "it is 0 to 65535")?;
                    let mut pairs = vec![("code", Value::plain(code))];
                    if let Some(reason) = arguments.get(1) {
                        pairs.push(("reason", Value::text(&reason.text)));
                    }
                    table.set("ederror", Value::Inline(pairs), &option.place);
                }
                "fallthrough" => {
                    let zones = zones::fallthrough(&cursor.arguments(), option)?;
                    table.set("fallthrough", Value::List(zones), &option.place);
                }
                "upstream" => {
                    cursor.arguments();
                    let text = "`upstream` has no meaning here, nor in CoreDNS; take it out";
                    out.note(&option.place, text);
                }
                _ => return Err(cursor.unknown(&OPTIONS)),
            }
        }
        out.block.tables.push(table);
    }
    Ok(())
}

/// `transfer [ZONES…] { to ADDRESSES…; source ADDRESS }`
pub(super) fn transfer(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let word = cursor.token();
    let mut table = Table::new("block.transfer", Some(&word.place));
    let names = cursor.arguments();
    if !names.is_empty() {
        table.extend("zones", zones::arguments(&names)?);
    }
    while cursor.next_in_block() {
        match cursor.text() {
            "to" => {
                let to = cursor.some_arguments("addresses, or `*`")?;
                table.extend("to", texts(&to));
            }
            "source" => {
                if table.value("source").is_some() {
                    return Err(cursor.fault("there is a `source` already"));
                }
                table.set_text("source", cursor.argument("an address")?);
            }
            _ => return Err(cursor.unknown(&["to", "source"])),
        }
    }
    if table.value("to").is_none() {
        return Err(word.fault("needs `to`, the addresses that may transfer"));
    }
    if cursor.next() {
        return Err(cursor.fault("one `transfer` a server block is supported; put them together"));
    }
    out.block.tables.push(table);
    Ok(())
}
