//! Who may see what.
//!
//! [`ClientIndex`] tells who an address is, [`Policy`] holds what each client sees as rows of bits,
//! and a [`View`] is both for one query: the argument without which nothing can be looked up. What
//! decides is in [`decide`]; [`Compiler`] turns its verdicts into rows when namespaces or services
//! change, so that a query costs one bit test.
//!
//! Not here: names and records ([`crate::zone`]), and reading tenants from the API.

mod assign;
mod class;
mod client;
mod compile;
mod decide;
mod directory;
mod exports;
mod forwarder;
mod grant;
mod options;
mod policy;
mod range;
mod row;
mod rules;
mod tenant;
mod view;

pub use assign::{Kin, TENANT_LABEL};
pub use client::{AddressKey, Client, ClientIndex, Owner};
pub use compile::Compiler;
pub use decide::{Asker, Decision, ExternalFacts, Step, Target, decide};
pub use directory::{Directory, NameNumber, NsId, ServiceId};
pub use exports::{EXPORT_TO, Exports, IMPORT_FROM, ISTIO_EXPORT_TO, Ignored, Imports, Offer};
pub use forwarder::{ForwarderOptions, Forwarders, Identity, Peer};
pub use grant::rules_of;
pub use options::*;
pub use policy::{ClientClass, Policy};
pub use range::RangeId;
pub use row::{Row, Sight};
pub use rules::RuleSet;
pub use tenant::{NamespaceFacts, ServiceFacts, ServiceTraits, Tenant, VISIBILITY_LABEL};
pub use view::{Absence, Seen, View};
