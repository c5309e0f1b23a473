//! What the compiler doesn't hold of the code's shape: who may use whom, what the hot rooms must not
//! do, and that every file is where somebody would look for it.
#![allow(clippy::unwrap_used, reason = "a test ends where it is wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, the rooms that it may use, and the dependencies that it may name. `*` is all.
const ROOMS: &[(&str, &str, &str)] = &[
    ("wire", "", "arrayvec thiserror"),
    ("cow", "", "foldhash"),
    ("model", "wire", "ipnet serde serde_json thiserror tracing"),
    ("tenancy", "model cow", "arrayvec ipnet regex"),
    ("zone", "wire model tenancy cow", "arrayvec ipnet"),
    // `bytes` is the module of regex that has this name.
    ("chain", "wire zone tenancy", "bytes ipnet regex thiserror"),
    ("snapshot", "wire zone tenancy chain cow", "arc_swap"),
    (
        "index",
        "model zone tenancy chain snapshot cow wire",
        "ipnet",
    ),
    ("answer", "wire zone tenancy chain snapshot", "arrayvec"),
    (
        "audit",
        "snapshot tenancy answer chain",
        "hickory_proto serde",
    ),
    (
        "manifests",
        "model index",
        "ipnet serde serde_json serde_path_to_error serde_saphyr thiserror tracing",
    ),
    (
        "server",
        "wire answer snapshot chain limits drain tls",
        "arrayvec bytes http_body_util hyper hyper_util libc quinn rustix socket2 thiserror tokio tokio_rustls",
    ),
    ("checkpoint", "model index", "serde serde_json thiserror"),
    ("canary", "wire answer snapshot drain", "tokio tracing"),
    ("limits", "", ""),
    ("ring", "", ""),
    (
        "observe",
        "wire answer audit snapshot chain tenancy ring",
        "foldhash",
    ),
    ("querylog", "wire answer observe", "regex serde serde_json"),
    ("drain", "", "*"),
    (
        "config",
        "admin cache chain forward limits model observe otlp querylog server tap tenancy tls wire zone",
        "clap ipnet regex serde thiserror toml",
    ),
    (
        "commands",
        "wire cow model tenancy zone chain snapshot index answer audit manifests config forward cache",
        "*",
    ),
    ("probe", "wire", "hickory_proto serde"),
    ("telemetry", "", "*"),
    ("tls", "", "thiserror tokio tokio_rustls tracing"),
    // The API's objects become the model's here, and nowhere else.
    ("watch", "model index protobuf", "*"),
    ("protobuf", "", "thiserror"),
    ("tap", "wire protobuf", "thiserror"),
    ("otlp", "wire observe querylog protobuf", "thiserror"),
    ("cache", "wire", "arrayvec foldhash quick_cache"),
    (
        "forward",
        "wire answer cache server snapshot tenancy",
        "bytes http_body_util hyper hyper_util ring_crypto rustix rustls_native_certs thiserror tokio tokio_rustls tracing",
    ),
    ("metrics", "", "prometheus"),
    (
        "admin",
        "drain tls",
        "bytes http_body_util hyper hyper_util ring_crypto socket2 thiserror tokio tokio_rustls tracing",
    ),
    ("app", "*", "*"),
    ("main", "*", "*"),
    ("testing", "*", "*"),
];

/// Rooms on the path of a query.
const HOT: [&str; 6] = ["wire", "zone", "tenancy", "snapshot", "answer", "chain"];
/// Rooms that get the time as an argument.
const CORE: [&str; 9] = [
    "wire", "cow", "model", "zone", "tenancy", "snapshot", "answer", "chain", "index",
];

/// What hot rooms must not contain, and why.
const FORBIDDEN: [(&str, &str); 16] = [
    ("async", "the core is synchronous"),
    (".await", "the core is synchronous"),
    ("Mutex", "a query takes no lock"),
    ("RwLock", "a query takes no lock"),
    ("DashMap", "a query takes no lock"),
    ("format!", "a query allocates nothing"),
    (".to_string(", "a query allocates nothing"),
    (
        ".unwrap(",
        "write `expect` with the invariant that holds, or handle it",
    ),
    ("info!", "the core does not log: say it in the outcome"),
    ("warn!", "the core does not log: say it in the outcome"),
    ("error!", "the core does not log: say it in the outcome"),
    ("debug!", "the core does not log: say it in the outcome"),
    ("trace!", "the core does not log: say it in the outcome"),
    ("println!", "the core does not print"),
    ("eprintln!", "the core does not print"),
    ("dbg!", "the core does not print"),
];

/// Where a forbidden word is right: file, word, reason.
const ALLOWED: [(&str, &str, &str); 0] = [];

const CLOCKS: [&str; 2] = ["Instant::now", "SystemTime::now"];
/// Lines of a file that is not a test, at most.
const MAX_LINES: usize = 500;

// === the files ===

/// A source file, with its tests, comments and literals blanked out.
struct Source {
    path: String,
    /// The room, or `main`; empty for lib.rs.
    room: String,
    text: String,
    code: String,
    /// All of it is for tests.
    is_test: bool,
}

impl Source {
    /// Returns each line that is left with its number.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }

    /// Returns how many modules deep the file is: 0 for `src/zone.rs`, 1 for `src/zone/build.rs`.
    fn depth(&self) -> usize {
        self.path.matches('/').count() - 1
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// Returns every file under src, with those that only `#[cfg(test)]` modules reach marked.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    rust_files(&root().join("src"), &mut paths);
    paths.sort();
    let mut sources: Vec<Source> = paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let path = path
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/");
            let room = path.trim_start_matches("src/").split('/').next().unwrap();
            Source {
                room: room.trim_end_matches(".rs").replace("lib", ""),
                code: without_tests(&code_of(&text)),
                is_test: false,
                text,
                path,
            }
        })
        .collect();
    let mut tests = BTreeSet::new();
    for source in &sources {
        let code = code_of(&source.text);
        let of_tests = |child: &Child| child.is_test;
        tests.extend(
            children(&source.path, &code)
                .into_iter()
                .filter(of_tests)
                .map(|c| c.stem),
        );
    }
    for source in &mut sources {
        let stem = source.path.trim_end_matches(".rs");
        source.is_test = tests
            .iter()
            .any(|t| stem == t || stem.starts_with(&format!("{t}/")));
    }
    sources
}

/// A module that a file declares, as the path of its file without `.rs`.
struct Child {
    stem: String,
    is_test: bool,
}

fn children(path: &str, code: &str) -> Vec<Child> {
    let folder = match path {
        "src/lib.rs" | "src/main.rs" => "src",
        other => other.trim_end_matches(".rs"),
    };
    let mut last = "";
    let mut found = Vec::new();
    for line in code.lines().map(str::trim) {
        let visible = ["pub ", "pub(crate) ", "pub(super) "];
        let declared = visible.iter().find_map(|word| line.strip_prefix(word));
        let declared = declared.unwrap_or(line);
        if let Some(name) = declared
            .strip_prefix("mod ")
            .and_then(|l| l.strip_suffix(';'))
        {
            found.push(Child {
                stem: format!("{folder}/{name}"),
                is_test: last == "#[cfg(test)]",
            });
        }
        if !line.is_empty() {
            last = line;
        }
    }
    found
}

/// Replaces comments and the insides of literals by blanks; lines stay where they are.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\n');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut i = 0;
    // Copies line feeds of what is skipped.
    let skip = |out: &mut String, from: usize, to: usize| {
        (from..to).for_each(|j| out.push(if at(j) == '\n' { '\n' } else { ' ' }));
        to
    };
    while i < chars.len() {
        let end = match (at(i), at(i + 1)) {
            ('/', '/') => (i..).find(|&j| at(j) == '\n').unwrap(),
            ('/', '*') => {
                let close = (i + 2..chars.len()).find(|&j| at(j) == '*' && at(j + 1) == '/');
                close.map_or(chars.len(), |j| j + 2)
            }
            ('r', '"' | '#') if i == 0 || !is_word(at(i - 1)) || at(i - 1) == 'b' => {
                let hashes = (i + 1..).take_while(|&j| at(j) == '#').count();
                if at(i + 1 + hashes) == '"' {
                    let closes = |j: usize| at(j) == '"' && (1..=hashes).all(|h| at(j + h) == '#');
                    let close = (i + 2 + hashes..chars.len()).find(|&j| closes(j));
                    close.map_or(chars.len(), |j| j + 1 + hashes)
                } else {
                    i
                }
            }
            ('"', _) => {
                let mut j = i + 1;
                while j < chars.len() && at(j) != '"' {
                    j += if at(j) == '\\' { 2 } else { 1 };
                }
                j + 1
            }
            ('\'', '\\') => (i + 3..).find(|&j| at(j) == '\'').unwrap() + 1,
            ('\'', _) if at(i + 2) == '\'' => i + 3,
            _ => i,
        };
        if end > i {
            i = skip(&mut out, i, end.min(chars.len()));
        } else {
            out.push(at(i));
            i += 1;
        }
    }
    out
}

/// Blanks the items that only tests have, and the implementations of Display and Debug.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mut blank = |start: usize| {
        let open = out[start..]
            .find(['{', ';'])
            .map_or(out.len(), |at| start + at);
        let mut depth = 0;
        let mut end = out.len();
        for (at, c) in out[open..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (c == '}' || c == ';') {
                end = open + at + 1;
                break;
            }
        }
        let blanks: String = out[start..end]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        // As long as what it replaces: what is left outside of literals is ASCII.
        assert_eq!(blanks.len(), end - start, "{}", &out[start..end]);
        out.replace_range(start..end, &blanks);
    };
    for mark in ["#[cfg(test)]", "#[cfg(any(test, feature = "] {
        let starts: Vec<usize> = code.match_indices(mark).map(|(at, _)| at).collect();
        starts.into_iter().for_each(&mut blank);
    }
    for (start, _) in code.match_indices("\nimpl") {
        let head = code[start..].split('{').next().unwrap();
        if head.contains("Display for") || head.contains("Debug for") {
            blank(start + 1);
        }
    }
    out
}

/// Fails with every problem, one a line: `file:line: what is wrong; what to do`.
fn report(problems: &[String]) {
    let mut text = String::new();
    problems
        .iter()
        .for_each(|problem| writeln!(text, "  {problem}").unwrap());
    assert!(problems.is_empty(), "{} problems\n{text}", problems.len());
}

/// Returns whether `word` stands in `line` as a whole word (where it starts or ends with a letter).
fn has_word(line: &str, word: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joined_before = letter(word.chars().next()) && letter(before);
        let joined_after = letter(word.chars().next_back()) && letter(after);
        !joined_before && !joined_after
    })
}

// === who may use whom ===

/// Returns the first name of each path behind `crate::`, groups included, with its line.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, head) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + head.len()..];
        let mut depth = 0;
        let mut name = String::new();
        // In a group, the name that each entry starts with.
        let mut starts = true;
        for c in rest.chars() {
            if c.is_alphanumeric() || c == '_' {
                if starts {
                    name.push(c);
                }
                continue;
            }
            if !name.is_empty() {
                found.push((line, std::mem::take(&mut name)));
                starts = false;
            }
            match c {
                '{' => (depth, starts) = (depth + 1, starts && depth == 0),
                '}' => depth -= 1,
                ',' => starts = depth == 1,
                _ => {}
            }
            if depth <= 0 {
                break;
            }
        }
    }
    found
}

/// Returns the dependencies' names as code spells them.
fn dependencies() -> Vec<String> {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let tables = ["dependencies", "dev-dependencies"].map(|key| manifest[key].as_table().unwrap());
    let names = tables.into_iter().flat_map(|table| table.keys());
    names
        .map(|name| name.replace('-', "_"))
        .filter(|name| name != "tenantdns")
        .collect()
}

fn listed(list: &str, name: &str) -> bool {
    list == "*" || list.split(' ').any(|other| other == name)
}

#[test]
fn rooms_use_only_the_rooms_that_they_may() {
    let table: BTreeMap<_, _> = ROOMS.iter().map(|(room, uses, _)| (*room, *uses)).collect();
    let mut problems = Vec::new();
    for source in sources()
        .iter()
        .filter(|s| !s.is_test && !s.room.is_empty())
    {
        let Some(uses) = table.get(&*source.room) else {
            problems.push(format!(
                "{}:1: room `{}` has no row; add one to ROOMS in tests/tidy.rs and to design and code map",
                source.path, source.room
            ));
            continue;
        };
        for (line, name) in crate_paths(&source.code) {
            let is_room = table.contains_key(&*name);
            if name != source.room && is_room && !listed(uses, &name) {
                let (path, room) = (&source.path, &source.room);
                problems.push(format!(
                    "{path}:{line}: `{room}` must not use `{name}`; it may use: {uses}. Move the code, or \
                     pass a plain value"
                ));
            }
        }
        let too_high = "super::".repeat(source.depth() + 1);
        for (line, text) in source.lines() {
            if text.contains(&too_high) || text.contains("crate::*") {
                let path = &source.path;
                problems.push(format!(
                    "{path}:{line}: leaves the room unnamed; write `crate::room::…`"
                ));
            }
        }
    }
    report(&problems);
}

#[test]
fn rooms_name_only_the_dependencies_that_they_may() {
    let dependencies = dependencies();
    assert!(
        dependencies.iter().any(|name| name == "arc_swap"),
        "{dependencies:?}"
    );
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| !s.is_test) {
        let Some((room, _, names)) = ROOMS.iter().find(|(room, ..)| *room == source.room) else {
            continue;
        };
        for (line, text) in source.lines() {
            let path = |name: &str| has_word(text, &format!("{name}::"));
            let used = |name: &str| path(name) || text.trim() == format!("use {name};");
            for name in dependencies
                .iter()
                .filter(|name| used(name) && !listed(names, name))
            {
                problems.push(format!(
                    "{}:{line}: `{room}` must not name `{name}`; it may name: {names}",
                    source.path
                ));
            }
        }
    }
    report(&problems);
}

#[test]
fn the_code_map_lists_every_room() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let map: Vec<&str> = lib.lines().filter(|line| line.starts_with("//!")).collect();
    let mut problems = Vec::new();
    for child in children("src/lib.rs", &code_of(&lib)) {
        let room = child.stem.trim_start_matches("src/");
        if room != "testing" && !map.iter().any(|line| line.contains(&format!("[`{room}`]"))) {
            problems.push(format!(
                "src/lib.rs:1: room `{room}` is not in the code map; add its line"
            ));
        }
    }
    report(&problems);
}

// === what the hot rooms must not do ===

#[test]
fn hot_rooms_neither_wait_nor_lock_nor_format() {
    let (mut problems, mut used) = (Vec::new(), BTreeSet::new());
    for source in sources()
        .iter()
        .filter(|s| !s.is_test && HOT.contains(&&*s.room))
    {
        for (line, text) in source.lines() {
            for (word, why) in FORBIDDEN.iter().filter(|(word, _)| has_word(text, word)) {
                let allowed = ALLOWED
                    .iter()
                    .position(|(p, w, _)| *p == source.path && w == word);
                match allowed {
                    Some(entry) => drop(used.insert(entry)),
                    None => problems.push(format!(
                        "{}:{line}: `{word}` in a hot room: {why}; or give the reason in ALLOWED of tests/tidy.rs",
                        source.path
                    )),
                }
            }
        }
    }
    for (entry, (path, word, _)) in ALLOWED.iter().enumerate() {
        if !used.contains(&entry) {
            problems.push(format!(
                "tests/tidy.rs: `{word}` is no longer in {path}; take it from ALLOWED"
            ));
        }
    }
    report(&problems);
}

#[test]
fn core_rooms_read_no_clock() {
    let mut problems = Vec::new();
    for source in sources()
        .iter()
        .filter(|s| !s.is_test && CORE.contains(&&*s.room))
    {
        for (line, text) in source.lines() {
            for clock in CLOCKS.iter().filter(|clock| text.contains(*clock)) {
                let path = &source.path;
                problems.push(format!(
                    "{path}:{line}: `{clock}` in a core room; take the time as an argument"
                ));
            }
        }
    }
    report(&problems);
}

#[test]
fn unsafe_code_lives_in_one_module() {
    let mut problems = Vec::new();
    for source in sources() {
        let home = source.path == "src/server/sys.rs" || source.path.starts_with("src/server/sys/");
        for (line, text) in (1..).zip(code_of(&source.text).lines()) {
            if !home && (has_word(text, "unsafe") || has_word(text, "unsafe_code")) {
                let path = &source.path;
                problems.push(format!(
                    "{path}:{line}: unsafe code; move it to src/server/sys.rs"
                ));
            }
        }
    }
    report(&problems);
}

// === where things are ===

#[test]
fn every_file_is_a_module_with_a_headline() {
    let sources = sources();
    let mut known = BTreeSet::from(["src/lib".to_owned(), "src/main".to_owned()]);
    for source in &sources {
        let declared = children(&source.path, &code_of(&source.text));
        known.extend(declared.into_iter().map(|child| child.stem));
    }
    let mut problems = Vec::new();
    for source in &sources {
        let path = &source.path;
        if path.ends_with("/mod.rs") {
            problems.push(format!(
                "{path}:1: a mod.rs; name the file after its module, beside its folder"
            ));
        }
        if !known.contains(path.trim_end_matches(".rs")) {
            problems.push(format!(
                "{path}:1: no `mod` line reaches this file; add one or delete the file"
            ));
        }
    }
    let mut others = Vec::new();
    for folder in ["tests", "benches"] {
        rust_files(&root().join(folder), &mut others);
    }
    let others = others.iter().map(|path| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    });
    let all = sources
        .iter()
        .map(|s| (s.path.clone(), s.text.clone()))
        .chain(others);
    for (path, text) in all {
        let headline = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("//! "));
        if headline.is_none_or(|words| words.trim().len() < 10 || words.contains("placeholder")) {
            problems.push(format!(
                "{path}:1: no headline; say in a `//!` line what the file is"
            ));
        }
    }
    report(&problems);
}

#[test]
fn every_part_of_the_integration_tests_is_run() {
    let list = fs::read_to_string(root().join("tests/it.rs")).unwrap();
    let mut files = Vec::new();
    rust_files(&root().join("tests/it"), &mut files);
    let missing = files.iter().filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.parent().unwrap().ends_with("it") && !list.contains(&format!("\"it/{name}\""))
    });
    let say = |path: &PathBuf| format!("{}: tests/it.rs has no `mod` line for it", path.display());
    report(&missing.map(say).collect::<Vec<_>>());
}

#[test]
fn no_file_is_too_long_to_read() {
    let long = sources().into_iter().filter(|s| !s.is_test);
    let problems = long
        .map(|s| (s.text.lines().count(), s.path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, path)| {
            format!("{path}:{lines}: over {MAX_LINES} lines; split it by what its parts are about")
        });
    report(&problems.collect::<Vec<_>>());
}

// === this file's own reading ===

#[test]
fn code_is_told_from_text_and_from_tests() {
    let code = |text: &str| {
        without_tests(&code_of(text))
            .split_whitespace()
            .collect::<String>()
    };
    for (text, expected) in [
        ("a // b\nc", "ac"),
        ("a /* b\n */ c", "ac"),
        ("a(\"b \\\" // c\") d", "a()d"),
        ("a(r#\"b \" c\"#)", "a()"),
        ("a(b\"c\", 'd', '\\'', '\"')", "a(b,,,)"),
        ("fn a<'b>(c: &'b d)", "fna<'b>(c:&'bd)"),
        ("a\n#[cfg(test)]\nmod b { c { d } }\ne", "ae"),
        ("#[cfg(test)]\nmod b;\nc", "c"),
        ("\nimpl fmt::Display for A { b }\nimpl C { d }", "implC{d}"),
        (
            "#[cfg(any(test, feature = \"testing\"))]\nfn a(b: C) -> D { e }\nf",
            "f",
        ),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn rooms_are_found_in_paths_and_in_groups() {
    let rooms = |code: &str| {
        let paths = crate_paths(code)
            .into_iter()
            .map(|(line, name)| format!("{line}{name}"));
        paths.collect::<Vec<_>>().join(" ")
    };
    for (code, expected) in [
        ("use crate::wire::Name;", "1wire"),
        ("\nlet a = crate::zone::B::c(crate::cow::D);", "2zone 2cow"),
        (
            "use crate::{wire::{Name, RType}, model, zone::A as B};",
            "1wire 1model 1zone",
        ),
        ("use crate::wire::{self, zone};", "1wire"),
        ("pub(crate) fn a()", ""),
    ] {
        assert_eq!(rooms(code), expected, "{code}");
    }
}

// === the invariants ===

#[test]
fn every_invariant_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("## Invariants").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    rust_files(&root().join("tests"), &mut files);
    let code: String = files
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut problems = Vec::new();
    for number in 1..=12 {
        let Some(entry) = section.split(&format!("- **I{number}**")).nth(1) else {
            problems.push(format!(
                "ARCHITECTURE.md: I{number} is missing; say it and its tests"
            ));
            continue;
        };
        let entry = entry.split("\n- **I").next().unwrap();
        let Some(tests) = entry.split("Test:").nth(1) else {
            let named =
                entry.contains("Held by a type") || entry.contains("Not held by a test yet");
            if !named {
                problems.push(format!(
                    "ARCHITECTURE.md: I{number} names no test; name one"
                ));
            }
            continue;
        };
        for name in tests
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| is_function_name(name))
        {
            if !code.contains(&format!("fn {name}(")) {
                problems.push(format!(
                    "ARCHITECTURE.md: I{number}: there is no test {name}"
                ));
            }
        }
    }
    report(&problems);
}

fn is_function_name(text: &str) -> bool {
    text.contains('_')
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
