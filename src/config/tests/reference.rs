//! `config/tenantdns.toml` is true: its defaults are the defaults, its keys are the keys.

use super::super::Config;
use super::{check, parse};
use std::collections::BTreeSet;

/// Returns the reference with its lines that start with one of `marks` as TOML.
fn reference(marks: &[&str]) -> String {
    let lines = include_str!("../../../config/tenantdns.toml")
        .lines()
        .map(|line| {
            let is_known = line.is_empty() || line == "##" || line.starts_with("## ");
            let toml = ["# ", "#> "]
                .iter()
                .find_map(|mark| Some((mark, line.strip_prefix(mark)?)));
            assert!(is_known || toml.is_some(), "neither text nor key: {line}");
            match toml {
                Some((mark, toml)) if marks.contains(mark) => format!("{toml}\n"),
                _ => "\n".to_owned(),
            }
        });
    lines.collect()
}

#[test]
fn the_reference_as_it_stands_and_uncommented_is_the_default() {
    check(
        "as it stands",
        include_str!("../../../config/tenantdns.toml"),
        |_| {},
    );
    check("uncommented", &reference(&["# "]), |_| {});
}

/// Returns the keys that the table at `path` takes, from what an unknown key there is told.
fn known_keys(text: &str, path: &[String], is_list: bool) -> BTreeSet<String> {
    let header = match path {
        [] => String::new(),
        path if is_list => format!("[[{}]]", path.join(".")),
        path => format!("[{}]", path.join(".")),
    };
    let unknown = "\nquite_unknown = 0\n";
    let probe = match header.as_str() {
        "" => format!("{unknown}{text}"),
        header => text.replacen(header, &format!("{header}{unknown}"), 1),
    };
    let error = Config::from_toml(&probe, "f.toml")
        .expect_err(&format!("an unknown key of {path:?} is refused"));
    if error.to_string().ends_with("this table has none") {
        return BTreeSet::new();
    }
    let (_, list) = error
        .to_string()
        .split_once("the keys here are ")
        .map_or_else(
            || panic!("[{path:?}] {error}"),
            |(start, list)| (start.to_owned(), list.to_owned()),
        );
    list.split(", ")
        .map(|key| key.trim_matches('`').to_owned())
        .collect()
}

fn compare_keys(text: &str, table: &toml::de::DeTable<'_>, path: &[String], is_list: bool) {
    let mut written: BTreeSet<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
    let known = known_keys(text, path, is_list);
    if path == ["block"] {
        // What stands at the top level may stand in a block, and is told there.
        let top = known_keys(text, &[], false);
        written.extend(known.intersection(&top).cloned());
    }
    assert_eq!(written, known, "keys of [{}]", path.join("."));
    for (key, value) in table.iter() {
        let mut below = path.to_vec();
        below.push(key.get_ref().to_string());
        // The sub-tables of a block have the keys of the top-level ones, and an example of a list's
        // entry does not show every key of them.
        if let (Some(table), false) = (value.get_ref().as_table(), is_list) {
            compare_keys(text, table, &below, false);
        }
        if let Some(table) = value
            .get_ref()
            .get(0)
            .and_then(|first| first.get_ref().as_table())
        {
            compare_keys(text, table, &below, true);
        }
    }
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let text = reference(&["# ", "#> "]);
    assert_eq!(parse(&text).blocks.len(), 2, "the example is a block");
    let document = toml::de::DeTable::parse(&text).unwrap();
    compare_keys(&text, document.get_ref(), &[], false);
}

#[test]
fn a_file_that_was_cut_short_is_read_or_refused() {
    let text = reference(&["# ", "#> "]);
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        if let Err(error) = Config::from_toml(&text[..end], "f.toml") {
            assert!(!error.problems().is_empty(), "cut at {end}: {error}");
        }
    }
}
