//! Which series an expression of PromQL reads. Not a parser: what it takes for a series that is none
//! shows as one that nobody has.

use std::collections::BTreeSet;

/// What a parenthesis with labels follows.
const OF_LABELS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
/// Words between expressions.
const BETWEEN: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// The names of the series.
pub(crate) fn series(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '"' => after(&rest[1..], '"'),
            '{' => after_matchers(&rest[1..]),
            '[' => after(rest, ']'),
            // Numbers with their units and exponents.
            '0'..='9' => rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.'),
            'a'..='z' | 'A'..='Z' | '_' => {
                let in_word = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
                let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                if OF_LABELS.contains(&word) {
                    after(behind, ')')
                } else {
                    let behind_it = behind.trim_start();
                    let called = ["(", "by ", "by(", "without ", "without("]
                        .iter()
                        .any(|next| behind_it.starts_with(next));
                    if !called && !BETWEEN.contains(&word) {
                        found.insert(word.to_owned());
                    }
                    behind
                }
            }
            other => &rest[other.len_utf8()..],
        };
    }
    found
}

/// What comes behind the next such character.
fn after(text: &str, end: char) -> &str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// What comes behind the brace that closes; those in values don't.
fn after_matchers(mut text: &str) -> &str {
    loop {
        match text.find(['"', '}']).map(|at| text.split_at(at)) {
            None => return "",
            Some((_, rest)) if rest.starts_with('}') => return &rest[1..],
            Some((_, rest)) => text = after(&rest[1..], '"'),
        }
    }
}

#[test]
fn series_are_told_from_functions_labels_and_words() {
    for (expression, expected) in [
        ("up == 0", &["up"][..]),
        (
            "sum by (le, to) (rate(a_total{job=~\"x|}\", to=\"b\"}[5m])) / b:c * 1e3",
            &["a_total", "b:c"],
        ),
        (
            "absent(up{job=\"kube-dns\"} == 1) or on (pod) group_left(node) x unless y offset 5m",
            &["up", "x", "y"],
        ),
        (
            "histogram_quantile(0.99, sum(rate(d_bucket[$__rate_interval])) without (a))",
            &["d_bucket"],
        ),
    ] {
        let found: Vec<_> = series(expression).into_iter().collect();
        assert_eq!(found, expected, "{expression}");
    }
}
