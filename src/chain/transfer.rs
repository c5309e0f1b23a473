//! `transfer`: which addresses may have all of a zone at once, and who is told that it has changed.

use crate::wire::{Name, QName};
use std::net::{IpAddr, SocketAddr};

/// `transfer`: to nobody but these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferOptions {
    /// `zones`, in lower case: the zones of this block that are transferred.
    pub zones: Vec<Name>,
    /// `to`: who may ask for them.
    pub to: Vec<Secondary>,
    /// `source`: the address that notifications are sent from, where it is not the kernel's choice.
    pub source: Option<IpAddr>,
}

/// One of those that may ask for a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secondary {
    /// `*`: whoever asks. Nobody is notified by it.
    Anybody,
    /// Who asks from this address, whatever the port; it is notified there.
    At(SocketAddr),
}

impl TransferOptions {
    /// Returns whether a zone is one of those that are transferred.
    pub fn is_for(&self, qname: &QName<'_>) -> bool {
        qname.longest_suffix(&self.zones).is_some()
    }

    /// Returns whether an address, in its canonical form, may have them.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.to.iter().any(|to| match to {
            Secondary::Anybody => true,
            Secondary::At(secondary) => secondary.ip() == address,
        })
    }

    /// Returns where notifications are sent.
    pub fn notified(&self) -> impl Iterator<Item = SocketAddr> {
        self.to.iter().filter_map(|to| match to {
            Secondary::Anybody => None,
            Secondary::At(secondary) => Some(*secondary),
        })
    }
}
