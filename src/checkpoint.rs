//! The index's objects in a file, and back: from it a replica serves that starts while the API is
//! away. Not when one is written or read; the index says what is in it ([`Copied`]).
//!
//! ```text
//! {"tenantdns_checkpoint":1,"heard":{"Pod":1764000000,…},"node":null,"labels":false,"targets":false}
//! {"Namespace":{"metadata":{"name":"shop"}}}
//! {"Pod":{"metadata":{…},"spec":{…},"status":{…}}}              objects in Kubernetes' own fields
//! {"Changes":2}                                                  from here on: changed meanwhile
//! {"Pod":{…}}                                                    … replaces the one above
//! {"Gone":{"kind":"Pod","namespace":"shop","name":"web-0"}}      … and this takes one away
//! {"End":{"lines":6,"checksum":"0123456789abcdef"}}
//! ```
//!
//! A file holds one instant: docs/decisions/0005-checkpoint.md says why that matters. One that was
//! cut short or edited is refused as a whole. The checksum is against accidents: whoever may write the
//! file decides who is who.

mod line;
mod object;
mod read;
mod shape;
mod write;

pub use line::Header;
pub use read::{Needs, Refusal, Saved, open};
pub use write::Writer;

#[cfg(doc)]
use crate::index::Copied;
