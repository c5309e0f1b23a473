//! The `loadbalance` step: which addresses stand first. Not reading a file of weights, which is the
//! rim's: it hands in a [`WeightTable`] of what the file says now.

use super::Record;
use crate::wire::{Name, RType};
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;

/// Which of a server's files of weights: its position among those of all blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WeightsId(pub u16);

/// `loadbalance`: the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadbalanceOptions {
    /// `round_robin`: any order.
    RoundRobin,
    /// `round_robin` with `prefer`: addresses in these stand first, in the order of the list.
    Prefer(Vec<IpNet>),
    /// `weighted`: which one stands first is drawn by weights.
    Weighted(WeightOptions),
}

/// Where weights are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightOptions {
    /// `file`
    pub file: Box<str>,
    /// `reload`: how often it is looked at; never where it is zero.
    pub reload: Duration,
}

/// What a file of weights says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightTable {
    /// By name in lower case and wire form.
    names: HashMap<Box<[u8]>, Vec<(IpAddr, u8)>>,
}

/// What is wrong with a file of weights.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WeightError {
    /// A line is neither a name, nor an address with its weight.
    #[error("line {0} is neither a name, nor an address and a weight of 1 to 255")]
    Line(usize),
    /// An address stands in front of the first name.
    #[error("line {0} has an address, and no name stands in front of it")]
    NoName(usize),
}

impl WeightTable {
    /// Reads a name on a line, and addresses with weights on the lines below it.
    ///
    /// # Errors
    /// A line is something else. As in CoreDNS all of the file is then refused.
    pub fn parse(text: &str) -> Result<Self, WeightError> {
        let mut table = Self::default();
        let mut current: Option<Box<[u8]>> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || WeightError::Line(number);
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some(name), None, None) if name.parse::<IpAddr>().is_err() => {
                    let name = name.parse::<Name>().map_err(|_| wrong())?;
                    let name: Box<[u8]> = name.to_lowercase().as_wire().into();
                    table.names.entry(name.clone()).or_default();
                    current = Some(name);
                }
                (Some(address), Some(weight), None) => {
                    let address: IpAddr = address.parse().map_err(|_| wrong())?;
                    let weight: u8 = weight.parse().map_err(|_| wrong())?;
                    let weight = Some(weight).filter(|w| *w > 0).ok_or_else(wrong)?;
                    let name = current.as_ref().ok_or(WeightError::NoName(number))?;
                    let weights = table.names.entry(name.clone()).or_default();
                    weights.push((address.to_canonical(), weight));
                }
                _ => return Err(wrong()),
            }
        }
        Ok(table)
    }

    /// Returns how many addresses have a weight.
    pub fn len(&self) -> usize {
        self.names.values().map(Vec::len).sum()
    }

    /// Returns whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns an address's weight under a name: 1 where none is written.
    fn weight(&self, record: &Record) -> u64 {
        let owner = record.owner.to_lowercase();
        let weights = self
            .names
            .get(owner.as_wire())
            .map_or(&[][..], Vec::as_slice);
        let address = record.address();
        let own = weights.iter().find(|(other, _)| Some(*other) == address);
        own.map_or(1, |(_, weight)| u64::from(*weight))
    }

    /// Has one address of a section stand first, drawn by `random`; a section without any stays as it is.
    pub fn arrange(&self, section: &mut Vec<Record>, random: u64) {
        if !section.iter().any(|record| record.address().is_some()) {
            return;
        }
        let [aliases, mut addresses, mail, rest] = parts(section);
        let sum: u64 = addresses.iter().map(|record| self.weight(record)).sum();
        let mut drawn = random % sum.max(1);
        let first = addresses.iter().position(|record| {
            let weight = self.weight(record);
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it
        });
        addresses.swap(0, first.unwrap_or(0));
        section.extend(aliases.into_iter().chain(rest).chain(addresses).chain(mail));
    }
}

/// Has the addresses that are in some of `nets` stand first, in the order of the nets.
pub fn prefer(nets: &[IpNet], section: &mut Vec<Record>) {
    let [aliases, mut addresses, mail, rest] = parts(section);
    let rank = |record: &Record| {
        let is_in = |net: &IpNet| {
            record
                .address()
                .is_some_and(|address| net.contains(&address))
        };
        nets.iter().position(is_in).unwrap_or(nets.len())
    };
    addresses.sort_by_key(rank);
    section.extend(aliases.into_iter().chain(addresses).chain(mail).chain(rest));
}

/// Takes a section apart: aliases, addresses, mail exchanges, the rest.
fn parts(section: &mut Vec<Record>) -> [Vec<Record>; 4] {
    let mut parts = [const { Vec::new() }; 4];
    let [aliases, addresses, mail, rest] = &mut parts;
    for record in section.drain(..) {
        match record.rtype {
            RType::CNAME => aliases.push(record),
            RType::A | RType::AAAA => addresses.push(record),
            RType::MX => mail.push(record),
            _ => rest.push(record),
        }
    }
    parts
}

#[cfg(test)]
mod tests;
