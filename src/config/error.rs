//! What can be wrong with a configuration, and where. Not finding it: the tables' files do that.

use super::args::{EXIT_CONFIG, EXIT_USAGE};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why there is no [`super::Config`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file can't be read.
    #[error("{}: the configuration can't be read: {error}", path.display())]
    Read {
        /// The file, as it was given.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file says something that can't be; one line each, in the order of the file.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// Neither the arguments nor the file name objects to serve.
    #[error(
        "no source: give --manifests PATH (a file or folder of Kubernetes YAML or JSON) or \
         --kubeconfig FILE, or `manifests` in [source] of a --config FILE; in a pod the API is the \
         source by itself"
    )]
    NoSource,
    /// Identities are those of one node, and nobody says which.
    #[error(
        "source.kubernetes.identity_scope is \"node\" and no node is named (`{0}` is in \
         NODE_NAME): set node_name, or have the pod's environment say it (env NODE_NAME with \
         valueFrom.fieldRef.fieldPath spec.nodeName)"
    )]
    NoNode(Box<str>),
    /// The administrator's pages are beyond loopback, and objects come from manifests.
    #[error(
        "[admin] listens at {0}, where who reads its pages is asked of a cluster's API; with \
         --manifests there is none: set `listen` to a loopback address, to \"unix:PATH\" or to \"\""
    )]
    NoReviewer(SocketAddr),
}

impl ConfigError {
    /// Returns the exit status that tells a wrong configuration from a wrong command line.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Read { .. } | Self::Invalid(_) | Self::NoNode(_) | Self::NoReviewer(_) => {
                EXIT_CONFIG
            }
            Self::NoSource => EXIT_USAGE,
        }
    }

    /// Returns what is wrong in the file; empty where the file is not to blame.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            Self::Read { .. } | Self::NoSource | Self::NoNode(_) | Self::NoReviewer(_) => &[],
        }
    }
}

/// One thing that is wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was given.
    pub file: Box<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; 0 where the line alone is known, in a Corefile.
    pub column: usize,
    /// The key with its tables, as in `tenancy.tenant_from[1].name`; empty where the text is no
    /// TOML.
    pub key: Box<str>,
    /// What is wrong, and what would be right.
    pub message: Box<str>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            0 => write!(f, "{}:{}: ", self.file, self.line)?,
            column => write!(f, "{}:{}:{column}: ", self.file, self.line)?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// What is not wrong in a configuration, and to be said all the same: `FILE:LINE: TEXT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(pub Box<str>);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
