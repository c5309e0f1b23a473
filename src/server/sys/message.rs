//! Names and control messages: what a datagram's header says of its route, read and written.

use libc::{c_int, cmsghdr, in_pktinfo, in6_pktinfo, iovec, mmsghdr, msghdr, sockaddr_in6};
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

/// Room for one PKTINFO (40 octets) and the overflow counter (24), aligned as a cmsghdr.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; 96]);

/// Where a datagram came from, and the address its answer must leave from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Route {
    /// The sender, canonical.
    pub(in crate::server) peer: SocketAddr,
    /// The address that was asked, canonical.
    pub(in crate::server) local: Option<IpAddr>,
    /// The interface, for a link-local `local` only: routing decides for every other.
    pub(super) interface: u32,
}

impl Route {
    /// Returns a route from nobody yet, to an address where that is known.
    pub(super) fn to(local: Option<IpAddr>) -> Self {
        Self {
            peer: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            local,
            interface: 0,
        }
    }
}

/// Turns an IPv4-mapped address into the IPv4 one that it stands for. Every transport passes its
/// peers' addresses through here, and nothing behind it meets a mapped one.
pub(in crate::server) fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::V4(SocketAddrV4::new(v4, v6.port())),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

/// Reads what the kernel said of a received datagram into its route, which says already where it was
/// sent to where that is the same for all, and returns whether it can be answered. Sets how many
/// datagrams the socket has lost, where the kernel says that.
#[inline]
pub(super) fn read_route(
    received: &msghdr,
    control: &mut Control,
    name: &sockaddr_in6,
    route: &mut Route,
    lost: &mut u32,
) -> bool {
    if received.msg_controllen > 0 {
        read_control(received, control, route, lost);
    }
    let whole = received.msg_flags & libc::MSG_TRUNC == 0;
    let named = match c_int::from(name.sin6_family) {
        libc::AF_INET => {
            let peer = read_v4(name);
            route.peer = SocketAddr::V4(peer);
            peer.port() != 0
        }
        _ => read_other(name, route),
    };
    whole & named
}

/// Reads the name of a peer that is no IPv4 socket's, and returns whether it can be answered.
#[inline(never)]
fn read_other(name: &sockaddr_in6, route: &mut Route) -> bool {
    match read_name(name) {
        Some(peer) => {
            route.peer = peer;
            peer.port() != 0
        }
        None => false,
    }
}

/// Reads an IPv4 name.
#[inline(always)]
fn read_v4(name: &sockaddr_in6) -> SocketAddrV4 {
    // SAFETY: both structs are plain integers; a sockaddr_in is smaller than a sockaddr_in6 and aligned
    // alike. Whoever calls has looked at the family.
    let v4 = unsafe { ptr::from_ref(name).cast::<libc::sockaddr_in>().read() };
    let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
    SocketAddrV4::new(address, u16::from_be(v4.sin_port))
}

fn read_control(received: &msghdr, control: &mut Control, route: &mut Route, lost: &mut u32) {
    let mut header = empty_header().msg_hdr;
    header.msg_control = control.0.as_mut_ptr().cast();
    // The kernel never claims more; the bound is what the reads below rely on.
    header.msg_controllen = received.msg_controllen.min(control.0.len() as _);
    // SAFETY: `msg_control` is this Control, of at least `msg_controllen` octets.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(&header) };
    while !message.is_null() {
        // SAFETY: not null, so CMSG_FIRSTHDR or CMSG_NXTHDR found a whole cmsghdr there; Control
        // is aligned for one.
        let (level, kind, data) = unsafe {
            let data = libc::CMSG_DATA(message);
            ((*message).cmsg_level, (*message).cmsg_type, data)
        };
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // SAFETY: level and kind say which struct the kernel wrote behind the cmsghdr, and
                // Control has room for all that were asked for, so none is cut.
                let info: in_pktinfo = unsafe { ptr::read_unaligned(data.cast()) };
                // Not ipi_addr: that may be a broadcast address, which can't be a source.
                let address = Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr));
                route.local = Some(IpAddr::V4(address));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: as above.
                let info: in6_pktinfo = unsafe { ptr::read_unaligned(data.cast()) };
                let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                let is_local = address.is_unicast_link_local();
                route.interface = if is_local { info.ipi6_ifindex as _ } else { 0 };
                route.local = Some(IpAddr::V6(address).to_canonical());
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                // SAFETY: as above; the counter is a u32.
                *lost = unsafe { ptr::read_unaligned(data.cast()) };
            }
            _ => {}
        }
        // SAFETY: `message` came from this header and the header is unchanged.
        message = unsafe { libc::CMSG_NXTHDR(&header, message) };
    }
}

/// Points a header at its parts, whose lengths it has already.
#[inline]
pub(super) fn point(
    header: &mut msghdr,
    (name, control): (&mut sockaddr_in6, &mut Control),
    vector: &mut iovec,
) {
    header.msg_name = ptr::from_mut(name).cast();
    header.msg_iov = vector;
    header.msg_iovlen = 1;
    header.msg_flags = 0;
    header.msg_control = control.0.as_mut_ptr().cast();
}

/// Writes the control message that makes `route.local` the source on a socket that is an IPv6 one
/// or not, and returns its octets; 0 where nothing is to be said.
#[inline]
pub(super) fn write_local(control: &mut Control, route: &Route, v6: bool) -> usize {
    match (route.local, v6) {
        (Some(IpAddr::V4(local)), false) => {
            // SAFETY: in_pktinfo is plain integers, for which zeros are a value.
            let mut info: in_pktinfo = unsafe { zeroed() };
            info.ipi_spec_dst.s_addr = u32::from(local).to_be();
            write_control(control, (libc::IPPROTO_IP, libc::IP_PKTINFO), info)
        }
        (Some(local), true) => {
            let local = match local {
                IpAddr::V4(local) => local.to_ipv6_mapped(),
                IpAddr::V6(local) => local,
            };
            // SAFETY: in6_pktinfo is plain integers, for which zeros are a value.
            let mut info: in6_pktinfo = unsafe { zeroed() };
            info.ipi6_addr.s6_addr = local.octets();
            info.ipi6_ifindex = route.interface as _;
            write_control(control, (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO), info)
        }
        // An IPv4 socket has no IPv6 address to send from.
        (None, _) | (Some(IpAddr::V6(_)), false) => 0,
    }
}

/// Makes `value` the one control message in a buffer, and returns its octets.
#[inline]
pub(super) fn write_control<T: Copy>(
    control: &mut Control,
    (level, kind): (c_int, c_int),
    value: T,
) -> usize {
    const { assert!(size_of::<cmsghdr>() + size_of::<T>() <= 64) };
    let message: *mut cmsghdr = control.0.as_mut_ptr().cast();
    // SAFETY: a Control is aligned for a cmsghdr and holds it and the value (asserted above); CMSG_*
    // only compute.
    unsafe {
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(size_of::<T>() as _) as _;
        ptr::write_unaligned(libc::CMSG_DATA(message).cast(), value);
        libc::CMSG_SPACE(size_of::<T>() as _) as usize
    }
}

#[inline]
pub(super) fn write_name(name: &mut sockaddr_in6, peer: SocketAddr, v6: bool) -> usize {
    let v6 = match peer {
        SocketAddr::V6(peer) => peer,
        SocketAddr::V4(peer) if v6 => {
            SocketAddrV6::new(peer.ip().to_ipv6_mapped(), peer.port(), 0, 0)
        }
        SocketAddr::V4(peer) => {
            // SAFETY: sockaddr_in is plain integers, for which zeros are a value.
            let mut v4: libc::sockaddr_in = unsafe { zeroed() };
            v4.sin_family = libc::AF_INET as _;
            v4.sin_port = peer.port().to_be();
            v4.sin_addr.s_addr = u32::from(*peer.ip()).to_be();
            // SAFETY: a sockaddr_in is smaller than a sockaddr_in6 and aligned alike.
            unsafe { ptr::from_mut(name).cast::<libc::sockaddr_in>().write(v4) };
            return size_of::<libc::sockaddr_in>();
        }
    };
    name.sin6_family = libc::AF_INET6 as _;
    name.sin6_port = v6.port().to_be();
    name.sin6_flowinfo = v6.flowinfo();
    name.sin6_addr.s6_addr = v6.ip().octets();
    name.sin6_scope_id = v6.scope_id();
    size_of::<sockaddr_in6>()
}

#[inline]
pub(super) fn read_name(name: &sockaddr_in6) -> Option<SocketAddr> {
    match c_int::from(name.sin6_family) {
        libc::AF_INET => Some(SocketAddr::V4(read_v4(name))),
        libc::AF_INET6 => Some(canonical(SocketAddr::V6(SocketAddrV6::new(
            Ipv6Addr::from(name.sin6_addr.s6_addr),
            u16::from_be(name.sin6_port),
            // An answer needn't carry the query's flow label.
            0,
            name.sin6_scope_id,
        )))),
        _ => None,
    }
}

pub(super) fn empty_name() -> sockaddr_in6 {
    // SAFETY: plain integers, for which zeros are a value.
    unsafe { zeroed() }
}

pub(super) fn empty_vector() -> iovec {
    iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    }
}

pub(super) fn empty_header() -> mmsghdr {
    // SAFETY: integers and pointers, for which zeros and null are values.
    unsafe { zeroed() }
}
