//! Versions, lists and audits: what is older changes nothing, what a list leaves out is gone, and a
//! gap is counted.

use std::collections::BTreeSet;
use tenantdns::index::{Audit, Event, Index, Trust, Version};
use tenantdns::model::{Kind, Object, ObjectKey};
use tenantdns::testing::{Cluster, objects};

const KINDS: [Kind; 3] = [Kind::Service, Kind::Pod, Kind::Namespace];

fn key(kind: Kind, name: &str) -> ObjectKey {
    match kind {
        Kind::Namespace => ObjectKey::cluster(name),
        _ => ObjectKey::new("shop", name),
    }
}

fn object(kind: Kind, name: &str) -> Object {
    match kind {
        Kind::Namespace => objects::namespace(name),
        Kind::Pod => objects::pod("shop", name, [10, 244, 0, 1].into()),
        _ => objects::service("shop", name, &[]),
    }
}

/// What an index holds of a kind.
fn held(index: &Index, kind: Kind) -> BTreeSet<String> {
    let objects = index.objects();
    match kind {
        Kind::Namespace => objects.namespaces.keys().map(ToString::to_string).collect(),
        Kind::Pod => {
            let pods = objects.pods.iter();
            pods.map(|p| objects.pods.name(p).to_owned()).collect()
        }
        _ => objects
            .services
            .iter()
            .map(|s| s.key.name.to_string())
            .collect(),
    }
}

/// Takes the steps for each kind that keeps versions in its own way, and compares what is held.
///
/// A step is `list`, `anew`, `end`, `+name@version`, `-name@version`, `~name@version` (exists, of no
/// use), or `audit@version name@version … =n` for an audit that finds `n` differences.
fn check(fact: &str, steps: &[&str], expected: &[&str]) {
    for kind in KINDS {
        let mut index = Cluster::of(Vec::new(), "").empty_index();
        for step in steps {
            let fact = format!("{fact}: {} at {step}", kind.as_str());
            take(&mut index, kind, step, &fact);
        }
        let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(held(&index, kind), expected, "{fact}: {}", kind.as_str());
    }
}

fn take(index: &mut Index, kind: Kind, step: &str, fact: &str) {
    let at = |text: &str| {
        let (name, version) = text.split_once('@').unwrap();
        (name.to_owned(), Version(version.parse().unwrap()))
    };
    let of = |text: &str| {
        let (name, version) = at(text);
        (key(kind, &name), version)
    };
    let event = match step.split_at(1) {
        ("l", _) => Event::Listing(kind, Trust::Newer),
        ("e", _) => Event::Synced(kind),
        ("+", rest) => Event::ApplyAt(object(kind, &at(rest).0), at(rest).1),
        ("-", rest) => Event::DeleteAt(kind, of(rest).0, of(rest).1),
        ("~", rest) => Event::Void(kind, of(rest).0, of(rest).1),
        _ if step == "anew" => Event::Listing(kind, Trust::Anew),
        _ => {
            let mut words = step.split(' ');
            let (_, version) = at(words.next().unwrap());
            let (listed, count): (Vec<&str>, Vec<&str>) = words.partition(|w| w.contains('@'));
            let listed = listed.into_iter().map(of);
            index.apply(Event::Audit(Box::new(Audit {
                kind,
                at: version,
                listed: listed.map(|(key, v)| (key.digest(), v)).collect(),
            })));
            let found: usize = index.take_repairs().iter().map(|(_, count)| count).sum();
            let expected = count.first().unwrap().trim_start_matches('=');
            assert_eq!(found.to_string(), expected, "{fact}");
            return;
        }
    };
    index.apply(event);
}

#[test]
fn lists_say_what_is_there() {
    check(
        "what a list names is there",
        &["list", "+a@1", "+b@2", "end"],
        &["a", "b"],
    );
    check(
        "what the next list leaves out is gone",
        &["list", "+a@1", "+b@2", "end", "list", "+b@2", "end"],
        &["b"],
    );
    check(
        "a list that is not over takes nothing away",
        &["list", "+a@1", "+b@2", "end", "list", "+b@2"],
        &["a", "b"],
    );
    check(
        "what a broken-off list named counts for nothing",
        &[
            "list", "+a@1", "+b@2", "end", "list", "+a@1", "list", "+b@2", "end",
        ],
        &["b"],
    );
    check(
        "what came by watch before the list is over stays",
        &["list", "+a@1", "end", "+b@2", "list", "+a@1", "+b@2", "end"],
        &["a", "b"],
    );
    check(
        "what is of no use is not there, and is no gap",
        &["list", "+a@1", "~b@2", "end", "audit@3 a@1 b@2 =0"],
        &["a"],
    );
    check(
        "what becomes of no use goes, and comes again",
        &["list", "+a@1", "+b@2", "end", "~a@3", "~b@4", "+b@5"],
        &["b"],
    );
    let many: Vec<&str> = ["list", "+a@1", "+b@1", "end", "list", "+a@1", "end"]
        .into_iter()
        .chain(["list", "+a@1"].repeat(300))
        .chain(["list", "end"])
        .collect();
    check("however many lists were broken off", &many, &[]);
}

#[test]
fn what_is_older_changes_nothing() {
    check(
        "a stale list brings nothing back that a newer version is known of",
        &["list", "+a@1", "end", "+a@9", "list", "+a@5", "end", "-a@7"],
        &["a"],
    );
    check("a deletion counts", &["+a@1", "-a@2"], &[]);
    check(
        "a deletion of what was made anew does not",
        &["+a@1", "+a@5", "-a@2"],
        &["a"],
    );
    check(
        "an older version does not bring back what was deleted",
        &["+a@1", "-a@4", "+a@3"],
        &[],
    );
    check("a newer one does", &["+a@1", "-a@4", "+a@5"], &["a"]);
    check(
        "a version that is not known always counts",
        &["+a@9", "-a@0", "+a@0"],
        &["a"],
    );
    check(
        "where history was replaced, lower versions are news",
        &["+a@90", "-b@91", "anew", "+a@3", "+b@4", "end", "-a@5"],
        &["b"],
    );
}

#[test]
fn audits_count_gaps() {
    let start = ["list", "+a@1", "+b@2", "end"];
    for (fact, audit, expected) in [
        ("nothing differs", "audit@2 a@1 b@2 =0", &["a", "b"][..]),
        ("one is missing", "audit@3 a@1 b@2 c@3 =1", &["a", "b"]),
        (
            "one is older than it exists",
            "audit@5 a@5 b@2 =1",
            &["a", "b"],
        ),
        ("one should be gone", "audit@5 b@2 =1", &["a", "b"]),
        ("all at once", "audit@9 b@7 c@8 =3", &["a", "b"]),
        ("one has come since the list", "audit@1 a@1 =0", &["a", "b"]),
        (
            "one has changed since the list",
            "audit@2 a@1 b@1 =0",
            &["a", "b"],
        ),
    ] {
        let steps: Vec<&str> = start.into_iter().chain([audit]).collect();
        check(fact, &steps, expected);
    }
    check(
        "one was deleted since the list",
        &["list", "+a@1", "+b@2", "end", "-b@4", "audit@3 a@1 b@2 =0"],
        &["a"],
    );
}
