//! The grammar and each directive, as data: tests/cases/corefiles/grammar.yaml and directives.yaml.
//! Whole Corefiles are in tests/it/corefile.rs.

mod directives;
mod grammar;
mod random;

use super::parser::{ServerBlock, parse};
use super::*;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// Files, variables and interfaces of a test.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fake {
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    interfaces: BTreeMap<String, Vec<IpAddr>>,
}

impl Surroundings for Fake {
    fn variable(&self, name: &str) -> String {
        self.variables.get(name).cloned().unwrap_or_default()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.files.get(path.to_str().unwrap());
        text.map(|text| text.clone().into_bytes())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        let path = path.to_str().unwrap();
        let below = |name: &&String| name.starts_with(&format!("{path}/"));
        self.files.contains_key(path) || self.files.keys().any(|name| below(&name))
    }

    fn names(&self, folder: &Path) -> Vec<String> {
        let below = self.files.keys().filter_map(|path| {
            let rest = Path::new(path).strip_prefix(folder).ok()?;
            rest.iter().next()?.to_str().map(str::to_owned)
        });
        let mut names: Vec<String> = below.collect();
        names.dedup();
        names
    }

    fn addresses(&self, interface: &str) -> Option<Vec<IpAddr>> {
        self.interfaces.get(interface).cloned()
    }
}

/// Where a test's Corefile is.
const NAME: &str = "/etc/coredns/Corefile";

/// Says what a block has, on one line: its keys, then each directive's words.
fn outline(block: &ServerBlock) -> String {
    let word = |text: &str| match text.is_empty() || text.contains(char::is_whitespace) {
        true => format!("{text:?}"),
        false => text.to_owned(),
    };
    let keys: Vec<String> = block.keys.iter().map(|key| word(&key.text)).collect();
    let mut line = keys.join(" ");
    for (name, words) in &block.directives {
        // Where a variable names the directive, its first word is that.
        let rest = words[1..].iter().map(|token| word(&token.text));
        let words: Vec<String> = std::iter::once(word(name)).chain(rest).collect();
        line += " | ";
        line += &words.join(" ");
    }
    line
}

/// Returns an error's lines without the folder.
fn lines(error: &ConfigError) -> Vec<String> {
    let text = error.to_string();
    let lines = text.lines().map(|line| line.replace("/etc/coredns/", ""));
    lines.collect()
}
