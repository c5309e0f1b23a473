//! Zones in keys and arguments. A range stands for reverse zones, and is written as it stands.

use super::super::lexer::Token;
use super::super::page::Item;
use super::super::{Fault, key};
use crate::config::zones;
use crate::wire::Name;
use ipnet::IpNet;

/// A zone as it is written in TOML, with the names that it stands for.
#[derive(Debug, Clone)]
pub(in super::super) struct Zone {
    pub(in super::super) text: String,
    pub(in super::super) names: Vec<Name>,
}

/// Reads a zone that has no scheme and no port.
///
/// # Errors
/// It is none.
pub(in super::super) fn zone(text: &str) -> Result<Zone, String> {
    let text = match text.parse::<IpNet>() {
        Ok(range) => range.trunc().to_string(),
        Err(_) if text == "." => ".".into(),
        Err(_) => {
            let name = text.strip_suffix('.').unwrap_or(text);
            name.to_ascii_lowercase()
        }
    };
    let names = zones::zone(&text)?;
    Ok(Zone { text, names })
}

/// Reads a zone that an argument names: a scheme and a port say nothing there.
///
/// # Errors
/// It is none.
pub(super) fn argument(token: &Token) -> Result<Zone, Fault> {
    let (_, rest) = key::Transport::of(&token.text);
    let (name, _) = key::split_port(rest);
    // As some write it, and as CoreDNS accepts it.
    let name = if name == "/." { "." } else { name };
    zone(name).map_err(|message| token.fault(message))
}

/// Reads zones that arguments name, each once: CoreDNS does not mind one twice.
///
/// # Errors
/// One of them is none.
pub(super) fn arguments(tokens: &[&Token]) -> Result<Vec<Item>, Fault> {
    let mut items: Vec<Item> = Vec::new();
    for token in tokens {
        let item = Item {
            value: super::Value::text(argument(token)?.text),
            place: token.place.clone(),
        };
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(items)
}

/// Reads the arguments of `fallthrough`: none are all zones.
///
/// # Errors
/// One of them is none.
pub(super) fn fallthrough(tokens: &[&Token], word: &Token) -> Result<Vec<Item>, Fault> {
    if !tokens.is_empty() {
        return arguments(tokens);
    }
    Ok(vec![Item {
        value: super::Value::text("."),
        place: word.place.clone(),
    }])
}
