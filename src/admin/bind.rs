//! Opening the listeners, before anything is served.

use super::page::Routes;
use super::tls::{Offer, Pair, PairError};
use super::{Door, Guarded, Options};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Connections that wait to be taken.
const BACKLOG: i32 = 128;
/// What the administrator's listener offers.
const OFFER: Offer = Offer {
    table: "[admin]",
    protocols: &["http/1.1"],
};
/// The table of the administrator's pages.
const ADMIN: &str = "admin";

/// Why a listener can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Its place can't be had.
    #[error(
        "{place} for [{table}]: {source}; choose another address with `listen`, or \"\" for none"
    )]
    Place {
        /// Address and port with `/tcp`, or the path of a Unix socket.
        place: Box<str>,
        /// The table that asks for it.
        table: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// It has no certificate to show.
    #[error("`tls_cert` and `tls_key` of [admin]: {0}")]
    Pair(PairError),
}

/// The open sockets.
#[derive(Debug, Default)]
pub struct Bound {
    pub(super) listeners: Vec<(Place, Listener, Routes)>,
}

/// What a listener is known by, whether or not it is open.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// An address, and the first table that asks for it.
    Tcp(SocketAddr, &'static str),
    Unix(PathBuf),
    Tls(Guarded),
}

impl Place {
    /// Returns whether a listener of one serves the other as well.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            // Port 0 is another port each time.
            (Self::Tcp(a, of), Self::Tcp(b, by)) => a == b && (a.port() != 0 || of == by),
            (Self::Unix(a), Self::Unix(b)) => a == b,
            (Self::Tls(a), Self::Tls(b)) => a == b,
            _ => false,
        }
    }
}

/// Returns what the options ask for.
pub(super) fn asked(options: &Options) -> Vec<(Place, Routes)> {
    let mut asked: Vec<(Place, Routes)> = Vec::new();
    for (address, table, routes) in [
        (options.health, "health", Routes::HEALTH),
        (options.ready, "ready", Routes::READY),
        (options.metrics, "metrics", Routes::METRICS),
    ] {
        let Some(address) = address else { continue };
        let place = Place::Tcp(address, table);
        match asked.iter_mut().find(|(other, _)| other.is(&place)) {
            Some((_, shared)) => *shared = shared.and(routes),
            None => asked.push((place, routes)),
        }
    }
    // Never shared: its pages are not for who asks the others.
    asked.extend(options.admin.as_ref().map(|door| match door {
        Door::Loopback(address) => (Place::Tcp(*address, ADMIN), Routes::ADMIN),
        Door::Unix(path) => (Place::Unix(path.clone()), Routes::ADMIN),
        Door::Guarded(guarded) => (Place::Tls(guarded.clone()), Routes::GUARDED),
    }));
    asked
}

/// An open socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
    Tls(TcpListener, Pair),
}

/// A Unix socket's file, removed with the listener.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Bound {
    /// Returns whether nothing listens.
    pub fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Returns the addresses with their ports, those of 0 too, and the paths that each serves.
    pub fn local_addresses(&self) -> impl Iterator<Item = (SocketAddr, Routes)> {
        let address = |(_, listener, routes): &(Place, Listener, Routes)| match listener {
            Listener::Tcp(socket) | Listener::Tls(socket, _) => {
                Some((socket.local_addr().ok()?, *routes))
            }
            Listener::Unix(..) => None,
        };
        self.listeners.iter().filter_map(address)
    }

    /// Returns the Unix sockets, and the paths that each serves.
    pub fn local_sockets(&self) -> impl Iterator<Item = (&Path, Routes)> {
        self.listeners
            .iter()
            .filter_map(|(_, listener, routes)| match listener {
                Listener::Tcp(_) | Listener::Tls(..) => None,
                Listener::Unix(_, file) => Some((&*file.0, *routes)),
            })
    }
}

/// Opens one socket for each address.
///
/// # Errors
/// The first that can't be opened.
pub fn bind(options: &Options) -> Result<Bound, BindError> {
    bind_with(options, Vec::new())
}

/// Opens one socket for each address, but for those that a predecessor had open: by the address that
/// it was asked for.
///
/// # Errors
/// The first that can't be opened.
pub fn bind_with(
    options: &Options,
    mut inherited: Vec<(SocketAddr, TcpListener)>,
) -> Result<Bound, BindError> {
    let listeners = asked(options).into_iter().map(|(place, routes)| {
        let own = match &place {
            Place::Tcp(address, _) | Place::Tls(Guarded { address, .. }) => {
                let at = inherited.iter().position(|(other, _)| other == address);
                at.map(|at| inherited.swap_remove(at).1)
            }
            Place::Unix(_) => None,
        };
        let listener = open_place(&place, own)?;
        Ok((place, listener, routes))
    });
    let listeners = listeners.collect::<Result<Vec<_>, BindError>>()?;
    Ok(Bound { listeners })
}

/// Opens a place; of an address `inherited` is its socket.
pub(super) fn open_place(
    place: &Place,
    inherited: Option<TcpListener>,
) -> Result<Listener, BindError> {
    let tcp = |address: &SocketAddr, table| match inherited {
        Some(socket) => Ok(socket),
        None => open(*address).map_err(refused(format!("{address}/tcp"), table)),
    };
    Ok(match place {
        Place::Tcp(address, table) => Listener::Tcp(tcp(address, table)?),
        Place::Unix(path) => {
            let refused = refused(path.display().to_string(), ADMIN);
            open_unix(path).map_err(refused)?
        }
        Place::Tls(guarded) => {
            let pair = Pair::open(&guarded.pair.clone().into(), OFFER);
            let pair = pair.map_err(BindError::Pair)?;
            Listener::Tls(tcp(&guarded.address, ADMIN)?, pair)
        }
    })
}

/// Returns what the kernel's refusal of a place is.
fn refused(place: String, table: &'static str) -> impl FnOnce(io::Error) -> BindError {
    move |source| BindError::Place {
        place: place.into(),
        table,
        source,
    }
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

/// Opens a Unix socket that only its owner may connect to.
fn open_unix(path: &Path) -> io::Result<Listener> {
    if is_left_behind(path) {
        fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile(path.to_owned());
    // Before it listens: until then nobody can connect.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Listener::Unix(socket.into(), file))
}

/// Returns whether a socket's file is there on which nobody listens: a predecessor's that was killed.
fn is_left_behind(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).is_err_and(refused)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever finds it left behind removes it.
        let _ = fs::remove_file(&self.0);
    }
}
