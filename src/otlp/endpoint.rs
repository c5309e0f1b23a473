//! Where a collector is: a URL of few parts.

use std::fmt;
use std::str::FromStr;

/// The path of traces below a collector's address (OTLP specification, OTLP/HTTP Request).
const PATH: &str = "/v1/traces";
/// The port that collectors take OTLP over HTTP at.
const PORT: u16 = 4318;

/// A collector's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Its host: a name, or an address without brackets.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
    /// The path that spans are posted to.
    pub path: Box<str>,
}

/// A text that is no address of a collector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It does not begin as one.
    #[error("is not `http://HOST:PORT` or `https://HOST:PORT`")]
    Scheme,
    /// There is no host, or what is no name and no address.
    #[error("has no host")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("has no port from 1 to 65535")]
    Port,
    /// There are a user, a query or a fragment.
    #[error("has more than host, port and path; credentials are a collector's in between")]
    More,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Reads `http://HOST:PORT/PATH`. Without a port it is 4318, without a path `/v1/traces`.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            (None, None) => return Err(EndpointError::Scheme),
        };
        let is_odd = |c: char| matches!(c, '@' | '?' | '#') || !c.is_ascii_graphic();
        if rest.contains(is_odd) {
            return Err(EndpointError::More);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.len() > 1 { path } else { PATH };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or(EndpointError::Host)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        if host.is_empty() || host.contains(['[', ']']) {
            return Err(EndpointError::Host);
        }
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|port| *port > 0),
            None => port.is_empty().then_some(PORT),
        };
        Ok(Self {
            tls,
            host: host.into(),
            port: port.ok_or(EndpointError::Port)?,
            path: path.into(),
        })
    }
}

impl Endpoint {
    /// Returns the host and the port, as the header `Host` has them.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_host_and_what_is_not_said_is_otlps() {
        for (text, read) in [
            ("http://collector", Ok("http://collector:4318/v1/traces")),
            ("http://c:80/", Ok("http://c:80/v1/traces")),
            ("https://10.0.0.1:4318/x/y", Ok("https://10.0.0.1:4318/x/y")),
            ("http://[fd00::7]:1", Ok("http://[fd00::7]:1/v1/traces")),
            ("http://[fd00::7]", Ok("http://[fd00::7]:4318/v1/traces")),
            ("grpc://c:4317", Err(EndpointError::Scheme)),
            ("c:4318", Err(EndpointError::Scheme)),
            ("http://", Err(EndpointError::Host)),
            ("http://:4318", Err(EndpointError::Host)),
            ("http://[fd00::7", Err(EndpointError::Host)),
            ("http://fd00::7", Err(EndpointError::Port)),
            ("http://c:", Err(EndpointError::Port)),
            ("http://c:0", Err(EndpointError::Port)),
            ("http://c:65536", Err(EndpointError::Port)),
            ("http://[fd00::7]4318", Err(EndpointError::Port)),
            ("http://user:word@c", Err(EndpointError::More)),
            ("http://c/v1?key=1", Err(EndpointError::More)),
            ("http://c/a b", Err(EndpointError::More)),
            ("http://c/\r\nx: y", Err(EndpointError::More)),
        ] {
            let got = text.parse::<Endpoint>().map(|read| read.to_string());
            assert_eq!(got, read.map(str::to_owned), "{text}");
        }
    }
}
