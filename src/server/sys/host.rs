//! What the kernel knows of this host and this process: its addresses and its limits.

use super::message::{empty_name, read_name};
use libc::{c_int, sockaddr_in6};
use std::ffi::{CStr, CString};
use std::io;
use std::mem::size_of;
use std::net::IpAddr;
use std::ptr;

/// Returns how many files the process may have open, where the kernel says.
pub fn descriptor_limit() -> Option<usize> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a whole rlimit and outlives the call.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    (result == 0).then(|| usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// Returns the addresses of this host's (or this pod's) interfaces but for loopback ones,
/// link-local ones included, each once.
///
/// # Errors
/// The kernel does not tell.
pub fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let all = interfaces()?.into_iter();
    let mut addresses: Vec<IpAddr> = all
        .filter_map(|(_, address)| address)
        .filter(|ip| !ip.is_loopback())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Returns the addresses of the interface `name`, in the kernel's order; `None` where there is none of
/// that name.
///
/// # Errors
/// The kernel does not tell.
pub fn addresses_of_interface(name: &str) -> io::Result<Option<Vec<IpAddr>>> {
    let mut own = interfaces()?;
    own.retain(|(other, _)| other.as_bytes() == name.as_bytes());
    let is_there = !own.is_empty();
    Ok(is_there.then(|| own.into_iter().filter_map(|(_, address)| address).collect()))
}

/// Returns each interface's name with each of its addresses; `None` stands for one of another family.
fn interfaces() -> io::Result<Vec<(CString, Option<IpAddr>)>> {
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: getifaddrs writes a list's head into `first`, or fails and writes nothing.
    if unsafe { libc::getifaddrs(&mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = first;
    // SAFETY: `next` is null or an element of the list, which lives until freeifaddrs.
    while let Some(interface) = unsafe { next.as_ref() } {
        next = interface.ifa_next;
        // SAFETY: `ifa_name` is a string of the list, which ends with a zero.
        let name = unsafe { CStr::from_ptr(interface.ifa_name) }.to_owned();
        // SAFETY: `ifa_addr` is null or a sockaddr, whose family can be read.
        let family = unsafe { interface.ifa_addr.as_ref() }.map(|address| address.sa_family);
        let length = match family.map(c_int::from) {
            Some(libc::AF_INET) => size_of::<libc::sockaddr_in>(),
            Some(libc::AF_INET6) => size_of::<sockaddr_in6>(),
            _ => {
                found.push((name, None));
                continue;
            }
        };
        let mut address = empty_name();
        // SAFETY: the family says that a struct of `length` octets is there; `address` holds them.
        unsafe {
            let from: *const u8 = interface.ifa_addr.cast();
            ptr::copy_nonoverlapping(from, ptr::from_mut(&mut address).cast(), length);
        }
        found.push((name, read_name(&address).map(|address| address.ip())));
    }
    // SAFETY: `first` came from getifaddrs and nothing refers to the list any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}
