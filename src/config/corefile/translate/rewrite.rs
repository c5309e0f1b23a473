//! `rewrite`: rules in order.

use super::values::word;
use super::{Cursor, Fault, Item, Out, Table, Token, Value, shown};

const MATCHES: [&str; 5] = ["exact", "prefix", "suffix", "substring", "regex"];

/// `rewrite [continue|stop] FIELD …`, on a line or in a block.
pub(super) fn read(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    while cursor.next() {
        let directive = cursor.token();
        let mut words = cursor.arguments();
        if words.len() < 2 {
            // Lines of the block are one rule.
            while cursor.next_in_block() {
                words.push(cursor.token());
            }
        }
        let table = rule(directive, &words)?;
        out.block.tables.push(table);
    }
    Ok(())
}

fn rule(directive: &Token, words: &[&Token]) -> Result<Table, Fault> {
    let mut table = Table::entry("block.rewrite", Some(&directive.place));
    let (mode, words) = match words {
        [first, rest @ ..] if ["continue", "stop"].contains(&&*first.text.to_lowercase()) => {
            (first.text.to_lowercase(), rest)
        }
        words => ("stop".into(), words),
    };
    let [field, arguments @ ..] = words else {
        return Err(directive
            .fault("needs a field: `name`, `type`, `class`, `ttl`, `rcode`, `cname` or `edns0`"));
    };
    table.set("mode", Value::text(mode), &directive.place);
    let name = field.text.to_lowercase();
    table.set("field", Value::text(&name), &field.place);
    let count = |wanted: &str| {
        let message = format!("`{name}` needs {wanted}");
        field.fault(message)
    };
    match (&*name, arguments) {
        ("name", [from, to]) => {
            table.set("match", Value::text("exact"), &field.place);
            table.set_text("from", from);
            table.set_text("to", to);
        }
        ("name", [kind, from, to, answers @ ..]) => {
            set_match(&mut table, kind)?;
            table.set_text("from", from);
            table.set_text("to", to);
            if !answers.is_empty() {
                table.extend("answer", answer_rules(kind, answers)?);
            }
        }
        ("name", _) => return Err(count("two names")),
        ("type" | "class", [from, to]) => {
            table.set("from", Value::text(from.text.to_uppercase()), &from.place);
            table.set("to", Value::text(to.text.to_uppercase()), &to.place);
        }
        ("type" | "class", _) => return Err(count("what it is and what it becomes")),
        ("ttl", [from, to]) => {
            table.set("match", Value::text("exact"), &field.place);
            table.set_text("from", from);
            table.set_text("to", to);
        }
        ("ttl", [kind, from, to]) => {
            set_match(&mut table, kind)?;
            table.set_text("from", from);
            table.set_text("to", to);
        }
        ("ttl", _) => return Err(count("a name, and seconds as in `30` or `30-60`")),
        ("rcode", [from, old, to]) => {
            table.set("match", Value::text("exact"), &field.place);
            set_rcodes(&mut table, from, old, to);
        }
        ("rcode", [kind, from, old, to]) => {
            set_match(&mut table, kind)?;
            set_rcodes(&mut table, from, old, to);
        }
        ("rcode", _) => return Err(count("a name, what it is and what it becomes")),
        ("edns0", [kind, action, rest @ ..]) => option_rule(&mut table, kind, action, rest)?,
        ("edns0", _) => return Err(count("`local`, `nsid` or `subnet`, and what to do with it")),
        ("cname", [from, to]) => {
            table.set("match", Value::text("exact"), &field.place);
            table.set_text("from", from);
            table.set_text("to", to);
        }
        ("cname", [kind, from, to]) => {
            set_match(&mut table, kind)?;
            table.set_text("from", from);
            table.set_text("to", to);
        }
        ("cname", _) => return Err(count("a target and what it becomes")),
        ("answer", _) => {
            return Err(field.fault("`answer` stands behind a rule's two names, not alone"));
        }
        _ => {
            let message = format!(
                "`{}` is not a field; they are `name`, `type`, `class`, `ttl`, `rcode`, `cname` and `edns0`",
                shown(&field.text)
            );
            return Err(field.fault(message));
        }
    }
    Ok(table)
}

/// `edns0 local|nsid|subnet ACTION …  [revert]`: what a rule adds is never in an answer, so that
/// `revert` is always.
fn option_rule(
    table: &mut Table,
    kind: &Token,
    action: &Token,
    rest: &[&Token],
) -> Result<(), Fault> {
    let lower = |token: &Token| {
        let mut lower = token.clone();
        lower.text.make_ascii_lowercase();
        lower
    };
    let (kind, action) = (lower(kind), lower(action));
    table.set(
        "option",
        word(&kind, &["local", "nsid", "subnet"])?,
        &kind.place,
    );
    let actions = ["set", "append", "replace", "unset"];
    table.set("action", word(&action, &actions)?, &action.place);
    let unset = action.text == "unset";
    let rest = match rest {
        [rest @ .., last] if last.text == "revert" && !unset => rest,
        rest => rest,
    };
    let number = |token: &Token, most: i64| {
        let digits = token
            .text
            .strip_prefix("0x")
            .or_else(|| token.text.strip_prefix("0X"));
        let parsed = match digits {
            Some(digits) => i64::from_str_radix(digits, 16).ok(),
            None => token.text.parse().ok(),
        };
        let parsed = parsed.filter(|number| (0..=most).contains(number));
        let wrong = || token.fault(format!("`{}` is not 0 to {most}", shown(&token.text)));
        parsed.map(Value::plain).ok_or_else(wrong)
    };
    match (&*kind.text, rest) {
        ("local", [code]) if unset => table.set("code", number(code, 65_535)?, &code.place),
        ("local", [code, value]) if !unset => {
            table.set("code", number(code, 65_535)?, &code.place);
            table.set_text("value", value);
        }
        ("local", _) => {
            return Err(kind.fault("`local` needs a code, and a value unless it is unset"));
        }
        ("nsid", []) => {}
        ("nsid", _) => return Err(kind.fault("`nsid` takes nothing behind what to do")),
        ("subnet", []) if unset => {}
        ("subnet", [v4, v6]) if !unset => {
            table.set("ipv4", number(v4, 32)?, &v4.place);
            table.set("ipv6", number(v6, 128)?, &v6.place);
        }
        _ => {
            return Err(kind.fault("`subnet` needs bits of IPv4 and IPv6 addresses, as in `24 56`"));
        }
    }
    Ok(())
}

fn set_match(table: &mut Table, kind: &Token) -> Result<(), Fault> {
    let mut lower = kind.clone();
    lower.text.make_ascii_lowercase();
    table.set("match", word(&lower, &MATCHES)?, &kind.place);
    Ok(())
}

fn set_rcodes(table: &mut Table, from: &Token, old: &Token, to: &Token) {
    table.set_text("from", from);
    table.set("old", Value::text(old.text.to_uppercase()), &old.place);
    table.set("to", Value::text(to.text.to_uppercase()), &to.place);
}

/// `answer auto`, `answer name FROM TO`, `answer value FROM TO`; the word `answer` may be left out
/// after the first.
fn answer_rules(kind: &Token, words: &[&Token]) -> Result<Vec<Item>, Fault> {
    let mut items = Vec::new();
    let mut rest = words.iter();
    let mut is_first = true;
    while let Some(mut token) = rest.next() {
        if token.text == "answer" {
            let behind = || token.fault("needs `auto`, `name FROM TO` or `value FROM TO`");
            token = rest.next().ok_or_else(behind)?;
        } else if is_first {
            let message = format!(
                "behind the two names stands `answer …` or nothing, not `{}`",
                shown(&token.text)
            );
            return Err(token.fault(message));
        }
        is_first = false;
        let mut pairs = vec![("kind", word(token, &["auto", "name", "value"])?)];
        if token.text != "auto" {
            let (Some(from), Some(to)) = (rest.next(), rest.next()) else {
                return Err(token.fault("needs what it is and what it becomes"));
            };
            pairs.push(("from", Value::text(&from.text)));
            pairs.push(("to", Value::text(&to.text)));
        }
        items.push(super::values::item(Value::Inline(pairs), token));
    }
    let has = |wanted: &str| words.iter().any(|token| token.text == wanted);
    if has("auto") && has("name") {
        return Err(kind.fault("`answer auto` rewrites names by itself; leave out `answer name`"));
    }
    Ok(items)
}
