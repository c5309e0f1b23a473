//! The DNS wire format, on borrowed bytes: RFC 1035 messages with one question, EDNS of RFC 6891.
//!
//! Reading ([`Query`]) checks everything that a later step relies on, so that nothing behind it can
//! fail; writing ([`ResponseBuilder`]) fills a caller's buffer record by record and cuts where
//! CoreDNS cuts. Nothing here allocates, and nothing here knows what the names mean.
//!
//! Names: [`Name`] is owned and keeps its spelling, [`NameBuf`] is a name on the stack, [`QName`]
//! is the name of a question, with its lower-case form and its label offsets beside the bytes that
//! were sent.

mod claim;
mod compress;
mod edns;
mod fields;
mod header;
mod lifetime;
mod message;
mod name;
mod plain;
mod query;
mod reply;
mod response;
mod rtype;

pub use claim::{BadClaim, OPTION_ECS, claimed_address, claimed_namespace, claimed_subnet};
pub use compress::pointer;
pub use edns::{
    Edns, ExtendedError, MIN_PAYLOAD, OPTION_EDE, OPTION_NSID, PAYLOAD_SIZE, write_option,
};
pub use fields::Field;
pub use header::{HEADER_LEN, Header, HeaderFlags, Opcode, Rcode};
pub use lifetime::{Kind, Lifetimes, answers_its_question};
pub use message::{Message, MessageRecord, Question, append_opt, cut_into, set_ttls};
pub use name::{MAX_LABEL, MAX_NAME, Name, NameBuf, NameError, eq_ignore_case, labels};
pub(crate) use plain::is_equal;
pub use plain::{Front, PlainQuery, PlainReply, PlainSoa};
pub(crate) use query::has_uppercase;
pub use query::{MAX_LABELS, QName, QNameBuffer, Query, QueryError};
pub use reply::{Reply, ReplyData, ReplyRecord, read_name};
pub use response::{Full, NameParts, Owner, ResponseBuilder, Section};
pub use rtype::{QClass, RType};
