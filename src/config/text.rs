//! The values that stand in texts: durations, listeners, names, keys. Not zones, which have a file
//! of their own, and not where a text stands: [`super::document`] knows that.

use crate::server::{Endpoint, Scheme};
use crate::tenancy::{NamePattern, ServiceRef};
use ipnet::IpNet;
use regex::Regex;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Returns `text` on one line and not too long, to be quoted in an error.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut quoted: String = text.chars().take(LONGEST).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    // Quotes stay as they are: the text stands between backticks.
    quoted
        .chars()
        .flat_map(|c| match c {
            '"' | '\'' | '\\' => vec![c],
            _ => c.escape_debug().collect(),
        })
        .collect()
}

/// Returns the word nearest to `text`, where one is near enough to have been meant.
pub(super) fn closest<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    words
        .iter()
        .map(|word| (distance(text, word), *word))
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Edits between two words; two letters swapped count once, as typing errors do.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    // Rows of the usual table: the one before the previous, the previous, and the current one.
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let change = previous[j] + usize::from(x != y);
            let mut cost = change.min(previous[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && *y == a[i - 1] {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous.last().copied().unwrap_or(0)
}

/// Parses a duration as Go does: numbers with units, `1m30s`; only zero needs no unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        let text = shown(text);
        format!(
            "`{text}` is not a duration; it is numbers with units, as in `5s`, `150ms`, `1m30s`"
        )
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let number_len = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_len);
        let part = nanoseconds(number, unit).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = next;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Ok(Duration::from_nanos(total))
}

fn nanoseconds(number: &str, unit: &str) -> Option<u64> {
    let unit: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut total = match whole {
        "" => 0,
        digits => digits.parse::<u64>().ok()?.checked_mul(unit)?,
    };
    let mut digit_worth = unit;
    for digit in fraction.chars() {
        digit_worth /= 10;
        total = total.checked_add(u64::from(digit.to_digit(10)?) * digit_worth)?;
    }
    Some(total)
}

/// Parses an address to listen on with HTTP, as [`listener`].
pub(super) fn http_listener(text: &str) -> Result<SocketAddr, String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!(
            "`{}` is not an address; HTTP is served at `{}`, without a scheme",
            shown(&format!("{scheme}://{rest}")),
            shown(rest)
        ));
    }
    address(text, 8080)
}

/// An address, or a Unix socket.
pub(super) enum Place {
    Address(SocketAddr),
    Unix(PathBuf),
}

/// Parses where the administrator comes in: an address, or `unix:` and a path.
pub(super) fn place(text: &str) -> Result<Place, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket_path(path).map(Place::Unix);
    }
    address(text, 9154).map(Place::Address)
}

/// Parses the path of a Unix socket.
pub(super) fn socket_path(path: &str) -> Result<PathBuf, String> {
    // What the kernel's address of a socket holds, without its final zero.
    const LONGEST: usize = 107;
    if !path.starts_with('/') || path.len() > LONGEST || path.contains('\0') {
        return Err(format!(
            "`{}` is not the path of a socket: it starts with `/` and has at most {LONGEST} octets",
            shown(path)
        ));
    }
    Ok(path.into())
}

/// Parses an address to listen on: `127.0.0.1:5300`, `[::]:53`, or `:53` for every address; with what is
/// spoken there in front, where that is not plain DNS: `tls://:853`.
pub(super) fn listener(text: &str) -> Result<Endpoint, String> {
    let Some((name, rest)) = text.split_once("://") else {
        return address(text, 53).map(Endpoint::from);
    };
    let known = Scheme::ALL.iter().find(|known| known.as_str() == name);
    match known.filter(|known| known.is_encrypted()) {
        Some(&scheme) if cfg!(feature = "encrypted") => {
            let address = address(rest, scheme.port())?;
            Ok(Endpoint { scheme, address })
        }
        Some(_) => Err(format!(
            "`{name}://` needs a tenantdns that was built with the feature `encrypted`"
        )),
        None if matches!(name, "https3" | "grpc") => {
            Err(super::document::unavailable(&format!("{name}://")))
        }
        None => Err(format!(
            "`{}` is not known; UDP and TCP are served at `{}`, without a scheme",
            shown(&format!("{name}://")),
            shown(rest)
        )),
    }
}

/// Parses an address to listen on with plain DNS, as [`listener`]: the command line names no certificate.
pub(super) fn plain_listener(text: &str) -> Result<Endpoint, String> {
    match listener(text)? {
        endpoint if endpoint.scheme == Scheme::Dns => Ok(endpoint),
        endpoint => Err(format!(
            "`{endpoint}` needs a certificate; write it to `listen` of a file that has [tls]"
        )),
    }
}

/// Parses the address where another server's queries are told.
pub(super) fn peer(text: &str) -> Result<SocketAddr, String> {
    address(text, 6000)
}

/// Parses an address with a port; `usual` is the port that errors suggest.
fn address(text: &str, usual: u16) -> Result<SocketAddr, String> {
    let port_only = text.strip_prefix(':').and_then(|port| port.parse().ok());
    if let Some(port) = port_only {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        // One spelling for each address, so that the same one twice is seen.
        return Ok(match address.ip().to_canonical() {
            IpAddr::V4(v4) => SocketAddr::from((v4, address.port())),
            IpAddr::V6(_) => address,
        });
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    Err(match bare.parse::<IpAddr>() {
        Ok(ip) => format!(
            "`{}` has no port; write `{}`",
            shown(text),
            SocketAddr::new(ip, usual)
        ),
        Err(_) => format!(
            "`{}` is not an address with a port, as in `127.0.0.1:{usual}`, `[::]:{usual}` or \
             `:{usual}`",
            shown(text)
        ),
    })
}

/// Parses the name of a namespace or of a service (RFC 1123 label).
pub(super) fn object_name(text: &str) -> Result<Box<str>, String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=63).contains(&text.len())
        && text.chars().all(legal)
        && !text.starts_with('-')
        && !text.ends_with('-')
    {
        return Ok(text.into());
    }
    Err(format!(
        "`{}` is not a name in Kubernetes: 1 to 63 of a-z, 0-9 and `-`, no `-` first or last",
        shown(text)
    ))
}

/// Parses a namespace's name, or `prefix-*` for every one that starts with `prefix-`.
pub(super) fn pattern(text: &str) -> Result<NamePattern, String> {
    let Some(prefix) = text.strip_suffix('*') else {
        return object_name(text).map(NamePattern::Exact);
    };
    let stem = prefix
        .strip_suffix('-')
        .and_then(|stem| object_name(stem).ok());
    if stem.is_none() {
        // `kube*` would take `kubeflow-…` too, and `*` everybody's namespace: nobody means that
        // where a list gives rights.
        return Err(format!(
            "`{}` is not a pattern; one is a name's start, then `-*`, as in `team-*`",
            shown(text)
        ));
    }
    Ok(NamePattern::Prefix(prefix.into()))
}

/// Parses `namespace/name`.
pub(super) fn service(text: &str) -> Result<ServiceRef, String> {
    let wrong = || {
        format!(
            "`{}` is not a service; one is `namespace/name`",
            shown(text)
        )
    };
    let (namespace, name) = text.split_once('/').ok_or_else(wrong)?;
    if name.contains('/') {
        return Err(wrong());
    }
    Ok(ServiceRef {
        namespace: object_name(namespace)?,
        name: object_name(name)?,
    })
}

/// Parses the key of a label or annotation: a name, with an optional `domain/` before it.
pub(super) fn metadata_key(text: &str) -> Result<Box<str>, String> {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    let is_name = (1..=63).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    let is_domain = |d: &str| d.len() <= 253 && d.split('.').all(|part| object_name(part).is_ok());
    if is_name && domain.is_none_or(is_domain) {
        return Ok(text.into());
    }
    Err(format!(
        "`{}` is not the key of a label or annotation, as in `team` or `example.com/team`",
        shown(text)
    ))
}

/// Parses the name of a tenant: whatever a label or annotation may hold.
pub(super) fn tenant(text: &str) -> Result<Box<str>, String> {
    if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
        return Err(format!(
            "`{}` is not a tenant's name: it is not empty and has no blank at its ends",
            shown(text)
        ));
    }
    Ok(text.into())
}

/// Parses an expression that finds the tenant in a namespace's name.
pub(super) fn tenant_expression(text: &str) -> Result<Regex, String> {
    let expression = Regex::new(text).map_err(|error| {
        // Its text is a drawing of several lines; the last one says what is wrong.
        let drawing = error.to_string();
        let last = drawing.lines().last().unwrap_or("").trim();
        let reason = last.strip_prefix("error: ").unwrap_or(last);
        format!("`{}` is not a regular expression: {reason}", shown(text))
    })?;
    if expression
        .capture_names()
        .flatten()
        .any(|name| name == "tenant")
    {
        return Ok(expression);
    }
    Err(format!(
        "`{}` has no group `tenant`; write `(?P<tenant>…)` around the part that names the tenant",
        shown(text)
    ))
}

/// Parses what the keys of labels end with: a dot or more in front, and the end of a key.
pub(super) fn label_suffix(text: &str) -> Result<Box<str>, String> {
    // A namespace's name is put in front.
    if text.starts_with('.') && metadata_key(&format!("a{text}")).is_ok() {
        return Ok(text.into());
    }
    Err(format!(
        "`{}` is not the end of a label's key, as in `.tree.hnc.x-k8s.io/depth`",
        shown(text)
    ))
}

/// Parses a range of addresses; one address is the range of it alone.
pub(super) fn cidr(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let range = text.parse::<IpNet>().ok().or_else(single);
    let wrong = || {
        format!(
            "`{}` is not a range of addresses, as in `10.9.0.0/16`",
            shown(text)
        )
    };
    let range = range.ok_or_else(wrong)?;
    if range.trunc() != range {
        return Err(format!(
            "`{}` has bits behind its length; the range is `{}`",
            shown(text),
            range.trunc()
        ));
    }
    Ok(range)
}
