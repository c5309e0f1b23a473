//! One record in master-file text (RFC 1035 section 5.1), as templates write it:
//! `owner [TTL] [class] type data`, class and TTL in either order. Not whole files: no `$ORIGIN`, no
//! record over several lines.

use super::record::{Data, Record};
use crate::wire::{Name, QClass, RType};
use std::net::{Ipv4Addr, Ipv6Addr};

/// TTL of a record whose text has none, as in miekg/dns.
const DEFAULT_TTL: u32 = 3600;

/// Reads one record, or returns `None` where the text is none, or of a type whose data can't be read
/// as text here (then it can be written as RFC 3597's `\# length hexadecimal`).
pub fn record(text: &str) -> Option<Record> {
    let mut words = Words { rest: text };
    let owner: Name = words.next()?.text.parse().ok()?;
    let (mut ttl, mut class) = (None, None);
    let rtype = loop {
        let word = words.next()?.text;
        if let (None, Some(seconds)) = (ttl, seconds(&word)) {
            ttl = Some(seconds);
        } else if let (None, Some(number)) = (class, class_of(&word)) {
            class = Some(number);
        } else {
            break word.parse::<RType>().ok()?;
        }
    };
    let data: Vec<Word> = words.collect();
    let data = match data.split_first() {
        Some((first, rest)) if !first.is_quoted && first.text == "\\#" => unknown(rest)?,
        _ => known(rtype, &data)?,
    };
    Some(Record {
        owner,
        rtype,
        class: class.unwrap_or(QClass::IN),
        ttl: ttl.unwrap_or(DEFAULT_TTL),
        data,
    })
}

/// Reads a class by its mnemonic.
pub fn class_of(text: &str) -> Option<QClass> {
    match text.to_ascii_uppercase().as_str() {
        "IN" => Some(QClass::IN),
        "CH" => Some(QClass::CH),
        "HS" => Some(QClass(4)),
        "ANY" => Some(QClass::ANY),
        _ => None,
    }
}

/// Reads a number of seconds, or BIND's `1h30m`.
fn seconds(text: &str) -> Option<u32> {
    let (mut total, mut number) = (0u32, None::<u32>);
    for c in text.chars() {
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            digit => {
                let digit = digit.to_digit(10)?;
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
                continue;
            }
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    match number {
        Some(rest) => total.checked_add(rest),
        None => (!text.is_empty()).then_some(total),
    }
}

/// RFC 3597 section 5: a length, and so many octets in hexadecimal.
fn unknown(words: &[Word]) -> Option<Vec<Data>> {
    let (length, rest) = words.split_first()?;
    let digits: Vec<u8> = rest.iter().flat_map(|word| word.text.bytes()).collect();
    let octets: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| {
            let text = std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(text, 16).ok()
        })
        .collect();
    let octets = octets.filter(|octets| length.text.parse() == Ok(octets.len()))?;
    Some(vec![Data::Octets(octets.into())])
}

fn known(rtype: RType, words: &[Word]) -> Option<Vec<Data>> {
    let octets = |octets: &[u8]| Some(vec![Data::Octets(octets.into())]);
    let name = |at: usize| Some(Data::Name(words.get(at)?.text.parse().ok()?));
    let number = |at: usize| words.get(at)?.text.parse::<u16>().ok();
    let wide = |at: usize| seconds(&words.get(at)?.text);
    let count = words.len();
    match rtype {
        RType::A if count == 1 => octets(&words.first()?.text.parse::<Ipv4Addr>().ok()?.octets()),
        RType::AAAA if count == 1 => {
            octets(&words.first()?.text.parse::<Ipv6Addr>().ok()?.octets())
        }
        RType::CNAME | RType::NS | RType::PTR | RType(39) if count == 1 => Some(vec![name(0)?]),
        RType::MX if count == 2 => {
            let preference = number(0)?.to_be_bytes();
            Some(vec![Data::Octets(preference.into()), name(1)?])
        }
        RType::SRV if count == 4 => {
            let numbers = [number(0)?, number(1)?, number(2)?];
            let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
            Some(vec![Data::Octets(numbers.into()), name(3)?])
        }
        RType::SOA if count == 7 => {
            let numbers = [wide(2)?, wide(3)?, wide(4)?, wide(5)?, wide(6)?];
            let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
            Some(vec![name(0)?, name(1)?, Data::Octets(numbers.into())])
        }
        RType::TXT | RType(99) if count > 0 => {
            let texts: Option<Vec<Vec<u8>>> = words.iter().map(Word::string).collect();
            octets(&texts?.concat())
        }
        RType::HINFO if count == 2 => {
            let texts: Option<Vec<Vec<u8>>> = words.iter().map(Word::string).collect();
            octets(&texts?.concat())
        }
        RType::CAA if count == 3 => {
            let flag: u8 = words.first()?.text.parse().ok()?;
            let tag = words.get(1)?.string()?;
            let value = words.get(2)?.octets()?;
            octets(&[&[flag], &*tag, &value].concat())
        }
        RType::NAPTR if count == 6 => {
            let numbers = [number(0)?, number(1)?];
            let mut front: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
            for word in words.get(2..5)? {
                front.extend(word.string()?);
            }
            Some(vec![Data::Octets(front.into()), name(5)?])
        }
        _ => None,
    }
}

// === words ===

/// The words of a line: apart by blanks, or in quotes; a comment ends them.
struct Words<'a> {
    rest: &'a str,
}

struct Word {
    /// As written, escapes included.
    text: String,
    is_quoted: bool,
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        let blank = |c: char| c.is_ascii_whitespace() || c == '(' || c == ')';
        let rest = self.rest.trim_start_matches(blank);
        let is_quoted = rest.starts_with('"');
        let body = rest.strip_prefix('"').unwrap_or(rest);
        if rest.is_empty() || rest.starts_with(';') {
            self.rest = "";
            return None;
        }
        let mut is_escaped = false;
        let end = body.find(|c: char| {
            let ends = !is_escaped
                && if is_quoted {
                    c == '"'
                } else {
                    blank(c) || c == ';'
                };
            is_escaped = !is_escaped && c == '\\';
            ends
        });
        let (text, after) = body.split_at(end.unwrap_or(body.len()));
        self.rest = match is_quoted {
            true => after.strip_prefix('"').unwrap_or(""),
            false => after,
        };
        let text = text.to_owned();
        Some(Word { text, is_quoted })
    }
}

impl Word {
    /// Returns its octets, escapes resolved.
    fn octets(&self) -> Option<Vec<u8>> {
        let mut octets = Vec::with_capacity(self.text.len());
        let mut bytes = self.text.bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'\\' {
                octets.push(byte);
                continue;
            }
            let first = bytes.next()?;
            if !first.is_ascii_digit() {
                octets.push(first);
                continue;
            }
            let mut value = u32::from(first - b'0');
            for _ in 0..2 {
                let digit = bytes.next().filter(u8::is_ascii_digit)?;
                value = value * 10 + u32::from(digit - b'0');
            }
            octets.push(u8::try_from(value).ok()?);
        }
        Some(octets)
    }

    /// Returns it as character-strings: a length before each 255 octets.
    fn string(&self) -> Option<Vec<u8>> {
        let octets = self.octets()?;
        if octets.is_empty() {
            return Some(vec![0]);
        }
        let chunks = octets.chunks(255);
        Some(
            chunks
                .flat_map(|chunk| [&[chunk.len() as u8], chunk].concat())
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let record = record(text)?;
        let data = record.data.iter().map(|part| match part {
            Data::Octets(octets) => octets.iter().map(|o| format!("{o:02x}")).collect(),
            Data::Name(name) => name.to_string(),
        });
        let data: Vec<String> = data.collect();
        Some(format!(
            "{} {} {} {} {}",
            record.owner,
            record.ttl,
            record.class.0,
            record.rtype,
            data.join(" ")
        ))
    }

    #[test]
    fn records_are_read_from_text() {
        for (text, expected) in [
            ("a.b. 60 IN A 192.0.2.1", Some("a.b. 60 1 A c0000201")),
            (
                "a.b. IN 1h AAAA ::1",
                Some("a.b. 3600 1 AAAA 00000000000000000000000000000001"),
            ),
            ("a.b A 192.0.2.1", Some("a.b. 3600 1 A c0000201")),
            ("a.b. 5 MX 10 mx.b.", Some("a.b. 5 1 MX 000a mx.b.")),
            (
                "a. 5 SRV 1 2 3 t.b. ; comment",
                Some("a. 5 1 SRV 000100020003 t.b."),
            ),
            (
                "a. 60 IN SOA ns.a. h.a. (1 60 60 60 60)",
                Some("a. 60 1 SOA ns.a. h.a. 000000010000003c0000003c0000003c0000003c"),
            ),
            (
                "a. 5 CH TXT \"x y\" z\\\"",
                Some("a. 5 3 TXT 03782079027a22"),
            ),
            ("a. 5 TXT \"\"", Some("a. 5 1 TXT 00")),
            (
                "a. 5 CAA 0 issue \"ca\"",
                Some("a. 5 1 CAA 000569737375656361"),
            ),
            ("a. 5 TYPE731 \\# 3 abCdef", Some("a. 5 1 TYPE731 abcdef")),
            ("a. 5 IN A 192.0.2.1 extra", None),
            ("a. 5 IN A", None),
            ("a..b. 5 IN A 192.0.2.1", None),
            ("a. 5 IN NOTYPE x", None),
            ("a. 5 TYPE731 \\# 2 abcdef", None),
            ("", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }
}
