//! The program's life under load: another configuration, a successor, the end. Every query that was sent
//! is answered, by the one configuration or by the other and never by half of both.
//!
//! `make verify-lifecycle` runs it with the counts of docs/reliability.md.

#[path = "lifecycle/faults.rs"]
mod faults;
#[path = "lifecycle/load.rs"]
mod load;

use crate::serving::{Folder, Serving, Written};
use load::{Load, Report};
use std::net::{TcpListener, UdpSocket};
use std::time::Instant;

/// One of two configurations that differ in what they answer: the TTL, and whether a name is hidden.
const CONFIGURATIONS: [&str; 2] = [
    "[kubernetes]\nttl = 5\n",
    "[kubernetes]\nttl = 30\n[tenancy]\nmode = \"off\"\n[limits]\nclient_qps = 1000000\n",
];

/// Returns a block with one more listener, at a port that is free for UDP and TCP.
fn another() -> String {
    let free = || {
        let udp = UdpSocket::bind("127.0.0.2:0").unwrap();
        let address = udp.local_addr().unwrap();
        TcpListener::bind(address).is_ok().then_some(address)
    };
    let address = std::iter::repeat_with(free).flatten().next().unwrap();
    format!("[[block]]\nzones = [\"more.example\"]\nlisten = [\"{address}\"]\n[block.kubernetes]\n")
}

/// Names that a pod of the shop asks for: its own, and one that is hidden from it.
const NAMES: [&str; 2] = [
    "web.shop.svc.cluster.local",
    "ledger.bank.svc.cluster.local",
];

/// Returns a number of the environment, or that of a quick run.
fn count(variable: &str, quick: usize) -> usize {
    let said = std::env::var(variable).ok();
    said.map_or(quick, |said| said.parse().unwrap())
}

/// Returns what each name is answered under each configuration.
fn answers(folder: &Folder) -> Vec<[Vec<u8>; 2]> {
    let of = |configuration: &str| {
        let serving = Serving::start(folder, &Written::new(configuration));
        NAMES.map(|name| load::answer_to(serving.dns, name))
    };
    let [first, second] = CONFIGURATIONS.map(of);
    let pairs: Vec<_> = first.into_iter().zip(second).map(|(a, b)| [a, b]).collect();
    for [a, b] in &pairs {
        assert_ne!(a, b, "the configurations can't be told apart");
    }
    pairs
}

fn rate() -> usize {
    count("TENANTDNS_QPS", 1000)
}

fn check(what: &str, count: usize, began: Instant, report: &Report) {
    println!("{what}: {count} in {:.1?}: {report}", began.elapsed());
    assert_eq!((report.lost, report.wrong), (0, 0), "{what}: {report}");
    assert!(report.udp > 0 && report.tcp > 0, "{report}");
}

#[test]
fn no_query_is_lost_or_half_answered_while_the_configuration_changes() {
    let folder = Folder::new("reloads");
    let answers = answers(&folder);
    let reloads = count("TENANTDNS_RELOADS", 20);
    let serving = Serving::start(&folder, &Written::new(CONFIGURATIONS[0]));
    let load = Load::start(serving.dns, rate(), answers);
    let began = Instant::now();
    let another = another();
    let mut resident = Vec::new();
    for number in 1..=reloads {
        if [reloads / 10 + 1, reloads].contains(&number) {
            resident.push(serving.resident());
        }
        if number % 10 == 0 {
            // What is wrong changes nothing.
            serving.configure(&folder, &Written::new("[kubernetes]\nttl = 7200\n"));
            serving.signal("HUP");
            serving.until("is not taken");
        }
        // Another listener comes and goes with it.
        let more = ["", &another][number / 2 % 2];
        let next = format!("{}{more}", CONFIGURATIONS[number % 2]);
        serving.configure(&folder, &Written::new(&next));
        serving.signal(["HUP", "USR1"][number % 2]);
        serving.until("is in force");
    }
    check("reloads", reloads, began, &load.stop());
    println!(
        "resident after a tenth of them, and all: {}",
        resident.join(", ")
    );
    let (status, log) = serving.terminate();
    assert_eq!(status, Some(0), "{log}");
}

#[test]
fn no_query_is_lost_while_successors_take_over() {
    let folder = Folder::new("handovers");
    let door = folder.path("door");
    let with_door = |configuration: &str| Written {
        server: format!(
            "listen = [\"127.0.0.1:0\"]\nhandover = \"{}\"",
            door.display()
        ),
        ..Written::new(configuration)
    };
    let answers = answers(&folder);
    let handovers = count("TENANTDNS_HANDOVERS", 4);
    let mut serving = Serving::start(&folder, &with_door(CONFIGURATIONS[0]));
    let load = Load::start(serving.dns, rate(), answers);
    let began = Instant::now();
    for number in 1..=handovers {
        let next = with_door(CONFIGURATIONS[number % 2]);
        let successor = Serving::start(&folder, &next);
        assert_eq!(successor.dns, serving.dns, "it is the same port");
        let (status, log) = serving.ended();
        assert_eq!(status, Some(0), "{log}");
        assert!(log.contains("a successor has taken over"), "{log}");
        serving = successor;
    }
    check("handovers", handovers, began, &load.stop());
    let (status, log) = serving.terminate();
    assert_eq!(status, Some(0), "{log}");
    assert!(!door.exists(), "the last one takes the door with it");
}
