//! The way to the API: the pod's service account, or a kubeconfig file. kube reads both, and does
//! authentication and TLS; the connection underneath is made here, so that a peer that is gone is
//! noticed.

use super::fault::with_causes;
use super::requests::Requests;
use super::tcp;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster,
    NamedContext,
};
use kube::{Client, Config};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tower::{BoxError, ServiceExt};

/// Where the API is and who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// A kubeconfig file; `None` for the service account that a pod is given.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; `None` for its current one.
    pub context: Option<String>,
    /// A server instead, where no file is named.
    pub server: Option<ApiServer>,
}

/// An API server, and what a client certificate needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiServer {
    /// Its address, as in `https://10.0.0.1:6443`.
    pub url: String,
    /// The client's certificate and its key.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// The authority of the server's certificate.
    pub ca: Option<PathBuf>,
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
    /// The server's address or certificates can't be used.
    #[error("`server` in [source.kubernetes]: {0}")]
    Server(kube::config::KubeconfigError),
    /// There is no service account.
    #[error("no service account in this pod ({0}); outside a cluster give --kubeconfig FILE")]
    InCluster(kube::config::InClusterError),
    /// The kubeconfig file or the environment names a proxy.
    #[error(
        "the API is behind the proxy {0}, which is not supported: take `proxy-url` from the \
         kubeconfig file, and HTTPS_PROXY from the environment"
    )]
    Proxy(String),
    /// The credentials can't be read, or TLS can't be set up.
    #[error("credentials for the API: {}", with_causes(&**.0))]
    Client(Box<kube::Error>),
}

/// How often credentials are read again at most.
const RENEW: Duration = Duration::from_secs(60);
/// Octets that a connection reads ahead, and has for headers: a list needs no more to be read at full
/// speed, and what it took stays with the watch after it.
const READ: usize = 64 << 10;

/// The API. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Option<Connection>,
    /// Its host and port.
    host: Box<str>,
    requests: Requests,
    current: Mutex<Current>,
}

struct Current {
    client: Client,
    /// When the credentials were last read again.
    renewed: Option<Instant>,
}

/// Reads the credentials. The API need not be there.
///
/// # Errors
/// The file, the service account or the certificates can't be used.
pub async fn connect(connection: &Connection) -> Result<Api, ClientError> {
    let (client, host) = client(connection).await?;
    Ok(Api::new(client, host, Some(connection.clone())))
}

impl Api {
    fn new(client: Client, host: Box<str>, connection: Option<Connection>) -> Self {
        let current = Current {
            client,
            renewed: None,
        };
        Self {
            shared: Arc::new(Shared {
                connection,
                host,
                requests: Requests::default(),
                current: Mutex::new(current),
            }),
        }
    }

    /// An API that is a function of the test's own.
    #[cfg(test)]
    pub(super) fn of(client: Client) -> Self {
        Self::new(client, "test".into(), None)
    }

    /// Returns its host, with the port where it is written.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    /// Returns what is asked of it, now and later.
    pub fn requests(&self) -> &Requests {
        &self.shared.requests
    }

    pub(super) fn client(&self) -> Client {
        self.lock().client.clone()
    }

    /// Reads the credentials again, once a minute at most. Tokens that expire kube renews by itself;
    /// this is for client certificates and authorities that have been replaced.
    pub(super) async fn renew(&self) {
        let Some(connection) = &self.shared.connection else {
            return;
        };
        {
            let mut current = self.lock();
            if current.renewed.is_some_and(|last| last.elapsed() < RENEW) {
                return;
            }
            current.renewed = Some(Instant::now());
        }
        match client(connection).await {
            Ok((client, _)) => self.lock().client = client,
            Err(error) => tracing::warn!(%error, "the credentials could not be read again"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        let current = self.shared.current.lock();
        current.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a client, and the host that it asks.
async fn client(connection: &Connection) -> Result<(Client, Box<str>), ClientError> {
    let config = match (&connection.kubeconfig, &connection.server) {
        (Some(path), _) => {
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
        (None, Some(server)) => {
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(as_kubeconfig(server), &options)
                .await
                .map_err(ClientError::Server)?
        }
        // By address: asking DNS for the API would make the DNS server need itself.
        (None, None) => Config::incluster_env().map_err(ClientError::InCluster)?,
    };
    if let Some(proxy) = config.proxy_url {
        return Err(ClientError::Proxy(proxy.to_string()));
    }
    let client = build(&config).map_err(|error| ClientError::Client(Box::new(error)))?;
    let host = config.cluster_url.authority();
    Ok((client, host.map_or("", |host| host.as_str()).into()))
}

/// Returns the file that says the same.
fn as_kubeconfig(server: &ApiServer) -> Kubeconfig {
    const NAME: &str = "server";
    let text = |path: &PathBuf| path.display().to_string();
    let certificate = server.pair.as_ref().map(|(certificate, _)| certificate);
    let key = server.pair.as_ref().map(|(_, key)| key);
    let mut file = Kubeconfig::default();
    file.clusters.push(NamedCluster {
        name: NAME.into(),
        cluster: Some(Cluster {
            server: Some(server.url.clone()),
            certificate_authority: server.ca.as_ref().map(text),
            ..Cluster::default()
        }),
        ..NamedCluster::default()
    });
    file.auth_infos.push(NamedAuthInfo {
        name: NAME.into(),
        auth_info: Some(AuthInfo {
            client_certificate: certificate.map(text),
            client_key: key.map(text),
            ..AuthInfo::default()
        }),
        ..NamedAuthInfo::default()
    });
    file.contexts.push(NamedContext {
        name: NAME.into(),
        context: Some(Context {
            cluster: NAME.into(),
            user: Some(NAME.into()),
            ..Context::default()
        }),
        ..NamedContext::default()
    });
    file.current_context = Some(NAME.into());
    file
}

/// What [`Client::try_from`] does, without its retries (the watch backs off by itself, and says
/// why) and with a connection that is checked.
fn build(config: &Config) -> Result<Client, kube::Error> {
    let tcp = tcp::connector().map_response(tcp::Stream::new);
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new())
        .http1_max_buf_size(READ)
        .build(tls);
    let http = http.map_err(BoxError::from);
    let builder = ClientBuilder::new(http, config.default_namespace.clone())
        .with_layer(&config.extra_headers_layer()?);
    let base = config.base_uri_layer();
    Ok(match config.auth_layer()? {
        Some(auth) => builder.with_layer(&auth).with_layer(&base).build(),
        None => builder.with_layer(&base).build(),
    })
}
