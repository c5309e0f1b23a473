//! What the Dockerfile says, which nothing here builds: that it takes what is locked, gets what it needs,
//! and that what it makes runs as CoreDNS's image does.

use crate::deploy::{read, repository};
use std::collections::BTreeMap;
use std::fs;

/// The instructions of the Dockerfile, a line each.
fn instructions() -> Vec<(String, String)> {
    let text = read("Dockerfile");
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let instructions = joined.lines().filter_map(|line| line.split_once(' '));
    instructions
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect()
}

#[test]
fn the_image_is_built_from_locked_sources_and_runs_without_root() {
    let instructions = instructions();
    let of = |word: &str| -> Vec<&str> {
        let found = instructions.iter().filter(|(name, _)| name == word);
        found.map(|(_, rest)| rest.as_str()).collect()
    };
    let images: BTreeMap<_, _> = of("ARG")
        .iter()
        .filter_map(|argument| argument.split_once('='))
        .collect();
    let from = of("FROM");
    assert_eq!(from, ["${RUST_IMAGE} AS build", "${BASE_IMAGE}"]);
    for image in images.values() {
        let (_, tag) = image.rsplit_once(':').unwrap();
        assert!(!tag.is_empty() && tag != "latest", "{image}");
    }
    // glibc of the base must not be older than that of the build.
    let debian = |image: &str| image.contains("bookworm") || image.contains("debian12");
    assert!(images.values().all(|image| debian(image)), "{images:?}");
    let built = of("RUN").join("\n");
    for needed in [
        "cargo build --release --locked --bin tenantdns",
        "setcap cap_net_bind_service=+ep /tenantdns",
    ] {
        assert!(built.contains(needed), "{built}");
    }
    assert!(of("ADD").is_empty());
    // Behind the last FROM.
    let last = instructions.iter().rposition(|(word, _)| word == "FROM");
    let stage = &instructions[last.unwrap()..];
    let rest = |word: &str| {
        let mut found = stage.iter().filter(|(name, _)| name == word);
        found.next().map(|(_, rest)| rest.as_str())
    };
    assert_eq!(rest("USER"), Some("65532:65532"));
    // CoreDNS's Deployment has arguments and no command.
    assert_eq!(rest("ENTRYPOINT"), Some("[\"/tenantdns\"]"));
    assert_eq!(rest("RUN"), None, "the base has no shell");
    assert_eq!(rest("COPY"), Some("--from=build /tenantdns /tenantdns"));
}

#[test]
fn the_compiler_of_the_image_is_new_enough() {
    let dockerfile = read("Dockerfile");
    let number = |text: &str| -> Vec<u32> {
        let digits = text.split(|c: char| !c.is_ascii_digit());
        digits.map_while(|part| part.parse().ok()).collect()
    };
    let image = dockerfile.split_once("/rust:").unwrap().1;
    let manifest = read("Cargo.toml");
    let wanted = manifest.split_once("rust-version = \"").unwrap().1;
    assert!(number(image) >= number(wanted), "{image:.10} {wanted:.10}");
}

#[test]
fn the_image_gets_everything_that_the_program_is_built_from() {
    let ignored = read(".dockerignore");
    let let_in: Vec<_> = ignored
        .lines()
        .filter_map(|l| l.strip_prefix('!'))
        .collect();
    assert!(ignored.lines().any(|line| line == "*"), "{ignored}");
    for needed in [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "src",
        "benches/*.rs",
        "tests/*.rs",
    ] {
        assert!(let_in.contains(&needed), "{needed}");
    }
    // What is compiled in has to be below src; only tests may read elsewhere.
    let mut seen = 0;
    let mut folders = vec![repository().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name == "tests" || name == "tests.rs" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let below = path.strip_prefix(repository().join("src")).unwrap();
                for part in code.split("include_str!(\"").skip(1) {
                    let file = part.split('"').next().unwrap();
                    let up = file.matches("../").count();
                    assert!(up < below.components().count(), "{below:?}: {file}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 0, "nothing is compiled in");
}
