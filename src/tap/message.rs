//! A dnstap message to be sent. Not the frames that it goes in.

use crate::protobuf::Writer;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// `Dnstap.Type.MESSAGE`.
const MESSAGE: u64 = 1;

/// `Message.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// What a client asked.
    ClientQuery = 5,
    /// What it was answered.
    ClientResponse = 6,
    /// What this server asked an upstream.
    ForwarderQuery = 7,
    /// What the upstream replied.
    ForwarderResponse = 8,
}

impl MessageKind {
    fn is_response(self) -> bool {
        matches!(self, Self::ClientResponse | Self::ForwarderResponse)
    }
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// What it tells of.
    pub kind: MessageKind,
    /// Whether it was asked over a stream.
    pub stream: bool,
    /// Where it was asked from, where that is known.
    pub from: Option<SocketAddr>,
    /// Where it was sent to, where that is told.
    pub to: Option<SocketAddr>,
    /// When the query was asked, since 1970.
    pub asked: Duration,
    /// When it was answered likewise.
    pub answered: Option<Duration>,
    /// The DNS message.
    pub octets: Option<&'m [u8]>,
}

impl Message<'_> {
    /// Returns it as Protocol Buffers, from a server of this name and version.
    pub fn to_bytes(self, identity: &[u8], version: &[u8]) -> Vec<u8> {
        let mut message = Writer::default();
        message.number(1, self.kind as u64);
        let of = self.from.or(self.to);
        if let Some(of) = of {
            let is_v4 = of.ip().to_canonical().is_ipv4();
            message.number(2, if is_v4 { 1 } else { 2 });
        }
        message.number(3, if self.stream { 2 } else { 1 });
        for (field, end) in [(4, self.from), (5, self.to)] {
            match end.map(|end| end.ip().to_canonical()) {
                Some(IpAddr::V4(v4)) => message.bytes(field, &v4.octets()),
                Some(IpAddr::V6(v6)) => message.bytes(field, &v6.octets()),
                None => {}
            }
        }
        for (field, end) in [(6, self.from), (7, self.to)] {
            if let Some(end) = end {
                message.number(field, end.port().into());
            }
        }
        message.number(8, self.asked.as_secs());
        message.fixed32(9, self.asked.subsec_nanos());
        if let Some(octets) = self.octets.filter(|_| !self.kind.is_response()) {
            message.bytes(10, octets);
        }
        if let Some(answered) = self.answered {
            message.number(12, answered.as_secs());
            message.fixed32(13, answered.subsec_nanos());
        }
        if let Some(octets) = self.octets.filter(|_| self.kind.is_response()) {
            message.bytes(14, octets);
        }
        let mut dnstap = Writer::default();
        dnstap.bytes(1, identity);
        dnstap.bytes(2, version);
        dnstap.bytes(14, &message.finish());
        dnstap.number(15, MESSAGE);
        dnstap.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Tapped, Told, read_message};
    use super::*;
    use crate::testing::query;
    use crate::wire::RType;

    #[test]
    fn our_own_reader_takes_what_is_sent() {
        let asked = query("web.shop.svc.cluster.local.", RType::SRV);
        for (client, address) in [
            ("10.244.1.7:4000", "10.244.1.7"),
            ("[::ffff:10.244.1.7]:4000", "10.244.1.7"),
            ("[fd00::7]:4000", "fd00::7"),
        ] {
            let message = Message {
                kind: MessageKind::ClientQuery,
                stream: false,
                from: client.parse().ok(),
                to: None,
                asked: Duration::new(1_700_000_000, 999_999_999),
                answered: None,
                octets: Some(&asked),
            };
            let told = Told::Query(Tapped {
                client: address.parse().unwrap(),
                name: "web.shop.svc.cluster.local.".parse().unwrap(),
                rtype: RType::SRV,
            });
            assert_eq!(read_message(&message.to_bytes(b"host", b"v")), Ok(told));
            let wordless = Message {
                octets: None,
                ..message
            };
            assert_eq!(
                read_message(&wordless.to_bytes(b"", b"")),
                Ok(Told::Wordless)
            );
            let answer = Message {
                kind: MessageKind::ClientResponse,
                answered: Some(Duration::from_secs(1)),
                ..message
            };
            assert_eq!(read_message(&answer.to_bytes(b"", b"")), Ok(Told::Other));
            // What is said to upstreams is no client's.
            let asked = Message {
                kind: MessageKind::ForwarderQuery,
                to: client.parse().ok(),
                ..message
            };
            assert_eq!(read_message(&asked.to_bytes(b"", b"")), Ok(Told::Other));
        }
    }
}
