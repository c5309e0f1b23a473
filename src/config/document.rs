//! A TOML document read key by key, with the place of each value. Not what the keys mean: the
//! tables' files say that.
//!
//! The document is walked instead of being deserialized into a mirror of its keys, so that every
//! wrong value is reported at once, each at its own place and under its full key, and so that the
//! keys a table knows are exactly those that its file asks for.

use super::error::{ConfigError, Problem};
use super::text::{closest, shown};
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// What is being read, and what was found wrong in it so far.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    problems: RefCell<Vec<(usize, Problem)>>,
}

impl<'a> Reader<'a> {
    /// Returns a reader of `text`; `file` is only its name.
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            problems: RefCell::default(),
        }
    }

    /// Records what is wrong at the byte `offset`.
    pub(super) fn report(&self, offset: usize, key: &str, message: impl Display) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let problem = Problem {
            file: self.file.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            key: key.into(),
            message: message.to_string().into(),
        };
        self.problems.borrow_mut().push((offset, problem));
    }

    /// Returns `value`, unless something was wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort_by_key(|(offset, _)| *offset);
        Err(ConfigError::Invalid(
            problems.into_iter().map(|(_, problem)| problem).collect(),
        ))
    }
}

// === Section ===

/// One table. A table that the document leaves out has no keys.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    path: String,
    offset: usize,
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Returns the document's top level.
    pub(super) fn root(reader: &'a Reader<'a>, table: &'a DeTable<'a>) -> Self {
        Self {
            reader,
            path: String::new(),
            offset: 0,
            table: Some(table),
            known: Vec::new(),
        }
    }

    /// Returns whether the document has this table.
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Records what is wrong with the table as a whole.
    pub(super) fn problem(&self, message: impl Display) {
        self.reader.report(self.offset, &self.path, message);
    }

    /// Returns whether the table has no key at all.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_none_or(|table| table.is_empty())
    }

    /// Returns whether the table has `key`, without making it a known one.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Returns whether `key` has a value that says something: no empty text, no empty list, not false.
    pub(super) fn says(&self, key: &str) -> bool {
        let value = self.table.and_then(|table| table.get(key));
        value.is_some_and(|value| match value.get_ref() {
            DeValue::Array(list) => !list.is_empty(),
            DeValue::String(text) => !text.is_empty(),
            DeValue::Boolean(is) => *is,
            _ => true,
        })
    }

    /// Returns the value of `key` where it [says](Self::says) something.
    pub(super) fn said(&self, key: &str) -> Option<Field<'a>> {
        self.value(key).filter(|_| self.says(key))
    }

    /// Returns the value of `key`, and makes it a known key of this table.
    pub(super) fn field(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        self.value(key)
    }

    fn value(&self, key: &str) -> Option<Field<'a>> {
        let (spelled, value) = self.table?.get_key_value(key)?;
        Some(Field {
            reader: self.reader,
            path: join(&self.path, key),
            key_offset: spelled.span().start,
            offset: value.span().start,
            value: value.get_ref(),
        })
    }

    /// Returns the table `key`, empty where it is left out.
    pub(super) fn table(&mut self, key: &'static str) -> Self {
        self.field(key)
            .and_then(|field| field.table(&format!("a table [{}]", join(&self.path, key))))
            .unwrap_or_else(|| Self {
                reader: self.reader,
                path: join(&self.path, key),
                offset: self.offset,
                table: None,
                known: Vec::new(),
            })
    }

    /// Sets `target` from a key that takes one of several words, and returns where it stands.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        target: &mut T,
        words: &[(&str, T)],
    ) -> Option<Field<'a>> {
        let field = self.field(key)?;
        let list = listed(words.iter().map(|(word, _)| *word));
        let text = field.text(&format!("one of {list}"))?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => *target = *value,
            None => field.problem(format_args!("`{}` is not one of {list}", shown(text))),
        }
        Some(field)
    }

    /// Sets `target` from a key that is true or false.
    pub(super) fn flag(&mut self, key: &'static str, target: &mut bool) {
        let Some(field) = self.field(key) else { return };
        match field.value.as_bool() {
            Some(value) => *target = value,
            None => field.needs("true or false"),
        }
    }

    /// Sets `target` from a whole number in `range`, which `rule` says in words, and returns where
    /// it stands.
    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        key: &'static str,
        target: &mut T,
        range: RangeInclusive<u64>,
        rule: &str,
    ) -> Option<Field<'a>> {
        let field = self.field(key)?;
        let Some(integer) = field.value.as_integer() else {
            field.needs(&format!("a whole number ({rule})"));
            return None;
        };
        let value = u64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok());
        match value {
            Some(value) => *target = value,
            None => field.problem(format_args!("{integer} is out of range; {rule}")),
        }
        Some(field)
    }

    /// Sets `target` from a number from 0 to 1.
    pub(super) fn part(&mut self, key: &'static str, target: &mut f64) {
        let Some(field) = self.field(key) else { return };
        let number = match &field.value {
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            _ => return field.needs("a number from 0 to 1"),
        };
        match number.parse::<f64>() {
            Ok(part) if (0.0..=1.0).contains(&part) => *target = part,
            _ => field.problem(format_args!(
                "{number} is out of range; it is a part: from 0 to 1"
            )),
        }
    }

    /// Sets `target` from a duration in `range`, which `rule` says in words.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        target: &mut Duration,
        range: RangeInclusive<Duration>,
        rule: &str,
    ) {
        let Some(field) = self.field(key) else { return };
        let Some(value) = field.parsed("a duration, as in \"5s\"", super::text::duration) else {
            return;
        };
        if range.contains(&value) {
            *target = value;
        } else {
            let text = field.value.as_str().unwrap_or("");
            field.problem(format_args!("`{}` is out of range; {rule}", shown(text)));
        }
    }

    /// Sets `target` from a text.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        target: &mut T,
        want: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) {
        if let Some(value) = self.field(key).and_then(|field| field.parsed(want, parse)) {
            *target = value;
        }
    }

    /// Sets `target` from a list of texts.
    pub(super) fn list<T, E: Display>(
        &mut self,
        key: &'static str,
        target: &mut Vec<T>,
        want: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) {
        if let Some(values) = self.field(key).and_then(|field| field.placed(want, parse)) {
            *target = values.into_iter().map(|placed| placed.value).collect();
        }
    }

    /// Returns a list of texts with their places, where it is one and not empty; `empty` says why
    /// it can't be.
    pub(super) fn filled<T, E: Display>(
        &mut self,
        key: &'static str,
        (want, empty): (&str, &str),
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<Placed<'a, T>>> {
        let field = self.field(key)?;
        if field.value.as_array().is_some_and(|array| array.is_empty()) {
            field.problem(format_args!("is empty; {empty}"));
            return None;
        }
        field.placed(want, parse)
    }

    /// Records the keys that nobody asked for. `later` are keys of the contract whose feature this
    /// version does not have: to call them unknown would be wrong.
    pub(super) fn finish(self, later: &[&str]) {
        for (key, _) in self.table.into_iter().flat_map(|table| table.iter()) {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let path = join(&self.path, &shown(name));
            let message = if later.contains(&name) {
                unavailable(name)
            } else if let Some(near) = closest(name, &self.known) {
                format!("unknown key; did you mean `{near}`?")
            } else if self.known.is_empty() {
                "unknown key; this table has none".to_owned()
            } else {
                let known = listed(self.known.iter().copied());
                format!("unknown key; the keys here are {known}")
            };
            self.reader.report(key.span().start, &path, message);
        }
    }
}

/// Says that a key or value is part of the contract, and not of this version.
pub(super) fn unavailable(what: &str) -> String {
    format!("`{what}` is not available in this version of tenantdns")
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn listed<'s>(words: impl Iterator<Item = &'s str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

// === Field ===

/// One value in the document, with its key and place.
#[derive(Clone)]
pub(super) struct Field<'a> {
    reader: &'a Reader<'a>,
    path: String,
    key_offset: usize,
    offset: usize,
    value: &'a DeValue<'a>,
}

/// A value that was read, with where it stands: for what is wrong only beside another value.
pub(super) struct Placed<'a, T> {
    /// The value.
    pub(super) value: T,
    /// Where it stands.
    pub(super) field: Field<'a>,
}

impl<'a> Field<'a> {
    /// Records what is wrong with the value.
    pub(super) fn problem(&self, message: impl Display) {
        self.reader.report(self.offset, &self.path, message);
    }

    fn needs(&self, want: &str) {
        let article = match self.value {
            DeValue::Integer(_) | DeValue::Array(_) => "an",
            _ => "a",
        };
        let found = self.value.type_str();
        self.problem(format_args!("needs {want}, not {article} {found}"));
    }

    /// Returns the text, where it is one.
    pub(super) fn text(&self, want: &str) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.needs(want);
        }
        text
    }

    /// Returns what `parse` makes of the text, where it is one and `parse` accepts it.
    pub(super) fn parsed<T, E: Display>(
        &self,
        want: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let parsed = parse(self.text(want)?);
        parsed.map_err(|error| self.problem(error)).ok()
    }

    /// Returns the items of the list, where it is one.
    pub(super) fn items(&self, want: &str) -> Option<Vec<Self>> {
        let Some(array) = self.value.as_array() else {
            self.needs(want);
            return None;
        };
        let items = array.iter().enumerate().map(|(i, value)| Self {
            reader: self.reader,
            path: format!("{}[{i}]", self.path),
            key_offset: value.span().start,
            offset: value.span().start,
            value: value.get_ref(),
        });
        Some(items.collect())
    }

    /// Returns a list of texts with their places, where it is one and nothing in it is wrong.
    pub(super) fn placed<T, E: Display>(
        &self,
        want: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<Placed<'a, T>>> {
        let items = self.items(&format!("a list of {want}"))?;
        let count = items.len();
        let read = items.into_iter().filter_map(|field| {
            let value = field.parsed("a text", &parse)?;
            Some(Placed { value, field })
        });
        // Every item is looked at, so that every wrong one is reported.
        let values: Vec<_> = read.collect();
        (values.len() == count).then_some(values)
    }

    /// Returns the table, where it is one.
    pub(super) fn table(&self, want: &str) -> Option<Section<'a>> {
        let Some(table) = self.value.as_table() else {
            self.needs(want);
            return None;
        };
        Some(Section {
            reader: self.reader,
            path: self.path.clone(),
            offset: self.key_offset,
            table: Some(table),
            known: Vec::new(),
        })
    }
}
