//! The arguments of what has to do with an audit: `audit`, `policy suggest`, and the gate of `check`.

use super::Inputs;
use crate::config::text::peer;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// `audit`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct AuditCommand {
    /// Where the configuration and the objects are.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Judge by the objects of this kubeconfig's API instead of manifests
    #[arg(long, value_name = "FILE", conflicts_with = "manifests")]
    pub kubeconfig: Option<PathBuf>,
    /// Where queries come from.
    #[command(flatten)]
    pub tap: Tap,
}

/// Where `audit` has queries from: one of both.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Tap {
    /// Wait for dnstap here: IP:PORT or unix:PATH. CoreDNS sends it by `dnstap tcp://IP:PORT full`
    #[arg(long, value_name = "ADDR")]
    pub dnstap: Option<TapAddress>,
    /// Read what CoreDNS's `log` plugin writes, and follow the file; `-` is the standard input
    #[arg(long, value_name = "FILE")]
    pub coredns_log: Option<PathBuf>,
}

/// Where dnstap is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TapAddress {
    /// An address, over TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for TapAddress {
    type Err = String;

    /// Parses an address with or without the scheme that CoreDNS writes.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err("`unix:` needs a path".to_owned()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        peer(text.strip_prefix("tcp://").unwrap_or(text)).map(Self::Tcp)
    }
}

impl fmt::Display for TapAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// `policy suggest`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct PolicySuggest {
    /// Log of an audit; `-` is the standard input
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub audit_log: Vec<PathBuf>,
    /// Different services from which on a client is suspected of looking for names
    #[arg(long, value_name = "NUMBER", default_value_t = default_sweep())]
    pub sweep: u32,
}

/// That of the alarm that a server gives.
fn default_sweep() -> u32 {
    crate::observe::Options::default().reverse_names
}

/// The gate of `check`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct GateArgs {
    /// Log of an audit: fail where too many queries come from whom enforcing would wrong; `-` is the standard input
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub audit_log: Vec<PathBuf>,
    /// How many queries of a hundred may come from addresses that are nobody's, and from nodes for what nodes don't see
    #[arg(long, value_name = "PERCENT", default_value_t = Share::default(), requires = "audit_log")]
    pub max_unidentified: Share,
}

/// A share of queries, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

impl Default for Share {
    /// One in a thousand: what a client that retries once does not notice.
    fn default() -> Self {
        Self(1_000)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
        let number = number.ok().filter(|number| (0.0..=100.0).contains(number));
        let number = number.ok_or("a number of percent is needed, 0 to 100, as in 0.1")?;
        Ok(Self((number * 10_000.0).round() as u32))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 10_000.0)
    }
}
