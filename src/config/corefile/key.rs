//! What a server block's key names: a zone, or the reverse zones of a range, with transport and port.
//! Not what listens there.

use super::lexer::Token;
use super::translate::zones::{Zone, zone};
use super::{Fault, shown};

/// A transport that CoreDNS has a scheme for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Dns,
    Tls,
    Quic,
    Grpc,
    Https,
    Https3,
    Unix,
}

impl Transport {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Tls, "tls://"),
        (Self::Dns, "dns://"),
        (Self::Quic, "quic://"),
        (Self::Grpc, "grpc://"),
        (Self::Https3, "https3://"),
        (Self::Https, "https://"),
        (Self::Unix, "unix://"),
    ];

    /// Returns the transport of `text`, and what follows its scheme; without one it is DNS.
    pub(super) fn of(text: &str) -> (Self, &str) {
        let found = Self::ALL
            .into_iter()
            .find_map(|(transport, scheme)| Some((transport, text.strip_prefix(scheme)?)));
        found.unwrap_or((Self::Dns, text))
    }

    /// Returns the scheme with its slashes.
    pub(super) fn scheme(self) -> &'static str {
        let all = Self::ALL.into_iter();
        let mut found = all.filter(|(transport, _)| *transport == self);
        found.next().map_or("", |(_, scheme)| scheme)
    }

    fn port(self, default: u16) -> u16 {
        match self {
            Self::Dns | Self::Unix => default,
            Self::Tls | Self::Quic => 853,
            Self::Grpc | Self::Https | Self::Https3 => 443,
        }
    }
}

/// What one key says.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) transport: Transport,
    pub(super) zone: Zone,
    pub(super) port: u16,
    pub(super) token: Token,
}

/// Reads a key; `default_port` is that of plain DNS.
///
/// # Errors
/// It is none.
pub(super) fn read(token: &Token, default_port: u16) -> Result<Key, Fault> {
    let (transport, rest) = Transport::of(&token.text);
    if matches!(
        transport,
        Transport::Grpc | Transport::Https3 | Transport::Unix
    ) {
        return Err(token.fault(format!(
            "`{}` is not supported; zones are served over dns://, tls://, https:// and quic://",
            transport.scheme()
        )));
    }
    let (name, port) = split_port(rest);
    let port = match port {
        None if rest.ends_with(':') => {
            return Err(token.fault(format!("`{}` ends without its port", shown(&token.text))));
        }
        None => transport.port(default_port),
        Some(port) => u16::try_from(port)
            .map_err(|_| token.fault(format!("`{port}` is no port: it is 0 to 65535")))?,
    };
    let zone = zone(name).map_err(|message| token.fault(message))?;
    Ok(Key {
        transport,
        zone,
        port,
        token: token.clone(),
    })
}

/// Returns what stands before the last colon and the number behind it, where it is one.
pub(super) fn split_port(text: &str) -> (&str, Option<i64>) {
    match text.rsplit_once(':') {
        Some((name, port)) => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (text, None),
        },
        None => (text, None),
    }
}
