//! `visibility`, `policy test` and `policy diff` as people run them: what they print, and how they
//! end. What they print stands in tests/cases/policy.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tenantdns::commands::{Difference, Visibility};
use tenantdns::model::Object;
use tenantdns::testing::{Cluster, objects};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/policy");
const QUICKSTART: &str = "--manifests ../../../examples/quickstart";
const ODD: &str = "--config odd.toml --manifests odd.yaml";

const RANGES: &str = "--config ranges.toml --manifests odd.yaml";

/// Runs the program in the folder of the cases.
fn run(line: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenantdns"))
        .args(line.split(' '))
        .current_dir(CASES)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn commands_print_what_the_cases_say() {
    let mut wrong = String::new();
    for (line, status, expected) in [
        (format!("visibility {QUICKSTART}"), 0, "quickstart.txt"),
        (
            format!("visibility {QUICKSTART} --output json"),
            0,
            "quickstart.json",
        ),
        (format!("visibility {ODD}"), 0, "odd.txt"),
        (format!("visibility {ODD} --output json"), 0, "odd.json"),
        ("policy test odd-facts.yaml".into(), 0, "odd-facts.txt"),
        (
            "policy test odd-facts.yaml failing-facts.yaml".into(),
            1,
            "failing-facts.txt",
        ),
        (
            "policy diff odd.toml changed.toml --manifests odd.yaml".into(),
            1,
            "changed.txt",
        ),
        (
            "policy diff odd.toml changed.toml --manifests odd.yaml --output json".into(),
            1,
            "changed.json",
        ),
        (
            "policy diff odd.toml odd.toml --manifests odd.yaml".into(),
            0,
            "same.txt",
        ),
        (
            "policy diff odd.toml odd.toml --manifests odd.yaml --output json".into(),
            0,
            "same.json",
        ),
        (
            "policy diff odd.toml audit.toml --manifests odd.yaml --enforce".into(),
            1,
            "enforced.txt",
        ),
        (format!("visibility {RANGES}"), 0, "ranges.txt"),
        (
            format!("visibility {RANGES} --output json"),
            0,
            "ranges.json",
        ),
        (
            "policy diff ranges.toml ranges-changed.toml --manifests odd.yaml".into(),
            1,
            "ranges-changed.txt",
        ),
        (
            "policy diff ranges.toml ranges-changed.toml --manifests odd.yaml --output json".into(),
            1,
            "ranges-changed.json",
        ),
    ] {
        let (code, said, stderr) = run(&line);
        let path = Path::new(CASES).join(expected);
        let want = std::fs::read_to_string(&path).unwrap_or_default();
        if code != Some(status) || said != want {
            let got = std::env::temp_dir().join(format!("tenantdns-{expected}"));
            std::fs::write(&got, &said).unwrap();
            let (path, got) = (path.display(), got.display());
            writeln!(
                wrong,
                "tenantdns {line}: status {code:?}, {stderr}\n  diff {path} {got}"
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_the_pages_show_is_what_is_printed() {
    let page = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let indented = |text: &str| {
        let lines = text
            .lines()
            .map(|line| format!("    {line}").trim_end().to_owned() + "\n");
        lines.collect::<String>()
    };
    let (_, table, _) = run(&format!("visibility {QUICKSTART}"));
    for name in ["README.md", "docs/policy.md"] {
        assert!(
            page(name).contains(&indented(&table)),
            "{name}: {}",
            indented(&table)
        );
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let facts = format!("{root}examples/quickstart-facts.yaml");
    let (code, said, _) = run(&format!("policy test {facts}"));
    assert_eq!(code, Some(0), "{said}");
    let said = indented(&said.replace(root, ""));
    assert!(page("docs/policy.md").contains(&said), "{said}");
    let (_, changed, _) = run("policy diff odd.toml changed.toml --manifests odd.yaml");
    let lines = |text: &str| {
        text.lines()
            .map(str::trim)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let policy = page("docs/policy.md");
    let shown = policy
        .split("stand together:")
        .nth(1)
        .unwrap()
        .split("`+` is")
        .next()
        .unwrap();
    let shown: Vec<String> = lines(shown)
        .into_iter()
        .filter(|line| !line.is_empty())
        .collect();
    assert!(
        shown.iter().all(|line| lines(&changed).contains(line)),
        "{changed}"
    );
}

#[test]
fn a_wrong_file_of_facts_is_named_with_its_place() {
    let folder = std::env::temp_dir().join(format!("tenantdns-facts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("facts.yaml");
    let fact = "- {from: shop, target: a/b, expected: hidden}\n";
    for (text, said) in [
        ("facts: [\n", vec!["facts.yaml:"]),
        (
            "fact: []\n",
            vec![
                "facts.yaml:1:1: ",
                "unknown field `fact`",
                "config, manifests, facts",
            ],
        ),
        ("facts: []\n", vec!["facts.yaml:1:1: facts: there are none"]),
        (
            "manifests: [a]\n",
            vec!["facts.yaml:1:1: facts: there are none"],
        ),
        (
            "facts:\n- {from: shop, target: a/b, expect: hidden}\n",
            vec!["facts.yaml:2:29: ", "unknown field `expect`"],
        ),
        (
            "facts:\n- {from: shop, target: a/b, from: bank}\n",
            vec!["facts.yaml:2:29: ", "duplicate"],
        ),
        (
            // Everything that is wrong is said at once.
            "facts:\n- target: a.b/c\n  expected: seen\n- from: Shop\n  name: a..b\n  type: NOTYPE\n\
             - from: shop\n  name: a\n  target: b\n  answer: none\n- from: a/b/*\n  name: x\n  answer: []\n",
            vec![
                "facts.yaml:2:3: facts[0].from: missing",
                "facts.yaml:2:11: facts[0].target: `a.b/c` is not",
                "facts.yaml:3:13: facts[0].expected: `seen` is neither",
                "facts.yaml:4:9: facts[1].from: `Shop` is not a name",
                "facts.yaml:5:9: facts[1].name: `a..b`",
                "facts.yaml:6:9: facts[1].type: ",
                "facts.yaml:4:3: facts[1].expected: missing",
                "facts.yaml:8:9: facts[2].name: give `name` or `target`",
                "facts.yaml:10:11: facts[2].answer: `none` is not NODATA",
                "facts.yaml:11:9: facts[3].from: `a/b` is not a namespace",
                "facts.yaml:13:11: facts[3].answer: an empty list",
            ],
        ),
        (
            &format!("config: wrong.toml\nmanifests: [.]\nfacts:\n{fact}"),
            vec!["wrong.toml:2:1: kubernetes.tll: unknown key"],
        ),
        (
            &format!("config: nowhere.toml\nfacts:\n{fact}"),
            vec!["nowhere.toml: the configuration can't be read"],
        ),
        (&format!("facts:\n{fact}"), vec!["no source"]),
    ] {
        std::fs::write(&path, text).unwrap();
        std::fs::write(folder.join("wrong.toml"), "[kubernetes]\ntll = 5\n").unwrap();
        let (code, stdout, stderr) = run(&format!("policy test {}", path.display()));
        assert_eq!(code, Some(78), "{text}{stdout}{stderr}");
        assert!(stdout.is_empty(), "{stdout}");
        for words in said {
            assert!(
                stderr.contains(words),
                "{text}: {words:?} is not in {stderr}"
            );
        }
    }
    let (code, _, stderr) = run("policy test nowhere.yaml");
    assert_eq!(code, Some(78), "{stderr}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn diff_tells_trouble_from_a_difference() {
    for (line, status, said) in [
        ("policy diff odd.toml odd.toml", 2, "no source"),
        (
            "policy diff odd.toml odd.toml --manifests nowhere",
            2,
            "nowhere does not exist",
        ),
        (
            "policy diff odd.toml nowhere.toml --manifests odd.yaml",
            78,
            "nowhere.toml",
        ),
        (
            "policy diff odd.toml odd.yaml --manifests odd.yaml",
            78,
            "odd.yaml:",
        ),
        ("policy diff odd.toml", 2, "NEW"),
        ("policy", 2, "Usage"),
    ] {
        let (code, stdout, stderr) = run(line);
        assert_eq!(code, Some(status), "{line}: {stdout}{stderr}");
        assert!(stderr.contains(said), "{line}: {said:?} is not in {stderr}");
    }
}

#[test]
fn folders_are_compared_with_their_own_objects_and_configuration() {
    let folder: PathBuf =
        std::env::temp_dir().join(format!("tenantdns-sides-{}", std::process::id()));
    let namespace = |labels: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{labels}}}}}\n")
    };
    for (side, labels) in [("old", ""), ("new", "tenantdns.io/tenant: web")] {
        std::fs::create_dir_all(folder.join(side)).unwrap();
        std::fs::write(folder.join(side).join("shop.yaml"), namespace(labels)).unwrap();
    }
    std::fs::write(
        folder.join("base.yaml"),
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: cart, labels: {tenantdns.io/tenant: web}}\n",
    )
    .unwrap();
    let line = |other: &str| {
        let path = |name: &str| folder.join(name).display().to_string();
        let (old, new, base) = (path("old"), path(other), path("base.yaml"));
        format!("policy diff {old} {new} --manifests {base}")
    };
    let (code, stdout, stderr) = run(&line("new"));
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(
        stdout,
        "tenant web (cart)\n  + shop\ntenant web (shop)\n  + cart\n"
    );
    std::fs::write(
        folder.join("new/tenantdns.toml"),
        "[tenancy]\nplatform = { namespaces = [\"cart\"] }\ntenant_from = [{ label = \"x\" }]\n",
    )
    .unwrap();
    let (_, stdout, stderr) = run(&line("new"));
    assert_eq!(stdout, "namespace cart\n  + shop\n", "{stderr}");
    let (code, stdout, _) = run(&line("old"));
    assert_eq!((code, &*stdout), (Some(0), "nobody sees anything else\n"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_page_is_one_file_in_which_names_are_only_names() {
    let (code, page, stderr) = run(&format!("visibility {ODD} --output html"));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(page.starts_with("<!doctype html>") && !page.contains("@DATA@"));
    for outside in [
        "src=",
        "href=",
        "url(",
        "http:",
        "https:",
        "@import",
        "fetch(",
        "innerHTML",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    // The page's own two elements, and none that a tenant is called.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    assert!(page.contains(r#""\u003c/script\u003e\u003cscript\u003ealert(\"\u0026\")"#));
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
    let json = page.split("id=\"data\">").nth(1).unwrap();
    let json = json.split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(json).unwrap();
    let names: Vec<&str> = data["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r[1].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"</script><script>alert(\"&\")</script>"),
        "{names:?}"
    );
    let kinds = |name: &str| -> Vec<&str> {
        let rows = data["rows"].as_array().unwrap().iter();
        rows.filter(|r| r[1] == name)
            .map(|r| r[0].as_str().unwrap())
            .collect()
    };
    let (_, page, _) = run(&format!("visibility {RANGES} --output html"));
    assert!(page.contains(r#"["range","10.9.1.0/24 (tenant office)",[],"#));
    assert_eq!(kinds("unknown"), ["tenant", "client"]);
    assert_eq!(kinds("node"), ["alone", "client"]);
    assert_eq!(kinds("acme"), ["tenant", "alone"]);
}

// === what it costs ===

/// A cluster of tenants with four namespaces each and three services in each of those.
fn large(tenants: usize, moved: Option<&str>) -> Vec<Object> {
    let mut all = Vec::new();
    for n in 0..tenants * 4 {
        let (tenant, name) = (format!("tenant-{:03}", n / 4), format!("ns-{n:04}"));
        let tenant = moved.filter(|_| n == 9).unwrap_or(&tenant);
        all.push(objects::labeled_namespace(
            &name,
            &[("tenantdns.io/tenant", tenant)],
        ));
        all.extend((0..3).map(|s| objects::service(&name, &format!("s-{s}"), &[])));
    }
    all.push(objects::service("default", "kubernetes", &[]));
    all.push(objects::service("kube-system", "metrics", &[]));
    all
}

#[test]
fn five_hundred_tenants_cost_a_test_for_each_class_and_name() {
    let cluster = Cluster::of(large(500, None), "");
    let mut index = cluster.index();
    let snapshot = index.snapshot(0);
    let visibility = Visibility::of(&index, &snapshot);
    // Classes: each tenant, the platform, the untenanted, nodes, unknown. Names: namespaces, and the
    // services of those that a class sees.
    let (classes, namespaces) = (504, 2_002);
    let services = 2 * 6_002 + 3 * classes;
    assert!(
        visibility.tests() <= classes * namespaces + services,
        "{}",
        visibility.tests()
    );

    let page = visibility.to_html().unwrap();
    assert!(page.len() < 300_000, "{}", page.len());
    assert_eq!(
        page.matches("<td").count(),
        0,
        "cells are drawn, not marked up"
    );
    let table = visibility.to_string();
    assert!(table.lines().count() < 1_100, "{}", table.lines().count());
    assert!(table.lines().all(|line| line.chars().count() <= 102));
}

#[test]
fn a_change_of_one_tenant_is_a_few_lines() {
    let difference = |a: &Cluster, b: &Cluster| {
        let (mut a, mut b) = (a.index(), b.index());
        let (x, y) = (a.snapshot(0), b.snapshot(0));
        Difference::between((&a, &x), (&b, &y)).to_string()
    };
    let old = Cluster::of(large(500, None), "");
    let moved = Cluster::of(large(500, Some("tenant-499")), "");
    assert_eq!(
        difference(&old, &moved),
        "tenant tenant-002 (ns-0008, ns-0010, ns-0011)\n  - ns-0009\n\
         tenant tenant-499 (ns-0009)\n  + ns-1996, ns-1997, ns-1998, ns-1999\n\
         \x20 - ns-0008, ns-0010, ns-0011\n\
         tenant tenant-499 (ns-1996, ns-1997, ns-1998, ns-1999)\n  + ns-0009\n"
    );
    // Everybody sees what one shares, and nobody sees more of it than the others.
    let shared = Cluster::of(
        large(500, None),
        "[tenancy]\nshared = { namespaces = [\"ns-0009\"] }",
    );
    let text = difference(&old, &shared);
    assert!(text.lines().count() <= 3, "{text}");
    assert!(
        text.contains("499 tenants with 1996 namespaces; 1 namespace without"),
        "{text}"
    );
    // Nothing is enforced any longer: each group of clients sees what the others are.
    let off = Cluster::of(large(500, None), "[tenancy]\nmode = \"off\"");
    let text = difference(&old, &off);
    assert!(text.lines().count() < 6 * 510, "{}", text.lines().count());
}

#[test]
fn each_profile_has_an_example_whose_facts_hold() {
    for (profile, facts) in [("enterprise", 16), ("kaas", 9), ("saas", 5)] {
        let (status, said, errors) = run(&format!(
            "policy test ../../../examples/{profile}/facts.yaml"
        ));
        assert_eq!(status, Some(0), "{profile}: {said}{errors}");
        let count = format!("{facts} facts: {facts} hold, 0 do not");
        assert!(said.contains(&count), "{profile}: {said}");
    }
}
