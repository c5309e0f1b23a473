//! File and arguments to the option types of the other rooms. Not their meaning, and no I/O but
//! reading the file itself.
//!
//! ```text
//! arguments ─► Args ─┐
//!                    ├─► Config { server, source, blocks, tenancy, … }
//! TOML ─► document ──┘      arguments win over the file, the file over the defaults
//! ```
//!
//! `config/tenantdns.toml` in the repository documents every key; a test holds it equal to
//! [`Config::default`] and to the keys that are read here.

mod args;
mod audit;
mod cache;
mod corefile;
mod document;
mod error;
mod external;
mod file;
mod forward;
mod forwarders;
mod kubernetes;
mod lifecycle;
mod limits;
mod log;
mod pages;
mod source;
mod steps;
mod tenancy;
mod text;
mod tls;
mod zones;

#[cfg(test)]
mod tests;

pub use args::{
    Args, Asker, AuditCommand, Check, Command, CoreDns, CorefileFrom, EXIT_CONFIG, EXIT_DONE,
    EXIT_FAILED, EXIT_USAGE, Explain, GateArgs, ImportCorefile, Inputs, Output, Policy,
    PolicyAdmission, PolicyDiff, PolicySuggest, PolicyTest, Probe, Serve, Share, Tap, TapAddress,
    Visibility, VisibilityOutput,
};
pub use audit::{Audit, Log};
pub use corefile::{Corefile, Host, Surroundings};
pub use error::{ConfigError, Note, Problem};
pub use lifecycle::{FileRead, Lifecycle, Monitor};
pub use log::Written;

use crate::admin;
use crate::chain::{BlockOptions, ListenerId};
use crate::server::{self, Endpoint, ListenAddress, Scheme};
use crate::tenancy as policy;
use crate::wire::Name;
use crate::zone;
use document::{Reader, Section};
use file::Overrides;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where a server listens that is told nothing.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 53);
/// Where a server listens that was given manifests and no configuration: someone tries it out, so
/// nobody else is answered and no privilege is needed.
const TRIAL_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5300);

/// What every pod's environment has, and with it the address of the API.
const IN_POD: &str = "KUBERNETES_SERVICE_HOST";

/// The environment variable by which a pod is told its node: the downward API's `spec.nodeName`.
const NODE_NAME: &str = "NODE_NAME";

/// Everything that can be configured, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[server]`, with every listener of every block.
    pub server: server::Options,
    /// `[source]`.
    pub source: Source,
    /// The server blocks: first the top-level tables, then each `[[block]]`. Listeners with an
    /// explicit address are in their zones' `own_addresses`; what a wildcard listener stands for
    /// is the host's to say.
    pub blocks: Vec<BlockOptions>,
    /// The `[[forward]]` tables of all blocks: how upstreams are asked, by their
    /// [`UpstreamId`](crate::chain::UpstreamId).
    pub forward: Vec<crate::forward::Options>,
    /// The `[cache]` tables of all blocks.
    pub caches: Vec<crate::cache::Options>,
    /// What is written down of each block's queries, in the same order.
    pub written: Vec<Written>,
    /// `[tenancy]`.
    pub tenancy: policy::Options,
    /// `[audit]`.
    pub audit: Audit,
    /// `[limits]`.
    pub limits: crate::limits::Options,
    /// What `[limits]` and `[admin]` say of what is gathered.
    pub observe: crate::observe::Options,
    /// `[health]`, `[ready]`, `[metrics]` and `[admin]`.
    pub admin: admin::Options,
    /// How the server lives and ends.
    pub lifecycle: Lifecycle,
    /// The files that this was read from. It is another one once one of them says something else.
    pub read: Vec<FileRead>,
    /// What is to be said of a Corefile's directives that have no meaning here.
    pub notes: Vec<Note>,
    /// Whether it is left unsaid at the start where the server listens.
    pub quiet: bool,
}

/// `[source]`: where the cluster's objects come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// `manifests`: files and folders of Kubernetes YAML or JSON. Relative ones are relative to
    /// the current directory, in the file as in arguments.
    pub manifests: Vec<PathBuf>,
    /// `[source.kubernetes]`: the source where no manifests are named.
    pub kubernetes: Kubernetes,
}

/// `[source.kubernetes]`: the API that objects come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    /// `kubeconfig`: a file; `None` for the service account that a pod is given.
    pub kubeconfig: Option<PathBuf>,
    /// `context`: one of that file's; `None` for its current one.
    pub context: Option<Box<str>>,
    /// `server`, with `certificate`, `key` and `ca`: an API server instead of a file.
    pub server: Option<ApiServer>,
    /// `watch_timeout`: how long one watch request lasts at most.
    pub watch_timeout: Duration,
    /// `audit_interval`: how often what is known is compared with what there is.
    pub audit_interval: Duration,
    /// `identity_scope`: whose pods are read.
    pub identity_scope: IdentityScope,
    /// `node_name`: the node that [`IdentityScope::Node`] means.
    pub node_name: Option<Box<str>>,
    /// `identity_max_age`: how old identities may get while the API is away; `None` for no limit.
    pub identity_max_age: Option<Duration>,
    /// `checkpoint`: a file to start from when the API does not answer.
    pub checkpoint: Option<PathBuf>,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            server: None,
            watch_timeout: Duration::from_secs(25),
            audit_interval: Duration::from_secs(300),
            identity_scope: IdentityScope::Cluster,
            node_name: None,
            identity_max_age: None,
            checkpoint: None,
        }
    }
}

impl Kubernetes {
    /// Returns whether the API is another one than a pod's own.
    fn is_named(&self) -> bool {
        self.kubeconfig.is_some() || self.server.is_some()
    }

    /// Returns the node whose pods alone are read, where it is one.
    pub fn node(&self) -> Option<&str> {
        match self.identity_scope {
            IdentityScope::Cluster => None,
            IdentityScope::Node => self.node_name.as_deref(),
        }
    }

    /// Takes the node's name from the environment, where it is needed and the file has none.
    fn name_node(&mut self, environment: &str) -> Result<(), ConfigError> {
        if self.identity_scope == IdentityScope::Node && self.node_name.is_none() {
            let name = source::node_name(environment);
            self.node_name = Some(name.map_err(|_| ConfigError::NoNode(environment.into()))?);
        }
        Ok(())
    }
}

/// `server`, `certificate`, `key` and `ca`: an API server, as CoreDNS's `endpoint` and `tls` name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiServer {
    /// Its address.
    pub url: Box<str>,
    /// The certificate that we show, and its key.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// The authority of the certificate that it shows.
    pub ca: Option<PathBuf>,
}

/// `identity_scope`: the pods that may ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdentityScope {
    /// Those of the cluster.
    #[default]
    Cluster,
    /// Those of one node: for a server that other nodes' pods don't reach.
    Node,
}

impl Source {
    /// Returns whether there is anything to read objects from.
    fn is_given(&self, in_pod: bool) -> bool {
        !self.manifests.is_empty()
            || (cfg!(feature = "kubernetes") && (self.kubernetes.is_named() || in_pod))
    }
}

impl Default for Config {
    fn default() -> Self {
        let id = ListenerId(0);
        Self {
            server: server::Options {
                listen: vec![ListenAddress {
                    id,
                    scheme: Scheme::Dns,
                    address: DEFAULT_LISTEN,
                }],
                ..server::Options::default()
            },
            source: Source::default(),
            blocks: vec![BlockOptions {
                zones: vec![Name::root()],
                listeners: vec![id],
                kubernetes: Some(zone::Options::default()),
                ..BlockOptions::default()
            }],
            forward: Vec::new(),
            caches: Vec::new(),
            written: vec![Written::default()],
            tenancy: policy::Options::default(),
            audit: Audit::default(),
            limits: crate::limits::Options::default(),
            observe: crate::observe::Options::default(),
            admin: admin::Options::default(),
            lifecycle: Lifecycle::default(),
            read: Vec::new(),
            notes: Vec::new(),
            quiet: false,
        }
    }
}

impl Config {
    /// Reads a configuration file's text; `file_name` is what errors call it.
    ///
    /// # Errors
    /// The text is not TOML, or a key or value is wrong: then all of them are reported.
    ///
    /// ```
    /// use tenantdns::config::Config;
    ///
    /// let config = Config::from_toml("[kubernetes]\nttl = 30\n", "tenantdns.toml")?;
    /// assert_eq!(config.blocks[0].kubernetes.as_ref().map(|k| k.ttl), Some(30));
    ///
    /// let error = Config::from_toml("[kubernetes]\nttl = 7200\n", "tenantdns.toml").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "tenantdns.toml:2:7: kubernetes.ttl: 7200 is out of range; a TTL is 0 to 3600 seconds"
    /// );
    /// # Ok::<(), tenantdns::config::ConfigError>(())
    /// ```
    pub fn from_toml(text: &str, file_name: &str) -> Result<Self, ConfigError> {
        Self::read(text, file_name, &Overrides::default())
    }

    /// Reads the file that the arguments name, if they name one, and lets the arguments win. A
    /// command of several configurations reads each by [`Config::offline`].
    ///
    /// # Errors
    /// The file can't be read or is wrong; or the command needs objects and neither the arguments
    /// nor the file say where they are.
    pub fn load(args: &Args) -> Result<Self, ConfigError> {
        let none = Inputs::default();
        let inputs = args.inputs().unwrap_or(&none);
        match &args.command {
            Command::Serve(serve) => {
                let config = Self::following(inputs, serve.kubeconfig.clone(), &serve.listen)?;
                match (&config.admin.admin, config.source.manifests.is_empty()) {
                    (Some(admin::Door::Guarded(guarded)), false) => {
                        Err(ConfigError::NoReviewer(guarded.address))
                    }
                    _ => Ok(config),
                }
            }
            Command::Audit(audit) => Self::following(inputs, audit.kubeconfig.clone(), &[]),
            Command::Check(_) | Command::Policy(Policy::Admission(_)) => {
                Self::of_inputs(inputs, Overrides::default())
            }
            Command::CoreDns(coredns) => Self::of_corefile(coredns),
            Command::Explain(_)
            | Command::Visibility(_)
            | Command::Policy(_)
            | Command::ImportCorefile(_)
            | Command::Probe(_) => Self::offline(inputs),
        }
    }

    /// Reads a configuration under which nobody is served: its objects are manifests.
    ///
    /// # Errors
    /// The file can't be read or is wrong; or neither the arguments nor the file name manifests.
    pub fn offline(inputs: &Inputs) -> Result<Self, ConfigError> {
        let config = Self::of_inputs(inputs, Overrides::default())?;
        match config.source.manifests.is_empty() {
            true => Err(ConfigError::NoSource),
            false => Ok(config),
        }
    }

    /// Reads the Corefile of CoreDNS's own command line.
    fn of_corefile(coredns: &CoreDns) -> Result<Self, ConfigError> {
        let around = corefile::Recorded::default();
        let (path, octets) = match &coredns.corefile {
            CorefileFrom::File(path) => (path.clone(), around.read(path)),
            // Where CoreDNS says that it is.
            CorefileFrom::Stdin => ("/dev/stdin".into(), corefile::standard_input()),
        };
        let octets = octets.map_err(|error| ConfigError::Read {
            path: path.clone(),
            error,
        })?;
        let text = String::from_utf8_lossy(&octets);
        let name = path.display().to_string();
        let corefile = Corefile::read(&name, &text, coredns.port, &around)?;
        let mut config = corefile.config()?;
        config.quiet = coredns.quiet;
        config.read = around.files();
        if coredns.corefile == CorefileFrom::Stdin {
            // It can be read once.
            config.lifecycle.reload = None;
        }
        config.with_source()
    }

    /// Reads the configuration of a program that follows its objects.
    fn following(
        inputs: &Inputs,
        kubeconfig: Option<PathBuf>,
        listen: &[Endpoint],
    ) -> Result<Self, ConfigError> {
        let overrides = Overrides {
            listen: (!listen.is_empty()).then(|| distinct(listen)),
            kubeconfig,
            ..Overrides::default()
        };
        Self::of_inputs(inputs, overrides)?.with_source()
    }

    /// Returns whether anything that is answered depends on a cluster's objects.
    pub fn needs_objects(&self) -> bool {
        let has_zone = self.blocks.iter().any(|block| block.kubernetes.is_some());
        let has_clients =
            self.tenancy.mode != policy::Mode::Off || !self.tenancy.forwarders.is_empty();
        has_zone || has_clients
    }

    /// Returns whether objects come from an API.
    pub fn follows_api(&self) -> bool {
        self.source.manifests.is_empty() && self.needs_objects()
    }

    /// Checks that there is something to follow.
    fn with_source(mut self) -> Result<Self, ConfigError> {
        if !self.needs_objects() {
            return Ok(self);
        }
        if !self.source.is_given(std::env::var_os(IN_POD).is_some()) {
            return Err(ConfigError::NoSource);
        }
        let named = std::env::var(NODE_NAME).unwrap_or_default();
        self.source.kubernetes.name_node(&named)?;
        Ok(self)
    }

    fn of_inputs(inputs: &Inputs, mut overrides: Overrides) -> Result<Self, ConfigError> {
        overrides.manifests = (!inputs.manifests.is_empty()).then(|| inputs.manifests.clone());
        if inputs.config.is_none() && overrides.manifests.is_some() {
            overrides
                .listen
                .get_or_insert_with(|| vec![TRIAL_LISTEN.into()]);
        }
        // A trial on a desk: nothing probes or scrapes it.
        let on_desk = overrides.manifests.is_some() || overrides.kubeconfig.is_some();
        if inputs.config.is_none() && on_desk {
            overrides.admin = Some(admin::Options::OFF);
            overrides.lameduck = Some(Duration::ZERO);
        }
        let (text, name) = match &inputs.config {
            None => (String::new(), String::new()),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
                    path: path.clone(),
                    error,
                })?;
                (text, path.display().to_string())
            }
        };
        let mut config = Self::read(&text, &name, &overrides)?;
        config.read = inputs
            .config
            .iter()
            .map(|path| FileRead {
                path: path.clone(),
                text: text.as_str().into(),
            })
            .collect();
        Ok(config)
    }

    fn read(text: &str, file_name: &str, overrides: &Overrides) -> Result<Self, ConfigError> {
        let reader = Reader::new(file_name, text);
        let document = match toml::de::DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let span = error.span().unwrap_or(text.len()..text.len());
                let key = match error.message() {
                    "duplicate key" => text.get(span.clone()).unwrap_or(""),
                    _ => "",
                };
                reader.report(span.start, &text::shown(key), error.message());
                return reader.finish(Self::default());
            }
        };
        let config = file::read(Section::root(&reader, document.get_ref()), overrides);
        reader.finish(config)
    }
}

/// Returns the directives of a Corefile that are read: CoreDNS's, and ours.
pub fn directives() -> impl Iterator<Item = &'static str> {
    corefile::supported()
}

/// An address given twice on the command line is one listener.
fn distinct(addresses: &[Endpoint]) -> Vec<Endpoint> {
    let mut seen = Vec::new();
    for address in addresses {
        if !seen.contains(address) {
            seen.push(*address);
        }
    }
    seen
}
