//! Why a listener can't be opened, and what to do about it. Not how it is found out.

use super::super::options::Endpoint;
use crate::tls::PairError;
use std::io;
use std::net::SocketAddr;

/// Why a listener can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody has the port.
    #[error(
        "{address}/{protocol} is in use by another process; stop it or choose another address \
         with --listen or [server] listen"
    )]
    InUse {
        /// Address and port.
        address: SocketAddr,
        /// `udp` or `tcp`.
        protocol: &'static str,
    },
    /// Two listeners of this server exclude each other.
    #[error(
        "{address}/{protocol} is covered by the listener {other}; remove one of them from --listen \
         or [server] listen"
    )]
    Covered {
        /// Address and port.
        address: SocketAddr,
        /// `udp` or `tcp`.
        protocol: &'static str,
        /// The listener that has it.
        other: SocketAddr,
    },
    /// A port below 1024 without the right to it.
    #[error(
        "{address}/{protocol}: permission denied; ports below 1024 need root or the capability \
         CAP_NET_BIND_SERVICE, or choose another port with --listen or [server] listen"
    )]
    Privileged {
        /// Address and port.
        address: SocketAddr,
        /// `udp` or `tcp`.
        protocol: &'static str,
    },
    /// No interface has the address.
    #[error(
        "{address}/{protocol}: no interface of this host has that address; choose another with \
         --listen or [server] listen"
    )]
    NoSuchAddress {
        /// Address and port.
        address: SocketAddr,
        /// `udp` or `tcp`.
        protocol: &'static str,
    },
    /// An encrypted listener without a certificate.
    #[error("{0} shows a certificate, and there is none; write `certificate` and `key` of [tls]")]
    NoCertificate(Endpoint),
    /// An encrypted listener whose certificate can't be shown.
    #[error("`certificate` and `key` of [tls], for {endpoint}: {error}")]
    Certificate {
        /// The listener.
        endpoint: Endpoint,
        /// What is wrong with the files.
        error: Box<PairError>,
    },
    /// A scheme that this program was built without.
    #[error("{0} needs a tenantdns that was built with the feature `encrypted`")]
    NotBuilt(Endpoint),
    /// Anything else.
    #[error("{address}/{protocol} can't be opened")]
    Io {
        /// Address and port.
        address: SocketAddr,
        /// `udp` or `tcp`.
        protocol: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}
