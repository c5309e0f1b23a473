//! A line read: as an object by the same code that reads manifests, or as one of the marks.

use super::line::{End, Gone};
use crate::model::Object;
use crate::model::api::{self, Flaw, schema};
use serde::Deserialize;
use serde_json::Value;

/// A line of a file, as it is read.
#[derive(Deserialize)]
pub(super) enum Line {
    Namespace(schema::Bare<'static>),
    Node(schema::Whole<'static, schema::NodeSpec<'static>, schema::NodeStatus<'static>>),
    Service(schema::Whole<'static, schema::ServiceSpec<'static>, schema::ServiceStatus<'static>>),
    ServiceImport(schema::Whole<'static, schema::ServiceImportSpec<'static>, schema::Unread>),
    EndpointSlice(schema::EndpointSlice<'static>),
    Pod(schema::Whole<'static, schema::PodSpec<'static>, schema::PodStatus<'static>>),
    DnsGrant(schema::Whole<'static, Value, schema::Unread>),
    DnsExport(schema::Whole<'static, Value, schema::Unread>),
    DnsImport(schema::Whole<'static, Value, schema::Unread>),
    Changes(u64),
    Gone(Gone),
    End(End),
}

/// What a line says.
pub(super) enum Said {
    Object(Object),
    Changes(u64),
    Gone(Gone),
    End(End),
}

impl Line {
    /// Returns what the line says, or what is wrong with its object.
    pub(super) fn read(self) -> Result<Said, String> {
        let text = |flaw: Box<Flaw>| format!("{}: {}", flaw.field, flaw.message);
        // Addresses that are none were left out when the object was first read.
        let dropped = &mut Vec::new();
        let object = match self {
            Self::Namespace(raw) => api::namespace(raw).map(Object::Namespace),
            Self::Node(raw) => api::node(raw, dropped).map(Object::Node),
            Self::Service(raw) => api::service(raw, dropped).map(Object::Service),
            Self::ServiceImport(raw) => api::import(raw, dropped).map(Object::ServiceImport),
            Self::EndpointSlice(raw) => {
                let slice = api::slice(raw, dropped).map_err(text)?;
                let slice = slice.ok_or("addressType: a slice of names")?;
                return Ok(Said::Object(Object::EndpointSlice(slice)));
            }
            Self::Pod(raw) => api::pod(raw, dropped).map(Object::Pod),
            Self::DnsGrant(raw) => api::grant(raw).map(Object::DnsGrant),
            Self::DnsExport(raw) => api::export(raw).map(Object::DnsExport),
            Self::DnsImport(raw) => api::policy_import(raw).map(Object::DnsImport),
            Self::Changes(count) => return Ok(Said::Changes(count)),
            Self::Gone(gone) => return Ok(Said::Gone(gone)),
            Self::End(end) => return Ok(Said::End(end)),
        };
        object.map(Said::Object).map_err(text)
    }
}
