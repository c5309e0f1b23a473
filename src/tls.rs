//! A listener's certificate, followed while its files are replaced, and what it asks of clients'
//! certificates. Not what is said over TLS, and not who may come in.

mod clients;
#[cfg(test)]
mod tests;

use clients::Verifier;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{fmt, fs, io};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// How often the files are looked at. Whoever replaces certificates does so hours before they end.
pub const POLL: Duration = Duration::from_secs(5);
/// What a file may hold; a chain has a few KiB.
const LARGEST: u64 = 1 << 20;

/// What a listener shows, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The certificate that it shows.
    pub pair: PairFiles,
    /// What it asks of clients.
    pub client_auth: ClientAuth,
}

/// The files of a certificate and its key, in PEM. They are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate, followed by those that lead to its authority.
    pub certificate: PathBuf,
    /// The certificate's private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// Which certificate a client must show: CoreDNS's `client_auth`. It opens the listener and nothing
/// else: who asks is told by the address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// `nocert`: none is asked for.
    #[default]
    NoCert,
    /// `request`: one is asked for; any will do, and none.
    Request,
    /// `require`: any, by whomever it was issued.
    Require,
    /// `verify_if_given`: one of the authorities in this file, or none.
    VerifyIfGiven(PathBuf),
    /// `require_and_verify`: one of the authorities in this file.
    RequireAndVerify(PathBuf),
}

impl ClientAuth {
    /// Returns the file of the authorities, where there is one.
    pub fn authorities(&self) -> Option<&Path> {
        match self {
            Self::NoCert | Self::Request | Self::Require => None,
            Self::VerifyIfGiven(file) | Self::RequireAndVerify(file) => Some(file),
        }
    }
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A file can't be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file of the certificate, or of the authorities, has none.
    #[error("{}: no certificate in PEM: {error}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// The file of the key has none.
    #[error("{}: no private key in PEM: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// The two can't be used together.
    #[error("{} with {}: {error}", files.certificate.display(), files.key.display())]
    Pair {
        /// The files.
        files: PairFiles,
        /// What is wrong: the key is another certificate's, for example.
        error: rustls::Error,
    },
    /// No client can be verified by the authorities.
    #[error("{}: no authority that clients' certificates can be verified by: {reason}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The pair in force, for each new connection. Clones see the same.
#[derive(Clone)]
pub struct Shown(Arc<RwLock<Arc<ServerConfig>>>);

impl Shown {
    /// Returns what a new connection is to be offered.
    pub fn current(&self) -> Arc<ServerConfig> {
        // Whoever held it has only swapped a pointer.
        let current = self.0.read().unwrap_or_else(|held| held.into_inner());
        current.clone()
    }

    fn replace(&self, config: ServerConfig) {
        let mut current = self.0.write().unwrap_or_else(|held| held.into_inner());
        *current = Arc::new(config);
    }
}

/// The files, and what was last read from them.
pub struct Pair {
    options: Options,
    offer: Offer,
    shown: Shown,
    last: Contents,
    refusal: Refusal,
}

/// What is the same whatever the files hold.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// The table that asks for it, as log lines name it.
    pub table: &'static str,
    /// What may be spoken over it (ALPN), the best first.
    pub protocols: &'static [&'static str],
}

/// What the files hold.
#[derive(Default, PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Vec<u8>,
}

/// What is wrong with the files as they are now.
#[derive(Debug, Default, PartialEq, Eq)]
enum Refusal {
    /// Nothing.
    #[default]
    None,
    /// This, since the last look. Between the writing of two files a pair is wrong for a moment.
    New(String),
    /// This, and it has been said.
    Said(String),
}

impl Pair {
    /// Reads the files.
    ///
    /// # Errors
    /// They can't be read, or are no certificate with its key.
    pub fn open(options: &Options, offer: Offer) -> Result<Self, PairError> {
        let last = Contents::read(options)?;
        let config = last.config(options, offer)?;
        Ok(Self {
            options: options.clone(),
            offer,
            shown: Shown(Arc::new(RwLock::new(Arc::new(config)))),
            last,
            refusal: Refusal::None,
        })
    }

    /// Returns what it was opened with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns where connections find the pair in force.
    pub fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// Looks at the files so often, as long as it is polled.
    pub async fn follow(mut self, poll: Duration) {
        loop {
            tokio::time::sleep(poll).await;
            // A file system that hangs keeps no probe waiting.
            let looked = tokio::task::spawn_blocking(move || {
                let said = self.look();
                (self, said)
            });
            let Ok((pair, said)) = looked.await else {
                return;
            };
            self = pair;
            if let Some(refusal) = said {
                let table = self.offer.table;
                tracing::warn!("{table} goes on with the certificate that it has: {refusal}");
            }
        }
    }

    /// Reads the files again, and takes what is new and right. Returns what is to be said of what is
    /// wrong: each thing once, at the second look that finds it.
    fn look(&mut self) -> Option<String> {
        let read = Contents::read(&self.options);
        let taken = read.and_then(|contents| {
            if contents == self.last {
                return Ok(None);
            }
            let config = contents.config(&self.options, self.offer)?;
            Ok(Some((contents, config)))
        });
        match taken {
            Ok(None) => self.refusal = Refusal::None,
            Ok(Some((contents, config))) => {
                self.shown.replace(config);
                self.last = contents;
                self.refusal = Refusal::None;
                tracing::info!(
                    certificate = %self.options.pair.certificate.display(),
                    "{} shows a new certificate",
                    self.offer.table
                );
            }
            Err(error) => return self.refuse(error.to_string()),
        }
        None
    }

    fn refuse(&mut self, error: String) -> Option<String> {
        let (refusal, said) = match std::mem::take(&mut self.refusal) {
            Refusal::Said(known) if known == error => (Refusal::Said(known), None),
            Refusal::New(known) if known == error => (Refusal::Said(known), Some(error)),
            _ => (Refusal::New(error), None),
        };
        self.refusal = refusal;
        said
    }
}

impl Contents {
    fn read(options: &Options) -> Result<Self, PairError> {
        let authorities = options.client_auth.authorities();
        Ok(Self {
            certificate: read(&options.pair.certificate)?,
            key: read(&options.pair.key)?,
            authorities: authorities.map(read).transpose()?.unwrap_or_default(),
        })
    }

    fn config(&self, options: &Options, offer: Offer) -> Result<ServerConfig, PairError> {
        let files = &options.pair;
        let chain = certificates(&self.certificate, &files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key);
        let key = key.map_err(|error| PairError::Key {
            path: files.key.clone(),
            error,
        })?;
        let wrong = |error| PairError::Pair {
            files: files.clone(),
            error,
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            // 1.2 and 1.3.
            .with_safe_default_protocol_versions()
            .map_err(wrong)?;
        let builder = match &options.client_auth {
            ClientAuth::NoCert => builder.with_no_client_auth(),
            ClientAuth::Request => builder.with_client_cert_verifier(Verifier::any(false)),
            ClientAuth::Require => builder.with_client_cert_verifier(Verifier::any(true)),
            ClientAuth::VerifyIfGiven(path) => {
                let verifier = self.verifier(path, false)?;
                builder.with_client_cert_verifier(verifier)
            }
            ClientAuth::RequireAndVerify(path) => {
                let verifier = self.verifier(path, true)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(wrong)?;
        let protocols = offer.protocols.iter();
        config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }

    /// Returns what verifies clients by the authorities.
    fn verifier(&self, path: &Path, needed: bool) -> Result<clients::Verifies, PairError> {
        let wrong = |reason: String| PairError::Authorities {
            path: path.to_owned(),
            reason,
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.authorities, path)? {
            roots.add(authority).map_err(|e| wrong(e.to_string()))?;
        }
        let provider = Arc::new(default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match needed {
            true => builder,
            false => builder.allow_unauthenticated(),
        };
        builder.build().map_err(|e| wrong(e.to_string()))
    }
}

/// Reads the certificates of a file, of which there must be one.
fn certificates(bytes: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let wrong = |error| PairError::Certificate {
        path: path.to_owned(),
        error,
    };
    let chain = CertificateDer::pem_slice_iter(bytes);
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    match chain.is_empty() {
        true => Err(wrong(pem::Error::NoItemsFound)),
        false => Ok(chain),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PairError> {
    let error = |error| PairError::Read {
        path: path.to_owned(),
        error,
    };
    if fs::metadata(path).map_err(error)?.len() > LARGEST {
        return Err(error(io::Error::other(
            "too large for a certificate or a key",
        )));
    }
    fs::read(path).map_err(error)
}

impl From<PairFiles> for Options {
    /// Clients need no certificate.
    fn from(pair: PairFiles) -> Self {
        Self {
            pair,
            client_auth: ClientAuth::NoCert,
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_tuple("Pair").field(&self.options).finish()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}
