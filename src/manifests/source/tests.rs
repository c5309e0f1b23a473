//! Files that come, change, break and go, and the events that this makes.

use super::*;
use crate::manifests::Severity;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenantdns-manifests-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in place.
    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a written file");
    }

    /// Sets the time of a file's last change.
    fn age(&self, name: &str, time: SystemTime) {
        let file = fs::File::options().write(true).open(self.path(name));
        let aged = file.and_then(|f| f.set_modified(time));
        aged.expect("a changed time");
    }

    fn open(&self) -> Source {
        Source::open([&self.0]).expect("a source")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn service(name: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{clusterIP: {ip}}}\n"
    )
}

const NAMESPACE: &str =
    "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {a: b}}\n";

/// Compares events as `+Kind key`, `-Kind key` and `=Kind`.
fn check(name: &str, events: &[Event], expected: &[&str]) {
    let got = events.iter().map(|event| match event {
        Event::Apply(o) => format!("+{} {}", o.kind().as_str(), o.key()),
        Event::Delete(kind, key) => format!("-{} {key}", kind.as_str()),
        Event::Synced(kind) => format!("={}", kind.as_str()),
        other => panic!("files have no versions: {other:?}"),
    });
    assert_eq!(got.collect::<Vec<_>>(), expected, "{name}");
}

fn cluster_ip(event: &Event) -> String {
    match event {
        Event::Apply(Object::Service(s)) => format!("{:?}", s.kind),
        other => panic!("{other:?}"),
    }
}

const SYNCED: [&str; 9] = [
    "=Namespace",
    "=Node",
    "=DnsGrant",
    "=DnsExport",
    "=DnsImport",
    "=Service",
    "=EndpointSlice",
    "=ServiceImport",
    "=Pod",
];

#[test]
fn the_first_poll_gives_everything_and_the_next_ones_the_differences() {
    let folder = Folder::new();
    folder.write(
        "b.yaml",
        &(service("web", "10.0.0.1") + &service("db", "None")),
    );
    folder.write(
        "sub/a.yml",
        "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n",
    );
    folder.write("readme.md", "not a manifest");
    let mut source = folder.open();
    let mut expected = vec![
        "+Namespace shop",
        "+Node n",
        "+Service shop/db",
        "+Service shop/web",
    ];
    expected.extend(SYNCED);
    check("first", &source.poll(), &expected);
    check("nothing changed", &source.poll(), &[]);

    folder.write(
        "b.yaml",
        &(service("web", "10.0.0.2") + &service("api", "None")),
    );
    let events = source.poll();
    check(
        "changed file",
        &events,
        &["-Service shop/db", "+Service shop/api", "+Service shop/web"],
    );
    assert!(cluster_ip(&events[2]).contains("10.0.0.2"));

    folder.write(
        "c.json",
        r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"m"}}"#,
    );
    check("new file", &source.poll(), &["+Node m"]);
    fs::remove_file(folder.path("c.json")).expect("a removed file");
    check("removed file", &source.poll(), &["-Node m"]);
    fs::remove_dir_all(folder.path("sub")).expect("a removed folder");
    check("removed folder", &source.poll(), &["-Node n"]);
    assert_eq!(source.diagnostics(), []);
}

#[test]
fn namespaces_that_objects_are_in_exist() {
    let folder = Folder::new();
    folder.write("a.yaml", &service("web", "None"));
    let mut source = folder.open();
    assert!(
        source
            .poll()
            .contains(&Event::Apply(Object::Namespace(Namespace {
                name: "shop".into(),
                ..Namespace::default()
            })))
    );
    folder.write("b.yaml", NAMESPACE);
    let events = source.poll();
    check("declared", &events, &["+Namespace shop"]);
    assert!(
        matches!(&events[0], Event::Apply(Object::Namespace(n)) if n.labels.iter().count() == 1)
    );

    fs::remove_file(folder.path("b.yaml")).expect("a removed file");
    let events = source.poll();
    check("implied again", &events, &["+Namespace shop"]);
    assert!(matches!(&events[0], Event::Apply(Object::Namespace(n)) if n.labels.is_empty()));

    folder.write("a.yaml", "# nothing left\n");
    check(
        "mentioned by nothing",
        &source.poll(),
        &["-Service shop/web", "-Namespace shop"],
    );
    folder.write("b.yaml", NAMESPACE);
    check("declared alone", &source.poll(), &["+Namespace shop"]);
}

#[test]
fn the_last_of_two_files_wins_and_the_other_comes_back() {
    let folder = Folder::new();
    folder.write("a.yaml", &service("web", "10.0.0.1"));
    folder.write("b.yaml", &service("web", "10.0.0.2"));
    let mut source = folder.open();
    let events = source.poll();
    assert!(cluster_ip(&events[1]).contains("10.0.0.2"));
    let said = source.diagnostics();
    assert_eq!(said.len(), 1);
    let expected = format!(
        "{}: Service shop/web: also in {}; this one is used",
        folder.path("b.yaml").display(),
        folder.path("a.yaml").display()
    );
    assert_eq!(said[0].to_string(), expected);

    folder.write("a.yaml", &service("web", "10.0.0.33"));
    check("the hidden one changed", &source.poll(), &[]);
    fs::remove_file(folder.path("b.yaml")).expect("a removed file");
    let events = source.poll();
    check("the other comes back", &events, &["+Service shop/web"]);
    assert!(cluster_ip(&events[0]).contains("10.0.0.33"));
    assert_eq!(source.diagnostics(), []);

    folder.write(
        "a.yaml",
        &(service("x", "10.0.0.1") + &service("x", "10.0.0.2")),
    );
    let events = source.poll();
    check(
        "twice in one file",
        &events,
        &["-Service shop/web", "+Service shop/x"],
    );
    assert!(cluster_ip(&events[1]).contains("10.0.0.2"));
    assert_eq!(source.diagnostics().len(), 1);
}

#[test]
fn a_file_that_breaks_keeps_its_last_good_objects() {
    let folder = Folder::new();
    folder.write("a.yaml", &service("web", "10.0.0.1"));
    let mut source = folder.open();
    source.poll();
    source.notes.clear();

    for text in ["a: [1\nb: 2\n", "kind: 'Pod\n"] {
        folder.write("a.yaml", text);
        source.refresh();
        assert!(
            matches!(&source.notes[..], [Note::Problem(d, true)] if d.severity == Severity::Error),
            "{text}: {:?}",
            source.notes
        );
        check(text, &source.poll(), &[]);
        source.refresh();
        assert!(source.notes.is_empty(), "said once: {:?}", source.notes);
        let said = source.diagnostics();
        assert_eq!(said.len(), 1);
        assert!(said[0].line.is_some());
        assert_eq!(said[0].file, Some(folder.path("a.yaml")));
    }

    folder.write("a.yaml", &service("web", "10.0.0.2"));
    source.refresh();
    assert!(matches!(&source.notes[..], [Note::Recovered(_)]));
    check("good again", &source.poll(), &["+Service shop/web"]);
    assert_eq!(source.diagnostics(), []);

    fs::write(folder.path("a.yaml"), [b'a', b':', b'\n', 0xff]).expect("a written file");
    check("not text", &source.poll(), &[]);
    assert!(
        source.diagnostics()[0]
            .to_string()
            .ends_with("a.yaml:2: not UTF-8 text")
    );
    fs::remove_file(folder.path("a.yaml")).expect("a removed file");
    check(
        "a broken file that is removed",
        &source.poll(),
        &["-Service shop/web", "-Namespace shop"],
    );
    assert_eq!(source.diagnostics(), []);
}

#[test]
fn a_malformed_object_costs_itself_alone() {
    let folder = Folder::new();
    let bad = service("bad", "None").replace("{clusterIP", "{ports: 7, clusterIP");
    folder.write("a.yaml", &(bad + &service("web", "None")));
    let mut source = folder.open();
    let events = source.poll();
    check(
        "the good one",
        &events[..2],
        &["+Namespace shop", "+Service shop/web"],
    );
    let said = source.diagnostics()[0].to_string();
    let expected = "a.yaml: document 1: Service shop/bad: spec.ports: invalid type: integer `7`, expected a sequence";
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn changes_that_the_stamp_hides_are_seen_while_the_file_is_young() {
    let folder = Folder::new();
    let (one, two) = (service("web", "10.0.0.1"), service("web", "10.0.0.2"));
    let young = SystemTime::now();
    folder.write("a.yaml", &one);
    folder.age("a.yaml", young);
    let mut source = folder.open();
    source.poll();
    folder.write("a.yaml", &two);
    folder.age("a.yaml", young);
    check("same stamp, young", &source.poll(), &["+Service shop/web"]);

    let old = young - Duration::from_secs(60);
    folder.age("a.yaml", old);
    check("touched", &source.poll(), &[]);
    // A settled file is not read again: what shows is the stamp alone.
    folder.write("a.yaml", &one);
    folder.age("a.yaml", old);
    check("same stamp, settled", &source.poll(), &[]);
    folder.age("a.yaml", old + Duration::from_secs(1));
    check("other stamp", &source.poll(), &["+Service shop/web"]);
}

#[test]
fn a_mounted_config_map_is_followed_through_its_links() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    folder.write("..v1/a.yaml", &service("web", "10.0.0.1"));
    folder.write("..v2/a.yaml", &service("web", "10.0.0.2"));
    folder.write(".hidden.yaml", &service("hidden", "None"));
    symlink("..v1", folder.path("..data")).expect("a link");
    symlink("..data/a.yaml", folder.path("a.yaml")).expect("a link");
    symlink("nowhere", folder.path("dangling.yaml")).expect("a link");
    symlink(".", folder.path("loop")).expect("a link");
    let mut source = folder.open();
    check(
        "first",
        &source.poll()[..2],
        &["+Namespace shop", "+Service shop/web"],
    );
    symlink("..v2", folder.path("..tmp")).expect("a link");
    fs::rename(folder.path("..tmp"), folder.path("..data")).expect("a swapped link");
    let events = source.poll();
    check("swapped", &events, &["+Service shop/web"]);
    assert!(cluster_ip(&events[0]).contains("10.0.0.2"));
    assert_eq!(source.diagnostics(), []);
}

#[test]
fn a_path_given_twice_is_one() {
    let folder = Folder::new();
    folder.write("a.yaml", &service("web", "None"));
    folder.write("b.txt", &service("db", "None"));
    let paths = [
        folder.path("a.yaml"),
        folder.0.clone(),
        folder.path("b.txt"),
    ];
    let mut source = Source::open(paths).expect("a source");
    check(
        "with a file of any name",
        &source.poll()[..3],
        &["+Namespace shop", "+Service shop/db", "+Service shop/web"],
    );
    assert_eq!(source.diagnostics(), []);
}

#[test]
fn what_cannot_be_opened_says_what_to_do() {
    let folder = Folder::new();
    folder.write("empty/readme.md", "");
    folder.write("bad/a.yaml", "a: [\n");
    let open = |name: &str| {
        Source::open([folder.path(name)])
            .expect_err(name)
            .to_string()
    };
    let root = folder.0.display();
    for (name, expected) in [
        (
            "none",
            format!(
                "{root}/none does not exist: name a file or a folder of Kubernetes YAML or JSON"
            ),
        ),
        (
            "empty",
            format!(
                "no *.yaml, *.yml or *.json file in {root}/empty: put one there or name another path"
            ),
        ),
        (
            "bad",
            format!("no manifest can be used; the first one says: {root}/bad/a.yaml:"),
        ),
    ] {
        let said = open(name);
        assert!(said.starts_with(&expected), "{said}");
    }
    let device = Source::open(["/dev/null"]).expect_err("a device");
    assert!(
        device
            .to_string()
            .starts_with("/dev/null is neither a file nor a folder")
    );
    let nothing = Source::open(Vec::<PathBuf>::new()).expect_err("no path");
    assert!(matches!(nothing, Error::NoPath));
}

#[test]
fn a_vanished_root_takes_its_objects_and_brings_them_back() {
    let folder = Folder::new();
    folder.write("x/a.yaml", NAMESPACE);
    let mut source = Source::open([folder.path("x")]).expect("a source");
    source.poll();
    fs::rename(folder.path("x"), folder.path("y")).expect("a moved folder");
    check("gone", &source.poll(), &["-Namespace shop"]);
    fs::rename(folder.path("y"), folder.path("x")).expect("a moved folder");
    check("back", &source.poll(), &["+Namespace shop"]);
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = Folder::new();
    folder.write("a.yaml", &service("web", "None"));
    let mut source = folder.open();
    source.poll();
    let file = fs::File::options().write(true).open(folder.path("a.yaml"));
    let grown = file.and_then(|f| f.set_len(files::MAX_FILE_BYTES + 1));
    grown.expect("a grown file");
    source.refresh();
    assert_eq!(source.notes.len(), 1);
    check("its objects stay", &source.poll(), &[]);
    source.refresh();
    assert!(source.notes.is_empty(), "said once");
    let said = source.diagnostics()[0].to_string();
    assert!(
        said.ends_with("a.yaml: larger than 256 MiB: split it into several files"),
        "{said}"
    );

    folder.write("a.yaml", &service("web", "None"));
    source.refresh();
    assert!(matches!(source.notes[..], [Note::Recovered(_)]));
    check("as before", &source.poll(), &[]);
}
