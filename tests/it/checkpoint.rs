//! The checkpoint: what is written is read again as it was at one instant, what is not whole is
//! refused, and what the API says counts more.

use crate::random::{OWN, TENANCY, check, objects};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tenantdns::checkpoint::{Header, Needs, Refusal, Writer, open};
use tenantdns::index::{Copied, Event, Index, Kept, Trust, Version};
use tenantdns::model::{Kind, Node, Object, ObjectKey, Pod};
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::objects::{namespace, pod, service};
use tenantdns::testing::{Cluster, dump};

const NOW: u64 = 1_764_000_000;

/// A file that is removed with the test.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenantdns-checkpoint-{}-{next}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn settings(zones: &str) -> Cluster {
    let config = format!(
        "[tenancy]\nsoa_serial = \"static\"\n{TENANCY}[kubernetes]\npods = \"verified\"\nzonal = true\n\
         zones = [\"cluster.local\", \"clusterset.local\", \"in-addr.arpa\", \"ip6.arpa\"]\n\
         multicluster = [\"clusterset.local\"]\n{zones}\n[k8s_external]\n\
         zones = [\"lb.test\", \"198.51.100.0/24\"]\n"
    );
    Cluster::of(Vec::new(), &config).own_addresses(&[OWN])
}

fn header(index: &Index) -> Header {
    Header {
        heard: Kind::ALL.into_iter().map(|kind| (kind, NOW - 60)).collect(),
        node: None,
        kept: index.kept(),
    }
}

fn needs(index: &Index) -> Needs {
    Needs {
        kinds: Kind::ALL.into_iter().collect(),
        node: None,
        kept: index.kept(),
    }
}

/// Writes what an index holds, `limit` objects at a time; `between` happens between the steps.
fn write(path: &Path, index: &mut Index, limit: usize, mut between: impl FnMut(&mut Index)) {
    let mut writer = Writer::create(path, &header(index)).unwrap();
    index.begin_copy();
    loop {
        between(index);
        let step = index.copy(limit).expect("a copy is under way");
        writer.copied(&step).unwrap();
        if matches!(step, Copied::Changes(_)) {
            break;
        }
    }
    assert!(index.copy(limit).is_none(), "a copy ends");
    writer.finish().unwrap();
}

/// Gives an index that knows nothing what a file holds.
fn restore(path: &Path, index: &mut Index) {
    let saved = open(path, &needs(index), NOW).unwrap_or_else(|error| panic!("{error}"));
    saved
        .objects()
        .for_each(|object| index.apply(Event::Restore(object)));
    Kind::ALL
        .into_iter()
        .for_each(|kind| index.apply(Event::Restored(kind)));
}

/// Returns the snapshot of an index after it has been written and read again.
fn restored(cluster: &Cluster, path: &Path) -> Snapshot {
    let mut index = cluster.empty_index();
    restore(path, &mut index);
    index.snapshot(0)
}

#[test]
fn what_was_written_is_read_again() {
    for zones in [
        "",
        "endpoint_pod_names = true\n",
        "labels = \"tier!=none\"\n",
    ] {
        let cluster = settings(zones);
        check(48, file!(), &objects(), |objects| {
            let mut index = cluster.empty_index();
            for object in objects {
                index.apply(Event::Apply(object));
            }
            Kind::ALL
                .into_iter()
                .for_each(|kind| index.apply(Event::Synced(kind)));
            let file = File::new();
            write(&file.0, &mut index, 1000, |_| {});
            prop_assert_eq!(dump(&restored(&cluster, &file.0)), dump(&index.snapshot(0)));
            Ok(())
        });
    }
}

#[test]
fn what_changes_while_a_file_is_written_is_in_it_as_it_is_at_the_end() {
    let cluster = settings("");
    let change = (any::<prop::sample::Index>(), any::<bool>());
    let changes = prop::collection::vec(change, 0..30);
    check(
        64,
        file!(),
        &(objects(), objects(), changes),
        |(first, then, changes)| {
            let mut index = cluster.empty_index();
            first
                .iter()
                .for_each(|object| index.apply(Event::Apply(object.clone())));
            Kind::ALL
                .into_iter()
                .for_each(|kind| index.apply(Event::Synced(kind)));
            let all: Vec<&Object> = first.iter().chain(&then).collect();
            let mut changes = changes.into_iter();
            let file = File::new();
            write(&file.0, &mut index, 3, |index| {
                let Some((which, delete)) = changes.next() else {
                    return;
                };
                let object = *which.get(&all);
                index.apply(match delete {
                    true => Event::Delete(object.kind(), object.key()),
                    false => Event::Apply(object.clone()),
                });
            });
            prop_assert_eq!(dump(&restored(&cluster, &file.0)), dump(&index.snapshot(0)));
            Ok(())
        },
    );
}

fn node(name: &str, boot_id: &str) -> Object {
    Object::Node(Node {
        name: name.into(),
        ready: true,
        boot_id: boot_id.into(),
        ..Node::default()
    })
}

fn on(name: &str, uid: &str, object: Object) -> Object {
    match object {
        Object::Pod(pod) => Object::Pod(Pod {
            node: name.into(),
            uid: uid.into(),
            ..pod
        }),
        other => other,
    }
}

/// Says whose an address is, by the lines of a dump.
fn owner(index: &mut Index, address: &str) -> Option<String> {
    let lines = dump(&index.snapshot(0));
    let start = format!("{address} is ");
    lines
        .iter()
        .find_map(|line| line.strip_prefix(&start))
        .map(str::to_owned)
}

#[test]
fn a_node_that_starts_again_takes_its_pods_addresses_before_and_after() {
    let cluster = settings("");
    let asks = || {
        on(
            "n1",
            "01234567-89ab",
            pod("a1", "asks", "10.244.1.7".parse().unwrap()),
        )
    };
    let started = || {
        let mut index = cluster.empty_index();
        [namespace("a1"), node("n1", "first"), asks()]
            .into_iter()
            .for_each(|object| index.apply(Event::Apply(object)));
        Kind::ALL
            .into_iter()
            .for_each(|kind| index.apply(Event::Synced(kind)));
        index
    };
    let reboot = || Event::Apply(node("n1", "second"));
    let owns = |index: &mut Index| owner(index, "10.244.1.7").is_some();

    // Before the file was written, and while it was.
    for step in [0, 2] {
        let (mut index, mut done) = (started(), 0);
        let file = File::new();
        write(&file.0, &mut index, 1, |index| {
            if done == step {
                index.apply(reboot());
            }
            done += 1;
        });
        let mut after = cluster.empty_index();
        restore(&file.0, &mut after);
        assert!(!owns(&mut after), "step {step}");
    }

    // After it: the node is known by its boot as it was, and the pod by its uid.
    let file = File::new();
    write(&file.0, &mut started(), 1, |_| {});
    let mut after = cluster.empty_index();
    restore(&file.0, &mut after);
    assert!(owns(&mut after));
    after.apply(reboot());
    assert!(!owns(&mut after));
    after.apply(Event::Apply(asks()));
    assert!(!owns(&mut after), "its status was not written again");
    after.apply(Event::Apply(on("n1", "another", asks())));
    assert!(owns(&mut after));
}

#[test]
fn what_the_api_says_counts_more_than_the_file() {
    let cluster = settings("");
    let address = |text: &str| text.parse().unwrap();
    let mut index = cluster.empty_index();
    for object in [
        namespace("a1"),
        namespace("b1"),
        pod("a1", "stays", address("10.244.1.1")),
        pod("a1", "gone", address("10.244.1.2")),
        pod("a1", "moved", address("10.244.1.3")),
        service("a1", "web", &[address("10.96.1.1")]),
    ] {
        index.apply(Event::Apply(object));
    }
    Kind::ALL
        .into_iter()
        .for_each(|kind| index.apply(Event::Synced(kind)));
    let file = File::new();
    write(&file.0, &mut index, 2, |_| {});

    // The API has answered half of its list of pods when the file is read.
    let mut index = cluster.empty_index();
    let at = |object, version| Event::ApplyAt(object, Version(version));
    index.apply(Event::Synced(Kind::Service));
    index.apply(Event::Listing(Kind::Pod, Trust::Newer));
    index.apply(at(pod("b1", "new", address("10.244.1.2")), 7));
    index.apply(at(pod("a1", "moved", address("10.244.1.4")), 5));
    index.apply(Event::DeleteAt(
        Kind::Pod,
        ObjectKey::new("a1", "late"),
        Version(9),
    ));
    restore(&file.0, &mut index);
    assert!(index.is_synced());
    assert_eq!(
        index.objects().services.len(),
        0,
        "Services were listed already"
    );
    let who = |index: &mut Index| {
        ["10.244.1.1", "10.244.1.2", "10.244.1.3", "10.244.1.4"].map(|ip| owner(index, ip))
    };
    let of = |text: &str| Some(text.to_owned());
    // Two claim the second address: the file's pod, and the API's.
    assert_eq!(
        who(&mut index),
        [of("pod of a1"), of("Conflict"), None, of("pod of a1")]
    );
    index.apply(at(pod("a1", "stays", address("10.244.1.1")), 2));
    index.apply(Event::Synced(Kind::Pod));
    assert_eq!(
        who(&mut index),
        [of("pod of a1"), of("pod of b1"), None, of("pod of a1")],
        "what the list has not named is gone"
    );
    // Once listed, a kind takes nothing from a file.
    restore(&file.0, &mut index);
    assert_eq!(who(&mut index)[1], of("pod of b1"));
}

#[test]
fn a_copy_ends_when_too_much_changes() {
    let cluster = settings("");
    let mut index = cluster.empty_index();
    index.begin_copy();
    for number in 0..10_001u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number).into();
        index.apply(Event::Apply(pod("a1", &format!("p{number}"), address)));
    }
    assert!(index.copy(100).is_none());
}

/// Returns the file of a small cluster.
fn small() -> (File, Index) {
    let mut index = settings("").empty_index();
    for object in [
        namespace("a1"),
        pod("a1", "one", "10.244.1.1".parse().unwrap()),
        pod("a1", "two", "10.244.1.2".parse().unwrap()),
    ] {
        index.apply(Event::Apply(object));
    }
    let file = File::new();
    let mut done = false;
    write(&file.0, &mut index, 1, |index| {
        // One change and one deletion, so that every sort of line is there.
        if !std::mem::replace(&mut done, true) {
            index.apply(Event::Delete(Kind::Pod, ObjectKey::new("a1", "one")));
        }
    });
    (file, index)
}

#[test]
fn a_file_that_is_not_as_it_was_written_is_refused_wherever_it_differs() {
    let (file, index) = small();
    let whole = std::fs::read(&file.0).unwrap();
    assert!(open(&file.0, &needs(&index), NOW).is_ok());
    for end in 0..whole.len() {
        std::fs::write(&file.0, &whole[..end]).unwrap();
        let refusal = open(&file.0, &needs(&index), NOW).expect_err("cut short");
        assert!(matches!(refusal, Refusal::Cut), "cut at {end}: {refusal}");
    }
    for at in 0..whole.len() {
        let mut edited = whole.clone();
        edited[at] ^= 1;
        std::fs::write(&file.0, &edited).unwrap();
        let opened = open(&file.0, &needs(&index), NOW);
        assert!(
            opened.is_err(),
            "octet {at} may be edited:\n{}",
            file.text()
        );
    }
    let text = String::from_utf8(whole.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for left_out in 0..lines.len() {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != left_out);
        let kept: String = kept.map(|(_, line)| format!("{line}\n")).collect();
        std::fs::write(&file.0, kept).unwrap();
        assert!(
            open(&file.0, &needs(&index), NOW).is_err(),
            "without line {left_out}"
        );
    }
    std::fs::write(&file.0, [&*whole, b"\n"].concat()).unwrap();
    assert!(
        open(&file.0, &needs(&index), NOW).is_err(),
        "something after the end"
    );
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let (file, index) = small();
    let text = file.text();
    let refusal = |text: &str, needs: &Needs, now: u64| {
        std::fs::write(&file.0, text).unwrap();
        let opened = open(&file.0, needs, now);
        opened.map(|_| ()).expect_err("it is refused").to_string()
    };
    let plain = needs(&index);
    let other_version = text.replacen(":1,", ":2,", 1);
    assert_eq!(
        refusal(&other_version, &plain, NOW),
        "it has format 2, and this version of tenantdns reads 1"
    );
    assert_eq!(
        refusal("[server]\n", &plain, NOW),
        "line 1: it is not the first line of a checkpoint"
    );
    let malformed = text.replacen("\"phase\":\"Running\"", "\"phase\":\"Rumming\"", 1);
    let message = refusal(&malformed, &plain, NOW);
    assert!(
        message.starts_with("line ") && message.contains("`Rumming`"),
        "{message}"
    );
    assert_eq!(
        refusal(&text, &plain, NOW - 3600),
        "it is 3540 s ahead of this host's clock"
    );
    let node = Needs {
        node: Some("n1".into()),
        ..plain.clone()
    };
    assert_eq!(
        refusal(&text, &node, NOW),
        "it holds the pods of every node, and those of node n1 are needed"
    );
    let labels = Needs {
        kept: Kept {
            labels: true,
            service_labels: true,
            exports: true,
            targets: false,
            zones: false,
            external: false,
        },
        ..plain.clone()
    };
    assert_eq!(
        refusal(&text, &labels, NOW),
        "it has no labels of services and pods, which this configuration reads: it is of another \
         one"
    );
    let no_pods = text.replacen(",\"Pod\":1763999940", "", 1);
    assert_eq!(
        refusal(&no_pods, &plain, NOW),
        "it holds nothing of the kind Pod: it is of another configuration"
    );
    std::fs::remove_file(&file.0).unwrap();
    let missing = open(&file.0, &plain, NOW).unwrap_err().to_string();
    assert!(missing.contains("No such file"), "{missing}");
}

#[test]
fn the_age_of_a_file_is_that_of_what_it_says() {
    let (file, index) = small();
    for (now, age) in [(NOW, 60), (NOW + 3600, 3660), (NOW - 60, 0), (NOW - 100, 0)] {
        let saved = open(&file.0, &needs(&index), now).unwrap();
        assert_eq!(
            saved.age(Kind::Pod),
            Some(Duration::from_secs(age)),
            "{now}"
        );
    }
}

#[test]
fn a_file_is_its_owners_alone_and_replaces_the_one_before_as_a_whole() {
    use std::os::unix::fs::PermissionsExt;
    let (file, mut index) = small();
    let mode = std::fs::metadata(&file.0).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = file.text();
    let folder = file.0.parent().unwrap();
    let name = file.0.file_name().unwrap().to_str().unwrap().to_owned();
    let beside = || {
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names
            .filter(|other| other.starts_with(&name))
            .collect::<Vec<_>>()
    };
    index.apply(Event::Apply(namespace("b1")));
    let mut writer = Writer::create(&file.0, &header(&index)).unwrap();
    index.begin_copy();
    writer.copied(&index.copy(10).unwrap()).unwrap();
    assert_eq!(beside().len(), 2);
    drop(writer);
    assert_eq!(
        beside(),
        std::slice::from_ref(&name),
        "nothing is left of one that was not ended"
    );
    assert_eq!(file.text(), before);
    write(&file.0, &mut index, 10, |_| {});
    assert!(file.text().contains("b1"));
    let missing = folder.join("nowhere").join("checkpoint");
    assert!(Writer::create(&missing, &header(&index)).is_err());
}

/// What a file of every sort of line looks like.
#[test]
fn the_format_is_this() {
    let (file, _) = small();
    let text = file.text();
    let heard: BTreeMap<&str, u64> = Kind::ALL.map(|kind| (kind.as_str(), NOW - 60)).into();
    assert_eq!(heard.len(), 9);
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "{\"tenantdns_checkpoint\":1,\"heard\":{\"DnsExport\":1763999940,\"DnsGrant\":1763999940,\
         \"DnsImport\":1763999940,\"EndpointSlice\":1763999940,\
         \"Namespace\":1763999940,\"Node\":1763999940,\"Pod\":1763999940,\"Service\":1763999940,\
         \"ServiceImport\":1763999940},\"node\":null,\"labels\":false,\"service_labels\":true,\"exports\":true,\"targets\":false,\"zones\":true,\"external\":true}",
        "{\"Namespace\":{\"metadata\":{\"name\":\"a1\"}}}",
        "{\"Pod\":{\"metadata\":{\"name\":\"two\",\"namespace\":\"a1\",\"uid\":\"0000\"},\
         \"spec\":{\"hostNetwork\":false},\"status\":{\"phase\":\"Running\",\
         \"podIP\":\"10.244.1.2\",\"podIPs\":[{\"ip\":\"10.244.1.2\"}]}}}",
        "{\"Changes\":1}",
        "{\"Gone\":{\"kind\":\"Pod\",\"namespace\":\"a1\",\"name\":\"one\"}}",
    ];
    assert_eq!(lines[..5], expected);
    assert!(
        lines[5].starts_with("{\"End\":{\"lines\":5,\"checksum\":\""),
        "{}",
        lines[5]
    );
    assert_eq!(lines.len(), 6);
}
