//! What is answered after its time was up: CoreDNS and we keep the same answer of an upstream that then
//! fails, denies, or says nothing any more.

use crate::coredns::CoreDns;
use crate::decode::decode;
use crate::process::peers;
use crate::upstreams::Forwarding;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tenantdns::testing::query;
use tenantdns::wire::{RType, read_name};

/// What the upstream says after its first answer.
#[derive(Clone, Copy, Debug)]
enum Later {
    Nothing,
    Servfail,
    Nxdomain,
}

/// Corefile, TOML, what comes later, and what is then answered in the end.
const CASES: [(&str, &str, Later, &str); 6] = [
    (
        "serve_stale 1h immediate 30s 30s",
        "for = \"1h\", response_ttl = \"30s\", failure_recheck = \"30s\"",
        Later::Servfail,
        "NOERROR 30",
    ),
    (
        "serve_stale 1h verify 50ms 30s",
        "for = \"1h\", mode = \"verify\", verify_timeout = \"50ms\", response_ttl = \"30s\"",
        Later::Nothing,
        "NOERROR 30",
    ),
    (
        "serve_stale 1h verify 0 30s 1m",
        "for = \"1h\", mode = \"verify\", response_ttl = \"30s\", failure_recheck = \"1m\"",
        Later::Servfail,
        "NOERROR 30",
    ),
    (
        "serve_stale 1h verify 0 30s",
        "for = \"1h\", mode = \"verify\", response_ttl = \"30s\"",
        Later::Nxdomain,
        "NXDOMAIN",
    ),
    (
        "serve_stale 1h verify 0 30s\n serve_stale_policy prefer_positive",
        "for = \"1h\", mode = \"verify\", response_ttl = \"30s\", prefer_positive = true",
        Later::Nxdomain,
        "NOERROR 30",
    ),
    (
        "serve_stale 1h immediate\n serve_stale_policy prefer_positive",
        "for = \"1h\", prefer_positive = true",
        Later::Nxdomain,
        "NOERROR 0",
    ),
];

/// An upstream. Ends when dropped.
struct Upstream {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    fn start(later: Later) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let patience = Some(Duration::from_millis(20));
        socket.set_read_timeout(patience).unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let (mut bytes, mut is_first) = ([0; 4096], true);
            while !stopped.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut bytes) else {
                    continue;
                };
                // Whether somebody is there is asked for the root.
                let is_asked = bytes[12] > 0;
                let reply = reply(&bytes[..length], later, is_first);
                is_first &= !is_asked;
                if let Some(reply) = reply {
                    socket.send_to(&reply, from).unwrap();
                }
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let ended = self
            .thread
            .take()
            .is_none_or(|thread| thread.join().is_ok());
        assert!(ended || thread::panicking());
    }
}

fn reply(asked: &[u8], later: Later, is_first: bool) -> Option<Vec<u8>> {
    let (_, end) = read_name(asked, 12)?;
    let mut reply = asked[..end + 4].to_vec();
    reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
    match (is_first, later) {
        (true, _) => {
            reply[7] = 1;
            reply.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x01\0\x04\xc0\0\x02\x01");
        }
        (false, Later::Nothing) => return None,
        (false, Later::Servfail) => reply[3] |= 2,
        (false, Later::Nxdomain) => {
            reply[3] |= 3;
            reply[9] = 1;
            reply.extend(b"\0\0\x06\0\x01\0\0\0\x3c\0\x16");
            reply.extend([0; 22]);
        }
    }
    Some(reply)
}

#[test]
fn stale_answers_are_given_as_coredns_gives_them() {
    let Some(peers) = peers() else { return };
    for (corefile, toml, later, expected) in CASES {
        let upstreams = [(); 2].map(|()| Upstream::start(later));
        let coredns = CoreDns::start(
            &peers,
            &format!(
                ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n cache {{\n \
                 success 1024 1 1\n servfail 0\n {corefile}\n }}\n forward . {}\n}}\n",
                upstreams[0].address
            ),
        );
        let ours = Forwarding::start(&format!(
            "[[forward]]\nto = [\"{}\"]\n[cache]\nservfail = \"0\"\nsuccess = {{ ttl = 1, min_ttl = 1 }}\n\
             serve_stale = {{ {toml} }}\n",
            upstreams[1].address
        ));
        for (server, address) in [("CoreDNS", coredns.address), ("tenantdns", ours.address)] {
            let fact = format!("{server}: {corefile}: {later:?}: {expected}");
            assert_eq!(said(address), "NOERROR 1", "{fact}");
            let end = Instant::now() + Duration::from_secs(20);
            let mut last = String::new();
            while last != expected {
                assert!(Instant::now() < end, "{fact}, not {last}");
                last = said(address);
            }
            // And so it stays, whatever is known by then of what the upstream says.
            for _ in 0..20 {
                assert_eq!(said(address), expected, "{fact}");
            }
        }
    }
}

/// The response code and the TTL of an answer.
fn said(server: SocketAddr) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let patience = Some(Duration::from_secs(20));
    socket.set_read_timeout(patience).unwrap();
    socket
        .send_to(&query("www.example.test", RType::A), server)
        .unwrap();
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).unwrap();
    let said = decode(&bytes[..length]);
    let ttl = said.answer.iter().filter_map(|line| line.split(' ').nth(1));
    [said.rcode.as_str()]
        .into_iter()
        .chain(ttl)
        .collect::<Vec<_>>()
        .join(" ")
}
