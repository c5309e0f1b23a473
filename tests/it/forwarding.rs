//! Names that are not ours, asked of upstreams that a test has say what they say. Real upstreams:
//! tests/live/forward.rs.

use crate::decode::decode;
use crate::liar::{By, Liar, address, record, reply, soa};
use crate::live::Live;
use std::net::IpAddr;
use tenantdns::answer::Transport;
use tenantdns::testing::{Cluster, objects, query};
use tenantdns::wire::RType;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Pods of two tenants.
const A: &str = "127.1.0.1";
const B: &str = "127.1.0.2";
/// A private address of nobody's.
const NOBODY: &str = "127.2.0.1";

fn cluster(config: &str) -> Cluster {
    let objects = vec![
        objects::namespace("a"),
        objects::namespace("b"),
        objects::pod("a", "p", ip(A)),
        objects::pod("b", "p", ip(B)),
    ];
    Cluster::of(objects, config)
}

/// A server with one `[[forward]]` to the upstream, and these lines in it and behind it.
fn serve(upstream: &Liar, lines: &str) -> Live {
    Live::start(&cluster(&format!(
        "[[forward]]\nto = [\"{}\"]\n{lines}\n",
        upstream.address
    )))
}

fn honest() -> Liar {
    Liar::new(|asked| vec![address(&asked.bytes, 300, [192, 0, 2, 1])])
}

#[test]
fn a_name_that_is_not_ours_is_asked_and_said() {
    let upstream = honest();
    let live = serve(&upstream, "");
    let question = query("www.example.org", RType::A);
    for transport in [Transport::Udp, Transport::Tcp] {
        let said = decode(&live.ask(ip(A), transport, &question));
        assert_eq!(said.rcode, "NOERROR");
        assert_eq!(said.answer, ["www.example.org. 300 IN A 192.0.2.1"]);
    }
    let by: Vec<By> = upstream.asked().iter().map(|asked| asked.by).collect();
    assert_eq!(by, [By::Udp, By::Tcp], "as the client came");
}
