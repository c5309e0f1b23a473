//! What each directive becomes, and what is said of one that can't be kept.

use super::*;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    fact: String,
    /// The lines of a server block for `.:53` …
    block: Option<String>,
    /// … or a whole Corefile.
    corefile: Option<String>,
    #[serde(default)]
    around: Fake,
    #[serde(default = "fifty_three")]
    port: u16,
    /// Lines that the TOML has, one below the other …
    toml: Option<String>,
    /// … or what is wrong.
    #[serde(default)]
    faults: Vec<String>,
    #[serde(default)]
    notes: Vec<String>,
}

fn fifty_three() -> u16 {
    53
}

#[test]
fn directives_become_tables_or_are_refused_by_line() {
    let text = include_str!("../../../../tests/cases/corefiles/directives.yaml");
    let cases: Vec<Case> = serde_saphyr::from_str(text).unwrap();
    assert!(cases.len() > 100);
    let mut wrong = Vec::new();
    for case in cases {
        let corefile = match (&case.block, &case.corefile) {
            (Some(block), None) => format!(".:53 {{\n{block}\n}}\n"),
            (None, Some(corefile)) => corefile.clone(),
            _ => panic!("{}: either `block` or `corefile`", case.fact),
        };
        assert!(
            case.toml.is_none() != case.faults.is_empty(),
            "{}: either `toml` or `faults`",
            case.fact
        );
        let read = Corefile::read(NAME, &corefile, case.port, &case.around);
        let (toml, faults, notes) = match &read {
            Ok(read) => {
                let notes = read.notes().map(|note| note.to_string());
                let notes = notes.map(|note| note.replace("/etc/coredns/", ""));
                (read.toml().to_owned(), Vec::new(), notes.collect())
            }
            Err(error) => (String::new(), lines(error), Vec::<String>::new()),
        };
        let has = |part: &str| format!("\n{toml}").contains(&format!("\n{}\n", part.trim_end()));
        let is_toml = case.toml.as_deref().is_none_or(has);
        if !is_toml || faults != case.faults || notes != case.notes {
            wrong.push(format!(
                "{}\n{corefile}\n--- {faults:?}\n--- {notes:?}\n{toml}",
                case.fact
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n=======\n"));
}

#[test]
fn what_the_configuration_refuses_is_said_at_the_corefiles_line() {
    let text = "# first\n.:53 {\n  kubernetes cluster.local {\n    pods insecure\n    labels a=(\n  }\n  tenancy {\n    mode enforce\n    node nobody\n  }\n}\n";
    let corefile = Corefile::read(NAME, text, 53, &Fake::default()).unwrap();
    let error = corefile.config().unwrap_err();
    let expected = [
        "Corefile:9: tenancy.node: ",
        "Corefile:4: kubernetes.pods: ",
        "Corefile:5: kubernetes.labels: ",
    ];
    for start in expected {
        let lines = lines(&error);
        assert!(
            lines.iter().any(|line| line.starts_with(start)),
            "{start}: {lines:#?}"
        );
    }
}

/// Every key of `[tenancy]` may stand in a Corefile.
#[test]
fn the_tenancy_block_has_the_keys_of_the_table() {
    let error = Config::from_toml("[tenancy]\nquite_unknown = 0\n", "f.toml").unwrap_err();
    let text = error.to_string();
    let (_, list) = text.split_once("the keys here are ").unwrap();
    let mut known: Vec<&str> = list.split(", ").map(|key| key.trim_matches('`')).collect();
    let mut own: Vec<&str> = translate::tenancy_keys().collect();
    known.sort_unstable();
    own.sort_unstable();
    assert_eq!(own, known);
}
