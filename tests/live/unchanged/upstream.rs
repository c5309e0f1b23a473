//! The world outside: Knot with the zones of tests/cases/upstream, and Unbound, which looks up there.

use crate::coredns::LEASH;
use crate::differential::answer::Answer;
use crate::differential::question::Question;
use crate::hosts::Network;
use crate::process::{Folder, Process};
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(super) const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/upstream");

/// Addresses on which the two answer: the resolver's, and those that Corefiles name.
pub(super) const ADDRESSES: [&str; 7] = [
    "192.0.2.53/32",
    "2001:db8:53::53/128",
    "192.11.0.1/32",
    "1.1.1.1/32",
    "2.2.2.2/32",
    "10.0.0.4/32",
    "10.0.0.5/32",
];

/// The resolver of /etc/resolv.conf.
pub(super) const RESOLVER: &str = "192.0.2.53";

/// Zones that Knot signs and Unbound validates.
const SIGNED: [&str; 2] = ["signed.example.", "signed3.example."];

const START: Duration = Duration::from_secs(60);

/// Both servers. They end when dropped.
pub(super) struct Upstream {
    // Before the folder, which they read.
    _unbound: Process,
    _knot: Process,
    _folder: Folder,
}

impl Upstream {
    /// Starts both on a host that has the addresses, and waits until they answer.
    pub(super) fn start(network: &Network, host: &str) -> Self {
        let folder = Folder::new("upstream");
        for entry in fs::read_dir(CASES).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            fs::copy(&path, folder.path(name)).unwrap();
        }
        let start = |name, program: &[&str]| {
            let mut command = Command::new("sh");
            command.args(["-c", LEASH, "leash", "ip", "netns", "exec"]);
            command.arg(network.name(host)).args(program);
            command.current_dir(folder.path("."));
            Process::spawn(name, &mut command, &folder.path("log"))
        };
        let answers = |server: &str, question: Question, fact: fn(&Answer) -> bool| {
            let bytes = network.on(host, || ask(server, &question))?;
            fact(&Answer::read(&bytes).ok()?).then_some(())
        };
        let mut knot = start("Knot", &["knotd", "-c", "knot.conf"]);
        for zone in SIGNED {
            let ready = knot.wait(START, || {
                answers("127.0.0.1:5300", about(zone, ("DNSKEY", 48)), |answer| {
                    answer.aa && !answer.answer.is_empty()
                })
            });
            assert!(ready.is_some(), "Knot ended: {}", knot.log());
        }
        fs::write(folder.path("anchors"), anchors(&folder.path("."))).unwrap();
        let mut unbound = start("Unbound", &["unbound", "-c", "unbound.conf"]);
        let ready = unbound.wait(START, || {
            let resolver = format!("{RESOLVER}:53");
            answers(&resolver, about(SIGNED[0], ("A", 1)), |answer| answer.ad)
        });
        assert!(ready.is_some(), "Unbound ended: {}", unbound.log());
        Self {
            _unbound: unbound,
            _knot: knot,
            _folder: folder,
        }
    }
}

/// Asks a server that may not be there yet.
fn ask(server: &str, question: &Question) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    socket.connect(server).unwrap();
    socket.send(&question.bytes(1)).ok()?;
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer).ok()?;
    answer.truncate(length);
    Some(answer)
}

/// The keys that Knot made, as records.
fn anchors(folder: &Path) -> Vec<u8> {
    let keys = SIGNED.map(|zone| {
        let mut command = Command::new("keymgr");
        command.args(["-c", "knot.conf", zone, "dnskey"]);
        let output = command.current_dir(folder).output().unwrap();
        assert!(output.status.success(), "keymgr {zone}: {output:?}");
        output.stdout
    });
    keys.concat()
}

/// A question as a resolver puts it.
fn about(name: &str, rtype: (&'static str, u16)) -> Question {
    Question {
        name: name.into(),
        rtype,
        tcp: false,
        edns: None,
        flags: (true, true, false),
    }
}
