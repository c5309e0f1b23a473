//! The attack checklist is whole: each row is asked, bound to tests that exist, or listed in
//! docs/isolation.md with the reason why it is not.

use crate::attacks::load;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows of each group.
const GROUPS: [(char, usize); 8] = [
    ('E', 14),
    ('O', 16),
    ('R', 7),
    ('C', 9),
    ('I', 22),
    ('P', 8),
    ('S', 8),
    ('H', 5),
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The ids that the document's list of rows without a test begins its lines with.
fn unseen() -> Vec<String> {
    let text = include_str!("../../docs/isolation.md");
    let (_, list) = text
        .split_once("### Rows without a test")
        .expect("the list");
    let list = list.split("\n## ").next().unwrap();
    let ids = list.lines().filter_map(|line| line.strip_prefix("| "));
    let ids = ids.filter_map(|line| line.split(' ').next());
    let is_id = |id: &&str| id.len() == 3 && id[1..].bytes().all(|b| b.is_ascii_digit());
    ids.filter(is_id).map(str::to_owned).collect()
}

#[test]
fn every_row_is_asked_or_bound_to_a_test_or_listed_with_a_reason() {
    let file = load();
    let ids: Vec<&String> = file.rows.iter().map(|row| &row.id).collect();
    let unseen = unseen();
    let mut all: Vec<String> = ids.iter().copied().chain(&unseen).cloned().collect();
    all.sort();
    let mut expected: Vec<String> = GROUPS
        .into_iter()
        .flat_map(|(group, count)| (1..=count).map(move |n| format!("{group}{n:02}")))
        .collect();
    expected.sort();
    assert_eq!(
        all, expected,
        "each row once: in the data or in the document"
    );
    let later = file.rows.iter().filter(|row| row.later.is_some()).count();
    let totals = (file.totals.rows, file.totals.later);
    assert_eq!((file.rows.len(), later), totals);
    for row in &file.rows {
        let something = !row.checks.is_empty() || !row.tests.is_empty();
        assert!(something, "{} is neither asked nor bound", row.id);
    }
}

/// The names of all tests, wherever they are.
pub(crate) fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["tests", "src"] {
        rust_files(&root.join(folder), &mut files);
    }
    let mut tests = BTreeSet::new();
    for path in files {
        let text = fs::read_to_string(path).unwrap();
        for (at, _) in text
            .match_indices("#[test]")
            .chain(text.match_indices("#[tokio::test"))
        {
            let rest = text[at..].split_once("fn ").map_or("", |(_, rest)| rest);
            tests.insert(rest.split('(').next().unwrap().to_owned());
        }
    }
    tests
}

#[test]
fn tests_that_rows_are_bound_to_exist() {
    let tests = tests();
    let file = load();
    for row in &file.rows {
        for test in &row.tests {
            assert!(
                tests.contains(test),
                "{} names {test}, which is no test",
                row.id
            );
        }
    }
}
