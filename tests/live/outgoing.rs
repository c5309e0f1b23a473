//! What rules make of a message on its way to an upstream: CoreDNS and we are asked the same over the
//! same socket, and forward to the same one, which compares what comes.

use crate::coredns::CoreDns;
use crate::decode::decode;
use crate::process::peers;
use crate::upstreams::Forwarding;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use tenantdns::testing::query;
use tenantdns::wire::{Message, RType, read_name};

/// Rules in CoreDNS's words and in ours.
const RULES: [(&str, &str); 14] = [
    ("", ""),
    (
        "header {\n query clear rd\n query set aa\n query set ra\n }",
        "[[header]]\nof = \"query\"\naction = \"clear\"\nflags = [\"rd\"]\n\
         [[header]]\nof = \"query\"\naction = \"set\"\nflags = [\"aa\", \"ra\"]\n",
    ),
    (
        "header {\n query set rd\n query clear aa ra\n }",
        "[[header]]\nof = \"query\"\naction = \"set\"\nflags = [\"rd\"]\n\
         [[header]]\nof = \"query\"\naction = \"clear\"\nflags = [\"aa\", \"ra\"]\n",
    ),
    (
        "rewrite edns0 local set 0xffee abcd",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"set\"\ncode = 0xffee\nvalue = \"abcd\"\n",
    ),
    (
        "rewrite edns0 local append 65001 0x0a0B",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"append\"\ncode = 65001\nvalue = \"0x0a0B\"\n",
    ),
    (
        "rewrite edns0 local replace 65001 {client_ip} revert",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"replace\"\ncode = 65001\nvalue = \"{client_ip}\"\n",
    ),
    (
        "rewrite edns0 local append 65001 {client_port}",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"append\"\ncode = 65001\nvalue = \"{client_port}\"\n",
    ),
    (
        "rewrite edns0 local unset 65001",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"unset\"\ncode = 65001\n",
    ),
    (
        "rewrite edns0 nsid set",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"nsid\"\naction = \"set\"\n",
    ),
    (
        "rewrite edns0 nsid unset",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"nsid\"\naction = \"unset\"\n",
    ),
    (
        "rewrite edns0 subnet set 23 56",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"subnet\"\naction = \"set\"\nipv4 = 23\nipv6 = 56\n",
    ),
    (
        "rewrite edns0 subnet append 24 56",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"subnet\"\naction = \"append\"\nipv4 = 24\nipv6 = 56\n",
    ),
    (
        "rewrite continue name suffix .from.test .to.test\n rewrite continue edns0 local set 65001 {qname}\n \
         rewrite continue type TXT A\n rewrite edns0 local set 65002 {qtype}\n rewrite name suffix .to.test .no.test",
        "[[rewrite]]\nmode = \"continue\"\nmatch = \"suffix\"\nfrom = \".from.test\"\nto = \".to.test\"\n\
         [[rewrite]]\nmode = \"continue\"\nfield = \"edns0\"\noption = \"local\"\naction = \"set\"\ncode = 65001\nvalue = \"{qname}\"\n\
         [[rewrite]]\nmode = \"continue\"\nfield = \"type\"\nfrom = \"TXT\"\nto = \"A\"\n\
         [[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"set\"\ncode = 65002\nvalue = \"{qtype}\"\n\
         [[rewrite]]\nmatch = \"suffix\"\nfrom = \".to.test\"\nto = \".no.test\"\n",
    ),
    (
        "rewrite edns0 local set 65001 {server_ip}\n rewrite edns0 local set 65002 never",
        "[[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"set\"\ncode = 65001\nvalue = \"{server_ip}\"\n\
         [[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"set\"\ncode = 65002\nvalue = \"never\"\n",
    ),
];

/// Options that the client sends.
const OPTIONS: [&[u8]; 4] = [
    b"\xfd\xe9\0\x02me",
    b"\0\x03\0\0",
    b"\0\x08\0\x07\0\x01\x18\0\xc6\x33\x64",
    b"\xff\xee\0\x01x\xfd\xe9\0\0\0\x03\0\0",
];

#[test]
fn upstreams_get_what_coredns_sends_them() {
    let Some(peers) = peers() else { return };
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for socket in [&upstream, &client] {
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).unwrap();
    }
    let to = upstream.local_addr().unwrap();
    let (mut different, mut unchanged) = (Vec::new(), Vec::new());
    for (corefile, toml) in RULES {
        let coredns = CoreDns::start(
            &peers,
            &format!(
                ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n {corefile}\n \
                 forward . {to}\n}}\n"
            ),
        );
        let ours = Forwarding::start(&format!("[[forward]]\nto = [\"{to}\"]\n{toml}"));
        let mut as_without = 0;
        for (number, question) in questions().into_iter().enumerate() {
            let sent = [coredns.address, ours.address]
                .map(|server| sent_on(&client, &upstream, server, &question));
            match unchanged.get(number) {
                Some(without) => as_without += usize::from(*without == sent[1]),
                None => unchanged.push(sent[1].clone()),
            }
            if sent[0] != sent[1] {
                different.push(format!(
                    "{corefile}\n {question:02x?}\n {}\n {}",
                    sent[0], sent[1]
                ));
            }
        }
        let some = as_without < unchanged.len();
        assert!(some || corefile.is_empty(), "does nothing: {corefile}");
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Questions with flags and options of all sorts.
fn questions() -> Vec<Vec<u8>> {
    let mut questions = Vec::new();
    for (name, rtype) in [("www.from.test", RType::A), ("WWW.to.Test", RType::TXT)] {
        for flags in [[0x01, 0x00], [0x00, 0x10], [0x05, 0x80]] {
            let mut plain = query(name, rtype);
            plain[2..4].copy_from_slice(&flags);
            questions.push(plain.clone());
            plain[11] = 1;
            for options in [&[][..]].iter().chain(&OPTIONS) {
                let length = u16::try_from(options.len()).unwrap().to_be_bytes();
                let opt = [&b"\0\0\x29\x04\xd0\0\0\0\0"[..], &length, options].concat();
                questions.push([&plain[..], &opt].concat());
            }
        }
    }
    questions
}

/// Asks a server, answers what it asks on, and says what that was.
fn sent_on(
    client: &UdpSocket,
    upstream: &UdpSocket,
    server: SocketAddr,
    question: &[u8],
) -> String {
    client.send_to(question, server).unwrap();
    let mut bytes = vec![0; 4096];
    let (length, from) = upstream.recv_from(&mut bytes).unwrap();
    let asked = bytes[..length].to_vec();
    let mut reply = asked.clone();
    // Without a record, and with the options, of which a client must not see those that a rule added.
    reply[2] |= 0x80;
    upstream.send_to(&reply, from).unwrap();
    let (length, _) = client.recv_from(&mut bytes).unwrap();
    assert_eq!(decode(&bytes[..length]).rcode, "NOERROR");
    shown(&asked)
}

/// Flags, question and options of a message.
fn shown(bytes: &[u8]) -> String {
    let message = Message::parse(bytes).unwrap();
    let flags = u16::from_be_bytes([bytes[2], bytes[3]]);
    let (name, _) = read_name(bytes, 12).unwrap();
    let mut options = Vec::new();
    let mut rest = message
        .opt()
        .map_or(&[][..], |opt| &bytes[opt.rdata.clone()]);
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let code = u16::from_be_bytes([head[0], head[1]]);
        let (value, tail) = tail.split_at(usize::from(u16::from_be_bytes([head[2], head[3]])));
        options.push(format!("{code}={value:02x?}"));
        rest = tail;
    }
    format!(
        "{flags:04x} {name:?} {} {options:?}",
        message.question().qtype
    )
}
