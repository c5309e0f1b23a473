//! The `rewrite` step: other questions in the place of those that were asked, and answers changed
//! back. Rules work on names as text in lower case with a dot at the end, as CoreDNS's do.

mod answers;
mod options;

pub use answers::{AnswerRule, Rewriter};
pub use options::{Asker, OptionAction, OptionEdits, OptionRule, OptionValue};

use super::pattern::Pattern;
use super::text;
use crate::wire::{Name, QClass, RType, Rcode};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewriteRule {
    /// `mode`: whether rules behind one that applied are tried.
    pub goes_on: bool,
    /// What it does.
    pub field: RewriteField,
}

/// What a rule changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RewriteField {
    /// The name of the question.
    Name {
        /// For which names.
        matches: NameMatch,
        /// `to`: what stands in the place of what matched.
        to: Box<str>,
        /// Whether names in the answer are changed back by themselves (`answer auto`). A rule of an
        /// exact name always does.
        auto: bool,
        /// What else is changed in the answer.
        answers: Vec<AnswerRule>,
    },
    /// The type of the question.
    Type {
        /// This one becomes
        from: RType,
        /// that one.
        to: RType,
    },
    /// The class of the question.
    Class {
        /// This one becomes
        from: QClass,
        /// that one.
        to: QClass,
    },
    /// TTLs of the answer.
    Ttl {
        /// For which names.
        matches: NameMatch,
        /// Seconds at least and at most.
        range: (u32, u32),
    },
    /// The target of a CNAME record, from where on the answer is another.
    Cname {
        /// For which targets.
        matches: NameMatch,
        /// `to`: what stands in the place of what matched.
        to: Box<str>,
    },
    /// An EDNS option of what goes to an upstream.
    Option(OptionRule),
    /// The response code.
    Rcode {
        /// For which names.
        matches: NameMatch,
        /// This one becomes
        old: Rcode,
        /// that one.
        new: Rcode,
    },
}

/// Which names a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameMatch {
    /// This one.
    Exact(Box<str>),
    /// Those that start with this text.
    Prefix(Box<str>),
    /// Those that end in this text.
    Suffix(Box<str>),
    /// Those that have this text in them.
    Substring(Box<str>),
    /// Those that this matches somewhere.
    Regex(Pattern),
}

impl NameMatch {
    /// Returns whether a name, as text in lower case, is one of those.
    pub fn is_for(&self, name: &str) -> bool {
        match self {
            Self::Exact(from) => **from == *name,
            Self::Prefix(from) => name.starts_with(&**from),
            Self::Suffix(from) => name.ends_with(&**from),
            Self::Substring(from) => name.contains(&**from),
            Self::Regex(pattern) => pattern.is_match(name),
        }
    }

    /// Returns what a name becomes; `None` where it is none of those.
    pub(super) fn replaced(&self, name: &str, to: &str) -> Option<String> {
        let joined = |parts: [&str; 2]| parts.concat();
        match self {
            Self::Exact(from) => (**from == *name).then(|| to.to_owned()),
            Self::Prefix(from) => Some(joined([to, name.strip_prefix(&**from)?])),
            Self::Suffix(from) => Some(joined([name.strip_suffix(&**from)?, to])),
            Self::Substring(from) => {
                // What is asked may not grow without end.
                let fits = name.matches(&**from).count().saturating_mul(to.len()) <= 4096;
                (name.contains(&**from) && fits).then(|| name.replace(&**from, to))
            }
            Self::Regex(pattern) => pattern.replaced(name, to),
        }
    }
}

/// A question on its way through the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The name that is asked for now.
    pub name: Name,
    /// The type.
    pub qtype: RType,
    /// The class.
    pub qclass: QClass,
    /// What is to be done with the answer, in the order of the rules.
    pub rewriters: Vec<Rewriter>,
    /// What is to be done with the options of what goes to an upstream.
    pub edits: OptionEdits,
    /// Whether a rule applied.
    pub is_touched: bool,
}

/// The rules made no name of the question's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoName;

/// Puts a question through the rules.
///
/// # Errors
/// A rule made something that is no name.
pub fn rewrite(
    rules: &[RewriteRule],
    name: &Name,
    qtype: RType,
    qclass: QClass,
    asker: &Asker<'_>,
) -> Result<Rewritten, NoName> {
    let mut now = Rewritten {
        name: name.clone(),
        qtype,
        qclass,
        rewriters: Vec::new(),
        edits: OptionEdits::default(),
        is_touched: false,
    };
    let mut name = text::lowered(now.name.as_wire());
    for rule in rules {
        if !apply(&rule.field, &mut name, &mut now, asker)? {
            continue;
        }
        now.is_touched = true;
        if !rule.goes_on {
            break;
        }
    }
    Ok(now)
}

/// Applies one rule; returns whether it is for the question.
fn apply(
    field: &RewriteField,
    name: &mut String,
    now: &mut Rewritten,
    asker: &Asker<'_>,
) -> Result<bool, NoName> {
    match field {
        RewriteField::Name {
            matches,
            to,
            auto,
            answers,
        } => {
            let Some(new) = matches.replaced(name, to) else {
                return Ok(false);
            };
            now.name = text::name(&new).map_err(|_| NoName)?;
            let new = text::shown(now.name.as_wire());
            let back = match matches {
                NameMatch::Exact(_) => Some(Rewriter::back(&new, name)),
                NameMatch::Suffix(from) if *auto => Some(Rewriter::suffix(to, from)),
                _ if *auto => Some(Rewriter::back(&new, name)),
                _ => None,
            };
            now.rewriters.extend(back);
            now.rewriters
                .extend(answers.iter().cloned().map(Rewriter::Answer));
            *name = new.to_ascii_lowercase();
            Ok(true)
        }
        RewriteField::Type { from, to } => {
            let is_for = now.qtype == *from;
            if is_for {
                now.qtype = *to;
            }
            Ok(is_for)
        }
        RewriteField::Class { from, to } => {
            let is_for = now.qclass == *from;
            if is_for {
                now.qclass = *to;
            }
            Ok(is_for)
        }
        RewriteField::Ttl { matches, range } => {
            let is_for = matches.is_for(name);
            now.rewriters
                .extend(is_for.then_some(Rewriter::Ttl(range.0, range.1)));
            Ok(is_for)
        }
        RewriteField::Cname { matches, to } => {
            let rule = Rewriter::Cname(matches.clone(), to.clone());
            now.rewriters.push(rule);
            Ok(true)
        }
        RewriteField::Option(rule) => {
            let asked = (&now.name, now.qtype);
            Ok(now.edits.add(rule, asked, asker))
        }
        RewriteField::Rcode { matches, old, new } => {
            let is_for = matches.is_for(name);
            now.rewriters
                .extend(is_for.then_some(Rewriter::Rcode(*old, *new)));
            Ok(is_for)
        }
    }
}

/// Returns whether some rule is for whatever goes to an upstream.
pub fn edits_options(rules: &[RewriteRule]) -> bool {
    let mut fields = rules.iter().map(|rule| &rule.field);
    fields.any(|field| matches!(field, RewriteField::Option(_)))
}

/// Returns whether some rule may be for a question, wherever it is answered.
pub fn concerns(rules: &[RewriteRule], name: &str, qtype: RType, qclass: QClass) -> bool {
    rules.iter().any(|rule| match &rule.field {
        RewriteField::Name { matches, .. }
        | RewriteField::Ttl { matches, .. }
        | RewriteField::Rcode { matches, .. } => matches.is_for(name),
        RewriteField::Type { from, .. } => qtype == *from,
        RewriteField::Class { from, .. } => qclass == *from,
        RewriteField::Cname { .. } => true,
        RewriteField::Option(_) => false,
    })
}
