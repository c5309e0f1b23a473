//! `cache`: how long forwarded answers are kept. Those of the cluster's names are never kept, whatever
//! is written.

use super::values::{duration, number, word};
use super::{Cursor, Fault, Out, Table, Token, Value, only_once, shown, zones};

const OPTIONS: [&str; 10] = [
    "success",
    "denial",
    "prefetch",
    "serve_stale",
    "serve_stale_policy",
    "servfail",
    "disable",
    "keepttl",
    "isolation",
    "bytes",
];

/// What is said of one kind of answers.
#[derive(Default)]
struct Kept {
    capacity: Option<i64>,
    ttl: Option<i64>,
    min_ttl: Option<i64>,
}

/// `cache [TTL] [ZONES…] { … }`
pub(super) fn read(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let place = cursor.place();
    let mut table = Table::new("block.cache", Some(&place));
    let mut names = cursor.arguments();
    let (mut success, mut denial) = (Kept::default(), Kept::default());
    if let Some(first) = names.first().copied()
        && first.text.parse::<i64>().is_ok()
    {
        let ttl = ttl(first)?;
        (success.ttl, denial.ttl) = (Some(ttl), Some(ttl));
        names.remove(0);
    }
    if !names.is_empty() {
        table.extend("zones", zones::arguments(&names)?);
    }
    let mut disabled: Vec<(&'static str, Value)> = Vec::new();
    let mut disabled_at = None;
    let (mut stale, mut policy) = (None::<(Vec<(&'static str, Value)>, &Token)>, None);
    while cursor.next_in_block() {
        let option = cursor.token();
        match cursor.text() {
            "success" => kept(cursor, &mut success)?,
            "denial" => kept(cursor, &mut denial)?,
            "prefetch" => table.set("prefetch", prefetch(cursor)?, &option.place),
            "serve_stale" => stale = Some((serve_stale(cursor)?, option)),
            "serve_stale_policy" => {
                let mut value = cursor.argument("`prefer_positive`")?.clone();
                value.text.make_ascii_lowercase();
                word(&value, &["prefer_positive"])?;
                policy = Some(option);
            }
            "servfail" => {
                let value = duration(cursor.argument("a duration")?)?;
                table.set("servfail", value, &option.place);
            }
            "keepttl" => {
                cursor.no_argument()?;
                table.set("keepttl", Value::plain(true), &option.place);
            }
            "disable" => {
                let arguments = cursor.some_arguments("`success` or `denial`")?;
                word(arguments[0], &["success", "denial"])?;
                let key = match &*arguments[0].text {
                    "success" => "success",
                    _ => "denial",
                };
                let zones = zones::fallthrough(&arguments[1..], option)?;
                disabled.retain(|(other, _)| *other != key);
                disabled.push((key, Value::List(zones)));
                disabled_at.get_or_insert(option);
            }
            "isolation" => {
                let value = word(
                    cursor.argument("`shared` or `tenant`")?,
                    &["shared", "tenant"],
                )?;
                table.set("isolation", value, &option.place);
            }
            "bytes" => table.set_text("bytes", cursor.argument("a size")?),
            _ => return Err(cursor.unknown(&OPTIONS)),
        }
    }
    only_once(cursor)?;
    for (key, kept) in [("success", &success), ("denial", &denial)] {
        let pairs = [
            ("capacity", kept.capacity),
            ("ttl", kept.ttl),
            ("min_ttl", kept.min_ttl),
        ];
        let pairs: Vec<_> = pairs
            .into_iter()
            .filter_map(|(key, value)| Some((key, Value::plain(value?))))
            .collect();
        if !pairs.is_empty() {
            table.set(key, Value::Inline(pairs), &place);
        }
    }
    if let (None, Some(option)) = (&stale, policy) {
        return Err(option.fault("`serve_stale_policy` needs `serve_stale`"));
    }
    if let Some((mut pairs, option)) = stale {
        pairs.extend(policy.map(|_| ("prefer_positive", Value::plain(true))));
        table.set("serve_stale", Value::Inline(pairs), &option.place);
    }
    if let Some(option) = disabled_at {
        table.set("disable", Value::Inline(disabled), &option.place);
    }
    out.block.tables.push(table);
    Ok(())
}

fn ttl(token: &Token) -> Result<i64, Fault> {
    number(
        token,
        1..=i64::from(u32::MAX),
        "a TTL in a cache is 1 second and more",
    )
}

/// `success|denial CAPACITY [TTL] [MINTTL]`
fn kept(cursor: &mut Cursor<'_>, kept: &mut Kept) -> Result<(), Fault> {
    let arguments = cursor.some_arguments("a capacity")?;
    let most = i64::from(u32::MAX);
    kept.capacity = Some(number(arguments[0], 0..=most, "a capacity is 0 and more")?);
    if let Some(token) = arguments.get(1) {
        kept.ttl = Some(ttl(token)?);
    }
    if let Some(token) = arguments.get(2) {
        kept.min_ttl = Some(number(token, 0..=most, "the least TTL is 0 and more")?);
    }
    Ok(())
}

/// `prefetch AMOUNT [DURATION] [PERCENTAGE%]`
fn prefetch(cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let arguments = cursor.some_arguments("how often a name is asked for")?;
    if let Some(fourth) = arguments.get(3) {
        return Err(fourth.fault("`prefetch` takes an amount, a duration and a percentage"));
    }
    let most = i64::from(u32::MAX);
    let amount = number(arguments[0], 0..=most, "an amount is 0 and more")?;
    let mut pairs = vec![("amount", Value::plain(amount))];
    if let Some(token) = arguments.get(1) {
        pairs.push(("duration", duration(token)?));
    }
    if let Some(token) = arguments.get(2) {
        let percentage = token
            .text
            .strip_suffix('%')
            .and_then(|text| text.parse().ok());
        let percentage: Option<i64> = percentage.filter(|number| (10..=90).contains(number));
        let wrong = || token.fault(format!("`{}` is not 10% to 90%", shown(&token.text)));
        pairs.push(("percentage", Value::plain(percentage.ok_or_else(wrong)?)));
    }
    Ok(Value::Inline(pairs))
}

/// `serve_stale [DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]`
fn serve_stale(cursor: &mut Cursor<'_>) -> Result<Vec<(&'static str, Value)>, Fault> {
    const BEHIND: [&str; 3] = ["verify_timeout", "response_ttl", "failure_recheck"];
    let arguments = cursor.arguments();
    let time = match arguments.first() {
        Some(token) => duration(token)?,
        None => Value::text("1h"),
    };
    let mut pairs = vec![("for", time)];
    let Some(token) = arguments.get(1) else {
        return Ok(pairs);
    };
    let mut mode = (*token).clone();
    mode.text.make_ascii_lowercase();
    pairs.push(("mode", word(&mode, &["immediate", "verify"])?));
    let keys = match &*mode.text {
        "verify" => &BEHIND[..],
        _ => &BEHIND[1..],
    };
    for (number, token) in arguments[2..].iter().enumerate() {
        let Some(key) = keys.get(number) else {
            let message = format!("`{}` takes {} durations at most", mode.text, keys.len());
            return Err(token.fault(message));
        };
        pairs.push((key, duration(token)?));
    }
    Ok(pairs)
}
