//! Upstreams from a file like /etc/resolv.conf, on a host where they have port 53: which is asked, and when
//! another file counts.

use crate::coredns::LEASH;
use crate::hosts::Network;
use crate::process::{Folder, Process, printed, until};
use crate::replica::signal;
use crate::upstreams::{PATIENCE, START, ask_udp, local_data, program, said};
use std::net::SocketAddr;
use std::process::Command;
use tenantdns::testing::query;
use tenantdns::wire::RType;

const NAME: &str = "www.outside.example";

/// An Unbound on a host, which says that the name has this address.
fn unbound(network: &Network, folder: &Folder, program: &str, at: &str, says: &str) -> Process {
    let record = format!("{NAME}. 300 IN A {says}");
    let text = format!(
        "server:\n  interface: {at}\n  num-threads: 1\n  do-daemonize: no\n  username: \"\"\n  \
         chroot: \"\"\n  directory: \"{}\"\n  use-syslog: no\n  module-config: \"iterator\"\n  {}",
        folder.path("").display(),
        local_data(&[&record])
    );
    let config = folder.write(at, &text);
    let mut command = Command::new("sh");
    command
        .args(["-c", LEASH, "leash", "ip", "netns", "exec"])
        .args([&network.name("dns"), program, "-d", "-p", "-c"])
        .arg(config);
    let log = folder.path(&format!("log-{at}"));
    let mut process = Process::spawn("unbound", &mut command, &log);
    let ready = process.wait(START, || (ask(network, at) == says).then_some(()));
    assert!(ready.is_some(), "unbound ended:\n{}", process.log());
    process
}

/// What somebody on the host is told at port 53 of an address; empty for nothing.
fn ask(network: &Network, at: &str) -> String {
    let at = SocketAddr::new(at.parse().unwrap(), 53);
    let reply = network.on("dns", || ask_udp(at, &query(NAME, RType::A)));
    reply.map_or_else(String::new, |reply| said(&crate::decode::decode(&reply)))
}

#[test]
fn name_servers_of_a_file_are_asked_in_its_order_and_read_again() {
    let Some(unbound_program) = program("unbound", "unbound") else {
        return;
    };
    let Some(network) = Network::of(&["dns"]) else {
        return;
    };
    let folder = Folder::new("resolv");
    let servers = [("127.0.0.2", "192.0.2.2"), ("127.0.0.3", "192.0.2.3")];
    let _running = servers.map(|(at, says)| unbound(&network, &folder, &unbound_program, at, says));

    let file = |text: &str| folder.write("resolv.conf", text);
    let path =
        file("search a.example\nnameserver 127.0.0.2\nnameserver 127.0.0.3\noptions ndots:5\n");
    let config = folder.write(
        "config.toml",
        &format!(
            "[server]\nlisten = [\"127.0.0.1:53\"]\nthreads = 1\n[health]\nlisten = \"\"\nlameduck = \"0\"\n\
             [ready]\nlisten = \"\"\n[metrics]\nlisten = \"\"\n[admin]\nlisten = \"\"\n[tenancy]\n\
             mode = \"off\"\n[source]\nmanifests = [\"{}\"]\n[[forward]]\nto = [\"{}\"]\n\
             policy = \"sequential\"\n",
            folder.write("none.yaml", "").display(),
            path.display()
        ),
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", LEASH, "leash", "ip", "netns", "exec"])
        .args([&network.name("dns"), env!("CARGO_BIN_EXE_tenantdns")])
        .args(["serve", "--config"])
        .arg(config);
    let log = folder.path("log");
    let mut tenantdns = Process::spawn("tenantdns", &mut command, &log);
    let listens = || printed(&log).contains("listening on ").then_some(());
    let ready = tenantdns.wait(START, listens);
    assert!(ready.is_some(), "it ended:\n{}", tenantdns.log());
    for _ in 0..5 {
        assert_eq!(ask(&network, "127.0.0.1"), "192.0.2.2", "the first one");
    }

    // Another file is read when it is told to; until then it is as it was.
    file("nameserver 127.0.0.3\nnameserver 127.0.0.2\n");
    assert_eq!(ask(&network, "127.0.0.1"), "192.0.2.2");
    signal(&tenantdns, "HUP");
    until("the other order", PATIENCE, || {
        let now = ask(&network, "127.0.0.1");
        assert!(now == "192.0.2.2" || now == "192.0.2.3", "{now:?}");
        (now == "192.0.2.3").then_some(())
    });

    // One that names nobody, or is not there, is not taken.
    for why in ["has no `nameserver`", "No such file"] {
        match why {
            "No such file" => std::fs::remove_file(&path).unwrap(),
            _ => drop(file("search a.example\n")),
        }
        signal(&tenantdns, "HUP");
        until(why, PATIENCE, || printed(&log).contains(why).then_some(()));
        assert_eq!(ask(&network, "127.0.0.1"), "192.0.2.3", "{why}");
    }
}
