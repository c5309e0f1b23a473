//! The certificate of a listener beyond loopback, followed while it is replaced. Not who may come in:
//! [`super::gate`] finds that out.

#[cfg(test)]
mod tests;

use super::PairFiles;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{fmt, fs, io};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// How often the files are looked at. Whoever replaces certificates does so hours before they end.
const POLL: Duration = Duration::from_secs(5);
/// What a file may hold; a chain has a few KiB.
const LARGEST: u64 = 1 << 20;

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
    /// The file of the certificate has none.
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
}

/// The pair in force, for each new connection. Clones see the same.
#[derive(Clone)]
pub(super) struct Shown(Arc<RwLock<Arc<ServerConfig>>>);

impl Shown {
    /// Returns what a new connection is to be offered.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
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
pub(super) struct Pair {
    files: PairFiles,
    shown: Shown,
    last: Contents,
    refusal: Refusal,
}

/// What the two files hold.
#[derive(Default, PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
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
    pub(super) fn open(files: &PairFiles) -> Result<Self, PairError> {
        let last = Contents::read(files)?;
        let config = last.config(files)?;
        Ok(Self {
            files: files.clone(),
            shown: Shown(Arc::new(RwLock::new(Arc::new(config)))),
            last,
            refusal: Refusal::None,
        })
    }

    /// Returns where connections find the pair in force.
    pub(super) fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// Follows the files as long as it is polled.
    pub(super) async fn follow(mut self) {
        loop {
            tokio::time::sleep(POLL).await;
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
                tracing::warn!("[admin] goes on with the certificate that it has: {refusal}");
            }
        }
    }

    /// Reads the files again, and takes what is new and right. Returns what is to be said of what is
    /// wrong: each thing once, at the second look that finds it.
    fn look(&mut self) -> Option<String> {
        let read = Contents::read(&self.files);
        let taken = read.and_then(|contents| {
            if contents == self.last {
                return Ok(None);
            }
            let config = contents.config(&self.files)?;
            Ok(Some((contents, config)))
        });
        match taken {
            Ok(None) => self.refusal = Refusal::None,
            Ok(Some((contents, config))) => {
                self.shown.replace(config);
                self.last = contents;
                self.refusal = Refusal::None;
                tracing::info!(
                    certificate = %self.files.certificate.display(),
                    "[admin] shows a new certificate"
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
    fn read(files: &PairFiles) -> Result<Self, PairError> {
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
        })
    }

    fn config(&self, files: &PairFiles) -> Result<ServerConfig, PairError> {
        let wrong = |error| PairError::Certificate {
            path: files.certificate.clone(),
            error,
        };
        let chain = CertificateDer::pem_slice_iter(&self.certificate);
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        if chain.is_empty() {
            return Err(wrong(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key);
        let key = key.map_err(|error| PairError::Key {
            path: files.key.clone(),
            error,
        })?;
        let wrong = |error| PairError::Pair {
            files: files.clone(),
            error,
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            // 1.2 and 1.3.
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            // Whoever asks is known by a token.
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(wrong)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
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

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_tuple("Pair").field(&self.files).finish()
    }
}
