//! The command line as values. Not carrying it out: that is the program's.

mod audit;
mod coredns;

pub use audit::{AuditCommand, GateArgs, PolicySuggest, Share, Tap, TapAddress};
pub use coredns::{CoreDns, CorefileFrom};

use super::text::{object_name, plain_listener};
use crate::server::Endpoint;
use crate::wire::{Name, RType};
use clap::builder::ArgGroup;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Exit status: done.
pub const EXIT_DONE: u8 = 0;
/// Exit status: failed.
pub const EXIT_FAILED: u8 = 1;
/// Exit status: wrong usage; clap exits with it by itself.
pub const EXIT_USAGE: u8 = 2;
/// Exit status: wrong configuration (EX_CONFIG of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// The command line.
#[derive(Debug, Clone, PartialEq, Eq, clap::Parser)]
#[command(name = "tenantdns", version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// Reads the program's command line: ours, or CoreDNS's. Where it is neither, says so and exits.
    pub fn of_process() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        Self::read(&arguments).unwrap_or_else(|error| error.exit())
    }

    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// It is neither ours nor CoreDNS's; or it asks for the help, which is then the error.
    pub fn read(arguments: &[OsString]) -> Result<Self, clap::Error> {
        match coredns::read(arguments.get(1..).unwrap_or_default()) {
            None => <Self as clap::Parser>::try_parse_from(arguments),
            Some(read) => read.map_err(|message| {
                let kind = clap::error::ErrorKind::UnknownArgument;
                clap::Error::raw(kind, format!("{message}\n"))
            }),
        }
    }

    /// Returns what says where the configuration and the objects are, where the command has one
    /// configuration.
    pub fn inputs(&self) -> Option<&Inputs> {
        match &self.command {
            Command::Serve(serve) => Some(&serve.inputs),
            Command::Explain(explain) => Some(&explain.inputs),
            Command::Visibility(visibility) => Some(&visibility.inputs),
            Command::Audit(audit) => Some(&audit.inputs),
            Command::Check(check) => Some(&check.inputs),
            Command::Policy(Policy::Admission(admission)) => Some(&admission.inputs),
            Command::Policy(_)
            | Command::Probe(_)
            | Command::ImportCorefile(_)
            | Command::CoreDns(_) => None,
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum Command {
    /// Answer queries
    Serve(Serve),
    /// Say what a client is answered, and why
    Explain(Explain),
    /// Say who can resolve what
    Visibility(Visibility),
    /// Say what enforcing would take away from the queries that a running CoreDNS answers
    Audit(AuditCommand),
    /// Test a policy, compare two, or have grants suggested
    #[command(subcommand)]
    Policy(Policy),
    /// Try from inside a tenant what the server gives away; exit status 1 where something is
    Probe(Probe),
    /// Check a configuration and manifests; every error has file, line, column and key
    Check(Check),
    /// Print the configuration that means what a Corefile means; refuse by line what can't be kept
    ImportCorefile(ImportCorefile),
    /// CoreDNS's own command line.
    #[command(skip)]
    CoreDns(CoreDns),
}

/// `import-corefile`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ImportCorefile {
    /// Corefile; a ConfigMap with one, or kube-dns's; `stdin` for the standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    /// Port of zones that name none
    #[arg(long, value_name = "N", default_value_t = 53)]
    pub port: u16,
}

/// Where the configuration and the objects are.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Inputs {
    /// Configuration file (TOML); without it every key has its default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File or folder of Kubernetes YAML or JSON; repeatable; replaces `manifests` of the file's source table
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<PathBuf>,
}

/// `serve`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Serve {
    /// Where the configuration and the objects are.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Serve the objects of this kubeconfig's API instead of manifests
    #[arg(long, value_name = "FILE", conflicts_with = "manifests")]
    pub kubeconfig: Option<PathBuf>,
    /// Address to listen on, UDP and TCP; repeatable; replaces `listen` of the file's server table
    #[arg(long, value_name = "ADDR", value_parser = plain_listener)]
    pub listen: Vec<Endpoint>,
}

/// `explain`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Explain {
    /// Who asks: an address, a namespace, or a pod as NAMESPACE/POD
    #[arg(long, value_name = "IP|NAMESPACE|NAMESPACE/POD")]
    pub from: Asker,
    /// The name asked for
    #[arg(value_name = "NAME")]
    pub name: Name,
    /// The type asked for
    #[arg(value_name = "TYPE", default_value = "A")]
    pub rtype: RType,
    /// Where the configuration and the objects are.
    #[command(flatten)]
    pub inputs: Inputs,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `visibility`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Visibility {
    /// Where the configuration and the objects are.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Say what enforcing would show, whatever the configuration's mode
    #[arg(long)]
    pub enforce: bool,
    /// How to say it: `html` is one page that needs nothing else
    #[arg(long, value_enum, default_value_t = VisibilityOutput::Table)]
    pub output: VisibilityOutput,
}

/// `policy`: what a policy says, before a server has it.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum Policy {
    /// Run files of facts; exit status 1 where one does not hold
    Test(PolicyTest),
    /// Say who sees something else under NEW than under OLD; exit status 1 where anybody does, 2
    /// where it can't be told
    Diff(PolicyDiff),
    /// Print the ValidatingAdmissionPolicy that guards what a configuration reads on namespaces
    Admission(PolicyAdmission),
    /// Print, commented out, the grants that keep what an audit saw working
    Suggest(PolicySuggest),
}

/// `policy test`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct PolicyTest {
    /// File of facts (YAML)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// What wins over the configuration and the objects that a file names.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Test what enforcing would answer, whatever the configuration's mode
    #[arg(long)]
    pub enforce: bool,
}

/// `policy admission`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct PolicyAdmission {
    /// Where the configuration is.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Group that may change what is guarded; repeatable
    #[arg(long, value_name = "GROUP", default_value = "system:masters")]
    pub allow_group: Vec<String>,
    /// User that may, such as a controller's system:serviceaccount:NAMESPACE:NAME; repeatable
    #[arg(long, value_name = "USER")]
    pub allow_user: Vec<String>,
}

/// `policy diff`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct PolicyDiff {
    /// Configuration file, or folder with manifests and perhaps a tenantdns.toml
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The same, to compare with
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// File or folder of Kubernetes YAML or JSON that both have; repeatable; replaces `manifests` of the files' source tables
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<PathBuf>,
    /// Compare what enforcing would show, whatever the configurations' modes
    #[arg(long)]
    pub enforce: bool,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `probe`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Probe {
    /// The server; without it the first of /etc/resolv.conf
    #[arg(long, value_name = "ADDR", value_parser = server)]
    pub server: Option<SocketAddr>,
    /// The cluster's zone; without it that of /etc/resolv.conf's search list
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<Name>,
    /// The namespace that we are in; without it that of the service account, or of the search list
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// What may be seen beside it, as SERVICE.NAMESPACE, or a whole NAMESPACE; repeatable
    #[arg(long, value_name = "NAME")]
    pub visible: Vec<String>,
    /// A service that exists and must not be seen, as SERVICE.NAMESPACE; repeatable
    #[arg(long, value_name = "NAME", value_parser = hidden_service)]
    pub hidden: Vec<String>,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Reads a server's address; without a port it is 53.
fn server(text: &str) -> Result<SocketAddr, String> {
    let alone = text
        .parse()
        .map(|address: IpAddr| SocketAddr::new(address, 53));
    let wrong = || format!("`{text}` is no address, as in 10.96.0.10 or 10.96.0.10:53");
    alone.or_else(|_| text.parse()).map_err(|_| wrong())
}

fn hidden_service(text: &str) -> Result<String, String> {
    match text.split_once('.') {
        Some((service, namespace)) if !service.is_empty() && !namespace.is_empty() => {
            Ok(text.into())
        }
        _ => Err(format!("`{text}` is no service, as in ledger.bank")),
    }
}

/// `check`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(group = checked_inputs())]
pub struct Check {
    /// Where the configuration and the objects are.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Whether it is safe to enforce.
    #[command(flatten)]
    pub gate: GateArgs,
}

/// `check` without anything to check is wrong usage.
fn checked_inputs() -> ArgGroup {
    ArgGroup::new("checked")
        .args(["config", "manifests", "audit_log"])
        .required(true)
        .multiple(true)
}

/// How `visibility` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum VisibilityOutput {
    /// For terminals.
    Table,
    /// For programs.
    Json,
    /// For browsers.
    Html,
}

/// How `explain` and `policy diff` say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Who asks, in `explain --from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// Whoever has this address.
    Ip(IpAddr),
    /// Any pod of this namespace.
    Namespace(Box<str>),
    /// This pod.
    Pod {
        /// Its namespace.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
    },
}

impl FromStr for Asker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        let Some((namespace, pod)) = text.split_once('/') else {
            return object_name(text).map(Self::Namespace);
        };
        // A pod's name may have dots.
        if pod.len() > 253 || !pod.split('.').all(|part| object_name(part).is_ok()) {
            return Err(format!("`{}` is not a pod's name", super::text::shown(pod)));
        }
        Ok(Self::Pod {
            namespace: object_name(namespace)?,
            name: pod.into(),
        })
    }
}
