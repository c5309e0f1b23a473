//! What a line says: CoreDNS's format strings (plugin/pkg/replacer), with the same words in braces.

use super::entry::Entry;
use super::types::type_name;
use std::fmt::Write;
use std::net::IpAddr;

/// `{common}`: what a line says where nothing else is configured.
const COMMON: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} \
                      {>bufsize}\" {rcode} {>rflags} {rsize} {duration}";
/// What `{combined}` has beside it.
const COMBINED: &str = " \"{>opcode}\"";
/// What stands for a value that there is none of.
const EMPTY: &str = "-";

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    Field(Field),
    /// A metadata label.
    Label(Box<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Type,
    Name,
    Class,
    Protocol,
    Size,
    Remote,
    Port,
    Local,
    Id,
    Opcode,
    DnssecOk,
    PayloadSize,
    Rcode,
    AnswerSize,
    Duration,
    Flags,
}

const FIELDS: [(&str, Field); 16] = [
    ("{type}", Field::Type),
    ("{name}", Field::Name),
    ("{class}", Field::Class),
    ("{proto}", Field::Protocol),
    ("{size}", Field::Size),
    ("{remote}", Field::Remote),
    ("{port}", Field::Port),
    ("{local}", Field::Local),
    ("{>id}", Field::Id),
    ("{>opcode}", Field::Opcode),
    ("{>do}", Field::DnssecOk),
    ("{>bufsize}", Field::PayloadSize),
    ("{rcode}", Field::Rcode),
    ("{rsize}", Field::AnswerSize),
    ("{duration}", Field::Duration),
    ("{>rflags}", Field::Flags),
];

impl Default for Format {
    fn default() -> Self {
        Self::parse(COMMON)
    }
}

impl Format {
    /// Reads a format string. Every text is one: what is no placeholder stands for itself.
    pub fn parse(text: &str) -> Self {
        let text = text.replace("{common}", COMMON);
        let text = text.replace("{combined}", &format!("{COMMON}{COMBINED}"));
        let (mut pieces, mut rest) = (Vec::new(), &*text);
        while let Some(end) = rest.find('}') {
            let (head, tail) = rest.split_at(end + 1);
            // The brace that opened last: `{ {type} }` has a placeholder.
            let start = head.rfind('{').unwrap_or(end);
            let (before, placeholder) = head.split_at(start);
            let field = FIELDS.iter().find(|(name, _)| *name == placeholder);
            let label = placeholder
                .strip_prefix("{/")
                .and_then(|l| l.strip_suffix('}'));
            let piece = match (field, label) {
                (Some((_, field)), _) => Piece::Field(*field),
                (None, Some(label)) => Piece::Label(label.into()),
                (None, None) => {
                    pieces.push(Piece::Literal(head.into()));
                    rest = tail;
                    continue;
                }
            };
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.into()));
            }
            pieces.push(piece);
            rest = tail;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.into()));
        }
        Self(pieces)
    }

    /// Returns whether a line names pods, which has to be asked for.
    pub fn names_pods(&self) -> bool {
        let is = |piece: &Piece| matches!(piece, Piece::Label(l) if **l == *"kubernetes/client-pod-name");
        self.0.iter().any(is)
    }

    /// Adds a line's text, without its end.
    pub fn write(&self, entry: &Entry<'_>, text: &mut String) {
        for piece in &self.0 {
            // Writing to a text can't fail.
            let _ = match piece {
                Piece::Literal(literal) => text.write_str(literal),
                Piece::Field(field) => field.write(entry, text),
                Piece::Label(label) => text.write_str(entry.label(label).unwrap_or(EMPTY)),
            };
        }
    }
}

impl Field {
    fn write(self, entry: &Entry<'_>, text: &mut String) -> std::fmt::Result {
        let exchange = entry.exchange;
        match self {
            Self::Type => text.write_str(&type_name(entry.qtype)),
            Self::Name => write!(text, "{}", entry.name),
            Self::Class => text.write_str(&entry.class_text()),
            Self::Protocol => text.write_str(entry.protocol()),
            Self::Size => write!(text, "{}", exchange.query.len()),
            Self::Remote => address(entry.remote(), text),
            Self::Port => write!(text, "{}", exchange.peer.port()),
            Self::Local => match exchange.local {
                Some(local) => address(local.to_canonical(), text),
                None => text.write_str(EMPTY),
            },
            Self::Id => write!(text, "{}", entry.id),
            Self::Opcode => write!(text, "{}", entry.opcode),
            Self::DnssecOk => write!(text, "{}", entry.dnssec_ok),
            Self::PayloadSize => write!(text, "{}", entry.size),
            Self::Rcode => text.write_str(&entry.rcode_text()),
            Self::AnswerSize => write!(text, "{}", exchange.answer.len()),
            Self::Duration => write!(text, "{}s", exchange.took.as_secs_f64()),
            Self::Flags => text.write_str(&entry.flags()),
        }
    }
}

fn address(address: IpAddr, text: &mut String) -> std::fmt::Result {
    match address {
        IpAddr::V4(v4) => write!(text, "{v4}"),
        IpAddr::V6(v6) => write!(text, "[{v6}]"),
    }
}
