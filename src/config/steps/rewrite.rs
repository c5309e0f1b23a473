//! `[[rewrite]]`: one rule each, with the words of CoreDNS's `rewrite`.

use super::rcode;
use crate::chain::{
    AnswerRule, NameMatch, Pattern, RewriteField, RewriteRule, class_of, normalized,
};
use crate::config::document::{Field, Section};
use crate::config::text::shown;
use crate::wire::{QClass, RType, Rcode};

/// What a rule changes, before its other keys are read.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Name,
    Type,
    Class,
    Ttl,
    Rcode,
    Cname,
    Edns0,
}

/// Reads one rule.
pub(super) fn read(mut table: Section<'_>) -> Option<RewriteRule> {
    let mut goes_on = false;
    table.choice("mode", &mut goes_on, &[("stop", false), ("continue", true)]);
    let mut kind = Kind::Name;
    table.choice(
        "field",
        &mut kind,
        &[
            ("name", Kind::Name),
            ("type", Kind::Type),
            ("class", Kind::Class),
            ("ttl", Kind::Ttl),
            ("rcode", Kind::Rcode),
            ("cname", Kind::Cname),
            ("edns0", Kind::Edns0),
        ],
    );
    let field = match kind {
        Kind::Name => read_name(&mut table),
        Kind::Type => read_pair(&mut table, str::parse::<RType>)
            .map(|(from, to)| RewriteField::Type { from, to }),
        Kind::Class => {
            read_pair(&mut table, class).map(|(from, to)| RewriteField::Class { from, to })
        }
        Kind::Ttl => read_ttl(&mut table),
        Kind::Rcode => read_rcode(&mut table),
        Kind::Cname => read_cname(&mut table),
        Kind::Edns0 => super::options::read(&mut table).map(RewriteField::Option),
    };
    table.finish(&[]);
    field.map(|field| RewriteRule { goes_on, field })
}

fn class(text: &str) -> Result<QClass, String> {
    class_of(text).ok_or_else(|| format!("`{}` is not IN, CH, HS or ANY", shown(text)))
}

/// Reads `key`, which has to be there.
pub(super) fn needed<'a>(table: &mut Section<'a>, key: &'static str) -> Option<Field<'a>> {
    let field = table.field(key);
    if field.is_none() {
        table.problem(format_args!("needs `{key}`"));
    }
    field
}

fn read_pair<T, E: std::fmt::Display>(
    table: &mut Section<'_>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<(T, T)> {
    let from = needed(table, "from").and_then(|field| field.parsed("a text", &parse));
    let to = needed(table, "to").and_then(|field| field.parsed("a text", &parse));
    Some((from?, to?))
}

/// Reads which names a rule is for: `match` and `from`.
fn read_match(table: &mut Section<'_>) -> Option<NameMatch> {
    read_match_of(table, normalized)
}

/// Reads the same, with `spelled` for texts that are not whole names.
fn read_match_of(table: &mut Section<'_>, spelled: fn(&str) -> String) -> Option<NameMatch> {
    #[derive(Clone, Copy)]
    enum By {
        Exact,
        Prefix,
        Suffix,
        Substring,
        Regex,
    }
    let mut by = By::Exact;
    table.choice(
        "match",
        &mut by,
        &[
            ("exact", By::Exact),
            ("prefix", By::Prefix),
            ("suffix", By::Suffix),
            ("substring", By::Substring),
            ("regex", By::Regex),
        ],
    );
    let field = needed(table, "from")?;
    let from = field.text("a text")?;
    if from.is_empty() {
        field.problem("is empty, and so for no name");
        return None;
    }
    let text: Box<str> = spelled(from).into();
    Some(match by {
        By::Exact => NameMatch::Exact(normalized(from).into()),
        By::Prefix => NameMatch::Prefix(text),
        By::Suffix => NameMatch::Suffix(text),
        By::Substring => NameMatch::Substring(text),
        By::Regex => NameMatch::Regex(field.parsed("a text", Pattern::new)?),
    })
}

fn read_cname(table: &mut Section<'_>) -> Option<RewriteField> {
    // As in CoreDNS: a dot is added to whole names alone.
    let matches = read_match_of(table, str::to_ascii_lowercase);
    let to_field = needed(table, "to");
    let to = to_field.as_ref().and_then(|field| field.text("a text"))?;
    if to.is_empty() {
        to_field?.problem("is empty, and so no target");
        return None;
    }
    let to = match &matches {
        Some(NameMatch::Exact(_)) => normalized(to),
        _ => to.to_ascii_lowercase(),
    };
    Some(RewriteField::Cname {
        matches: matches?,
        to: to.into(),
    })
}

fn read_name(table: &mut Section<'_>) -> Option<RewriteField> {
    let matches = read_match(table);
    let to_field = needed(table, "to");
    let to = to_field.as_ref().and_then(|field| field.text("a text"));
    if let (Some(NameMatch::Regex(pattern)), Some(to), Some(field)) = (&matches, to, &to_field) {
        report_groups(pattern, to, field);
    }
    let (mut auto, mut answers) = (false, Vec::new());
    if let Some(field) = table.field("answer") {
        let want = "a list of rules, as in [{ kind = \"auto\" }]";
        for item in field.items(want).into_iter().flatten() {
            if let Some(section) = item.table(want) {
                read_answer(section, &mut auto, &mut answers);
            }
        }
        if auto && answers.iter().any(|rule: &AnswerRule| !rule.is_value) {
            field.problem("`auto` can't stand beside rules for names: it is one");
        }
    }
    Some(RewriteField::Name {
        matches: matches?,
        to: normalized(to?).into(),
        auto,
        answers,
    })
}

fn read_answer(mut table: Section<'_>, auto: &mut bool, answers: &mut Vec<AnswerRule>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Of {
        Name,
        Value,
        Auto,
    }
    let mut of = Of::Name;
    let words = [("name", Of::Name), ("value", Of::Value), ("auto", Of::Auto)];
    table.choice("kind", &mut of, &words);
    if of == Of::Auto {
        *auto = true;
        table.finish(&[]);
        return;
    }
    let from = needed(&mut table, "from").and_then(|field| field.parsed("a text", Pattern::new));
    let to_field = needed(&mut table, "to");
    let to = to_field.as_ref().and_then(|field| field.text("a text"));
    if let (Some(from), Some(to), Some(field)) = (from, to, &to_field) {
        report_groups(&from, to, field);
        answers.push(AnswerRule {
            is_value: of == Of::Value,
            from,
            to: normalized(to).into(),
        });
    }
    table.finish(&[]);
}

/// Reports places for groups that a pattern has not, as CoreDNS counts them.
fn report_groups(pattern: &Pattern, to: &str, field: &Field<'_>) {
    let used = (0..=100).filter(|number| to.contains(&format!("{{{number}}}")));
    let (used, has) = (used.count(), pattern.group_count());
    if used > has {
        field.problem(format_args!(
            "has {used} places for groups, and the regular expression has {has} groups"
        ));
    }
}

fn read_ttl(table: &mut Section<'_>) -> Option<RewriteField> {
    let matches = read_match(table);
    let range = needed(table, "to").and_then(|field| field.parsed("a text", ttl_range));
    Some(RewriteField::Ttl {
        matches: matches?,
        range: range?,
    })
}

/// Parses `30`, `30-60`, `-60` or `30-`, in seconds.
fn ttl_range(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| text.parse::<u32>().ok();
    let range = match text.split_once('-') {
        None => number(text).map(|ttl| (ttl, ttl)),
        Some(("", "")) => None,
        Some(("", most)) => number(most).map(|most| (0, most)),
        Some((least, "")) => number(least).map(|least| (least, i32::MAX as u32)),
        Some((least, most)) => number(least).zip(number(most)),
    };
    range.filter(|(least, most)| least <= most).ok_or_else(|| {
        let text = shown(text);
        format!("`{text}` is not a TTL or a range of them: `30`, `30-60`, `-60` or `30-`")
    })
}

fn read_rcode(table: &mut Section<'_>) -> Option<RewriteField> {
    let matches = read_match(table);
    let parsed = |table: &mut Section<'_>, key| -> Option<Rcode> {
        needed(table, key).and_then(|field| field.parsed("a response code", rcode))
    };
    let (old, new) = (parsed(table, "old"), parsed(table, "to"));
    Some(RewriteField::Rcode {
        matches: matches?,
        old: old?,
        new: new?,
    })
}
