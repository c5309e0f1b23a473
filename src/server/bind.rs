//! Opening the sockets of every listener before anything is served.
//!
//! A UDP port is first bound without SO_REUSEPORT, which fails if anybody else has it, a second
//! tenantdns included; the option is set on the bound socket afterwards, and the other sockets of
//! the group join it. So there is no moment at which the port is free.

mod error;

pub use error::BindError;

use super::Options;
use super::handover::{Given, Inherited};
use super::options::{Endpoint, ListenAddress, Scheme, TimeoutOptions};
use super::sys::{Datagrams, NO_SUCH_FAMILY};
use super::udp::RECEIVE_TIMEOUT;
use crate::chain::ListenerId;
use crate::tls::{self, Offer, Pair};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::thread;

/// Receive and send buffers asked for; the kernel grants what net.core.rmem_max and wmem_max allow.
/// With the default of 208 KiB a worker that is off its core for some milliseconds loses queries.
const BUFFER: usize = 4 << 20;
/// Connections that wait to be taken; the kernel cuts it to net.core.somaxconn.
const BACKLOG: i32 = 1024;
/// Ports tried where any will do, until one is free for UDP and TCP.
const PORT_TRIES: usize = 32;

/// The open sockets of every listener. Queries queue in them until [`Server::start`].
///
/// [`Server::start`]: super::Server::start
#[derive(Debug, Default)]
pub struct Bound {
    pub(super) listeners: Vec<Listener>,
}

/// One listener's sockets.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: ListenerId,
    /// What was asked for: port 0, or `[::]` where there is no IPv6, is another address than it got.
    pub(super) asked: Endpoint,
    pub(super) address: SocketAddr,
    /// For DNS alone: one a worker, on the same port.
    pub(super) udp: Vec<Arc<Datagrams>>,
    /// For all but QUIC.
    pub(super) tcp: Option<TcpListener>,
    /// For QUIC alone.
    pub(super) quic: Option<UdpSocket>,
    /// What it is to show, where it is encrypted, and the pair until it is served.
    pub(super) shows: Option<tls::Options>,
    pub(super) pair: Option<Pair>,
    pub(super) timeouts: TimeoutOptions,
    /// Whether a predecessor opened the sockets.
    pub(super) taken_over: bool,
}

/// One listener's sockets, as a successor gets them.
#[derive(Debug)]
pub struct Sockets<'a> {
    /// What was asked for.
    pub asked: Endpoint,
    /// The UDP sockets of the port's group, or that of QUIC.
    pub udp: Vec<BorrowedFd<'a>>,
    /// The TCP listener.
    pub tcp: Option<BorrowedFd<'a>>,
}

impl Listener {
    fn without_sockets(id: ListenerId, asked: Endpoint, address: SocketAddr) -> Self {
        Self {
            id,
            asked,
            address,
            udp: Vec::new(),
            tcp: None,
            quic: None,
            shows: None,
            pair: None,
            timeouts: TimeoutOptions::default(),
            taken_over: false,
        }
    }

    pub(super) fn asked(&self) -> ListenAddress {
        ListenAddress {
            id: self.id,
            scheme: self.asked.scheme,
            address: self.asked.address,
        }
    }

    pub(super) fn sockets(&self) -> Sockets<'_> {
        let udp = self.udp.iter().map(|each| each.socket.as_fd());
        Sockets {
            asked: self.asked,
            udp: udp.chain(self.quic.as_ref().map(AsFd::as_fd)).collect(),
            tcp: self.tcp.as_ref().map(AsFd::as_fd),
        }
    }
}

impl Bound {
    /// Returns the listeners: each as it was asked for, and its address.
    pub fn listeners(&self) -> impl Iterator<Item = (ListenAddress, SocketAddr)> {
        self.listeners
            .iter()
            .map(|listener| (listener.asked(), listener.address))
    }

    /// Returns the address of every listener, with the port that it got where 0 was asked for.
    pub fn local_addresses(&self) -> impl Iterator<Item = (ListenerId, SocketAddr)> {
        self.listeners
            .iter()
            .map(|listener| (listener.id, listener.address))
    }
}

/// Opens the sockets of every listener: one TCP, and a UDP one a worker; for what is encrypted one TCP,
/// or one UDP for QUIC.
///
/// # Errors
/// The first listener that can't be opened, and what to do about it.
pub fn bind(options: &Options) -> Result<Bound, BindError> {
    bind_beside(options, &[], Inherited::default())
}

/// Opens the sockets of every listener, but for those that a predecessor had open. Of these there may be
/// more than workers were asked for: none may be closed while queries wait in it.
///
/// # Errors
/// As [`bind()`].
pub fn bind_with(options: &Options, inherited: Inherited) -> Result<Bound, BindError> {
    bind_beside(options, &[], inherited)
}

/// Opens the sockets of the listeners that are not served already, each at the address that it was
/// asked for and the one that it has.
pub(super) fn bind_beside(
    options: &Options,
    served: &[(ListenAddress, SocketAddr)],
    mut inherited: Inherited,
) -> Result<Bound, BindError> {
    let workers = match options.threads {
        // Knows the calling thread's CPUs, and the quotas of cgroups of both versions.
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let served_at = served
        .iter()
        .map(|(asked, address)| (asked.scheme, *address));
    let mut taken: Vec<_> = served_at.collect();
    let mut listeners: Vec<Listener> = Vec::with_capacity(options.listen.len());
    for listen in &options.listen {
        if served.iter().any(|(asked, _)| asked == listen) {
            continue;
        }
        let endpoint = listen.endpoint();
        let pair = pair(options, endpoint)?;
        let opened = match inherited.take(endpoint) {
            Some(given) => take_over(listen, given, workers),
            None => bind_listener(listen, workers),
        };
        let listener = opened.map_err(|failure| failure.explain(&taken))?;
        taken.push((endpoint.scheme, listener.address));
        listeners.push(Listener {
            shows: options.tls_of(endpoint).cloned(),
            pair,
            timeouts: options.timeouts_of(endpoint),
            ..listener
        });
    }
    Ok(Bound { listeners })
}

/// Returns why encrypted listeners could not show what they are to show, without opening them.
pub fn certificate_errors(options: &Options) -> Vec<BindError> {
    let listeners = options.listen.iter();
    let read = listeners.filter_map(|listen| pair(options, listen.endpoint()).err());
    read.collect()
}

/// Reads what an encrypted listener shows.
pub(super) fn pair(options: &Options, endpoint: Endpoint) -> Result<Option<Pair>, BindError> {
    let protocols: &[&str] = match endpoint.scheme {
        Scheme::Dns => return Ok(None),
        Scheme::Tls => &["dot"],
        Scheme::Https => &["h2", "http/1.1"],
        Scheme::Quic => &["doq"],
    };
    if !cfg!(feature = "encrypted") {
        return Err(BindError::NotBuilt(endpoint));
    }
    let tls = options.tls_of(endpoint);
    let tls = tls.ok_or(BindError::NoCertificate(endpoint))?;
    let offer = Offer {
        table: "[tls]",
        protocols,
    };
    let pair = Pair::open(tls, offer);
    pair.map(Some).map_err(|error| BindError::Certificate {
        endpoint,
        error: Box::new(error),
    })
}

/// A refusal, before it is known what to say about it.
struct Failure {
    address: SocketAddr,
    protocol: &'static str,
    error: io::Error,
}

impl Failure {
    fn explain(self, earlier: &[(Scheme, SocketAddr)]) -> BindError {
        let Self {
            address,
            protocol,
            error,
        } = self;
        match error.kind() {
            ErrorKind::AddrInUse => {
                let own = earlier.iter().find(|(scheme, earlier)| {
                    let (a, b) = (earlier.ip(), address.ip());
                    let taken = match protocol {
                        "udp" => scheme.takes_udp(),
                        _ => scheme.takes_tcp(),
                    };
                    taken
                        && earlier.port() == address.port()
                        && (a == b || a.is_unspecified() || b.is_unspecified())
                });
                match own.map(|(_, other)| *other) {
                    Some(other) => BindError::Covered {
                        address,
                        protocol,
                        other,
                    },
                    None => BindError::InUse { address, protocol },
                }
            }
            ErrorKind::PermissionDenied => BindError::Privileged { address, protocol },
            ErrorKind::AddrNotAvailable => BindError::NoSuchAddress { address, protocol },
            _ => BindError::Io {
                address,
                protocol,
                source: error,
            },
        }
    }
}

fn bind_listener(listen: &ListenAddress, workers: usize) -> Result<Listener, Failure> {
    let mut tries = PORT_TRIES;
    let mut asked = listen.address;
    loop {
        match open(listen.id, listen.scheme, asked, workers) {
            Err(failure) if is_without_ipv6(&failure) => {
                asked.set_ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            }
            // The port that UDP got may be taken for TCP: ask for another.
            Err(failure)
                if asked.port() == 0
                    && failure.error.kind() == ErrorKind::AddrInUse
                    && tries > 0 =>
            {
                tries -= 1;
            }
            result => {
                return result.map(|listener| Listener {
                    asked: listen.endpoint(),
                    ..listener
                });
            }
        }
    }
}

/// Returns whether `[::]` was asked of a kernel without IPv6.
fn is_without_ipv6(failure: &Failure) -> bool {
    failure.address.is_ipv6()
        && failure.address.ip().is_unspecified()
        && (failure.error.raw_os_error() == Some(NO_SUCH_FAMILY)
            || failure.error.kind() == ErrorKind::AddrNotAvailable)
}

/// Makes a listener of a predecessor's sockets, and opens as many more as workers are missing.
fn take_over(listen: &ListenAddress, given: Given, workers: usize) -> Result<Listener, Failure> {
    let failed = |error| Failure {
        address: listen.address,
        protocol: "udp",
        error,
    };
    let bound = match (given.udp.first(), &given.tcp) {
        (Some(udp), _) => udp.local_addr(),
        (None, Some(tcp)) => tcp.local_addr(),
        (None, None) => Ok(listen.address),
    };
    let address = bound.map_err(failed)?;
    let mut listener = Listener::without_sockets(listen.id, listen.endpoint(), address);
    listener.tcp = given.tcp;
    listener.taken_over = true;
    let mut sockets = given.udp.into_iter();
    match listen.scheme {
        Scheme::Dns => {
            let udp = sockets.map(|socket| Arc::new(Datagrams::new(socket, address.ip())));
            listener.udp = udp.collect();
            while listener.udp.len() < workers {
                let next = udp_socket(address, true).map_err(failed)?;
                let next = Datagrams::new(next.into(), address.ip());
                listener.udp.push(Arc::new(next));
            }
        }
        Scheme::Quic => listener.quic = sockets.next(),
        Scheme::Tls | Scheme::Https => {}
    }
    Ok(listener)
}

fn open(
    id: ListenerId,
    scheme: Scheme,
    asked: SocketAddr,
    workers: usize,
) -> Result<Listener, Failure> {
    let failed = |address, protocol| {
        move |error| Failure {
            address,
            protocol,
            error,
        }
    };
    let endpoint = Endpoint {
        scheme,
        address: asked,
    };
    let mut listener = Listener::without_sockets(id, endpoint, asked);
    if scheme.takes_udp() {
        let first = match scheme {
            Scheme::Quic => quic_socket(asked),
            _ => udp_socket(asked, false),
        };
        let first = first.map_err(failed(asked, "udp"))?;
        let bound = first.local_addr().map_err(failed(asked, "udp"))?;
        if let Some(bound) = bound.as_socket() {
            listener.address.set_port(bound.port());
        }
        let address = listener.address;
        if scheme == Scheme::Quic {
            listener.quic = Some(first.into());
            return Ok(listener);
        }
        listener.tcp = Some(tcp_socket(address).map_err(failed(address, "tcp"))?);
        first.set_reuse_port(true).map_err(failed(address, "udp"))?;
        let mut udp = vec![Arc::new(Datagrams::new(first.into(), asked.ip()))];
        for _ in 1..workers {
            let next = udp_socket(address, true).map_err(failed(address, "udp"))?;
            udp.push(Arc::new(Datagrams::new(next.into(), asked.ip())));
        }
        listener.udp = udp;
    } else {
        let socket = tcp_socket(asked).map_err(failed(asked, "tcp"))?;
        let bound = socket.local_addr().map_err(failed(asked, "tcp"))?;
        listener.address.set_port(bound.port());
        listener.tcp = Some(socket);
    }
    Ok(listener)
}

/// Makes a socket of an address's family; that of `[::]` takes IPv4 as well.
fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    Ok(socket)
}

/// Opens a socket whose options are QUIC's own matter, but for its buffers.
fn quic_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn udp_socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Before bind: what arrives right after it must carry the asked address too.
    Datagrams::prepare(&socket, address.ip())?;
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    socket.set_write_timeout(Some(RECEIVE_TIMEOUT))?;
    // Less is no reason not to serve.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.bind(&address.into())?;
    Ok(socket)
}

fn tcp_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    // For the connections of a predecessor in TIME_WAIT; on Linux a listening one still excludes.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests;
