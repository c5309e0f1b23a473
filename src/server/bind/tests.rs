//! What can be opened, what can't, and what is said of it.

use super::super::script::options;
use super::super::sys::Receiver;
use super::*;
use std::net::UdpSocket;

fn listening(addresses: &[SocketAddr]) -> Options {
    let mut options = options("127.0.0.1:0");
    options.listen = addresses
        .iter()
        .zip(0..)
        .map(|(&address, id)| ListenAddress {
            id: ListenerId(id),
            scheme: Scheme::Dns,
            address,
        })
        .collect();
    options
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn port_0_is_one_port_for_every_socket_of_a_listener() {
    let asked = ["127.0.0.1:0", "[::]:0", "127.0.0.2:0"].map(address);
    let bound = bind(&listening(&asked)).unwrap();
    for (number, (id, got)) in bound.local_addresses().enumerate() {
        let listener = &bound.listeners[number];
        assert_eq!(id.0, u16::try_from(number).unwrap());
        assert_eq!(got.ip(), asked[number].ip());
        assert_ne!(got.port(), 0);
        assert_eq!(
            listener.tcp.as_ref().unwrap().local_addr().unwrap().port(),
            got.port()
        );
        assert_eq!(listener.udp.len(), 2);
        for udp in &listener.udp {
            assert_eq!(udp.socket.local_addr().unwrap().port(), got.port());
        }
    }
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = bind(&options("127.0.0.1:0")).unwrap();
    let (_, group) = own.local_addresses().next().unwrap();
    for (address, protocol) in [
        (udp.local_addr().unwrap(), "udp"),
        (tcp.local_addr().unwrap(), "tcp"),
        // Sharing it with another server of the same user would be possible, and wrong.
        (group, "udp"),
    ] {
        let error = bind(&listening(&[address])).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{address}/{protocol} is in use by another process; stop it or choose another \
                 address with --listen or [server] listen"
            )
        );
    }
}

#[test]
fn two_listeners_that_exclude_each_other_are_named() {
    // Another test may take the port that was free: then the first listener says so, and the next
    // port is tried.
    let errors = (0..64).map(|_| {
        let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let wildcard = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        let specific = SocketAddr::from(([127, 0, 0, 1], port));
        let error = bind(&listening(&[wildcard, specific])).unwrap_err();
        (wildcard, specific, error)
    });
    let (wildcard, specific, error) = errors
        .into_iter()
        .find(|(wildcard, _, error)| {
            !matches!(error, BindError::InUse { address, .. } if address == wildcard)
        })
        .unwrap();
    assert!(
        matches!(error, BindError::Covered { address, other, .. } if address == specific && other == wildcard),
        "{error}"
    );
}

#[test]
fn an_error_says_what_to_do() {
    let cases = [
        (ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
        (
            ErrorKind::AddrNotAvailable,
            "no interface of this host has that address",
        ),
        (ErrorKind::AddrInUse, "in use by another process"),
        (ErrorKind::OutOfMemory, "can't be opened"),
    ];
    for (kind, hint) in cases {
        let failure = Failure {
            address: address("192.0.2.1:53"),
            protocol: "udp",
            error: kind.into(),
        };
        let text = failure.explain(&[]).to_string();
        assert!(text.starts_with("192.0.2.1:53/udp"), "{text}");
        assert!(text.contains(hint), "{text}");
    }
    let error = bind(&options("203.0.113.200:0")).unwrap_err();
    assert!(matches!(error, BindError::NoSuchAddress { .. }), "{error}");
}

#[test]
fn only_a_wildcard_falls_back_to_ipv4() {
    let no_family = io::Error::from_raw_os_error(NO_SUCH_FAMILY);
    let cases = [
        ("[::]:53", no_family, true),
        ("[::]:53", ErrorKind::AddrNotAvailable.into(), true),
        ("[::]:53", ErrorKind::AddrInUse.into(), false),
        ("[::1]:53", ErrorKind::AddrNotAvailable.into(), false),
        ("0.0.0.0:53", ErrorKind::AddrNotAvailable.into(), false),
    ];
    for (asked, error, falls_back) in cases {
        let failure = Failure {
            address: address(asked),
            protocol: "udp",
            error,
        };
        assert_eq!(
            is_without_ipv6(&failure),
            falls_back,
            "{asked} {}",
            failure.error
        );
    }
}

#[test]
fn every_socket_of_the_group_receives_and_nothing_sent_before_is_lost() {
    let mut options = options("127.0.0.1:0");
    options.threads = 4;
    let bound = bind(&options).unwrap();
    let (_, to) = bound.local_addresses().next().unwrap();
    for number in 0..128_u8 {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(&[number], to).unwrap();
    }
    let mut receiver = Receiver::new(&bound.listeners[0].udp[0]);
    let mut received = Vec::new();
    for socket in &bound.listeners[0].udp {
        let before = received.len();
        while let Ok(batch) = receiver.receive(socket, false) {
            received.extend((0..batch).map(|slot| receiver.datagram(slot).unwrap().0[0]));
        }
        assert!(received.len() > before);
    }
    received.sort_unstable();
    assert_eq!(received, (0..128).collect::<Vec<_>>());
}
