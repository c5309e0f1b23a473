//! What goes wrong while a server changes, hands over or ends leaves it as it was, or ends it in good
//! order.

use super::load::answer_to;
use super::{CONFIGURATIONS, NAMES};
use crate::serving::{Folder, Serving, Written, get};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;

/// The value of a series without labels.
fn series(serving: &Serving, name: &str) -> String {
    let (_, text) = get(serving.http("/metrics"), "/metrics").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
        .trim()
        .to_owned()
}

/// Checks that a server answers as before, pages included.
fn is_whole(serving: &Serving, answer: &[u8]) {
    assert_eq!(answer_to(serving.dns, NAMES[0]), answer);
    assert_eq!(
        get(serving.http("/health"), "/health"),
        Some((200, "OK".to_owned()))
    );
    assert_eq!(get(serving.http("/ready"), "/ready").unwrap().0, 200);
}

#[test]
fn a_configuration_that_is_wrong_leaves_everything_as_it_was_and_says_why() {
    let folder = Folder::new("refused");
    let first = Written::new(CONFIGURATIONS[0]);
    let serving = Serving::start(&folder, &first);
    let answer = answer_to(serving.dns, NAMES[0]);
    let version = series(&serving, "coredns_reload_version_info");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let next = || Written::new(CONFIGURATIONS[1]);
    let cases = [
        (
            "a value out of range",
            Written::new("[kubernetes]\nttl = 7200\n"),
            "tenantdns.toml:18:7: kubernetes.ttl: 7200 is out of range".to_owned(),
        ),
        (
            "a listener that can't be opened",
            Written {
                server: format!("listen = [\"127.0.0.1:0\", \"{taken}\"]"),
                ..next()
            },
            format!("{taken}/tcp is in use by another process"),
        ),
        (
            "an HTTP listener that can't be opened",
            Written {
                metrics: format!("listen = \"{taken}\""),
                ..next()
            },
            format!("{taken}/tcp for [metrics]"),
        ),
        (
            "a key that needs a restart",
            Written {
                threads: 3,
                ..next()
            },
            "server.threads: only a restart changes this".to_owned(),
        ),
    ];
    for (number, (fact, written, reason)) in (1..).zip(cases) {
        serving.configure(&folder, &written);
        serving.signal("HUP");
        let line = serving.until("is not taken");
        assert!(line.contains(&reason), "{fact}: {line}");
        is_whole(&serving, &answer);
        assert_eq!(
            series(&serving, "coredns_reload_failed_total "),
            number.to_string()
        );
        assert_eq!(series(&serving, "coredns_reload_version_info"), version);
    }
    serving.configure(&folder, &next());
    serving.signal("HUP");
    serving.until("is in force");
    assert_ne!(answer_to(serving.dns, NAMES[0]), answer);
    assert_ne!(series(&serving, "coredns_reload_version_info"), version);
}

#[test]
fn a_change_is_seen_without_a_signal_and_one_that_is_wrong_is_said_once() {
    let folder = Folder::new("polled");
    let polling = |tables: &str| Written {
        reload: "interval = \"2s\"\njitter = \"0\"".to_owned(),
        ..Written::new(tables)
    };
    let serving = Serving::start(&folder, &polling(CONFIGURATIONS[0]));
    let answer = answer_to(serving.dns, NAMES[0]);
    serving.configure(&folder, &polling("[kubernetes]\nttl = 7200\n"));
    serving.until("is not taken");
    serving.configure(&folder, &polling(CONFIGURATIONS[1]));
    serving.until("is in force");
    assert_ne!(answer_to(serving.dns, NAMES[0]), answer);
    let (status, log) = serving.terminate();
    assert_eq!(
        (status, log.matches("is not taken").count()),
        (Some(0), 1),
        "{log}"
    );
}

#[test]
fn http_listeners_move_and_those_that_stay_are_not_touched() {
    let folder = Folder::new("doors");
    let serving = Serving::start(&folder, &Written::new(CONFIGURATIONS[0]));
    let [health, metrics] = ["/health", "/metrics"].map(|path| serving.http(path));
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    serving.configure(
        &folder,
        &Written {
            metrics: format!("listen = \"{free}\""),
            ..Written::new(CONFIGURATIONS[0])
        },
    );
    serving.signal("HUP");
    serving.until("is in force");
    assert_eq!(serving.http("/metrics"), free);
    assert_eq!(get(free, "/metrics").unwrap().0, 200);
    assert_eq!(get(health, "/health").unwrap().0, 200);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while get(metrics, "/metrics").is_some() {
        assert!(
            std::time::Instant::now() < deadline,
            "the old one is still there"
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_server_that_is_told_to_stop_answers_on_and_a_second_signal_ends_that() {
    for (second, said) in [
        ("TERM", "stopped"),
        ("INT", "stopped"),
        ("QUIT", "ended at once"),
    ] {
        let folder = Folder::new(&format!("lameduck-{second}"));
        let written = Written {
            health: "lameduck = \"1h\"".to_owned(),
            ..Written::new(CONFIGURATIONS[0])
        };
        let serving = Serving::start(&folder, &written);
        let answer = answer_to(serving.dns, NAMES[0]);
        serving.signal("TERM");
        serving.until("not ready any more");
        assert_eq!(get(serving.http("/ready"), "/ready").unwrap().0, 503);
        assert_eq!(get(serving.http("/health"), "/health").unwrap().0, 200);
        // What it is told of its configuration now is not for it any more.
        serving.signal("HUP");
        assert_eq!(answer_to(serving.dns, NAMES[0]), answer);
        serving.signal(second);
        let (status, log) = serving.ended();
        assert_eq!(status, Some(0), "{second}: {log}");
        assert!(log.contains(said), "{second}: {log}");
    }
}

#[test]
fn a_signal_to_stop_amid_changes_ends_the_server_in_good_order() {
    let folder = Folder::new("amid");
    let serving = Serving::start(&folder, &Written::new(CONFIGURATIONS[0]));
    for number in 1..=5 {
        serving.configure(&folder, &Written::new(CONFIGURATIONS[number % 2]));
        serving.signal(["HUP", "USR1"][number % 2]);
    }
    let (status, log) = serving.terminate();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("stopped") && !log.contains("panic"), "{log}");
}

#[test]
fn a_successor_that_dies_or_can_not_serve_changes_nothing() {
    let folder = Folder::new("successor");
    let door = folder.path("door");
    let with_door = |listen: &[SocketAddr]| {
        let mut all = vec!["\"127.0.0.1:0\"".to_owned()];
        all.extend(listen.iter().map(|address| format!("\"{address}\"")));
        Written {
            server: format!(
                "listen = [{}]\nhandover = \"{}\"",
                all.join(", "),
                door.display()
            ),
            ..Written::new(CONFIGURATIONS[0])
        }
    };
    let serving = Serving::start(&folder, &with_door(&[]));
    let answer = answer_to(serving.dns, NAMES[0]);

    // It has the sockets, and says nothing more.
    let mut dying = UnixStream::connect(&door).unwrap();
    let mut hello = [0; 128];
    hello[..20].copy_from_slice(b"tenantdns handover 1");
    dying.write_all(&hello).unwrap();
    serving.until("a successor asks");
    drop(dying);
    serving.until("serving on");
    is_whole(&serving, &answer);

    let mut stranger = UnixStream::connect(&door).unwrap();
    hello[..20].copy_from_slice(b"tenantdns handover 9");
    stranger.write_all(&hello).unwrap();
    assert!(serving.until("serving on").contains("tenantdns handover 9"));

    // It lacks one socket of its own.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (failing, line) = Serving::launch(&folder, &with_door(&[taken.local_addr().unwrap()]));
    assert_eq!(line, "");
    let (status, log) = failing.ended();
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("is in use by another process"), "{log}");
    serving.until("serving on");
    is_whole(&serving, &answer);

    // The next one can.
    let successor = Serving::start(&folder, &with_door(&[]));
    assert_eq!(serving.ended().0, Some(0));
    is_whole(&successor, &answer);
}
