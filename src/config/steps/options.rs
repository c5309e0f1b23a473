//! `[[rewrite]]` with `field = "edns0"`: options of what goes to an upstream, with the words of CoreDNS's
//! `rewrite edns0`.

use super::rewrite::needed;
use crate::chain::{OptionAction, OptionRule, OptionValue};
use crate::config::document::Section;
use crate::config::text::shown;
use crate::wire::OPTION_NSID;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Local,
    Nsid,
    Subnet,
}

/// Codes up to this one have a meaning that a text would only spoil.
const LAST_ASSIGNED: u64 = 19;

const CODES: &str =
    "it is 20 to 65535; below are `nsid`, `subnet`, and what is no operator's to say";

/// Reads one rule.
pub(super) fn read(table: &mut Section<'_>) -> Option<OptionRule> {
    let (mut kind, mut action) = (None, None);
    let kinds = [
        ("local", Some(Kind::Local)),
        ("nsid", Some(Kind::Nsid)),
        ("subnet", Some(Kind::Subnet)),
    ];
    let actions = [
        ("set", Some(OptionAction::Set)),
        ("append", Some(OptionAction::Append)),
        ("replace", Some(OptionAction::Replace)),
        ("unset", Some(OptionAction::Unset)),
    ];
    if !table.has("option") || !table.has("action") {
        table.problem("needs `option` and `action`");
    }
    table.choice("option", &mut kind, &kinds);
    table.choice("action", &mut action, &actions);
    let unset = action == Some(OptionAction::Unset);
    let (code, value) = match kind? {
        Kind::Nsid => (OPTION_NSID, Some(OptionValue::Octets(Box::default()))),
        Kind::Subnet if unset => (OptionRule::SUBNET, Some(OptionValue::ClientSubnet(0, 0))),
        Kind::Subnet => (OptionRule::SUBNET, read_subnet(table)),
        Kind::Local => {
            let mut code = 0u16;
            needed(table, "code");
            let codes = LAST_ASSIGNED + 1..=u64::from(u16::MAX);
            let value = match unset {
                true => Some(OptionValue::Octets(Box::default())),
                false => needed(table, "value").and_then(|field| field.parsed("a text", value)),
            };
            table.number("code", &mut code, codes, CODES);
            (code, value)
        }
    };
    Some(OptionRule {
        action: action?,
        code,
        value: value?,
    })
}

fn read_subnet(table: &mut Section<'_>) -> Option<OptionValue> {
    let (mut v4, mut v6) = (0u8, 0u8);
    if !table.has("ipv4") || !table.has("ipv6") {
        table.problem("needs `ipv4` and `ipv6`: how many bits of a client's address are told");
        return None;
    }
    table.number("ipv4", &mut v4, 0..=32, "it is 0 to 32 bits");
    table.number("ipv6", &mut v6, 0..=128, "it is 0 to 128 bits");
    Some(OptionValue::ClientSubnet(v4, v6))
}

/// Parses what an option says: a text, octets behind `0x`, or a variable in braces.
fn value(text: &str) -> Result<OptionValue, String> {
    if let Some(digits) = text.strip_prefix("0x") {
        return octets(digits).ok_or_else(|| format!("`{}` is not hexadecimal", shown(text)));
    }
    let variable = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    match variable {
        None if text.len() <= 1024 => Ok(OptionValue::Octets(text.as_bytes().into())),
        None => Err(format!("has {} octets; at most 1024 fit", text.len())),
        Some("qname") => Ok(OptionValue::Qname),
        Some("qtype") => Ok(OptionValue::Qtype),
        Some("client_ip") => Ok(OptionValue::ClientAddress),
        Some("client_port") => Ok(OptionValue::ClientPort),
        Some("server_ip") => Ok(OptionValue::ServerAddress),
        Some("kubernetes/client-namespace") => Ok(OptionValue::ClientNamespace),
        Some(_) => Err(format!(
            "`{}` is not known to rules; they know `{{qname}}`, `{{qtype}}`, `{{client_ip}}`, \
             `{{client_port}}`, `{{server_ip}}` and `{{kubernetes/client-namespace}}`",
            shown(text)
        )),
    }
}

fn octets(digits: &str) -> Option<OptionValue> {
    let pairs = digits.as_bytes().chunks(2);
    let octet = |pair: &[u8]| {
        let is_pair = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(pair).ok().filter(|_| is_pair)?;
        u8::from_str_radix(text, 16).ok()
    };
    let octets: Option<Vec<u8>> = pairs.map(octet).collect();
    octets
        .filter(|octets| octets.len() <= 1024)
        .map(|octets| OptionValue::Octets(octets.into()))
}
