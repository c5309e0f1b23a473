//! What changes answers in a few words: `acl`, `any`, `autopath`, `bufsize`, `chaos`, `dns64`,
//! `header`, `loadbalance`, `local`, `minimal`, `nsid`.

use super::values::{duration, item, number, word};
use super::{Cursor, Fault, Item, Out, Table, Token, Value, only_once, shown, texts, zones};

/// `acl [ZONES…] { ACTION [type TYPES…] [net NETS…] }`
pub(super) fn acl(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    while cursor.next() {
        let mut table = Table::entry("block.acl", Some(&cursor.place()));
        let names = cursor.arguments();
        if !names.is_empty() {
            table.extend("zones", zones::arguments(&names)?);
        }
        let mut rules = Vec::new();
        while cursor.next_in_block() {
            let action = cursor.token();
            let rule = acl_rule(action, &cursor.arguments())?;
            rules.push(item(Value::Inline(rule), action));
        }
        table.extend("rules", rules);
        out.block.tables.push(table);
    }
    Ok(())
}

fn acl_rule(action: &Token, words: &[&Token]) -> Result<Vec<(&'static str, Value)>, Fault> {
    let mut lower = action.clone();
    lower.text.make_ascii_lowercase();
    let mut rule = vec![(
        "action",
        word(&lower, &["allow", "block", "filter", "drop"])?,
    )];
    let section = |token: &Token| match &*token.text.to_lowercase() {
        "type" => Some("types"),
        "net" => Some("nets"),
        _ => None,
    };
    let mut rest = words;
    let mut sections: Vec<(&'static str, Vec<Item>, bool)> = Vec::new();
    while let [head, tail @ ..] = rest {
        let Some(key) = section(head) else {
            let message = format!("`{}` is neither `type` nor `net`", shown(&head.text));
            return Err(head.fault(message));
        };
        let end = tail.iter().position(|token| section(token).is_some());
        let (own, next) = tail.split_at(end.unwrap_or(tail.len()));
        if own.is_empty() {
            return Err(head.fault(format!("`{}` names nothing", head.text)));
        }
        // `*` is everything, whatever stands beside it.
        let all = own.iter().any(|token| token.text == "*");
        match sections.iter_mut().find(|(other, ..)| *other == key) {
            Some((_, items, everything)) => {
                items.extend(texts(own));
                *everything |= all;
            }
            None => sections.push((key, texts(own), all)),
        }
        rest = next;
    }
    let named = sections
        .into_iter()
        .filter(|(_, _, everything)| !everything);
    rule.extend(named.map(|(key, items, _)| (key, Value::List(items))));
    Ok(rule)
}

/// `any`
pub(super) fn any(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    bare(cursor, out, "block.any")
}

/// `minimal`
pub(super) fn minimal(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    bare(cursor, out, "block.minimal")
}

/// A directive that is on where it is written.
fn bare(cursor: &mut Cursor<'_>, out: &mut Out<'_>, name: &str) -> Result<(), Fault> {
    cursor.next();
    let table = Table::new(name, Some(&cursor.place()));
    cursor.no_argument()?;
    cursor.no_block()?;
    out.block.tables.push(table);
    Ok(())
}

/// `local { localhost_prefix on }`
pub(super) fn local(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let table = Table::new("block.local", Some(&cursor.place()));
    cursor.no_argument()?;
    while cursor.next_in_block() {
        match cursor.text() {
            "localhost_prefix" => {
                let value = cursor.argument("`on`")?;
                if value.text != "on" {
                    let message = "names that start with `localhost.` are always answered here";
                    return Err(value.fault(message));
                }
            }
            _ => return Err(cursor.unknown(&["localhost_prefix"])),
        }
    }
    out.block.tables.push(table);
    Ok(())
}

/// `nsid [TEXT…]`: without one it is the host's name.
pub(super) fn nsid(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let place = cursor.place();
    let mut table = Table::new("block.nsid", Some(&place));
    let words = cursor.arguments();
    if !words.is_empty() {
        let words: Vec<&str> = words.iter().map(|word| &*word.text).collect();
        table.set("id", Value::text(words.join(" ")), &place);
    }
    only_once(cursor)?;
    out.block.tables.push(table);
    Ok(())
}

/// `chaos [VERSION] [AUTHORS…]`
pub(super) fn chaos(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let mut table = Table::new("block.chaos", Some(&cursor.place()));
    if let [version, ref authors @ ..] = cursor.arguments()[..] {
        table.set_text("version", version);
        if !authors.is_empty() {
            table.extend("authors", texts(authors));
        }
    }
    cursor.no_block()?;
    out.block.tables.push(table);
    Ok(())
}

/// `bufsize [SIZE]`
pub(super) fn bufsize(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let mut table = Table::new("block.bufsize", Some(&cursor.place()));
    match cursor.arguments()[..] {
        [] => {}
        [size] => {
            let octets = number(size, 512..=4096, "it is 512 to 4096 octets")?;
            table.set("size", Value::plain(octets), &size.place);
        }
        [_, second, ..] => return Err(second.fault("`bufsize` takes one size")),
    }
    out.block.tables.push(table);
    Ok(())
}

/// `dns64 [PREFIX] { prefix; translate_all; allow_ipv4 }`: several are one.
pub(super) fn dns64(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    let mut table: Option<Table> = None;
    while cursor.next() {
        let place = cursor.place();
        let table = table.get_or_insert_with(|| Table::new("block.dns64", Some(&place)));
        match cursor.arguments()[..] {
            [] => {}
            [prefix] => table.set_text("prefix", prefix),
            [_, second, ..] => return Err(second.fault("`dns64` takes one prefix")),
        }
        while cursor.next_in_block() {
            let option = cursor.token();
            match cursor.text() {
                "prefix" => table.set_text("prefix", cursor.argument("a prefix")?),
                "translate_all" => table.set("translate_all", Value::plain(true), &option.place),
                "allow_ipv4" => table.set("allow_ipv4", Value::plain(true), &option.place),
                _ => return Err(cursor.unknown(&["prefix", "translate_all", "allow_ipv4"])),
            }
        }
    }
    out.block.tables.extend(table);
    Ok(())
}

/// `autopath [ZONES…] @kubernetes|FILE`: of several the last counts.
pub(super) fn autopath(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    let mut last = None;
    while cursor.next() {
        let mut table = Table::new("block.autopath", Some(&cursor.place()));
        let mut names = cursor.some_arguments("`@kubernetes` or a file like /etc/resolv.conf")?;
        let from = names.pop();
        if !names.is_empty() {
            table.extend("zones", zones::arguments(&names)?);
        }
        if let Some(from) = from {
            match from.text.strip_prefix('@') {
                Some("kubernetes") => table.set("from", Value::text("kubernetes"), &from.place),
                Some(_) => return Err(from.fault("search lists come from `@kubernetes` or a file")),
                None => table.set_text("from", from),
            }
        }
        last = Some(table);
    }
    out.block.tables.extend(last);
    Ok(())
}

/// `header { query|response set|clear FLAGS… }`
pub(super) fn header(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    let mut rules = 0usize;
    cursor.next();
    let directive = cursor.token();
    while cursor.next_in_block() {
        let selector = cursor.token();
        let lower = |token: &Token| {
            let mut lower = token.clone();
            lower.text.make_ascii_lowercase();
            lower
        };
        if ["set", "clear"].contains(&&*lower(selector).text) {
            return Err(selector.fault(format!(
                "write `response {}` with the flags behind it",
                selector.text
            )));
        }
        let mut table = Table::entry("block.header", Some(&selector.place));
        let of = word(&lower(selector), &["query", "response"])?;
        table.set("of", of, &selector.place);
        let arguments = cursor.some_arguments("`set` or `clear`, and flags behind it")?;
        let action = word(&lower(arguments[0]), &["set", "clear"])?;
        table.set("action", action, &arguments[0].place);
        let mut flags = Vec::new();
        for flag in &arguments[1..] {
            flags.push(item(word(&lower(flag), &["aa", "ra", "rd"])?, flag));
        }
        if flags.is_empty() {
            return Err(selector.fault("needs flags: `aa`, `ra`, `rd`"));
        }
        table.extend("flags", flags);
        rules += 1;
        out.block.tables.push(table);
    }
    match rules {
        0 => Err(directive.fault("needs a rule, as in `response set ra`")),
        _ => Ok(()),
    }
}

/// `loadbalance [round_robin] { prefer NETS… }`, `loadbalance weighted FILE { reload }`
pub(super) fn loadbalance(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let mut table = Table::new("block.loadbalance", Some(&cursor.place()));
    let mut is_weighted = false;
    match cursor.arguments()[..] {
        [] => {}
        [policy] if policy.text == "round_robin" => table.set_text("policy", policy),
        [policy, file] if policy.text == "weighted" => {
            is_weighted = true;
            table.set_text("policy", policy);
            table.set("file", Value::text(out.path(&file.text)), &file.place);
        }
        [policy, ..] if policy.text == "weighted" => {
            return Err(policy.fault("`weighted` needs one file, which has the weights"));
        }
        [policy, ..] => {
            return Err(policy.fault("`loadbalance` takes `round_robin`, or `weighted` and a file"));
        }
    }
    let mut nets = Vec::new();
    while cursor.next_in_block() {
        let option = cursor.token();
        match cursor.text() {
            "reload" if is_weighted => {
                let value = duration(cursor.argument("a duration")?)?;
                table.set("reload", value, &option.place);
            }
            "prefer" if !is_weighted => nets.extend(texts(&cursor.some_arguments("prefixes")?)),
            "reload" => return Err(option.fault("`reload` is for `weighted`")),
            "prefer" => return Err(option.fault("`prefer` is for `round_robin`, as in CoreDNS")),
            _ => return Err(cursor.unknown(&["reload", "prefer"])),
        }
    }
    if !nets.is_empty() {
        table.extend("prefer", nets);
    }
    only_once(cursor)?;
    out.block.tables.push(table);
    Ok(())
}
