//! Text to objects: the documents of a YAML or JSON stream, their lists, and their numbers. Not the
//! meaning of any field; `convert` knows that.
//!
//! A document is never held as a tree: each object is converted as soon as its last line is read,
//! and only the fields that some kind reads are kept until then. A list of 150,000 Pods would
//! otherwise cost gigabytes for a moment.

use super::Diagnostic;
use super::convert::{Outcome, convert};
use super::fields::kept;
use crate::model::{Kind, Object, ObjectKey};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, NonFiniteFloatPolicy};
use std::collections::HashMap;
use std::fmt;

/// The two notations of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// YAML.
    Yaml,
    /// JSON, one or more values one after the other.
    Json,
    /// Begins like JSON; flow-style YAML does too.
    Either,
}

impl Format {
    /// Returns what text of no file looks like, by kubectl's rule: JSON begins with a brace.
    pub(super) fn of_text(text: &str) -> Self {
        if text.trim_start().starts_with('{') {
            Self::Either
        } else {
            Self::Yaml
        }
    }
}

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Its objects, in their order.
    pub(super) objects: Vec<Object>,
    /// What is wrong with some of them.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The lines at which the documents begin that hold objects of our own kinds.
    pub(super) lines: HashMap<(Kind, ObjectKey), u64>,
}

/// Parses all documents of a text.
///
/// # Errors
/// The text is no YAML or JSON, or exceeds the limits that keep small texts small in memory. What
/// was parsed before that place is in `into`.
pub(super) fn parse(text: &str, format: Format, into: &mut Parsed) -> Result<(), Box<Diagnostic>> {
    // Windows editors put it there; YAML allows it and JSON does not.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        Format::Yaml => parse_yaml(text, into),
        Format::Json => parse_json(text, into),
        Format::Either => {
            let mut json = Parsed::default();
            let Err(not_json) = parse_json(text, &mut json) else {
                *into = json;
                return Ok(());
            };
            // Where it stops to be JSON says more than that the brace has no end.
            let meant_json = text.trim_start_matches(['{', ' ', '\t', '\r', '\n']);
            parse_yaml(text, into).map_err(|not_yaml| {
                if meant_json.starts_with('"') {
                    not_json
                } else {
                    not_yaml
                }
            })
        }
    }
}

fn parse_json(text: &str, into: &mut Parsed) -> Result<(), Box<Diagnostic>> {
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Read>();
    let (mut number, mut line, mut counted) = (0, 1, 0);
    loop {
        let before = text.get(documents.byte_offset()..).unwrap_or_default();
        let begins = text.len() - before.trim_start().len();
        let Some(document) = documents.next() else {
            break;
        };
        number += 1;
        let passed = text.get(counted..begins).unwrap_or_default();
        line += passed.matches('\n').count() as u64;
        counted = begins;
        let read = document.map_err(|error| {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let text = error.to_string();
            Box::new(Diagnostic {
                line: Some(error.line() as u64),
                column: Some(error.column() as u64),
                ..Diagnostic::error(text.strip_suffix(&place).unwrap_or(&text))
            })
        })?;
        into.add(read, number, line);
    }
    Ok(())
}

fn parse_yaml(text: &str, into: &mut Parsed) -> Result<(), Box<Diagnostic>> {
    let sink = serde_saphyr::from_str_multiple_with_options::<Spanned<Read>, Documents>(
        text,
        yaml_options(text.len()),
    );
    let sink = sink.map_err(|error| Box::new(yaml_error(&error)))?;
    let mut numbers = Numbers::new(text);
    for (line, read) in sink.0 {
        into.add(read, numbers.at(line), line);
    }
    Ok(())
}

fn yaml_error(error: &serde_saphyr::Error) -> Diagnostic {
    let place = error.location();
    let message = error.without_snippet().to_string();
    // The diagnostic has the place in its own fields, and the bounds have no words of their own.
    let end = place.map(|p| format!(" at line {}, column {}", p.line(), p.column()));
    let message = match message.strip_prefix("budget breached: ") {
        Some(bound) if bound.starts_with("Depth") => "nested more than 64 levels deep".to_owned(),
        Some(_) => "its aliases make it too large: write out what they stand for".to_owned(),
        None => {
            let end = end.as_deref().unwrap_or("");
            message.strip_suffix(end).unwrap_or(&message).to_owned()
        }
    };
    Diagnostic {
        line: place.map(|p| p.line()),
        column: place.map(|p| p.column()),
        ..Diagnostic::error(message)
    }
}

/// How many events aliases may add to a file.
const ALIASED_EVENTS: usize = 1_000_000;
/// How many bytes of text aliases may add to a file.
const ALIASED_BYTES: usize = 64 * 1024 * 1024;

/// Returns the bounds for a text of this length. The library's defaults end at 250,000 nodes or
/// 1,024 documents, which an honest export of a cluster has. What must stay small is not the text
/// but what aliases make of it: no more than [`ALIASED_EVENTS`] and [`ALIASED_BYTES`] on top of the
/// text itself, which never has more events than bytes.
fn yaml_options(length: usize) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: length.saturating_add(ALIASED_EVENTS),
            max_nodes: length.saturating_add(ALIASED_EVENTS),
            max_documents: usize::MAX,
            max_total_scalar_bytes: length.saturating_add(ALIASED_BYTES),
            max_merge_keys: 1_000_000,
            max_aliases: 1_000_000,
            // One anchored block of labels that hundreds of objects share is no bomb.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: {
            let mut limits = AliasLimits::default();
            limits.max_total_replayed_events = ALIASED_EVENTS;
            limits
        },
        // As in kubectl, the last one counts: the visitors below see to that.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // They occur in kinds that are not read, and must not cost the file.
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        ignore_binary_tag_for_string: true,
        // A name or label value such as `no` or `y` is text, whatever YAML 1.1 said.
        strict_booleans: true,
        with_snippet: false,
    }
}

/// Takes the documents of a stream as they are read.
#[derive(Default)]
struct Documents(Vec<(u64, Read)>);

impl Extend<Spanned<Read>> for Documents {
    fn extend<I: IntoIterator<Item = Spanned<Read>>>(&mut self, documents: I) {
        let documents = documents.into_iter();
        self.0
            .extend(documents.map(|d| (d.referenced.line(), d.value)));
    }
}

/// Numbers documents as a reader of the file counts them: by the `---` lines above, where an empty
/// document counts too. The parser skips empty ones, so it can't tell.
struct Numbers<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    passed: u64,
    markers: usize,
    /// Text before the first marker is a document of its own.
    headless: bool,
}

impl<'a> Numbers<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: text.lines().enumerate(),
            passed: 0,
            markers: 0,
            headless: false,
        }
    }

    /// Returns the number of the document at this line; lines are asked for in their order.
    fn at(&mut self, line: u64) -> usize {
        while self.passed < line {
            let Some((i, text)) = self.lines.next() else {
                break;
            };
            self.passed = i as u64 + 1;
            let rest = text.strip_prefix("---");
            if rest.is_some_and(|r| r.is_empty() || r.starts_with([' ', '\t'])) {
                self.markers += 1;
            }
        }
        self.headless |= self.markers == 0;
        self.markers + usize::from(self.headless)
    }
}

impl Parsed {
    fn add(&mut self, read: Read, document: usize, line: u64) {
        let before = self.objects.len();
        self.walk(read.named(None), document, "");
        let added = self.objects.get(before..).unwrap_or_default();
        let ours = added.iter().filter(|object| object.kind().is_policy());
        let ours = ours.map(|object| ((object.kind(), object.key()), line));
        self.lines.extend(ours);
    }

    /// `prefix` is the place in lists, as in `items[3].`.
    fn walk(&mut self, read: Read, document: usize, prefix: &str) {
        match read {
            Read::Nothing | Read::Sequence(_) | Read::Untyped(_) => {}
            Read::One(outcome) => {
                self.objects.extend(outcome.object);
                for mut diagnostic in outcome.diagnostics {
                    diagnostic.document = Some(document);
                    let field = diagnostic.field.unwrap_or_default();
                    let field = format!("{prefix}{field}");
                    let field = field.trim_end_matches('.');
                    diagnostic.field = (!field.is_empty()).then(|| field.to_owned());
                    self.diagnostics.push(diagnostic);
                }
            }
            Read::List(items) => {
                for (i, item) in items.into_iter().enumerate() {
                    self.walk(item, document, &format!("{prefix}items[{i}]."));
                }
            }
        }
    }
}

/// What was read where an object may be.
enum Read {
    /// Nothing that concerns us.
    Nothing,
    /// An object, converted.
    One(Outcome),
    /// `kind: List` or a kind's own list.
    List(Vec<Self>),
    /// A sequence: the value of `items`, or a mistake.
    Sequence(Vec<Self>),
    /// An object without `kind`, as the API writes those of a `PodList`.
    Untyped(Map<String, Value>),
}

impl Read {
    fn warning(diagnostic: Diagnostic) -> Self {
        Self::One(Outcome {
            object: None,
            diagnostics: vec![diagnostic],
        })
    }

    /// Converts what has no kind with the one that its list gives it.
    fn named(self, list: Option<(&str, Option<&Value>)>) -> Self {
        let mut fields = match self {
            Self::Untyped(fields) => fields,
            Self::Sequence(_) => return not_an_object("a sequence"),
            settled => return settled,
        };
        match list {
            Some((kind, api_version)) if !kind.is_empty() => {
                let own = fields.remove("apiVersion");
                let body = Value::Object(fields);
                Self::One(convert(own.as_ref().or(api_version), kind, &body))
            }
            // Files of other tools lie in the same folders: with neither, it is none of Kubernetes'.
            _ if fields.contains_key("apiVersion") => {
                Self::warning(Diagnostic::field("kind", "missing"))
            }
            _ => Self::Nothing,
        }
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadVisitor)
    }
}

struct ReadVisitor;

impl<'de> Visitor<'de> for ReadVisitor {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut fields = Map::new();
        let mut items = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "items" {
                // In an object that is no list it may be anything.
                if let Read::Sequence(read) = map.next_value()? {
                    items = read;
                }
            } else if let Some(keep) = kept(&key, fields.get("kind").and_then(Value::as_str)) {
                let value = map.next_value_seed(keep)?;
                fields.insert(key, value);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let kind = match fields.remove("kind") {
            Some(Value::String(kind)) => kind,
            Some(Value::Null) | None => return Ok(Read::Untyped(fields)),
            Some(other) => {
                let message = format!("`{other}` is no text");
                return Ok(Read::warning(Diagnostic::field("kind", message)));
            }
        };
        let api_version = fields.remove("apiVersion");
        if let Some(of) = kind.strip_suffix("List") {
            let items = items.into_iter();
            let items = items.map(|item| item.named(Some((of, api_version.as_ref()))));
            return Ok(Read::List(items.collect()));
        }
        let body = Value::Object(fields);
        Ok(Read::One(convert(api_version.as_ref(), &kind, &body)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Read, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Read::Sequence(items))
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Nothing)
    }

    fn visit_none<E>(self) -> Result<Read, E> {
        Ok(Read::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        Read::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Read, E> {
        Ok(not_an_object("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Read, E> {
        Ok(not_an_object("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Read, E> {
        Ok(not_an_object("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Read, E> {
        Ok(not_an_object("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Read, E> {
        Ok(not_an_object("text"))
    }
}

fn not_an_object(what: &str) -> Read {
    Read::warning(Diagnostic::warning(format!(
        "{what}, not a Kubernetes object"
    )))
}
