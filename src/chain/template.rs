//! The `template` step: answers that the operator writes, with parts of the question in them. Of Go's
//! templates, what answers need: `{{ .Name }}`, `{{ .Type }}`, `{{ .Class }}`, `{{ .Zone }}`,
//! `{{ .Match }}` and `{{ index .Match 1 }}`, `{{ .Group.name }}` and `{{ index .Group "name" }}`.

use super::longest;
use super::pattern::Pattern;
use crate::wire::{Name, QClass, QName, RType, Rcode};

/// One `template` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateOptions {
    /// `class`: ANY is every class.
    pub class: QClass,
    /// `type`: ANY is every type.
    pub rtype: RType,
    /// `zones`, in lower case.
    pub zones: Vec<Name>,
    /// `match`: the first that matches the name counts; without any every name matches.
    pub patterns: Vec<Pattern>,
    /// `answer`, `authority` and `additional`: a record each.
    pub sections: [Vec<TemplateText>; 3],
    /// `rcode`.
    pub rcode: Rcode,
    /// `ederror`: code and text of an extended error.
    pub error: Option<(u16, Box<str>)>,
    /// `fallthrough`, in lower case: names there that no pattern matches are for the next table.
    pub fallthrough: Vec<Name>,
}

/// What a table says of a question.
pub enum Matched {
    /// It is for another table.
    Next,
    /// It is for this table, which does not match: SERVFAIL.
    Unmatched,
    /// It is answered with this in its templates.
    With(Parts),
}

/// What templates are filled with.
pub struct Parts {
    zone: String,
    name: String,
    class: &'static str,
    rtype: String,
    /// Each group of the pattern, with its name; the whole match is the first.
    groups: Vec<(Option<Box<str>>, String)>,
}

impl TemplateOptions {
    /// Matches a question, whose name in lower case is `text`.
    pub fn matches(&self, qname: &QName<'_>, text: &str, of: (QClass, RType)) -> Matched {
        let Some(zone) = longest(&self.zones, qname) else {
            return Matched::Next;
        };
        let (qclass, qtype) = of;
        let is_class = [self.class, qclass].contains(&QClass::ANY) || self.class == qclass;
        let is_type = [self.rtype, qtype].contains(&RType::ANY) || self.rtype == qtype;
        if !is_class || !is_type {
            return Matched::Next;
        }
        let groups = match &*self.patterns {
            [] => Some(vec![(None, text.to_owned())]),
            patterns => patterns.iter().find_map(|pattern| pattern.groups(text)),
        };
        let Some(groups) = groups else {
            return match longest(&self.fallthrough, qname) {
                Some(_) => Matched::Next,
                None => Matched::Unmatched,
            };
        };
        let class = if qclass == QClass::ANY {
            self.class
        } else {
            qclass
        };
        let rtype = if qtype == RType::ANY {
            self.rtype
        } else {
            qtype
        };
        Matched::With(Parts {
            zone: super::text::shown(zone.as_wire()),
            name: text.to_owned(),
            class: match class {
                QClass::IN => "IN",
                QClass::CH => "CH",
                QClass::ANY => "ANY",
                _ => "",
            },
            rtype: match rtype.mnemonic() {
                Some(text) => text.to_owned(),
                None => String::new(),
            },
            groups,
        })
    }
}

/// A text with places to fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateText {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Zone,
    Name,
    Class,
    Type,
    AllMatches,
    Match(usize),
    Group(Box<str>),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("`{{{{` in the template has no `}}}}`")]
    Unclosed,
    /// An action that is not carried out here.
    #[error(
        "`{{{{{0}}}}}` is not supported; in templates `.Name`, `.Type`, `.Class`, `.Zone`, \
         `.Match`, `index .Match N`, `.Group.NAME` and `index .Group \"NAME\"` are"
    )]
    Unsupported(Box<str>),
}

impl std::str::FromStr for TemplateText {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let (mut rest, mut trims) = (text, false);
        while let Some((before, after)) = rest.split_once("{{") {
            let (action, after) = after.split_once("}}").ok_or(TemplateError::Unclosed)?;
            // Go's `{{-` and `-}}` take the blanks beside them away.
            let (action, left) = match action.strip_prefix("- ") {
                Some(action) => (action, true),
                None => (action, false),
            };
            let (action, right) = match action.strip_suffix(" -") {
                Some(action) => (action, true),
                None => (action, false),
            };
            let before = if trims { before.trim_start() } else { before };
            let before = if left { before.trim_end() } else { before };
            push_text(&mut pieces, before);
            let action = action.trim();
            let is_comment = action.starts_with("/*") && action.ends_with("*/");
            if !is_comment {
                let piece = piece(action);
                pieces.push(piece.ok_or_else(|| TemplateError::Unsupported(action.into()))?);
            }
            (rest, trims) = (after, right);
        }
        push_text(&mut pieces, if trims { rest.trim_start() } else { rest });
        Ok(Self { pieces })
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
}

fn piece(action: &str) -> Option<Piece> {
    let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match action {
        ".Zone" => return Some(Piece::Zone),
        ".Name" => return Some(Piece::Name),
        ".Class" => return Some(Piece::Class),
        ".Type" => return Some(Piece::Type),
        ".Match" => return Some(Piece::AllMatches),
        _ => {}
    }
    if let Some(key) = action.strip_prefix(".Group.") {
        let starts = key.starts_with(|c: char| is_key(c) && !c.is_ascii_digit());
        return (starts && key.chars().all(is_key)).then(|| Piece::Group(key.into()));
    }
    let mut words = action.split_ascii_whitespace();
    match (words.next()?, words.next()?, words.next()?, words.next()) {
        ("index", ".Match", number, None) => Some(Piece::Match(number.parse().ok()?)),
        ("index", ".Group", key, None) => {
            let key = key.strip_prefix('"')?.strip_suffix('"')?;
            key.chars().all(is_key).then(|| Piece::Group(key.into()))
        }
        _ => None,
    }
}

impl TemplateText {
    /// Fills the places, or returns `None` where a match is asked for that there is none of.
    pub fn filled(&self, parts: &Parts) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Zone => filled.push_str(&parts.zone),
                Piece::Name => filled.push_str(&parts.name),
                Piece::Class => filled.push_str(parts.class),
                Piece::Type => filled.push_str(&parts.rtype),
                Piece::AllMatches => {
                    let all: Vec<&str> = parts.groups.iter().map(|group| &*group.1).collect();
                    filled.push('[');
                    filled.push_str(&all.join(" "));
                    filled.push(']');
                }
                Piece::Match(number) => filled.push_str(&parts.groups.get(*number)?.1),
                Piece::Group(key) => match parts.group(key) {
                    Some(text) => filled.push_str(text),
                    // What Go writes for a key that a map has not.
                    None => filled.push_str("<no value>"),
                },
            }
        }
        Some(filled)
    }
}

impl Parts {
    fn group(&self, key: &str) -> Option<&str> {
        let mut groups = self.groups.iter().rev();
        let named = groups.find(|(name, _)| name.as_deref() == Some(key));
        let numbered = || self.groups.get(key.parse::<usize>().ok()?);
        named.or_else(numbered).map(|(_, text)| &**text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_and_what_is_not_supported_is_named() {
        let parts = Parts {
            zone: "example.".to_owned(),
            name: "ip-10.example.".to_owned(),
            class: "IN",
            rtype: "A".to_owned(),
            groups: vec![
                (None, "ip-10".to_owned()),
                (Some("n".into()), "10".to_owned()),
            ],
        };
        for (text, expected) in [
            (
                "{{ .Name }} 60 {{.Class}} {{ .Type }} x",
                Ok("ip-10.example. 60 IN A x"),
            ),
            (
                "{{ index .Match 1 }}/{{ .Group.n }}/{{ index .Group \"1\" }}",
                Ok("10/10/10"),
            ),
            ("{{ .Match }} {{ .Zone }}", Ok("[ip-10 10] example.")),
            ("a  {{- .Group.n -}}  b{{/* why */}}", Ok("a10b")),
            ("{{ .Group.none }}", Ok("<no value>")),
            ("{{ index .Match 2 }}", Ok("")),
            ("{{ .Name", Err("`{{` in the template has no `}}`")),
            ("{{ .Remote }}", Err("`{{.Remote}}` is not supported")),
            ("{{ if true }}", Err("`{{if true}}` is not supported")),
            ("{{ .Meta \"kubernetes/x\" }}", Err("is not supported")),
            ("{{ parseInt .Group.n 16 8 }}", Err("is not supported")),
        ] {
            match (text.parse::<TemplateText>(), expected) {
                (Ok(template), Ok(expected)) => {
                    assert_eq!(
                        template.filled(&parts).unwrap_or_default(),
                        expected,
                        "{text}"
                    );
                }
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}");
                }
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
