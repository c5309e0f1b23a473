//! Label selectors in the API's text form, the one `kubectl -l` takes.

use super::Labels;
use std::str::FromStr;

/// A parsed label selector. The empty selector matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    text: Box<str>,
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: Box<str>,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    Exists,
    DoesNotExist,
    In(Vec<Box<str>>),
    NotIn(Vec<Box<str>>),
}

/// Why a text is no label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A requirement has no key.
    #[error("a requirement of the selector `{0}` has no label key before its operator")]
    MissingKey(Box<str>),
    /// `in` or `notin` without a list in parentheses.
    #[error("`{0}` needs its values in parentheses, as in `tier in (web, api)`")]
    MissingValues(Box<str>),
    /// A key or a value has a character that labels can't have.
    #[error(
        "`{0}` is not a label key or value (letters, digits, `-`, `_`, `.`, and one `/` in a key)"
    )]
    BadText(Box<str>),
    /// An expression of a `LabelSelector` has an operator that is none, or values that don't fit it.
    #[error(
        "the expression for `{0}` has the operator `{1}`: `In` and `NotIn` take values, `Exists` and \
         `DoesNotExist` take none"
    )]
    BadOperator(Box<str>, Box<str>),
}

impl Selector {
    /// Returns whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        let has = |values: &[Box<str>], value: &str| values.iter().any(|v| **v == *value);
        self.requirements.iter().all(|r| {
            let value = labels.get(&r.key);
            match &r.operator {
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
                Operator::In(values) => value.is_some_and(|v| has(values, v)),
                Operator::NotIn(values) => value.is_none_or(|v| !has(values, v)),
            }
        })
    }

    /// Returns the selector whose requirements are these: key, operator of a `LabelSelector`, values.
    ///
    /// # Errors
    /// A key or a value is none, or the operator and its values don't fit.
    pub(crate) fn of_expressions<'a>(
        expressions: impl IntoIterator<Item = (&'a str, &'a str, Vec<&'a str>)>,
    ) -> Result<Self, SelectorError> {
        let mut texts = Vec::new();
        for (key, operator, values) in expressions {
            // Each by itself, so that none can be more than one requirement.
            let key = key_of(key, key)?;
            let texts_of = values.iter().map(|value| text(value, false));
            let list = texts_of.collect::<Result<Vec<_>, _>>()?.join(",");
            texts.push(match (operator, values.is_empty()) {
                ("In", false) => format!("{key} in ({list})"),
                ("NotIn", false) => format!("{key} notin ({list})"),
                ("Exists", true) => key.into(),
                ("DoesNotExist", true) => format!("!{key}"),
                _ => return Err(SelectorError::BadOperator(key, operator.into())),
            });
        }
        texts.join(",").parse()
    }

    /// Returns the keys of the labels that it reads.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().map(|r| &*r.key)
    }

    /// Returns whether the selector has no requirement, and so matches everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    /// Parses `a=b`, `a==b`, `a!=b`, `a in (b, c)`, `a notin (b)`, `a` and `!a`, joined by commas.
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for part in split_requirements(text) {
            let part = part.trim();
            if !part.is_empty() {
                requirements.push(parse_requirement(part)?);
            }
        }
        Ok(Self {
            text: text.trim().into(),
            requirements,
        })
    }
}

/// Splits at the commas that are not inside parentheses.
fn split_requirements(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    text.split(move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
}

fn parse_requirement(part: &str) -> Result<Requirement, SelectorError> {
    let equality = [("!=", false), ("==", true), ("=", true)]
        .into_iter()
        .find_map(|(sign, equal)| part.split_once(sign).map(|(k, v)| (k, v, equal)));
    if let Some((key, value, equal)) = equality {
        let values = vec![text(value.trim(), false)?];
        let operator = if equal {
            Operator::In(values)
        } else {
            Operator::NotIn(values)
        };
        return Ok(Requirement {
            key: key_of(key, part)?,
            operator,
        });
    }
    if let Some((head, list)) = part.split_once('(') {
        let list = list
            .strip_suffix(')')
            .ok_or_else(|| SelectorError::MissingValues(part.into()))?;
        let values = list
            .split(',')
            .map(|v| text(v.trim(), false))
            .collect::<Result<Vec<_>, _>>()?;
        let mut words = head.split_whitespace();
        let key = words.next().unwrap_or("");
        let operator = match (words.next(), words.next()) {
            (Some("in"), None) => Operator::In(values),
            (Some("notin"), None) => Operator::NotIn(values),
            _ => return Err(SelectorError::MissingValues(part.into())),
        };
        return Ok(Requirement {
            key: key_of(key, part)?,
            operator,
        });
    }
    if part.split_whitespace().count() > 1 {
        return Err(SelectorError::MissingValues(part.into()));
    }
    let (key, operator) = match part.strip_prefix('!') {
        Some(key) => (key, Operator::DoesNotExist),
        None => (part, Operator::Exists),
    };
    Ok(Requirement {
        key: key_of(key, part)?,
        operator,
    })
}

fn key_of(key: &str, part: &str) -> Result<Box<str>, SelectorError> {
    let key = key.trim();
    if key.is_empty() {
        return Err(SelectorError::MissingKey(part.into()));
    }
    text(key, true)
}

fn text(value: &str, key: bool) -> Result<Box<str>, SelectorError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || (key && c == '/');
    if value.chars().all(legal) && value.matches('/').count() <= 1 {
        Ok(value.into())
    } else {
        Err(SelectorError::BadText(value.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, labels: &[(&str, &str)], expected: bool) {
        let labels: Labels = labels.iter().copied().collect();
        let parsed: Selector = selector.parse().expect(selector);
        assert_eq!(
            parsed.matches(&labels),
            expected,
            "{selector} on {labels:?}"
        );
    }

    #[test]
    fn selectors_mean_what_kubectl_means() {
        let web = [("tier", "web"), ("tenantdns.io/role", "platform")];
        check("", &[], true);
        check("tier=web", &web, true);
        check("tier==web", &web, true);
        check("tier=api", &web, false);
        check("tier!=api", &web, true);
        check("tier!=web", &[], true);
        check("tier in (api, web)", &web, true);
        check("tier in (api,db),tenantdns.io/role=platform", &web, false);
        check("tier notin (api)", &[], true);
        check("tier notin (web)", &web, false);
        check("tier", &web, true);
        check("!tier", &web, false);
        check("!tier", &[], true);
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "=web",
            "tier in web",
            "tier in (web",
            "a b",
            "tier=we b",
            "a/b/c=d",
            "!",
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
