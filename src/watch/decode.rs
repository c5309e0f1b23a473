//! What the API sends to what the index takes: one object, one change of a watch, in either
//! encoding. Not where an object begins and ends, which is for [`super::frames`] and
//! [`super::list`].

use super::conditions::Observed;
use super::proto::{self, Malformed, shapes};
use super::status::Status;
use crate::index::Version;
use crate::model::api::{self, Converted, Flaw, schema};
use crate::model::{Kind, Object, ObjectKey};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Protocol Buffers, each object in its envelope.
    Proto,
    /// JSON.
    Json,
}

/// Bytes that can't be told apart: what carried them can't be trusted any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Corrupt(pub(super) String);

impl From<Malformed> for Corrupt {
    fn from(error: Malformed) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for Corrupt {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// One object as it was sent.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its version.
    pub(super) version: Version,
    /// What it is.
    pub(super) seen: Seen,
    /// What is wrong with it, or was left out of it.
    pub(super) flaws: Vec<Flaw>,
    /// It could not be read at all, which a second sending may mend.
    pub(super) corrupt: bool,
    /// The conditions that one of our own kinds has.
    pub(super) observed: Option<Observed>,
}

/// What an object is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// One to answer from.
    Object(Object),
    /// It exists and is of no use: malformed, or of a sort that answers for nothing.
    Void(ObjectKey),
    /// Not even its name can be read.
    Unnamed,
}

/// One event of a watch.
#[derive(Debug)]
pub(super) enum Change {
    /// `ADDED` or `MODIFIED`.
    Put(Entry),
    /// `DELETED`.
    Gone(ObjectKey, Version),
    /// `BOOKMARK`: everything up to this version has been sent. `listed`: and with it the list that
    /// the watch began with.
    Mark { version: Version, listed: bool },
    /// `ERROR`.
    Failed(Status),
    /// An event of a type that this version does not know.
    Other,
}

/// The annotation that ends the list in a streamed list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Reads one object; it never fails, and says what is wrong instead.
pub(super) fn entry(kind: Kind, encoding: Encoding, bytes: &[u8]) -> Entry {
    let mut flaws = Vec::new();
    let mut version = Version::UNKNOWN;
    let read = match encoding {
        Encoding::Proto => from_proto(kind, bytes, &mut version, &mut flaws),
        Encoding::Json => from_json(kind, bytes, &mut version, &mut flaws),
    };
    let (seen, corrupt) = match read {
        Ok(Some(object)) => (Seen::Object(object), false),
        Ok(None) => (void(kind, encoding, bytes, &mut version), false),
        Err(fault) => {
            let corrupt = matches!(fault, Unread::Corrupt(_));
            // What was dropped from an object that is skipped as a whole does not matter.
            flaws = vec![fault.into_flaw()];
            (void(kind, encoding, bytes, &mut version), corrupt)
        }
    };
    Entry {
        version,
        seen,
        flaws,
        corrupt,
        observed: kind.is_policy().then(|| Observed::read(bytes)).flatten(),
    }
}

/// Why an object was not read.
enum Unread {
    /// Its content is not what it should be.
    Flaw(Box<Flaw>),
    /// Its bytes are not.
    Corrupt(String),
}

impl Unread {
    fn into_flaw(self) -> Flaw {
        match self {
            Self::Flaw(flaw) => *flaw,
            Self::Corrupt(message) => Flaw {
                field: String::new(),
                message,
            },
        }
    }
}

impl From<Box<Flaw>> for Unread {
    fn from(flaw: Box<Flaw>) -> Self {
        Self::Flaw(flaw)
    }
}

impl From<Malformed> for Unread {
    fn from(error: Malformed) -> Self {
        match error {
            Malformed::Port(_) => Self::Flaw(Box::new(Flaw {
                field: "ports.port".to_owned(),
                message: error.to_string(),
            })),
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Unread {
    fn from(error: serde_json::Error) -> Self {
        if error.is_data() {
            Self::Flaw(Box::new(Flaw {
                field: "type".to_owned(),
                message: error.to_string(),
            }))
        } else {
            Self::Corrupt(error.to_string())
        }
    }
}

type Read = Result<Option<Object>, Unread>;

fn from_proto(kind: Kind, bytes: &[u8], version: &mut Version, flaws: &mut Vec<Flaw>) -> Read {
    let mut of = |meta: &Option<schema::Meta<'_>>| *version = version_of(meta.as_ref());
    let object = match kind {
        Kind::Namespace => {
            let raw = shapes::bare(bytes)?;
            of(&raw.metadata);
            Object::Namespace(api::namespace(raw)?)
        }
        Kind::Node => {
            let raw = shapes::node(bytes)?;
            of(&raw.metadata);
            Object::Node(api::node(raw, flaws)?)
        }
        Kind::Service => {
            let raw = shapes::service(bytes)?;
            of(&raw.metadata);
            Object::Service(api::service(raw, flaws)?)
        }
        Kind::EndpointSlice => {
            let raw = shapes::slice(bytes)?;
            of(&raw.metadata);
            return Ok(api::slice(raw, flaws)?.map(Object::EndpointSlice));
        }
        Kind::Pod => {
            let raw = shapes::pod(bytes)?;
            of(&raw.metadata);
            Object::Pod(api::pod(raw, flaws)?)
        }
        // A custom kind: the API has no other encoding for it than JSON.
        Kind::ServiceImport | Kind::DnsGrant | Kind::DnsExport | Kind::DnsImport => {
            return Err(Unread::Corrupt("a custom kind in protobuf".into()));
        }
    };
    Ok(Some(object))
}

fn from_json(kind: Kind, bytes: &[u8], version: &mut Version, flaws: &mut Vec<Flaw>) -> Read {
    let mut of = |meta: &Option<schema::Meta<'_>>| *version = version_of(meta.as_ref());
    let object = match kind {
        Kind::Namespace => {
            let raw: schema::Bare<'_> = serde_json::from_slice(bytes)?;
            of(&raw.metadata);
            Object::Namespace(api::namespace(raw)?)
        }
        Kind::Node => {
            let raw: schema::Whole<'_, _, _> = serde_json::from_slice(bytes)?;
            of(&raw.metadata);
            Object::Node(api::node(raw, flaws)?)
        }
        Kind::Service => {
            let raw: schema::Whole<'_, _, _> = serde_json::from_slice(bytes)?;
            of(&raw.metadata);
            Object::Service(api::service(raw, flaws)?)
        }
        Kind::EndpointSlice => {
            let raw: schema::EndpointSlice<'_> = serde_json::from_slice(bytes)?;
            of(&raw.metadata);
            return Ok(api::slice(raw, flaws)?.map(Object::EndpointSlice));
        }
        Kind::Pod => {
            let raw: schema::Whole<'_, _, _> = serde_json::from_slice(bytes)?;
            of(&raw.metadata);
            Object::Pod(api::pod(raw, flaws)?)
        }
        Kind::ServiceImport => {
            let raw: schema::Whole<'_, _, _> = serde_json::from_slice(bytes)?;
            of(&raw.metadata);
            Object::ServiceImport(api::import(raw, flaws)?)
        }
        Kind::DnsGrant => {
            let raw: schema::Whole<'_, _, _> = serde_json::from_slice(bytes)?;
            of(&raw.metadata);
            Object::DnsGrant(api::grant(raw)?)
        }
        Kind::DnsExport => {
            let raw: schema::Whole<'_, _, _> = serde_json::from_slice(bytes)?;
            of(&raw.metadata);
            Object::DnsExport(api::export(raw)?)
        }
        Kind::DnsImport => {
            let raw: schema::Whole<'_, _, _> = serde_json::from_slice(bytes)?;
            of(&raw.metadata);
            Object::DnsImport(api::policy_import(raw)?)
        }
    };
    Ok(Some(object))
}

/// Reads a number that orders what happened; unknown where it is none.
pub(super) fn version(text: &str) -> Version {
    text.parse().map_or(Version::UNKNOWN, Version)
}

fn version_of(meta: Option<&schema::Meta<'_>>) -> Version {
    let text = meta.and_then(|meta| meta.resource_version.as_deref());
    text.map_or(Version::UNKNOWN, version)
}

fn meta_of(encoding: Encoding, bytes: &[u8]) -> Result<schema::Meta<'_>, Corrupt> {
    let bare: schema::Bare<'_> = match encoding {
        Encoding::Proto => shapes::bare(bytes)?,
        Encoding::Json => serde_json::from_slice(bytes)?,
    };
    Ok(bare.metadata.unwrap_or_default())
}

/// Reads an object's key and version alone.
pub(super) fn named(
    kind: Kind,
    encoding: Encoding,
    bytes: &[u8],
) -> Result<(ObjectKey, Version), Corrupt> {
    let meta = meta_of(encoding, bytes)?;
    let version = version_of(Some(&meta));
    let key: Converted<ObjectKey> = api::key_of(kind, meta);
    let key = key.map_err(|flaw| Corrupt(format!("{}: {}", flaw.field, flaw.message)))?;
    Ok((key, version))
}

/// Finds out what an object that is of no use is called.
fn void(kind: Kind, encoding: Encoding, bytes: &[u8], version: &mut Version) -> Seen {
    match named(kind, encoding, bytes) {
        Ok((key, at)) => {
            *version = at;
            Seen::Void(key)
        }
        Err(_) => Seen::Unnamed,
    }
}

/// Reads one event of a watch.
pub(super) fn change(kind: Kind, encoding: Encoding, frame: &[u8]) -> Result<Change, Corrupt> {
    let (what, object) = match encoding {
        Encoding::Proto => proto_event(frame)?,
        Encoding::Json => {
            let event: JsonEvent<'_> = serde_json::from_slice(frame)?;
            (event.kind, event.object.get().as_bytes())
        }
    };
    Ok(match &*what {
        "ADDED" | "MODIFIED" => Change::Put(entry(kind, encoding, object)),
        "DELETED" => {
            let (key, version) = named(kind, encoding, object)?;
            Change::Gone(key, version)
        }
        "BOOKMARK" => {
            let meta = meta_of(encoding, object)?;
            let annotations = meta.annotations.as_ref();
            let end = annotations.and_then(|list| list.get(INITIAL_EVENTS_END));
            Change::Mark {
                version: version_of(Some(&meta)),
                listed: end == Some("true"),
            }
        }
        "ERROR" => Change::Failed(match encoding {
            Encoding::Proto => Status::from_proto(object)?,
            Encoding::Json => serde_json::from_slice(object)?,
        }),
        _ => Change::Other,
    })
}

#[derive(Deserialize)]
struct JsonEvent<'a> {
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Opens a `WatchEvent`; returns its type and the object's message.
fn proto_event(frame: &[u8]) -> Result<(Cow<'_, str>, &[u8]), Malformed> {
    let (mut what, mut object) = (Cow::default(), &[][..]);
    for field in proto::fields(frame) {
        let field = field?;
        match field.number {
            1 => what = field.text()?,
            // `runtime.RawExtension`.
            2 => {
                for field in proto::fields(field.bytes()?) {
                    let field = field?;
                    if field.number == 1 {
                        object = proto::open(field.bytes()?)?.object;
                    }
                }
            }
            _ => {}
        }
    }
    Ok((what, object))
}
