//! Batches over loopback sockets: sizes, families, and the address that answers leave from.

use super::message::write_name;
use super::*;
use socket2::{Domain, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

fn server(address: &str) -> (Datagrams, u16) {
    let address: SocketAddr = address.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(false).unwrap();
    }
    Datagrams::prepare(&socket, address.ip()).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (Datagrams::new(socket.into(), address.ip()), port)
}

fn client(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket
}

/// Sends every received datagram back, cut to the length of an answer.
fn echo(server: &Datagrams, receiver: &mut Receiver, sender: &mut Sender) -> (usize, Sent) {
    let received = receiver.receive(server, true).unwrap();
    for slot in 0..received {
        if let Some((bytes, _)) = receiver.datagram(slot) {
            let length = bytes.len().min(ANSWER);
            sender.buffer()[..length].copy_from_slice(&bytes[..length]);
            sender.push(length, slot);
        }
    }
    (received, sender.flush(receiver, server))
}

#[test]
fn answers_leave_from_the_address_that_was_asked() {
    let cases = [
        ("v4", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1"),
        ("v4 wildcard", "0.0.0.0:0", "127.0.0.1:0", "127.0.0.1"),
        (
            "v4 wildcard, second address",
            "0.0.0.0:0",
            "127.0.0.1:0",
            "127.0.0.53",
        ),
        ("v6", "[::1]:0", "[::1]:0", "::1"),
        ("v6 wildcard", "[::]:0", "[::1]:0", "::1"),
        ("dual stack, mapped", "[::]:0", "127.0.0.7:0", "127.0.0.1"),
        (
            "dual stack, second address",
            "[::]:0",
            "127.0.0.7:0",
            "127.0.0.53",
        ),
    ];
    let mut sender = Sender::new();
    for (name, listen, from, asked) in cases {
        let (server, port) = server(listen);
        let mut receiver = Receiver::new(&server);
        let client = client(from);
        let asked: IpAddr = asked.parse().unwrap();
        // Connected: the client's kernel drops answers from any other address.
        client.connect((asked, port)).unwrap();
        client.send(b"question").unwrap();
        assert_eq!(receiver.receive(&server, true).unwrap(), 1, "{name}");
        let (bytes, route) = receiver.datagram(0).unwrap();
        assert_eq!(bytes, b"question", "{name}");
        assert_eq!(route.peer, client.local_addr().unwrap(), "{name}");
        assert_eq!(route.local, Some(asked), "{name}");
        for answer in ["batched", "alone"] {
            if answer == "batched" {
                sender.buffer()[..answer.len()].copy_from_slice(answer.as_bytes());
                sender.push(answer.len(), 0);
                assert_eq!(
                    sender.flush(&receiver, &server),
                    Sent { sent: 1, failed: 0 },
                    "{name}"
                );
            } else {
                server.send(route, answer.as_bytes()).unwrap();
            }
            let mut buffer = [0; 64];
            let length = client.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], answer.as_bytes(), "{name}");
        }
    }
}

#[test]
fn forty_datagrams_come_in_two_batches_and_are_all_answered() {
    let (server, port) = server("127.0.0.1:0");
    let client = client("127.0.0.1:0");
    client.connect(("127.0.0.1", port)).unwrap();
    // Loopback delivers before send returns, so all forty are there.
    for number in 0..40_u8 {
        client.send(&vec![number; usize::from(number) + 1]).unwrap();
    }
    let (mut receiver, mut sender) = (Receiver::new(&server), Sender::new());
    let batches = [(SLOTS, SLOTS), (40 - SLOTS, 40 - SLOTS)];
    for (datagrams, answers) in batches {
        let (received, sent) = echo(&server, &mut receiver, &mut sender);
        assert_eq!((received, sent.sent, sent.failed), (datagrams, answers, 0));
    }
    for number in 0..40_u8 {
        let mut buffer = [0; 64];
        let length = client.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..length], vec![number; usize::from(number) + 1]);
    }
    let error = receiver.receive(&server, false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn the_largest_datagram_arrives_whole_and_so_does_an_empty_one() {
    let (server, port) = server("[::]:0");
    let client = client("127.0.0.1:0");
    let mut receiver = Receiver::new(&server);
    for length in [65_507, 0, 60_000, 1] {
        let sent: Vec<u8> = (0..length).map(|at: usize| (at % 251) as u8).collect();
        client.send_to(&sent, ("127.0.0.1", port)).unwrap();
        assert_eq!(receiver.receive(&server, true).unwrap(), 1);
        let (bytes, _) = receiver.datagram(0).unwrap();
        assert!(bytes == sent, "{length} octets");
    }
}

#[test]
fn an_answer_that_the_kernel_refuses_does_not_stop_the_next_one() {
    let (server, port) = server("0.0.0.0:0");
    let client = client("127.0.0.1:0");
    client.connect(("127.0.0.1", port)).unwrap();
    // Loopback delivers before send returns, so all four are there.
    for _ in 0..4 {
        client.send(b"x").unwrap();
    }
    let (mut receiver, mut sender) = (Receiver::new(&server), Sender::new());
    assert_eq!(receiver.receive(&server, true).unwrap(), 4);
    // From an address that this host does not have, and to a peer that the socket can't name.
    let foreign = Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 200)));
    receiver.routes[0].1.local = foreign;
    let other_family = "[2001:db8::1]:53".parse().unwrap();
    let length = write_name(&mut receiver.names[2], other_family, true);
    receiver.headers[2].msg_hdr.msg_namelen = length as _;
    for slot in 0..4 {
        sender.buffer()[0] = b'y';
        sender.push(1, slot);
    }
    let sent = sender.flush(&receiver, &server);
    assert_eq!(sent, Sent { sent: 2, failed: 2 });
    assert!(server.send(&receiver.routes[0].1, b"y").is_err());
    let mut buffer = [0; 4];
    for _ in 0..2 {
        assert_eq!(client.recv(&mut buffer).unwrap(), 1);
    }
}

#[test]
fn a_datagram_from_port_0_is_not_answered() {
    let (server, port) = server("127.0.0.1:0");
    let client = client("127.0.0.1:0");
    client.send_to(b"x", ("127.0.0.1", port)).unwrap();
    let mut receiver = Receiver::new(&server);
    receiver.receive(&server, true).unwrap();
    assert!(receiver.datagram(0).is_some());
    let (mut route, mut lost) = (Route::to(None), 0);
    for (port, expected) in [(0, false), (53, true)] {
        write_name(
            &mut receiver.names[0],
            SocketAddr::from(([127, 0, 0, 1], port)),
            false,
        );
        let (header, control) = (&receiver.headers[0].msg_hdr, &mut receiver.controls[0]);
        let can_answer = read_route(header, control, &receiver.names[0], &mut route, &mut lost);
        assert_eq!(can_answer, expected, "port {port}");
    }
}

#[test]
fn what_the_socket_lost_is_counted() {
    let (server, port) = server("127.0.0.1:0");
    let socket = socket2::SockRef::from(&server.socket);
    socket.set_recv_buffer_size(1).unwrap();
    let client = client("127.0.0.1:0");
    let (mut receiver, mut sender) = (Receiver::new(&server), Sender::new());
    for _ in 0..100 {
        client.send_to(&[0; 512], ("127.0.0.1", port)).unwrap();
    }
    let mut received = echo(&server, &mut receiver, &mut sender).0;
    // The counter comes with the next datagram that found room.
    client.send_to(b"x", ("127.0.0.1", port)).unwrap();
    while receiver.lost() == 0 {
        received += echo(&server, &mut receiver, &mut sender).0;
    }
    assert!(received < 100);
    assert!(receiver.lost() > 0);
}

#[test]
fn mapped_addresses_are_ipv4_and_no_other_address_changes() {
    let cases = [
        ("[::ffff:10.1.2.3]:53", "10.1.2.3:53"),
        ("10.1.2.3:53", "10.1.2.3:53"),
        ("[::1]:53", "[::1]:53"),
        ("[::10.1.2.3]:53", "[::10.1.2.3]:53"),
        ("[64:ff9b::10.1.2.3]:53", "[64:ff9b::10.1.2.3]:53"),
    ];
    for (from, to) in cases {
        let from: SocketAddr = from.parse().unwrap();
        assert_eq!(canonical(from), to.parse().unwrap(), "{from}");
    }
}

#[test]
fn interface_addresses_leave_out_loopback_and_repeat_nothing() {
    let addresses = interface_addresses().unwrap();
    assert!(addresses.iter().all(|address| !address.is_loopback()));
    assert!(addresses.is_sorted_by(|a, b| a < b));
    // What the kernel would route from is among them, where there is a route at all.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    if socket.connect("192.0.2.1:53").is_ok() {
        let ip = socket.local_addr().unwrap().ip();
        assert!(ip.is_loopback() || addresses.contains(&ip), "{ip}");
    }
    assert!(descriptor_limit().unwrap() > 0);
}
