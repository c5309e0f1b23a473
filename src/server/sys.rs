//! The system calls that no crate wraps well, and the only unsafe code: batches of datagrams that
//! know which local address was asked. Nothing here knows DNS.
//!
//! A receive slot is 64 KiB, so that every datagram there can be arrives whole in one call and
//! there is no second path for large ones. Slots are touched lazily: the kernel writes only what
//! arrived, so a worker that sees ordinary queries keeps one page a slot resident.
#![allow(
    unsafe_code,
    reason = "recvmmsg and sendmmsg with control messages have no safe wrapper that resets their lengths"
)]

mod host;
mod message;

pub use host::{addresses_of_interface, descriptor_limit, interface_addresses};
pub(super) use message::{Route, canonical};

use libc::{c_int, c_void, iovec, mmsghdr, sockaddr_in6};
use message::{
    Control, empty_header, empty_name, empty_vector, point, read_route, write_local, write_name,
};
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

/// Datagrams a batch.
pub(super) const SLOTS: usize = 32;
/// Octets of an answer at most: 1,232 and what rounds it up to a cache line.
pub(super) const ANSWER: usize = 1280;
/// The error of a kernel without IPv6.
pub(super) const NO_SUCH_FAMILY: i32 = libc::EAFNOSUPPORT;
/// More than the largest UDP payload.
const SLOT: usize = 65_536;
/// Slots don't start at the same offset of a power of two, or the first lines of all 32 would
/// compete for the same few sets of the first and second level caches.
const STRIDE: usize = SLOT + 3 * 64;

/// A UDP socket and what it listens on.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) socket: UdpSocket,
    /// Whether it is an IPv6 one: names and control messages differ.
    v6: bool,
    /// The address that every datagram is sent to, where it is one: then the kernel need not tell it
    /// with each of them, and answers leave from it anyway.
    pub(super) only: Option<IpAddr>,
}

// === impl Datagrams ===

impl Datagrams {
    /// Sets what a socket needs before it is bound to an address: the asked one with every datagram,
    /// where that is not the same for all, the count of lost ones, and answers that routers may
    /// fragment.
    ///
    /// # Errors
    /// The kernel can't tell the asked address.
    pub(super) fn prepare(socket: &socket2::Socket, address: IpAddr) -> io::Result<()> {
        let fd = socket.as_raw_fd();
        let several = address.is_unspecified();
        if address.is_ipv6() {
            if several {
                set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            }
            // A sandboxed kernel may lack this and the next two; serving goes on without them.
            let omit = libc::IPV6_PMTUDISC_OMIT;
            let _ = set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, omit);
        } else if several {
            set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        }
        // RFC 9715 section 3.1: without it a forged ICMP could shrink the path MTU, or DF drop
        // answers. An IPv6 socket sends IPv4 too.
        let omit = libc::IP_PMTUDISC_OMIT;
        let _ = set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, omit);
        let _ = set_option(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1);
        Ok(())
    }

    /// Takes a socket that is bound to an address.
    pub(super) fn new(socket: UdpSocket, address: IpAddr) -> Self {
        Self {
            socket,
            v6: address.is_ipv6(),
            only: Some(address.to_canonical()).filter(|address| !address.is_unspecified()),
        }
    }

    /// Writes the control message that makes the asked address the source, and returns its octets.
    #[inline]
    fn write_source(&self, control: &mut Control, route: &Route) -> usize {
        match self.only {
            Some(_) => 0,
            None => write_local(control, route, self.v6),
        }
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// The kernel refuses it: no route, a firewall, no buffer.
    pub(super) fn send(&self, route: &Route, bytes: &[u8]) -> io::Result<()> {
        let mut name = empty_name();
        let mut control = Control([0; 96]);
        let mut vector = iovec {
            // sendmsg only reads it.
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        let mut header = empty_header();
        header.msg_hdr.msg_namelen = write_name(&mut name, route.peer, self.v6) as _;
        header.msg_hdr.msg_controllen = self.write_source(&mut control, route) as _;
        point(&mut header.msg_hdr, (&mut name, &mut control), &mut vector);
        loop {
            // SAFETY: `header` points at `name`, `control` and `vector`, which live until the end
            // of this function, and `vector` at `bytes`; the lengths are theirs.
            let sent = unsafe { libc::sendmsg(self.socket.as_raw_fd(), &header.msg_hdr, 0) };
            if sent >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

// === impl Receiver ===

/// Buffers for one batch of received datagrams.
pub(super) struct Receiver {
    bytes: Vec<u8>,
    names: [sockaddr_in6; SLOTS],
    controls: [Control; SLOTS],
    vectors: [iovec; SLOTS],
    headers: [mmsghdr; SLOTS],
    /// How many of them the kernel may have written to.
    used: usize,
    /// Of those that came, and whether they can be answered.
    routes: [(bool, Route); SLOTS],
    lost: u32,
}

impl Receiver {
    /// Returns buffers for what a socket receives.
    pub(super) fn new(from: &Datagrams) -> Box<Self> {
        Box::new(Self {
            bytes: vec![0; SLOTS * STRIDE],
            names: [empty_name(); SLOTS],
            controls: [Control([0; 96]); SLOTS],
            vectors: [empty_vector(); SLOTS],
            headers: [empty_header(); SLOTS],
            used: SLOTS,
            routes: [(false, Route::to(from.only)); SLOTS],
            lost: 0,
        })
    }

    /// Receives what is there, at least one datagram where `wait` and the socket's timeout allow,
    /// and returns how many.
    ///
    /// # Errors
    /// `WouldBlock` after the socket's receive timeout, `Interrupted`, or a failing socket.
    pub(super) fn receive(&mut self, from: &Datagrams, wait: bool) -> io::Result<usize> {
        let slots = self.bytes.chunks_exact_mut(STRIDE);
        let parts = self.names.iter_mut().zip(&mut self.controls);
        let arrays = self.vectors.iter_mut().zip(&mut self.headers);
        // The others are as they were: a batch of one is not to cost what one of all would.
        for ((bytes, (name, control)), (vector, header)) in
            slots.zip(parts).zip(arrays).take(self.used)
        {
            *vector = iovec {
                iov_base: bytes.as_mut_ptr().cast(),
                iov_len: SLOT,
            };
            // The lengths are in-out: a short name or control message would shrink the next one's
            // room for good.
            let to = &mut header.msg_hdr;
            to.msg_name = ptr::from_mut(name).cast();
            to.msg_namelen = size_of::<sockaddr_in6>() as _;
            to.msg_iov = vector;
            to.msg_iovlen = 1;
            to.msg_control = control.0.as_mut_ptr().cast();
            to.msg_controllen = control.0.len() as _;
            to.msg_flags = 0;
        }
        let flags = if wait {
            libc::MSG_WAITFORONE
        } else {
            libc::MSG_DONTWAIT
        };
        // SAFETY: each of the SLOTS headers points at its own name, control buffer and vector in
        // `self`, and each vector at its own SLOT octets of `bytes`, with their true lengths; none
        // of them moves or is referred to otherwise during the call.
        let received = unsafe {
            libc::recvmmsg(
                from.socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                SLOTS as _,
                flags as _,
                ptr::null_mut(),
            )
        };
        let Ok(received) = usize::try_from(received) else {
            // What of them was written to is not said.
            self.used = SLOTS;
            return Err(io::Error::last_os_error());
        };
        // The one behind the last may have been begun.
        self.used = (received + 1).min(SLOTS);
        let received = received.min(SLOTS);
        let told = self.headers.iter().zip(&mut self.controls);
        let routes = self.routes.iter_mut().zip(&self.names);
        for (((can_answer, route), name), (header, control)) in routes.zip(told).take(received) {
            *can_answer = read_route(&header.msg_hdr, control, name, route, &mut self.lost);
        }
        Ok(received)
    }

    /// Returns the datagrams of the last batch from one slot to in front of another, each with its slot,
    /// as [`Receiver::datagram`] does.
    #[inline(always)]
    pub(super) fn datagrams(
        &self,
        from: usize,
        to: usize,
    ) -> impl Iterator<Item = (usize, Option<&[u8]>, &Route)> {
        let routes = self.routes.get(from..to).unwrap_or(&[]).iter();
        let headers = self.headers.get(from..to).unwrap_or(&[]).iter();
        let bytes = self.bytes.get(from * STRIDE..).unwrap_or(&[]);
        let parts = headers.zip(bytes.chunks_exact(STRIDE));
        let slots = (from..to).zip(routes.zip(parts));
        slots.map(|(slot, ((can_answer, route), (header, bytes)))| {
            let bytes = match *can_answer {
                true => bytes.get(..header.msg_len as usize),
                false => None,
            };
            (slot, bytes, route)
        })
    }

    /// Returns a datagram of the last batch; `None` where nobody could be answered: source port 0,
    /// or cut short.
    #[inline]
    pub(super) fn datagram(&self, slot: usize) -> Option<(&[u8], &Route)> {
        let (can_answer, route) = self.routes.get(slot)?;
        let length = (self.headers.get(slot)?.msg_len as usize).min(SLOT);
        let bytes = self.bytes.get(slot * STRIDE..)?.get(..length)?;
        can_answer.then_some((bytes, route))
    }

    /// Returns how many datagrams the socket lost so far because nobody read them in time.
    pub(super) fn lost(&self) -> u32 {
        self.lost
    }
}

// === impl Sender ===

/// Buffers for one batch of answers, each to one datagram of a batch that was received.
pub(super) struct Sender {
    bytes: Box<[[u8; ANSWER]]>,
    /// The slots of the datagrams that are answered, and the octets of the answers.
    answered: [(u8, u16); SLOTS],
    controls: [Control; SLOTS],
    vectors: [iovec; SLOTS],
    headers: [mmsghdr; SLOTS],
    filled: usize,
}

/// What became of a batch of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) sent: usize,
    /// Refused by the kernel, each for itself: no route, a firewall, no buffer, too large.
    pub(super) failed: usize,
}

impl Sender {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            bytes: vec![[0; ANSWER]; SLOTS].into_boxed_slice(),
            answered: [(0, 0); SLOTS],
            controls: [Control([0; 96]); SLOTS],
            vectors: [empty_vector(); SLOTS],
            headers: [empty_header(); SLOTS],
            filled: 0,
        })
    }

    /// Returns the buffer of the next answer; empty where the batch is full.
    #[inline(always)]
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        match self.bytes.get_mut(self.filled) {
            Some(buffer) => buffer,
            None => &mut [],
        }
    }

    /// Adds the first `length` octets of [`Sender::buffer`] to the batch, as the answer to the datagram
    /// in a receiver's slot.
    #[inline(always)]
    pub(super) fn push(&mut self, length: usize, slot: usize) {
        if let Some(answered) = self.answered.get_mut(self.filled) {
            *answered = (slot as u8, length.min(ANSWER) as u16);
            self.filled = self.filled.wrapping_add(1);
        }
    }

    /// Sends the batch, whose answers are to what `receiver` received last, and starts a new one. What
    /// the kernel refuses is skipped: one client's route or firewall is no other client's concern.
    pub(super) fn flush(&mut self, receiver: &Receiver, to: &Datagrams) -> Sent {
        let filled = std::mem::take(&mut self.filled).min(SLOTS);
        let arrays = self.vectors.iter_mut().zip(&mut self.headers);
        let parts = self.bytes.iter_mut().zip(&mut self.controls);
        let answered = self.answered.iter();
        for (((bytes, control), (vector, header)), (slot, length)) in
            parts.zip(arrays).zip(answered).take(filled)
        {
            let slot = usize::from(*slot) % SLOTS;
            *vector = iovec {
                iov_base: bytes.as_mut_ptr().cast(),
                iov_len: usize::from(*length),
            };
            let header = &mut header.msg_hdr;
            // Whom the kernel named is who gets the answer; sendmmsg only reads it.
            header.msg_name = ptr::from_ref(&receiver.names[slot]).cast_mut().cast();
            header.msg_namelen = receiver.headers[slot].msg_hdr.msg_namelen;
            header.msg_controllen = to.write_source(control, &receiver.routes[slot].1) as _;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_flags = 0;
            header.msg_control = control.0.as_mut_ptr().cast();
        }
        let mut result = Sent::default();
        while result.sent + result.failed < filled {
            let rest = &mut self.headers[result.sent + result.failed..filled];
            // SAFETY: `rest` has as many headers as are passed; each was pointed above and points at its
            // own control buffer and vector in `self` and at a name of `receiver`, which neither move
            // nor are written to by anybody else during the call; the kernel reads the names, whose
            // lengths it gave itself.
            let sent = unsafe {
                libc::sendmmsg(to.socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as _, 0)
            };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => result.sent += sent,
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                // The first of the rest is the one that failed.
                _ => result.failed += 1,
            }
        }
        result
    }
}

fn set_option(fd: RawFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let pointer: *const c_void = ptr::from_ref(&value).cast();
    // SAFETY: `pointer` is `value`, whose size is passed, and lives until the call returns.
    let result = unsafe { libc::setsockopt(fd, level, name, pointer, size_of::<c_int>() as _) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests;
