//! Opening the listeners, before anything is served.

use super::Options;
use super::page::Routes;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Connections that wait to be taken.
const BACKLOG: i32 = 128;

/// Why a listener can't be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "{address}/tcp for [{table}]: {source}; choose another address with `listen`, or \"\" for none"
)]
pub struct BindError {
    /// Address and port.
    pub address: SocketAddr,
    /// The table that asks for it.
    pub table: &'static str,
    /// What the kernel said.
    pub source: io::Error,
}

/// The open sockets.
#[derive(Debug)]
pub struct Bound {
    pub(super) listeners: Vec<(TcpListener, Routes)>,
}

impl Bound {
    /// Returns whether nothing listens.
    pub fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Returns the addresses with their ports, those of 0 too, and the paths that each serves.
    pub fn local_addresses(&self) -> impl Iterator<Item = (SocketAddr, Routes)> {
        let address = |(socket, routes): &(TcpListener, Routes)| {
            let address = socket.local_addr().ok()?;
            Some((address, *routes))
        };
        self.listeners.iter().filter_map(address)
    }
}

/// Opens one socket for each address.
///
/// # Errors
/// The first that can't be opened.
pub fn bind(options: &Options) -> Result<Bound, BindError> {
    let mut asked: Vec<(SocketAddr, &'static str, Routes)> = Vec::new();
    for (address, table, routes) in [
        (options.health, "health", Routes::HEALTH),
        (options.ready, "ready", Routes::READY),
        (options.metrics, "metrics", Routes::METRICS),
    ] {
        let Some(address) = address else { continue };
        // Port 0 is another port each time.
        match asked.iter_mut().find(|a| a.0 == address && a.0.port() != 0) {
            Some(shared) => shared.2 = shared.2.and(routes),
            None => asked.push((address, table, routes)),
        }
    }
    let listeners = asked.into_iter().map(|(address, table, routes)| {
        let error = |source| BindError {
            address,
            table,
            source,
        };
        Ok((open(address).map_err(error)?, routes))
    });
    Ok(Bound {
        listeners: listeners.collect::<Result<_, _>>()?,
    })
}

/// Opens a listener; `[::]` of a kernel without IPv6 is `0.0.0.0`.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let mut v4 = address;
    v4.set_ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    match listen(address) {
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && !matches!(
                    error.kind(),
                    ErrorKind::AddrInUse | ErrorKind::PermissionDenied
                ) =>
        {
            listen(v4)
        }
        result => result,
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // For the connections of a predecessor in TIME_WAIT; on Linux a listening one still excludes.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
