//! `health`, `ready`, `reload`: how the server is watched, changed and stopped.

use super::values::{duration, http_address, word};
use super::{Cursor, Fault, Out, Table, Value, once, only_once};

/// `health [ADDRESS] { lameduck DURATION }`
pub(super) fn health(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    while cursor.next() {
        let place = cursor.place();
        let mut table = Table::new("health", Some(&place));
        let listen = match cursor.arguments()[..] {
            [] => Value::text(":8080"),
            [address] => http_address(address)?,
            [_, second, ..] => return Err(second.fault("`health` takes one address")),
        };
        table.set("listen", listen, &place);
        // CoreDNS has none unless it is told.
        table.set("lameduck", Value::text("0s"), &place);
        while cursor.next_in_block() {
            let option = cursor.token();
            match cursor.text() {
                "lameduck" => {
                    let value = duration(cursor.argument("a duration")?)?;
                    table.set("lameduck", value, &option.place);
                }
                _ => return Err(cursor.unknown(&["lameduck"])),
            }
        }
        once::set(&mut out.once.health, table)?;
    }
    Ok(())
}

/// `ready [ADDRESS] { monitor until-ready|continuously }`
pub(super) fn ready(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let place = cursor.place();
    let mut table = Table::new("ready", Some(&place));
    let listen = match cursor.arguments()[..] {
        [] => Value::text(":8181"),
        [address] => http_address(address)?,
        [_, second, ..] => return Err(second.fault("`ready` takes one address")),
    };
    table.set("listen", listen, &place);
    while cursor.next_in_block() {
        let option = cursor.token();
        match cursor.text() {
            "monitor" => {
                let value = cursor.argument("`until-ready` or `continuously`")?;
                let value = word(value, &["until-ready", "continuously"])?;
                table.set("monitor", value, &option.place);
            }
            _ => return Err(cursor.unknown(&["monitor"])),
        }
    }
    only_once(cursor)?;
    once::set(&mut out.once.ready, table)
}

/// `reload [INTERVAL] [JITTER]`
pub(super) fn reload(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let mut table = Table::new("reload", Some(&cursor.place()));
    let arguments = cursor.arguments();
    if let Some(third) = arguments.get(2) {
        return Err(third.fault("`reload` takes an interval and a jitter"));
    }
    for (key, token) in ["interval", "jitter"].into_iter().zip(arguments) {
        table.set(key, duration(token)?, &token.place);
    }
    once::set(&mut out.once.reload, table)
}
