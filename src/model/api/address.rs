//! The texts that are IP addresses or ranges of them. What is none is left out with a warning, because
//! the rest of its object is still right; not a judgment about which addresses make sense.

use super::Flaw;
use ipnet::IpNet;
use std::borrow::Cow;
use std::net::IpAddr;

/// Parses as Go's `net.ParseIP` does: no leading zeros, no scope, and an IPv4 address in IPv6
/// spelling is that IPv4 address.
fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Returns those of the texts that are addresses, and a warning for each other one.
pub(super) fn ips<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    field: &str,
    dropped: &mut Vec<Flaw>,
) -> Vec<IpAddr> {
    let mut list = Vec::new();
    put_ips(texts, || field.to_owned(), &mut list, dropped);
    list
}

/// The same into a list that is there; the field is named only where that is needed.
pub(super) fn put_ips<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    field: impl Fn() -> String,
    list: &mut Vec<IpAddr>,
    dropped: &mut Vec<Flaw>,
) {
    for (i, text) in texts.into_iter().enumerate() {
        match parse_ip(text) {
            Some(ip) => list.push(ip),
            None => dropped.push(not_an_ip(format!("{}[{i}]", field()), text)),
        }
    }
}

/// Returns the address that the text is; none, without a warning, for empty text.
pub(super) fn ip(text: Option<&str>, field: &str, dropped: &mut Vec<Flaw>) -> Option<IpAddr> {
    let text = text.filter(|t| !t.is_empty())?;
    let ip = parse_ip(text);
    if ip.is_none() {
        dropped.push(not_an_ip(field.to_owned(), text));
    }
    ip
}

fn not_an_ip(field: String, text: &str) -> Flaw {
    Flaw::field(field, format!("`{text}` is no IP address, left out"))
}

/// Borrows the texts of a list.
pub(super) fn strs<'a>(list: &'a [Cow<'_, str>]) -> impl Iterator<Item = &'a str> {
    list.iter().map(|text| &**text)
}

/// Returns those of the texts that are address ranges, without host bits as in Go's `net.ParseCIDR`,
/// and a warning for each other one.
pub(super) fn ranges<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    field: &str,
    dropped: &mut Vec<Flaw>,
) -> Vec<IpNet> {
    let mut list = Vec::new();
    for text in texts {
        match text.parse::<IpNet>() {
            Ok(range) => list.push(range.trunc()),
            Err(_) => {
                let message = format!("`{text}` is no address range, left out");
                dropped.push(Flaw::field(field, message));
            }
        }
    }
    list
}
