//! Upstreams that are named: their addresses, asked for once, when a configuration is put in force. By the
//! system, or by resolvers that the table names. What they are asked with later is not found here.

use super::message::Question;
use super::options::{Host, Options, Upstream};
use crate::wire::{Message, Name, RType, Section};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

/// How long a resolver may take to reply: CoreDNS's time.
const PATIENCE: Duration = Duration::from_secs(2);

/// Returns an upstream for each address of a host, in the order in which they are told; why there is none
/// in words. The table's resolvers are asked one after the other until one knows any; without them the
/// system is.
pub(super) fn find(host: &Host, options: &Options) -> Result<Vec<Upstream>, Box<str>> {
    let found = match &*options.resolver {
        [] => by_system(&host.name),
        resolvers => by_resolvers(&host.name, resolvers),
    };
    let mut addresses = found.map_err(|error| format!("its addresses can't be found: {error}"))?;
    // The system tells each once for every kind of socket.
    let mut seen = Vec::new();
    addresses.retain(|ip| !seen.contains(ip) && (seen.push(*ip), true).1);
    if addresses.is_empty() {
        return Err("has no address".into());
    }
    let upstreams = addresses.into_iter().map(|ip| Upstream {
        address: SocketAddr::new(ip, host.port),
        scheme: host.scheme,
        // Whoever is named is to be who has that name, unless another is written.
        servername: match (&*host.servername, &*options.tls_servername) {
            ("", "") => host.name.trim_end_matches('.').into(),
            (name, _) => name.into(),
        },
    });
    Ok(upstreams.collect())
}

fn by_system(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (name, 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

fn by_resolvers(name: &str, resolvers: &[SocketAddr]) -> io::Result<Vec<IpAddr>> {
    let name: Name = name
        .trim_end_matches('.')
        .parse()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut last = Ok(Vec::new());
    for resolver in resolvers {
        last = ask(&name, *resolver);
        if last.as_ref().is_ok_and(|found| !found.is_empty()) {
            break;
        }
    }
    last
}

/// Asks one resolver for addresses of both kinds.
fn ask(name: &Name, resolver: SocketAddr) -> io::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for rtype in [RType::A, RType::AAAA] {
        match ask_once(name, rtype, resolver) {
            Ok(addresses) => found.extend(addresses),
            // Half of them is better than none.
            Err(_) if !found.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn ask_once(name: &Name, rtype: RType, resolver: SocketAddr) -> io::Result<Vec<IpAddr>> {
    let any: IpAddr = match resolver {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0; 16].into(),
    };
    let question = Question::own(name.as_wire(), rtype, true);
    let id = super::random::Random::new().id();
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(resolver)?;
    socket.send(&question.with_id(id))?;
    let end = Instant::now() + PATIENCE;
    let mut room = vec![0; 65_535];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut room) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        // What is no reply to it is waited past.
        if let Ok(reply) = question.check(id, room[..length].to_vec(), true) {
            return Ok(addresses(&reply, rtype));
        }
    }
}

/// Returns the addresses in the answer, whatever aliases lead to them.
fn addresses(reply: &[u8], rtype: RType) -> Vec<IpAddr> {
    let message = Message::parse(reply);
    let records = message.iter().flat_map(Message::records);
    let records = records.filter(|it| it.section == Section::Answer && it.rtype == rtype);
    let address = |octets: &[u8]| match *octets {
        [a, b, c, d] => Some(IpAddr::from([a, b, c, d])),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    };
    records
        .filter_map(|record| address(reply.get(record.rdata)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::options::Scheme;
    use super::*;
    use std::thread;

    fn host(name: &str, scheme: Scheme) -> Host {
        Host {
            name: name.into(),
            port: 5353,
            scheme,
            servername: "".into(),
        }
    }

    fn asked_of(resolvers: &[SocketAddr], servername: &str) -> Options {
        Options {
            resolver: resolvers.into(),
            tls_servername: servername.into(),
            ..Options::new(Name::root())
        }
    }

    /// A resolver that says this to the first questions, behind what is said of the question.
    fn resolver(says: &'static [&'static [u8]]) -> (SocketAddr, thread::JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let answers = move || {
            for said in says {
                let mut question = [0; 512];
                let (length, from) = socket.recv_from(&mut question).unwrap();
                let mut reply = question[..length].to_vec();
                (reply[2], reply[3], reply[7]) = (0x81, 0x80, said[0]);
                reply.extend(&said[1..]);
                // Somebody else's before it.
                let mut other = reply.clone();
                other[0] ^= 1;
                socket.send_to(&other, from).unwrap();
                socket.send_to(&reply, from).unwrap();
            }
        };
        (address, thread::spawn(answers))
    }

    const NONE: &[u8] = b"\0";
    const A: &[u8] = b"\x02\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x02\xc0\x0c\
        \xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";
    const AAAA: &[u8] = b"\x01\xc0\x0c\0\x1c\0\x01\0\0\0\x3c\0\x10\
        \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";

    #[test]
    fn a_host_is_an_upstream_at_each_of_its_addresses() {
        let (first, ends) = resolver(&[NONE, NONE]);
        let (second, ends_too) = resolver(&[A, AAAA]);
        let found = find(
            &host("dns.example.", Scheme::Tls),
            &asked_of(&[first, second], ""),
        )
        .unwrap();
        let found: Vec<String> = found
            .iter()
            .map(|it| format!("{} {}", it.address, it.servername))
            .collect();
        let expected = [
            "192.0.2.1:5353 dns.example",
            "[2001:db8::1]:5353 dns.example",
        ];
        assert_eq!(found, expected);
        ends.join().unwrap();
        ends_too.join().unwrap();
    }

    #[test]
    fn a_host_that_nobody_knows_is_said_to_be_none() {
        let (only, ends) = resolver(&[NONE, NONE]);
        let error = find(&host("dns.example", Scheme::Dns), &asked_of(&[only], "")).unwrap_err();
        assert_eq!(&*error, "has no address");
        ends.join().unwrap();
        // Nobody listens there.
        let error = find(&host("dns.example", Scheme::Dns), &asked_of(&[only], "")).unwrap_err();
        assert!(error.contains("Connection refused"), "{error}");
    }

    #[test]
    fn the_system_is_asked_without_resolvers() {
        for (servername, expected) in [("", "localhost"), ("dns.example", "")] {
            let found = find(&host("localhost", Scheme::Tls), &asked_of(&[], servername)).unwrap();
            assert!(found.iter().all(|it| it.address.ip().is_loopback()));
            // The table's counts where none is written.
            assert!(found.iter().all(|it| &*it.servername == expected));
        }
    }
}
