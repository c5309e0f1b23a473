//! A record apart from any message: what operators write, and what steps change of others' answers.

use crate::wire::{Field, Name, QClass, RType};
use std::net::IpAddr;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its owner.
    pub owner: Name,
    /// Its type.
    pub rtype: RType,
    /// Its class.
    pub class: QClass,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its RDATA.
    pub data: Vec<Data>,
}

/// A part of RDATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Octets without a name in them.
    Octets(Box<[u8]>),
    /// A name.
    Name(Name),
}

/// What a type's RDATA starts with, as far as names are in it.
#[derive(Debug, Clone, Copy)]
pub enum Layout {
    /// So many octets.
    Fixed(usize),
    /// A text of up to 255 octets behind its length.
    Text,
    /// A name.
    Name,
}

impl Record {
    /// Returns a record of class IN with RDATA without names.
    pub fn octets(owner: &Name, rtype: RType, ttl: u32, octets: &[u8]) -> Self {
        Self {
            owner: owner.clone(),
            rtype,
            class: QClass::IN,
            ttl,
            data: vec![Data::Octets(octets.into())],
        }
    }

    /// Returns a record of class IN whose RDATA is a name.
    pub fn name(owner: &Name, rtype: RType, ttl: u32, target: &Name) -> Self {
        Self {
            data: vec![Data::Name(target.clone())],
            ..Self::octets(owner, rtype, ttl, &[])
        }
    }

    /// Returns a SOA record; `numbers` are serial, refresh, retry, expire and minimum.
    pub fn soa(owner: &Name, ttl: u32, [server, mailbox]: [&Name; 2], numbers: [u32; 5]) -> Self {
        let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        Self {
            data: vec![
                Data::Name(server.clone()),
                Data::Name(mailbox.clone()),
                Data::Octets(numbers.into()),
            ],
            ..Self::octets(owner, RType::SOA, ttl, &[])
        }
    }

    /// Returns the address that it gives its owner.
    pub fn address(&self) -> Option<IpAddr> {
        match (self.rtype, &*self.data) {
            (RType::A, [Data::Octets(octets)]) => {
                <[u8; 4]>::try_from(&**octets).ok().map(IpAddr::from)
            }
            (RType::AAAA, [Data::Octets(octets)]) => {
                <[u8; 16]>::try_from(&**octets).ok().map(IpAddr::from)
            }
            _ => None,
        }
    }

    /// Returns the parts of its RDATA as they are written.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let compresses = compresses(self.rtype);
        self.data.iter().map(move |part| match part {
            Data::Octets(octets) => Field::Octets(octets),
            Data::Name(name) if compresses => Field::Compressible(name.as_wire()),
            Data::Name(name) => Field::Octets(name.as_wire()),
        })
    }

    /// Returns the name in its RDATA that says where the record leads to: the last one, but a SOA's
    /// first.
    pub fn target(&mut self) -> Option<&mut Name> {
        let is_soa = self.rtype == RType::SOA;
        let mut names = self.data.iter_mut().filter_map(|part| match part {
            Data::Name(name) => Some(name),
            Data::Octets(_) => None,
        });
        match is_soa {
            true => names.next(),
            false => names.next_back(),
        }
    }
}

/// Returns how a type's RDATA starts, where names are in it; what follows is octets (RFC 1035 section
/// 3.3, RFC 1183, 2163, 2230, 2782, 3403, 6672).
pub fn layout(rtype: RType) -> &'static [Layout] {
    use Layout::{Fixed, Name, Text};
    match rtype.0 {
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 30 | 39 => &[Name],
        6 | 14 | 17 => &[Name, Name],
        15 | 18 | 21 | 36 => &[Fixed(2), Name],
        24 => &[Fixed(18), Name],
        26 => &[Fixed(2), Name, Name],
        33 => &[Fixed(6), Name],
        35 => &[Fixed(4), Text, Text, Text, Name],
        _ => &[],
    }
}

/// Returns whether names in a type's RDATA may be compressed: the types of RFC 1035 alone (RFC 3597
/// section 4).
fn compresses(rtype: RType) -> bool {
    matches!(rtype.0, 2..=9 | 12 | 14 | 15)
}
