//! A client of the API: the pod's service account, or a kubeconfig file.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::PathBuf;
use std::time::Duration;

/// Where the API is and who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// A kubeconfig file; `None` for the service account that a pod is given.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; `None` for its current one.
    pub context: Option<String>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig file can't be used.
    #[error("{}: {error}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: kube::config::KubeconfigError,
    },
    /// There is no service account.
    #[error("no service account in this pod ({0}); outside a cluster give --kubeconfig FILE")]
    InCluster(kube::config::InClusterError),
    /// TLS can't be set up.
    #[error("setting up TLS: {0}")]
    Client(#[source] Box<kube::Error>),
}

/// Makes a client. `silence` is how long the server may say nothing on a connection.
///
/// # Errors
/// The file, the service account or the certificates can't be used. The API need not be there.
pub async fn connect(connection: &Connection, silence: Duration) -> Result<Client, ClientError> {
    let mut config = match &connection.kubeconfig {
        Some(path) => {
            let error = |error| ClientError::Kubeconfig {
                path: path.clone(),
                error,
            };
            let file = Kubeconfig::read_from(path).map_err(error)?;
            let options = KubeConfigOptions {
                context: connection.context.clone(),
                ..Default::default()
            };
            Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(error)?
        }
        // By address: asking DNS for the API would make the DNS server need itself.
        None => Config::incluster_env().map_err(ClientError::InCluster)?,
    };
    // A server that accepts a request and never answers is noticed by silence alone.
    config.read_timeout = Some(silence);
    config.reset_reader_on_write = true;
    // The watch backs off by itself, and tells why.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| ClientError::Client(Box::new(error)))
}
