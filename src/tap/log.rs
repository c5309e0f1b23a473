//! A line of CoreDNS's `log` plugin, in its common or combined format, with whatever a container's
//! runtime or an older CoreDNS puts in front:
//!
//! ```text
//! [INFO] 10.244.0.1:1234 - 5678 "A IN web.shop.svc.cluster.local. udp 56 false 1232" NOERROR qr,aa,rd 106 0.0001s
//! 2026-01-01T00:00:00.000000001Z stdout F [INFO] …
//! ```

use super::Tapped;
use crate::wire::{Name, RType};
use std::net::IpAddr;

/// What CoreDNS puts before what a plugin says at this level.
const LEVEL: &str = "[INFO] ";
/// What stands for a type of which only the name is known: reserved, so that nothing has it, as
/// nothing in a cluster has any type that has no number here.
const NO_ZONE_HAS_IT: RType = RType(0xffff);

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Somebody asked.
    Query(Tapped),
    /// Something else: another plugin's line, a question of another class, or none.
    Other,
    /// It begins as a query's does, and goes on otherwise: cut off, or in a format of one's own.
    Garbled,
}

/// Reads a line.
pub fn read_line(line: &[u8]) -> Said {
    let Ok(line) = std::str::from_utf8(line) else {
        return Said::Other;
    };
    let Some((_, said)) = line.split_once(LEVEL) else {
        return Said::Other;
    };
    let Some((client, rest)) = remote(said) else {
        return Said::Other;
    };
    match query(rest) {
        Some(Some((name, rtype))) => Said::Query(Tapped {
            client,
            name,
            rtype,
        }),
        Some(None) => Said::Other,
        None => Said::Garbled,
    }
}

/// Reads `{remote}:{port} - `, with which every query begins and nothing else does.
fn remote(text: &str) -> Option<(IpAddr, &str)> {
    let (remote, rest) = text.split_once(" - ")?;
    let (address, port) = remote.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let inner = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    let address = inner.unwrap_or(address);
    // The zone of a link-local address is the server's own matter.
    let address = address.split('%').next().unwrap_or_default();
    Some((address.parse::<IpAddr>().ok()?.to_canonical(), rest))
}

/// Reads the rest; the inner `None` is a question that no zone of ours could answer.
fn query(text: &str) -> Option<Option<(Name, RType)>> {
    let (id, rest) = text.split_once(" \"")?;
    id.parse::<u16>().ok()?;
    let (question, rest) = rest.split_at_checked(closing_quote(rest)?)?;
    let fields: Vec<&str> = fields(question).collect();
    let [rtype, class, name, _proto, size, edns_do, payload] = fields.as_slice() else {
        return None;
    };
    size.parse::<u32>().ok()?;
    edns_do.parse::<bool>().ok()?;
    payload.parse::<u32>().ok()?;
    // RCODE, flags, size, duration: a line without them was cut off.
    let rest = rest.strip_prefix("\" ")?;
    let mut answer = rest.split(' ');
    let [_rcode, _flags, size, duration] = [(); 4].map(|()| answer.next().unwrap_or_default());
    let is_done = |text: &str| text == "-" || text.ends_with('s');
    if !(size == "-" || size.parse::<u32>().is_ok()) || !is_done(duration) {
        return None;
    }
    // The combined format ends with the opcode.
    let opcode = answer.next().filter(|text| text.starts_with('"'));
    if *class != "IN" || opcode.is_some_and(|opcode| opcode != "\"0\"") {
        return Some(None);
    }
    let name = name.parse().ok()?;
    Some(Some((name, rtype.parse().unwrap_or(NO_ZONE_HAS_IT))))
}

/// Returns where the quote is that no backslash is before.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// Returns what is between spaces that no backslash is before.
fn fields(text: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |c: char| {
        let ends = c == ' ' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "web.shop.svc.cluster.local.";

    fn said(line: &str) -> String {
        match read_line(line.as_bytes()) {
            Said::Query(Tapped {
                client,
                name,
                rtype,
            }) => format!("{client} {name} {rtype}"),
            Said::Other => "other".to_owned(),
            Said::Garbled => "garbled".to_owned(),
        }
    }

    #[test]
    fn the_formats_of_the_log_plugin_are_read() {
        let web = format!("10.0.0.1 {WEB} A");
        let tail = "NOERROR qr,aa,rd 106 0.000112s";
        let common = |remote: &str, question: &str| {
            format!("[INFO] {remote} - 5678 \"{question} udp 56 false 1232\" {tail}")
        };
        let line = common("10.0.0.1:1234", &format!("A IN {WEB}"));
        for (what, line, expected) in [
            ("common", line.clone(), &*web),
            ("combined", format!("{line} \"0\""), &web),
            (
                "a format with more behind",
                format!("{line} shop/web-0"),
                &web,
            ),
            (
                "an update, in the combined format",
                format!("{line} \"5\""),
                "other",
            ),
            (
                "CRI",
                format!("2026-01-01T00:00:00.1+00:00 stdout F {line}"),
                &web,
            ),
            (
                "klog",
                format!("I0101 00:00:00.123456       1 log.go:245] {line}"),
                &web,
            ),
            (
                "kubectl logs --prefix",
                format!("[pod/coredns-1/coredns] {line}"),
                &web,
            ),
            (
                "CoreDNS before 1.7",
                format!("2019-01-01T00:00:00.000Z {line}"),
                &web,
            ),
            (
                "IPv6",
                common("[fd00::7]:53", &format!("AAAA IN {WEB}")),
                "fd00::7 web.shop.svc.cluster.local. AAAA",
            ),
            (
                "IPv6 with a zone",
                common("[fe80::1%eth0]:53", &format!("SRV IN {WEB}")),
                "fe80::1 web.shop.svc.cluster.local. SRV",
            ),
            (
                "IPv4 as IPv6",
                common("[::ffff:10.0.0.1]:53", &format!("A IN {WEB}")),
                &web,
            ),
            ("the root", common("10.0.0.1:1", "NS IN ."), "10.0.0.1 . NS"),
            (
                "a type by number",
                common("10.0.0.1:1", "TYPE64 IN a."),
                "10.0.0.1 a. SVCB",
            ),
            (
                "a type without a number here",
                common("10.0.0.1:1", "LOC IN a."),
                "10.0.0.1 a. TYPE65535",
            ),
            (
                "a space in a name",
                common("10.0.0.1:1", r"A IN a\ b.c."),
                r"10.0.0.1 a\032b.c. A",
            ),
            (
                "a quote in a name",
                common("10.0.0.1:1", r#"A IN a\"b\\.c."#),
                r#"10.0.0.1 a\"b\\.c. A"#,
            ),
            (
                "octets in a name",
                common("10.0.0.1:1", r"A IN \000\255\..c."),
                r"10.0.0.1 \000\255\..c. A",
            ),
            (
                "a name like a line",
                common("10.0.0.1:1", r"A IN [INFO]\ 10.0.0.2:1\ -\ 1."),
                r"10.0.0.1 [INFO]\03210.0.0.2:1\032-\0321. A",
            ),
            (
                "another class",
                common("10.0.0.1:1", "TXT CH version.bind."),
                "other",
            ),
            (
                "dropped without an answer",
                format!("[INFO] 10.0.0.1:1 - 7 \"A IN {WEB} udp 56 false 512\" - - 0 0.1s"),
                &web,
            ),
        ] {
            assert_eq!(said(&line), expected, "{what}: {line}");
        }
    }

    #[test]
    fn other_lines_and_cut_ones_are_told_apart() {
        let line = format!(
            "[INFO] 10.0.0.1:1234 - 5678 \"A IN {WEB} udp 56 false 1232\" NOERROR qr 1 0.1s"
        );
        for other in [
            "",
            "CoreDNS-1.14.7",
            "[INFO] plugin/reload: Running configuration SHA512 = 1",
            "[INFO] 127.0.0.1:53 is up",
            "[ERROR] plugin/errors: 2 a. A: read udp 10.0.0.1:1->10.0.0.2:53: i/o timeout",
            "[INFO] web:1234 - 5678 \"A",
            "[INFO] 10.0.0.1:70000 - 5678 \"A",
        ] {
            assert_eq!(said(other), "other", "{other}");
        }
        let start = "[INFO] 10.0.0.1:1234 - ".len();
        for end in start..line.len() {
            assert_eq!(said(&line[..end]), "garbled", "{}", &line[..end]);
        }
        assert!(said(&line).ends_with(" A"));
        for garbled in [
            line.replace("5678", "x"),
            line.replace("false", "no"),
            line.replace(" udp", ""),
            line.replace("web.", &format!("{}.", "a".repeat(64))),
            line.replace("web.", "web.."),
            line.replace("web", "\\25"),
        ] {
            assert_eq!(said(&garbled), "garbled", "{garbled}");
        }
        assert_eq!(read_line(b"[INFO] \xff"), Said::Other);
    }
}
