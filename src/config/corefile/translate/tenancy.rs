//! `tenancy { … }`: the keys of `[tenancy]` in a Corefile's form. What they may say, [`crate::config`]
//! finds out as it does of any file.

use super::values::{item, number};
use super::{Cursor, Fault, Item, Out, Table, Token, Value, texts};
use crate::config::text::closest;

/// What stands behind a key.
enum Kind {
    /// A text, which may have blanks: selectors do.
    Text,
    /// Any number of texts.
    List,
    /// A number.
    Number,
    /// Nothing: that it is written says it.
    Flag,
    /// A block with keys of its own.
    Block(Keys),
    /// The same, as often as wanted.
    Blocks(Keys),
    /// Where tenants are written: `label KEY`, `name EXPRESSION` …, as often as wanted.
    Sources,
}

use Kind::{Block, Blocks, Flag, List, Number, Sources, Text};

type Keys = &'static [(&'static str, Kind)];

const FROM: Keys = &[
    ("tenants", List),
    ("namespaces", List),
    ("selector", Text),
    ("cidrs", List),
    ("nodes", Flag),
    ("unknown", Flag),
];
const TO: Keys = &[
    ("tenants", List),
    ("namespaces", List),
    ("services", List),
    ("selector", Text),
    ("service_selector", Text),
];
const PLATFORM: Keys = &[
    ("namespaces", List),
    ("tenants", List),
    ("selector", Text),
    ("presets", List),
    ("except", Text),
];
const SHARED: Keys = &[
    ("namespaces", List),
    ("services", List),
    ("selector", Text),
    ("presets", List),
];
const RULE: Keys = &[
    ("name", Text),
    ("effect", Text),
    ("from", Block(FROM)),
    ("to", Block(TO)),
];
const FORWARDER: Keys = &[
    ("peers", Block(&[("cidrs", List), ("services", List)])),
    ("identity", Text),
    ("option", Number),
    ("udp_size", Number),
];
const TENANCY: Keys = &[
    ("mode", Text),
    ("profile", Text),
    ("presets", List),
    ("tenant_from", Sources),
    ("conflict", Text),
    ("untenanted", Text),
    ("exports", Text),
    ("unknown", Text),
    ("unknown_wait", Text),
    ("node", Text),
    ("reserved_namespaces", List),
    ("wildcard", Text),
    ("soa_serial", Text),
    ("platform", Block(PLATFORM)),
    ("shared", Block(SHARED)),
    ("audit", Block(&[("namespaces", List), ("selector", Text)])),
    ("rule", Blocks(RULE)),
    ("client", Blocks(&[("cidr", Text), ("tenant", Text)])),
    ("forwarder", Blocks(FORWARDER)),
];

/// Returns the keys of `[tenancy]`, for the test that compares them with those that are read.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    TENANCY.iter().map(|(key, _)| *key)
}

/// `tenancy { … }`, once.
pub(super) fn read(cursor: &mut Cursor<'_>, out: &mut Out<'_>) -> Result<(), Fault> {
    cursor.next();
    let directive = cursor.token();
    if !out.once.tenancy.is_empty() {
        return Err(directive.fault("there is one `tenancy` for the whole server"));
    }
    let table = Table::new("tenancy", Some(&directive.place));
    let mut tables = vec![table];
    match words(cursor)[..] {
        [] => {}
        [first, ..] => return Err(first.fault("`tenancy` has a block, and no argument")),
    }
    if opens(cursor) {
        read_block(cursor, TENANCY, &mut tables)?;
    }
    if cursor.next() {
        return Err(cursor.fault("there is one `tenancy` for the whole server"));
    }
    out.once.tenancy = tables;
    Ok(())
}

/// Reads up to the block's end; `tables` has the block's table first, and gets those below it.
fn read_block(cursor: &mut Cursor<'_>, keys: Keys, tables: &mut Vec<Table>) -> Result<(), Fault> {
    while cursor.next() {
        let option = cursor.token();
        let place = &option.place;
        if option.text == "}" {
            return Ok(());
        }
        let Some((key, kind)) = keys.iter().find(|(key, _)| *key == option.text) else {
            return Err(unknown(cursor, keys));
        };
        let name = format!("{}.{key}", tables[0].name);
        let below = match kind {
            Block(keys) => Some((Table::new(&name, Some(place)), keys)),
            Blocks(keys) => Some((Table::entry(&name, Some(place)), keys)),
            _ => None,
        };
        let arguments = words(cursor);
        if let Some((table, keys)) = below {
            if let Some(first) = arguments.first() {
                return Err(first.fault(format!("`{key}` has a block, and no argument")));
            }
            if !opens(cursor) {
                return Err(option.fault(format!("`{key}` needs a block: `{key} {{`")));
            }
            let mut below = vec![table];
            read_block(cursor, keys, &mut below)?;
            tables.append(&mut below);
            continue;
        }
        let table = &mut tables[0];
        match (kind, &arguments[..]) {
            (List, items) => match table.value(key) {
                Some(_) => table.extend(key, texts(items)),
                None => table.set(key, Value::List(texts(items)), place),
            },
            (Sources, words) => table.extend(key, vec![source(option, words)?]),
            (Flag, []) => table.set(key, Value::plain(true), place),
            (Flag, [first, ..]) => return Err(first.fault(format!("`{key}` takes no argument"))),
            (_, []) => return Err(option.fault(format!("`{key}` needs a value"))),
            (Number, [value]) => {
                let number = number(value, 0..=i64::MAX, "it is a number")?;
                table.set(key, Value::plain(number), place);
            }
            (Number, [_, second, ..]) => return Err(second.fault("one number is enough")),
            (_, words) => {
                let words: Vec<&str> = words.iter().map(|word| &*word.text).collect();
                table.set(key, Value::text(words.join(" ")), place);
            }
        }
    }
    Ok(())
}

/// Takes the words up to the line's end or a brace.
fn words<'t>(cursor: &mut Cursor<'t>) -> Vec<&'t Token> {
    let mut words = Vec::new();
    loop {
        let before = cursor.clone();
        if !cursor.next_argument() {
            return words;
        }
        if ["{", "}"].contains(&cursor.text()) {
            *cursor = before;
            return words;
        }
        words.push(cursor.token());
    }
}

/// Takes a `{` on the line.
fn opens(cursor: &mut Cursor<'_>) -> bool {
    let before = cursor.clone();
    let opens = cursor.next_argument() && cursor.text() == "{";
    if !opens {
        *cursor = before;
    }
    opens
}

/// Reads one entry of `tenant_from`.
fn source(option: &Token, words: &[&Token]) -> Result<Item, Fault> {
    let mut pairs = Vec::new();
    let mut rest = words.chunks_exact(2);
    for pair in &mut rest {
        let [key, value] = pair else { continue };
        pairs.push(match &*key.text {
            "label" => ("label", Value::text(&value.text)),
            "annotation" => ("annotation", Value::text(&value.text)),
            "label_suffix" => ("label_suffix", Value::text(&value.text)),
            "parent_label" => ("parent_label", Value::text(&value.text)),
            "name" => ("name", Value::text(&value.text)),
            "level" => (
                "level",
                Value::plain(number(value, 0..=32, "it is 0 to 32")?),
            ),
            _ => return Err(key.fault(SOURCES)),
        });
    }
    match (rest.remainder(), pairs.is_empty()) {
        ([], false) => Ok(item(Value::Inline(pairs), option)),
        ([first, ..], _) => Err(first.fault(SOURCES)),
        ([], true) => Err(option.fault(SOURCES)),
    }
}

const SOURCES: &str = "`tenant_from` needs `label KEY`, `annotation KEY`, `label_suffix SUFFIX [level N]`, \
     `parent_label KEY` or `name EXPRESSION`";

fn unknown(cursor: &Cursor<'_>, keys: Keys) -> Fault {
    let known: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
    let shown = super::shown(cursor.text());
    cursor.fault(match closest(cursor.text(), &known) {
        Some(near) => format!("`{shown}` is not a key here; did you mean `{near}`?"),
        None => format!(
            "`{shown}` is not a key here; the keys are {}",
            super::super::listed(&known)
        ),
    })
}
