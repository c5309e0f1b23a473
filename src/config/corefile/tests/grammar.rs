//! Which blocks a text has, and what is said of one that has none.

use super::*;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    fact: String,
    corefile: String,
    #[serde(default)]
    around: Fake,
    /// The outline of each block …
    blocks: Option<Vec<String>>,
    /// … or what is wrong.
    fault: Option<String>,
    /// What is said beside.
    #[serde(default)]
    notes: Vec<String>,
}

#[test]
fn the_grammar_is_that_of_coredns() {
    let text = include_str!("../../../../tests/cases/corefiles/grammar.yaml");
    let cases: Vec<Case> = serde_saphyr::from_str(text).unwrap();
    assert!(cases.len() > 50);
    for case in cases {
        let mut notes = Vec::new();
        let parsed = parse(NAME, &case.corefile, &case.around, &mut notes);
        let outlines = parsed
            .map(|blocks| blocks.iter().map(outline).collect::<Vec<_>>())
            .map_err(|fault| lines(&ConfigError::Invalid(vec![problem("", fault)])).join("\n"));
        let expected = match (case.blocks, case.fault) {
            (Some(blocks), None) => Ok(blocks),
            (None, Some(fault)) => Err(fault),
            _ => panic!("{}: either `blocks` or `fault`", case.fact),
        };
        assert_eq!(outlines, expected, "{}\n{}", case.fact, case.corefile);
        let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
        let notes: Vec<String> = notes
            .iter()
            .map(|n| n.replace("/etc/coredns/", ""))
            .collect();
        assert_eq!(notes, case.notes, "{}", case.fact);
    }
}

/// A snippet that brings itself twice as often with each line, and a file that brings itself.
#[test]
fn what_multiplies_itself_ends() {
    let mut doubling = String::from("(s0) {\n  errors\n}\n");
    for n in 1..40 {
        let before = n - 1;
        doubling += &format!("(s{n}) {{\n  import s{before}\n  import s{before}\n}}\n");
    }
    doubling += ".:53 {\n  import s39\n}\n";
    let own = "import Corefile\nimport Corefile\n";
    let files = [(NAME.to_owned(), own.to_owned())];
    let words = "word ".repeat(2_000_000);
    for text in [&*doubling, own, &words] {
        let around = Fake {
            files: files.clone().into(),
            variables: [("A".to_owned(), "{$A}{$A}".to_owned())].into(),
            ..Fake::default()
        };
        let fault = parse(NAME, text, &around, &mut Vec::new()).unwrap_err();
        assert!(fault.message.starts_with("more than "), "{}", fault.message);
    }
}

#[test]
fn variables_that_name_themselves_end() {
    let around = Fake {
        variables: [("A".to_owned(), "{$A}{$A}".to_owned())].into(),
        ..Fake::default()
    };
    let fault = parse(NAME, "{$A}", &around, &mut Vec::new()).unwrap_err();
    assert_eq!(fault.message, "the environment variables here have no end");
}
