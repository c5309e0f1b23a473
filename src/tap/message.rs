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
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// What it tells of.
    pub kind: MessageKind,
    /// Whether the client asked over a stream.
    pub stream: bool,
    /// Where the client asked from.
    pub client: SocketAddr,
    /// When the query came, since 1970.
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
        let client = self.client.ip().to_canonical();
        message.number(2, if client.is_ipv4() { 1 } else { 2 });
        message.number(3, if self.stream { 2 } else { 1 });
        match client {
            IpAddr::V4(v4) => message.bytes(4, &v4.octets()),
            IpAddr::V6(v6) => message.bytes(4, &v6.octets()),
        }
        message.number(6, self.client.port().into());
        message.number(8, self.asked.as_secs());
        message.fixed32(9, self.asked.subsec_nanos());
        if let Some(octets) = self
            .octets
            .filter(|_| self.kind == MessageKind::ClientQuery)
        {
            message.bytes(10, octets);
        }
        if let Some(answered) = self.answered {
            message.number(12, answered.as_secs());
            message.fixed32(13, answered.subsec_nanos());
        }
        if let Some(octets) = self
            .octets
            .filter(|_| self.kind == MessageKind::ClientResponse)
        {
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
                client: client.parse().unwrap(),
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
        }
    }
}
