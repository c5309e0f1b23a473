//! From a table's words to what its upstreams are asked with: name servers of files, certificates.

use super::connection::Tls;
use super::hosts;
use super::options::{Options, Scheme, TlsFiles, To, Upstream};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Why a table can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A file can't be read.
    #[error("[[forward]] {zone}: {}: {error}", path.display())]
    Read {
        /// The table's zone.
        zone: Box<str>,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file of `to` names nobody.
    #[error("[[forward]] {zone}: {}: has no `nameserver` with an address", path.display())]
    NoNameServer {
        /// The table's zone.
        zone: Box<str>,
        /// The file.
        path: PathBuf,
    },
    /// A host of `to` has no address that can be found.
    #[error("[[forward]] {zone}: {name}: {error}")]
    Host {
        /// The table's zone.
        zone: Box<str>,
        /// The host.
        name: Box<str>,
        /// What came of asking.
        error: Box<str>,
    },
    /// An upstream is a listener of this server.
    #[error("[[forward]] {zone}: {address} is this server itself: every query would come back")]
    OwnAddress {
        /// The table's zone.
        zone: Box<str>,
        /// The upstream.
        address: SocketAddr,
    },
    /// A file is no PEM.
    #[error("[[forward]] {zone}: {}: {error}", path.display())]
    Pem {
        /// The table's zone.
        zone: Box<str>,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// The certificates can't be used.
    #[error("[[forward]] {zone}: tls: {error}")]
    Tls {
        /// The table's zone.
        zone: Box<str>,
        /// What is wrong.
        error: rustls::Error,
    },
    /// `tls_servername` is no name.
    #[error("[[forward]] {zone}: tls_servername: `{name}` is not a host's name")]
    ServerName {
        /// The table's zone.
        zone: Box<str>,
        /// What is written.
        name: Box<str>,
    },
    /// A thread can't be started.
    #[error("starting the thread for upstreams: {0}")]
    Thread(io::Error),
}

/// One upstream as it is asked.
pub(super) struct Resolved {
    pub(super) address: SocketAddr,
    pub(super) way: Way,
}

/// How an upstream is asked, with what is needed for it.
pub(super) enum Way {
    /// Over UDP and TCP.
    Dns,
    /// Over TLS.
    Tls(Tls),
    /// Over HTTPS, by this authority of a URL.
    #[cfg_attr(
        not(feature = "encrypted"),
        allow(dead_code, reason = "the configuration has none of these then")
    )]
    Https(Tls, Box<str>),
}

impl Way {
    /// Returns what is shown to an upstream over TLS.
    pub(super) fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Dns => None,
            Self::Tls(tls) | Self::Https(tls, _) => Some(tls),
        }
    }
}

/// Finds a table's upstreams, each once, in the order in which they are written. None of them may be
/// one of `own`, where this server listens. Waits where a host's addresses have to be asked for.
pub(super) fn resolve(
    options: &Options,
    own: &[SocketAddr],
) -> Result<Vec<Resolved>, ForwardError> {
    let zone = || options.zone.to_string().into_boxed_str();
    let mut upstreams: Vec<Upstream> = Vec::new();
    let mut without = None;
    for to in &options.to {
        let found = match to {
            To::Upstream(upstream) => vec![upstream.clone()],
            To::File(path) => {
                let found = name_servers(path, zone)?;
                without = without.or_else(|| found.is_empty().then_some(path));
                found
            }
            To::Host(host) => {
                let found = hosts::find(host, options);
                found.map_err(|error| ForwardError::Host {
                    zone: zone(),
                    name: host.name.clone(),
                    error,
                })?
            }
        };
        for upstream in found {
            if !upstreams.contains(&upstream) {
                upstreams.push(upstream);
            }
        }
    }
    // As in CoreDNS, such a file is no fault beside somebody else.
    if let (true, Some(path)) = (upstreams.is_empty(), without) {
        return Err(ForwardError::NoNameServer {
            zone: zone(),
            path: path.clone(),
        });
    }
    if let Some(found) = upstreams
        .iter()
        .find(|upstream| own.contains(&upstream.address))
    {
        return Err(ForwardError::OwnAddress {
            zone: zone(),
            address: found.address,
        });
    }
    let has_tls = upstreams.iter().any(|it| it.scheme != Scheme::Dns);
    let config = has_tls
        .then(|| tls_config(&options.tls, zone))
        .transpose()?;
    let resolved = upstreams.into_iter().map(|upstream| {
        Ok(Resolved {
            address: upstream.address,
            way: match &config {
                Some(config) => way(options, &upstream, config)?,
                None => Way::Dns,
            },
        })
    });
    resolved.collect()
}

fn way(
    options: &Options,
    upstream: &Upstream,
    config: &Arc<ClientConfig>,
) -> Result<Way, ForwardError> {
    match upstream.scheme {
        Scheme::Dns => Ok(Way::Dns),
        Scheme::Tls => Ok(Way::Tls(Tls {
            config: config.clone(),
            name: server_name(options, upstream)?,
        })),
        Scheme::Https => {
            let name = server_name(options, upstream)?;
            let mut config = ClientConfig::clone(config);
            config.alpn_protocols = vec![b"h2".to_vec()];
            let host = match (&name, upstream.address.ip()) {
                (ServerName::DnsName(name), _) => name.as_ref().to_owned(),
                (_, IpAddr::V6(v6)) => format!("[{v6}]"),
                (_, IpAddr::V4(v4)) => v4.to_string(),
            };
            let authority = match upstream.address.port() {
                443 => host,
                port => format!("{host}:{port}"),
            };
            let config = Arc::new(config);
            Ok(Way::Https(Tls { config, name }, authority.into()))
        }
    }
}

fn server_name(
    options: &Options,
    upstream: &Upstream,
) -> Result<ServerName<'static>, ForwardError> {
    let written = [&upstream.servername, &options.tls_servername];
    let Some(name) = written.into_iter().find(|name| !name.is_empty()) else {
        return Ok(ServerName::IpAddress(upstream.address.ip().into()));
    };
    ServerName::try_from(name.to_string()).map_err(|_| ForwardError::ServerName {
        zone: options.zone.to_string().into(),
        name: name.clone(),
    })
}

/// Reads the `nameserver` lines of a file like `/etc/resolv.conf`.
fn name_servers(path: &Path, zone: impl Fn() -> Box<str>) -> Result<Vec<Upstream>, ForwardError> {
    let text = std::fs::read_to_string(path).map_err(|error| ForwardError::Read {
        zone: zone(),
        path: path.into(),
        error,
    })?;
    Ok(name_servers_of(&text))
}

fn name_servers_of(text: &str) -> Vec<Upstream> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let is_server = words.next() == Some("nameserver");
        let address = words.next().filter(|_| is_server)?;
        // The interface of a link-local address is not carried over, as in CoreDNS.
        let address = address.split('%').next().unwrap_or(address);
        let ip: IpAddr = address.parse().ok()?;
        Some(Upstream {
            address: SocketAddr::new(ip, 53),
            scheme: Scheme::Dns,
            servername: "".into(),
        })
    });
    servers.collect()
}

fn tls_config(
    files: &TlsFiles,
    zone: impl Fn() -> Box<str> + Copy,
) -> Result<Arc<ClientConfig>, ForwardError> {
    let of_pem = |path: &PathBuf, error| match error {
        pem::Error::Io(error) => ForwardError::Read {
            zone: zone(),
            path: path.clone(),
            error,
        },
        error => ForwardError::Pem {
            zone: zone(),
            path: path.clone(),
            error,
        },
    };
    let certificates = |path: &PathBuf| -> Result<Vec<CertificateDer<'static>>, ForwardError> {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        read.map_err(|error| of_pem(path, error))
    };
    let of_tls = |error| ForwardError::Tls {
        zone: zone(),
        error,
    };
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(of_tls)?;
            }
        }
        None => {
            // What can't be read there is not trusted: the others still are.
            let trusted = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(trusted);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(of_tls)?
        .with_root_certificates(roots);
    let config = match &files.pair {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| of_pem(key, error))?;
            builder.with_client_auth_cert(chain, key).map_err(of_tls)?
        }
    };
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_the_addresses_of_a_resolv_conf() {
        let text = "# nameserver 192.0.2.9\nsearch a.example\nnameserver 192.0.2.1\n\
                    nameserver\tfe80::1%eth0 # x\nnameserver nobody\noptions ndots:5\n";
        let found = name_servers_of(text);
        let addresses: Vec<String> = found.iter().map(|u| u.address.to_string()).collect();
        assert_eq!(addresses, ["192.0.2.1:53", "[fe80::1]:53"]);
    }

    #[test]
    fn an_upstream_that_is_this_server_is_refused() {
        let own: SocketAddr = "127.0.0.1:5300".parse().unwrap();
        let mut options = Options::new(crate::wire::Name::root());
        options.to = vec![To::Upstream(Upstream {
            address: own,
            scheme: Scheme::Dns,
            servername: "".into(),
        })];
        assert!(resolve(&options, &[]).is_ok());
        let error = resolve(&options, &[own]).err().unwrap();
        assert_eq!(
            error.to_string(),
            "[[forward]] .: 127.0.0.1:5300 is this server itself: every query would come back"
        );
    }
}
