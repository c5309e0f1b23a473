//! From a table's words to what its upstreams are asked with: name servers of files, certificates.

use super::connection::Tls;
use super::options::{MAX_TO, Options, TlsFiles, To, Upstream};
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
    /// There are too many upstreams.
    #[error("[[forward]] {zone}: {count} upstreams are more than {MAX_TO}")]
    TooMany {
        /// The table's zone.
        zone: Box<str>,
        /// How many there are.
        count: usize,
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
    pub(super) tls: Option<Tls>,
}

/// Finds a table's upstreams, each once, in the order in which they are written. None of them may be
/// one of `own`, where this server listens.
pub(super) fn resolve(
    options: &Options,
    own: &[SocketAddr],
) -> Result<Vec<Resolved>, ForwardError> {
    let zone = || options.zone.to_string().into_boxed_str();
    let mut upstreams: Vec<Upstream> = Vec::new();
    for to in &options.to {
        let found = match to {
            To::Upstream(upstream) => vec![upstream.clone()],
            To::File(path) => name_servers(path, zone)?,
        };
        for upstream in found {
            if !upstreams.contains(&upstream) {
                upstreams.push(upstream);
            }
        }
    }
    let count = upstreams.len();
    if count > MAX_TO {
        return Err(ForwardError::TooMany {
            zone: zone(),
            count,
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
    let has_tls = upstreams.iter().any(|upstream| upstream.tls);
    let config = has_tls
        .then(|| tls_config(&options.tls, zone))
        .transpose()?;
    let resolved = upstreams.into_iter().map(|upstream| {
        let config = config.as_ref().filter(|_| upstream.tls);
        let tls = config.map(|config| {
            Ok(Tls {
                config: config.clone(),
                name: server_name(options, &upstream)?,
            })
        });
        Ok(Resolved {
            address: upstream.address,
            tls: tls.transpose()?,
        })
    });
    resolved.collect()
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
    let found = name_servers_of(&text);
    match found.is_empty() {
        true => Err(ForwardError::NoNameServer {
            zone: zone(),
            path: path.into(),
        }),
        false => Ok(found),
    }
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
            tls: false,
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
            tls: false,
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
