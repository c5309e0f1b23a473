//! TOML as it is written out of a Corefile, with the place that each of its lines comes from. Not what
//! stands in it.

use super::lexer::Place;
use std::fmt;

/// Columns of a line at most, where a list can be broken.
const WIDTH: usize = 100;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// A number or a truth.
    Plain(String),
    /// A list.
    List(Vec<Item>),
    /// A table on one line.
    Inline(Vec<(&'static str, Self)>),
}

/// A list's item and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) place: Place,
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Value {
    /// Returns a text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Returns a number or a truth.
    pub(super) fn plain(value: impl fmt::Display) -> Self {
        Self::Plain(format!("{value}"))
    }

    fn inline(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Plain(text) => text.clone(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.value.inline()).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Inline(pairs) => {
                let pairs: Vec<String> = pairs
                    .iter()
                    .map(|(key, value)| format!("{key} = {}", value.inline()))
                    .collect();
                format!("{{ {} }}", pairs.join(", "))
            }
        }
    }
}

/// Returns `text` as TOML writes it; one with backslashes or quotes as it stands, where it can.
fn quoted(text: &str) -> String {
    let literal =
        text.contains(['\\', '"']) && !text.contains(|c: char| c == '\'' || c.is_control());
    if literal {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Its name with those above, as in `block.kubernetes`.
    pub(super) name: String,
    /// Whether there may be several.
    repeated: bool,
    pub(super) place: Option<Place>,
    comments: Vec<String>,
    keys: Vec<(&'static str, Value, Option<Place>)>,
}

impl Table {
    /// Returns a table without keys, which `place` asks for.
    pub(super) fn new(name: &str, place: Option<&Place>) -> Self {
        Self {
            name: name.into(),
            repeated: false,
            place: place.cloned(),
            comments: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Returns one of several tables of that name.
    pub(super) fn entry(name: &str, place: Option<&Place>) -> Self {
        Self {
            repeated: true,
            ..Self::new(name, place)
        }
    }

    /// Writes a line of text above the table.
    pub(super) fn comment(&mut self, text: impl Into<String>) {
        self.comments.push(text.into());
    }

    /// Sets a key; the last value counts.
    pub(super) fn set(&mut self, key: &'static str, value: Value, place: &Place) {
        self.keys.retain(|(other, ..)| *other != key);
        self.keys.push((key, value, Some(place.clone())));
    }

    /// Sets a key that the Corefile says by leaving something out.
    pub(super) fn imply(&mut self, key: &'static str, value: Value) {
        self.keys.push((key, value, None));
    }

    /// Sets a text.
    pub(super) fn set_text(&mut self, key: &'static str, token: &super::lexer::Token) {
        self.set(key, Value::text(&token.text), &token.place);
    }

    /// Adds items to a list.
    pub(super) fn extend(&mut self, key: &'static str, items: Vec<Item>) {
        let place = items.first().map(|item| item.place.clone());
        let known = self.keys.iter_mut().find(|(other, ..)| *other == key);
        match known {
            Some((_, Value::List(list), _)) => list.extend(items),
            _ => self.keys.push((key, Value::List(items), place)),
        }
    }

    /// Returns the value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        let mut keys = self.keys.iter();
        keys.find_map(|(other, value, _)| (*other == key).then_some(value))
    }

    /// Returns whether both tables say the same.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let keys = |table: &Self| -> Vec<(&'static str, Value)> {
            let all = table.keys.iter();
            all.map(|(key, value, _)| (*key, value.clone())).collect()
        };
        self.name == other.name && keys(self) == keys(other)
    }
}

/// TOML's lines, and where each comes from.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    places: Vec<Option<Place>>,
}

impl Page {
    /// Writes a line of text.
    pub(super) fn comment(&mut self, text: &str) {
        for line in text.split('\n') {
            let safe: String = line.chars().filter(|c| !c.is_control()).collect();
            self.line(format!("# {safe}").trim_end(), None);
        }
    }

    /// Writes an empty line, but at the start.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.line("", None);
        }
    }

    /// Writes a table.
    pub(super) fn table(&mut self, table: &Table) {
        for comment in &table.comments {
            self.comment(comment);
        }
        let name = &table.name;
        let place = table.place.as_ref();
        match table.repeated {
            true => self.line(&format!("[[{name}]]"), place),
            false => self.line(&format!("[{name}]"), place),
        }
        for (key, value, place) in &table.keys {
            self.key(key, value, place.as_ref());
        }
    }

    fn key(&mut self, key: &str, value: &Value, place: Option<&Place>) {
        let line = format!("{key} = {}", value.inline());
        let Value::List(items) = value else {
            return self.line(&line, place);
        };
        let is_on_line = |item: &Item| {
            place.is_none_or(|place| {
                place.line == item.place.line && place.is_in_file_of(&item.place)
            })
        };
        if items.is_empty() || (line.len() <= WIDTH && items.iter().all(is_on_line)) {
            return self.line(&line, place);
        }
        self.line(&format!("{key} = ["), place);
        for item in items {
            self.line(&format!("    {},", item.value.inline()), Some(&item.place));
        }
        self.line("]", place);
    }

    fn line(&mut self, line: &str, place: Option<&Place>) {
        self.text.push_str(line);
        self.text.push('\n');
        self.places.push(place.cloned());
    }

    /// Returns the text, and the place of each of its lines.
    pub(super) fn finish(self) -> (String, Vec<Option<Place>>) {
        (self.text, self.places)
    }
}
