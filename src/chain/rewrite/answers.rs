//! What becomes of an answer whose question was rewritten: each record goes through the rules in
//! reverse.

use super::NameMatch;
use crate::chain::pattern::Pattern;
use crate::chain::record::{Data, Record};
use crate::chain::text;
use crate::wire::{Name, RType, Rcode};

/// `answer name` and `answer value` of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRule {
    /// The name that a record leads to, and not its owner.
    pub is_value: bool,
    /// `from`
    pub from: Pattern,
    /// `to`
    pub to: Box<str>,
}

/// One thing to do with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewriter {
    /// A name becomes another, and names below it are below that.
    Back(Box<str>, Box<str>),
    /// A text at the end of names becomes another.
    Suffix(Box<str>, Box<str>),
    /// What the operator's rule says.
    Answer(AnswerRule),
    /// TTLs are in this range.
    Ttl(u32, u32),
    /// This response code becomes that.
    Rcode(Rcode, Rcode),
    /// Targets of CNAME records that match become others, which are looked up.
    Cname(NameMatch, Box<str>),
}

impl Rewriter {
    pub(super) fn back(new: &str, original: &str) -> Self {
        Self::Back(new.into(), original.into())
    }

    pub(super) fn suffix(new: &str, original: &str) -> Self {
        Self::Suffix(new.into(), original.into())
    }

    /// Changes a message of which `records` are all records, in whatever section.
    pub fn apply<'r>(
        rewriters: &[Self],
        rcode: &mut Rcode,
        records: impl Iterator<Item = &'r mut Record>,
    ) {
        let mut any = false;
        for record in records {
            any = true;
            for rewriter in rewriters.iter().rev() {
                rewriter.change(rcode, record);
            }
        }
        for rewriter in rewriters.iter().rev().filter(|_| !any) {
            rewriter.change_rcode(rcode);
        }
    }

    /// Returns where a record leads instead, if this is a rule for it.
    pub fn retarget(&self, record: &Record) -> Option<Name> {
        let (Self::Cname(matches, to), [Data::Name(target)]) = (self, &*record.data) else {
            return None;
        };
        let shown = text::shown(target.as_wire());
        let to = (record.rtype == RType::CNAME).then(|| matches.replaced(&shown, to))??;
        text::name(&to).ok()
    }

    /// Changes one record of a message, and its response code.
    pub fn change(&self, rcode: &mut Rcode, record: &mut Record) {
        match self {
            // Who carries out the rules looks the target up.
            Self::Cname(..) => {}
            Self::Ttl(least, most) => {
                // Not `clamp`: as in CoreDNS, the least wins.
                if record.ttl < *least {
                    record.ttl = *least;
                } else if record.ttl > *most {
                    record.ttl = *most;
                }
            }
            Self::Rcode(..) => self.change_rcode(rcode),
            Self::Answer(rule) => {
                let changed = |name: &str| rule.from.replaced(name, &rule.to);
                match rule.is_value {
                    true => change_value(record, changed),
                    false => change_owner(record, changed),
                }
            }
            Self::Back(new, original) => {
                let changed = |name: &str| {
                    let before = name.strip_suffix(&**new)?;
                    let is_below = before.is_empty() || before.ends_with('.');
                    is_below.then(|| [before, original].concat())
                };
                change_owner(record, changed);
                change_value(record, changed);
            }
            Self::Suffix(new, original) => {
                let changed = |name: &str| Some([name.strip_suffix(&**new)?, original].concat());
                change_owner(record, changed);
                change_value(record, changed);
            }
        }
    }

    fn change_rcode(&self, rcode: &mut Rcode) {
        if let Self::Rcode(old, new) = self
            && *rcode == *old
        {
            *rcode = *new;
        }
    }
}

/// Gives a record another owner; what is no name leaves it as it is.
fn change_owner(record: &mut Record, changed: impl Fn(&str) -> Option<String>) {
    let text = text::shown(record.owner.as_wire());
    if let Some(name) = changed(&text).and_then(|new| text::name(&new).ok()) {
        record.owner = name;
    }
}

fn change_value(record: &mut Record, changed: impl Fn(&str) -> Option<String>) {
    if !matches!(
        record.rtype,
        RType::SRV
            | RType::MX
            | RType::CNAME
            | RType::NS
            | RType(39)
            | RType::NAPTR
            | RType::SOA
            | RType::PTR
    ) {
        return;
    }
    if let Some(target) = record.target() {
        let text = text::shown(target.as_wire());
        if let Some(name) = changed(&text).and_then(|new| text::name(&new).ok()) {
            *target = name;
        }
    }
}
