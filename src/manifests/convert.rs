//! One object of the API to one of the model. Not policy: it keeps what the object says, drops what
//! is no address at all, and refuses only what has the wrong shape.

#[cfg(test)]
mod tests;

use super::Diagnostic;
use crate::model::api::{self, DEFAULT_NAMESPACE, Flaw};
use crate::model::{Kind, Object, ObjectKey, POLICY_API};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What one object of a manifest became.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The object; `None` if it is of no kind that is read, or malformed.
    pub(super) object: Option<Object>,
    /// What is wrong with it.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Converts an object of this `apiVersion` and `kind`.
pub(super) fn convert(api_version: Option<&Value>, kind: &str, body: &Value) -> Outcome {
    let mut outcome = Outcome::default();
    let converted = match kind_of(api_version, kind) {
        Ok(None) => return outcome,
        Ok(Some(kind)) => object(kind, body, &mut outcome.diagnostics),
        Err(diagnostic) => Err(diagnostic),
    };
    match converted {
        Ok(object) => outcome.object = object,
        // What was dropped from an object that is skipped as a whole does not matter.
        Err(diagnostic) => outcome.diagnostics = vec![*diagnostic],
    }
    if !outcome.diagnostics.is_empty() {
        let title = title(kind, body);
        for diagnostic in &mut outcome.diagnostics {
            diagnostic.object = Some(title.clone());
        }
    }
    outcome
}

type Converted<T> = Result<T, Box<Diagnostic>>;

/// Tells the kinds that are read from others of the same name, as Knative's Service.
fn kind_of(api_version: Option<&Value>, kind: &str) -> Converted<Option<Kind>> {
    let Some(known) = Kind::ALL.into_iter().find(|k| k.as_str() == kind) else {
        return Ok(None);
    };
    let text = match api_version {
        Some(Value::String(text)) => text.as_str(),
        Some(Value::Null) | None => return Err(refuse("apiVersion", "missing")),
        Some(other) => return Err(refuse("apiVersion", format!("`{other}` is no text"))),
    };
    let read = match known {
        Kind::EndpointSlice => text == "discovery.k8s.io/v1" || text == "discovery.k8s.io/v1beta1",
        Kind::ServiceImport => text.starts_with("multicluster.x-k8s.io/"),
        Kind::Namespace | Kind::Service | Kind::Pod | Kind::Node => text == "v1",
        // Of our own group one that is not read must not go unnoticed: it may hide something.
        Kind::DnsGrant | Kind::DnsExport | Kind::DnsImport
            if text.starts_with("tenantdns.io/") && text != POLICY_API =>
        {
            let message = format!("`{text}` is not read by this version, which reads {POLICY_API}");
            return Err(refuse("apiVersion", message));
        }
        Kind::DnsGrant | Kind::DnsExport | Kind::DnsImport => text == POLICY_API,
    };
    Ok(read.then_some(known))
}

fn refuse(field: &str, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::field(field, message))
}

/// Returns `Service shop/web`, as far as the object says it.
fn title(kind: &str, body: &Value) -> String {
    let text = |field: &str| body["metadata"][field].as_str().unwrap_or("");
    let (namespace, name) = (text("namespace"), text("name"));
    let key = match (kind, namespace, name) {
        (_, _, "") => return kind.to_owned(),
        ("Namespace" | "Node" | "DnsGrant", _, name) => ObjectKey::cluster(name),
        (_, "", name) => ObjectKey::new(DEFAULT_NAMESPACE, name),
        _ => ObjectKey::new(namespace, name),
    };
    format!("{kind} {key}")
}

fn object(kind: Kind, body: &Value, dropped: &mut Vec<Diagnostic>) -> Converted<Option<Object>> {
    let mut flaws = Vec::new();
    let object = match kind {
        Kind::Namespace => api::namespace(read(body)?).map(Object::Namespace).map(Some),
        Kind::Node => api::node(read(body)?, &mut flaws)
            .map(Object::Node)
            .map(Some),
        Kind::Service => api::service(read(body)?, &mut flaws)
            .map(Object::Service)
            .map(Some),
        Kind::EndpointSlice => {
            let slice = api::slice(read(body)?, &mut flaws);
            slice.map(|slice| slice.map(Object::EndpointSlice))
        }
        Kind::ServiceImport => api::import(read(body)?, &mut flaws)
            .map(Object::ServiceImport)
            .map(Some),
        Kind::Pod => api::pod(read(body)?, &mut flaws).map(Object::Pod).map(Some),
        // What is wrong with these is theirs to tell: their conditions do.
        Kind::DnsGrant => api::grant(read(body)?).map(Object::DnsGrant).map(Some),
        Kind::DnsExport => api::export(read(body)?).map(Object::DnsExport).map(Some),
        Kind::DnsImport => api::policy_import(read(body)?)
            .map(Object::DnsImport)
            .map(Some),
    };
    dropped.extend(flaws.into_iter().map(Diagnostic::from));
    object.map_err(|flaw| Box::new(Diagnostic::from(*flaw)))
}

impl From<Flaw> for Diagnostic {
    fn from(flaw: Flaw) -> Self {
        Self::field(flaw.field, flaw.message)
    }
}

fn read<T: DeserializeOwned>(body: &Value) -> Converted<T> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let path = error.path().to_string();
        let diagnostic = Diagnostic::warning(error.into_inner().to_string());
        Box::new(Diagnostic {
            // A path of "." is the object itself, which is no field.
            field: (path != ".").then_some(path),
            ..diagnostic
        })
    })
}
