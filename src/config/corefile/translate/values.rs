//! Numbers, durations and addresses in arguments, checked as CoreDNS's plugins check them.

use super::{Fault, Item, Token, Value, shown};
use crate::config::text;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

/// Reads a whole number; `rule` says which ones there may be.
///
/// # Errors
/// It is none of them.
pub(super) fn number(token: &Token, range: RangeInclusive<i64>, rule: &str) -> Result<i64, Fault> {
    let number = token.text.parse().ok().filter(|n| range.contains(n));
    number.ok_or_else(|| token.fault(format!("`{}` is out of range; {rule}", shown(&token.text))))
}

/// Reads a duration as Go does, and returns it as it is written.
///
/// # Errors
/// It is none, or a negative one.
pub(super) fn duration(token: &Token) -> Result<Value, Fault> {
    let text = token.text.strip_prefix('+').unwrap_or(&token.text);
    text::duration(text)
        .map(|_| Value::text(text))
        .map_err(|message| token.fault(message))
}

/// Reads where HTTP is served, as in `:8080`; `localhost` is a loopback address.
///
/// # Errors
/// It is no address with a port.
pub(super) fn http_address(token: &Token) -> Result<Value, Fault> {
    let text = match token.text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => token.text.clone(),
    };
    let is_address = text::http_listener(&text).map(|_: SocketAddr| ());
    is_address.map_err(|message| token.fault(message))?;
    Ok(Value::text(text))
}

/// Reads one of several words.
///
/// # Errors
/// It is none of them.
pub(super) fn word(token: &Token, words: &[&str]) -> Result<Value, Fault> {
    match words.contains(&&*token.text) {
        true => Ok(Value::text(&token.text)),
        false => Err(token.fault(format!(
            "`{}` is not one of {}",
            shown(&token.text),
            super::super::listed(words)
        ))),
    }
}

/// Returns a list's item.
pub(super) fn item(value: Value, token: &Token) -> Item {
    Item {
        value,
        place: token.place.clone(),
    }
}
