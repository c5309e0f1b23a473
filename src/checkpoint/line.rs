//! The lines that are no objects, and the checksum over all of them.

use crate::index::Kept;
use crate::model::{Kind, ObjectKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the format. A file of another one is not read.
pub(super) const VERSION: u32 = 1;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// When each kind was last known to be current, in seconds since 1970.
    pub heard: BTreeMap<Kind, u64>,
    /// The node whose pods alone are in it.
    pub node: Option<Box<str>>,
    /// What is in it for the sake of some configurations.
    pub kept: Kept,
}

/// The header as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    tenantdns_checkpoint: u32,
    heard: BTreeMap<Box<str>, u64>,
    node: Option<Box<str>>,
    labels: bool,
    service_labels: bool,
    exports: bool,
    targets: bool,
    // Absent from what older versions wrote: they did not keep these.
    #[serde(default)]
    zones: bool,
    #[serde(default)]
    external: bool,
}

/// The part of the header that every version has.
#[derive(Deserialize)]
pub(super) struct Versioned {
    pub(super) tenantdns_checkpoint: u32,
}

impl Header {
    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let heard = self.heard.iter();
        serde_json::to_vec(&Written {
            tenantdns_checkpoint: VERSION,
            heard: heard
                .map(|(kind, at)| (kind.as_str().into(), *at))
                .collect(),
            node: self.node.clone(),
            labels: self.kept.labels,
            service_labels: self.kept.service_labels,
            exports: self.kept.exports,
            targets: self.kept.targets,
            zones: self.kept.zones,
            external: self.kept.external,
        })
    }

    pub(super) fn of_json(json: &[u8]) -> serde_json::Result<Self> {
        let written: Written = serde_json::from_slice(json)?;
        let heard = written.heard.into_iter();
        Ok(Self {
            // A kind that this version does not know it does not need either.
            heard: heard
                .filter_map(|(kind, at)| Some((kind_of(&kind)?, at)))
                .collect(),
            node: written.node,
            kept: Kept {
                labels: written.labels,
                service_labels: written.service_labels,
                exports: written.exports,
                targets: written.targets,
                zones: written.zones,
                external: written.external,
            },
        })
    }
}

/// Every line after the header but the objects.
#[derive(Serialize)]
pub(super) enum Mark {
    /// So many lines follow, of objects that changed while the others were written.
    Changes(u64),
    /// One of those: it is no more.
    Gone(Gone),
    /// The end.
    End(End),
}

/// The key of an object that is no more.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gone {
    kind: Box<str>,
    namespace: Box<str>,
    name: Box<str>,
}

impl Gone {
    pub(super) fn new(kind: Kind, key: &ObjectKey) -> Self {
        Self {
            kind: kind.as_str().into(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }

    pub(super) fn id(self) -> Option<(Kind, ObjectKey)> {
        Some((
            kind_of(&self.kind)?,
            ObjectKey::new(self.namespace, self.name),
        ))
    }
}

/// What the whole before it must be.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// Lines, the header's among them.
    pub(super) lines: u64,
    /// [`Checksum`] in hexadecimal.
    pub(super) checksum: Box<str>,
}

fn kind_of(text: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
}

/// FNV-1a of 64 bits over every line with its end: no change of a single octet goes unnoticed, and of
/// others one in 2^64.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksum(u64);

impl Checksum {
    pub(super) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn add(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(super) fn text(self) -> Box<str> {
        format!("{:016x}", self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_fnv_1a() {
        for (text, expected) in [
            ("", "cbf29ce484222325"),
            ("a", "af63dc4c8601ec8c"),
            ("foobar", "85944171f73967e8"),
        ] {
            let mut sum = Checksum::new();
            sum.add(text.as_bytes());
            assert_eq!(&*sum.text(), expected, "{text}");
        }
    }
}
