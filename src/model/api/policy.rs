//! The kinds of `tenantdns.io/v1alpha1`, read field by field: whatever is wrong in one place is noted
//! with its field and left out, so that an object always comes to be and can be told what is wrong.
//! Unlike elsewhere an unknown field is a flaw: it may be what narrows.

use super::{Converted, key, name, schema};
use crate::model::{
    DnsExport, DnsGrant, DnsImport, GrantEffect, GrantFrom, GrantTo, ObjectKey, PolicyFlaw,
    PolicyMeta, Selector,
};
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// An object of these kinds as it is read.
type Raw<'a> = schema::Whole<'a, Value, schema::Unread>;

/// Returns the DnsGrant that a JSON object is.
pub(crate) fn grant(raw: Raw<'_>) -> Converted<DnsGrant> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = ObjectKey::cluster(name(&mut meta)?);
    let mut reader = Reader::default();
    let spec = raw.spec.unwrap_or_default();
    let fields = reader.map(&spec, "spec", &["effect", "from", "to"]);
    let effect = match present(fields, "effect").and_then(Value::as_str) {
        Some("Allow") => Some(GrantEffect::Allow),
        Some("Deny") => Some(GrantEffect::Deny),
        _ => {
            reader.flaw("spec.effect", "is `Allow` or `Deny`");
            None
        }
    };
    let mut from = Vec::new();
    for (path, entry) in reader.list(fields, "spec", "from", EVERYBODY) {
        let known = [
            "tenants",
            "namespaces",
            "namespaceSelector",
            "cidrs",
            "nodes",
            "unknown",
        ];
        let entry = reader.map(entry, &path, &known);
        let read = GrantFrom {
            tenants: reader.texts(entry, &path, "tenants", tenant),
            namespaces: reader.texts(entry, &path, "namespaces", pattern),
            selector: reader.selector(entry, &path, "namespaceSelector"),
            cidrs: reader.texts(entry, &path, "cidrs", cidr),
            nodes: reader.mark(entry, &path, "nodes"),
            unknown: reader.mark(entry, &path, "unknown"),
        };
        if read != GrantFrom::default() {
            from.push(read);
        } else if reader.is_silent(&path) {
            reader.flaw(path.as_str(), ["names nobody; ", EVERYBODY].concat());
        }
    }
    let mut to = Vec::new();
    for (path, entry) in reader.list(fields, "spec", "to", EVERYTHING) {
        let known = [
            "tenants",
            "namespaces",
            "services",
            "namespaceSelector",
            "serviceSelector",
        ];
        let entry = reader.map(entry, &path, &known);
        let read = GrantTo {
            tenants: reader.texts(entry, &path, "tenants", tenant),
            namespaces: reader.texts(entry, &path, "namespaces", pattern),
            services: reader.texts(entry, &path, "services", service),
            selector: reader.selector(entry, &path, "namespaceSelector"),
            service_selector: None,
        };
        let names_something = read != GrantTo::default();
        let service_selector = reader.selector(entry, &path, "serviceSelector");
        if names_something {
            to.push(GrantTo {
                service_selector,
                ..read
            });
        } else if reader.is_silent(&path) {
            reader.flaw(path.as_str(), ["names nothing; ", EVERYTHING].concat());
        }
    }
    Ok(DnsGrant {
        meta: reader.finish(key, &meta, &spec),
        effect,
        from,
        to,
    })
}

/// Returns the DnsExport that a JSON object is.
pub(crate) fn export(raw: Raw<'_>) -> Converted<DnsExport> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = key(&mut meta)?;
    let mut reader = Reader::default();
    let spec = raw.spec.unwrap_or_default();
    let fields = reader.map(&spec, "spec", &["services", "to"]);
    let mut services = Vec::new();
    let hint = "they are names of services of this namespace";
    for (path, value) in reader.list(fields, "spec", "services", hint) {
        services.extend(reader.read(value, || path.clone(), object_name));
    }
    let (mut tenants, mut namespaces) = (Vec::new(), Vec::new());
    let hint = "entries are `tenant: NAME` or `namespace: NAME`";
    for (path, entry) in reader.list(fields, "spec", "to", hint) {
        let entry = reader.map(entry, &path, &["tenant", "namespace"]);
        let tenant = reader.text(entry, &path, "tenant", somebody);
        let namespace = reader.text(entry, &path, "namespace", object_name);
        if tenant.is_none() && namespace.is_none() && reader.is_silent(&path) {
            reader.flaw(path.as_str(), hint);
        }
        tenants.extend(tenant);
        namespaces.extend(namespace);
    }
    Ok(DnsExport {
        meta: reader.finish(key, &meta, &spec),
        services,
        tenants,
        namespaces,
    })
}

/// Returns the DnsImport that a JSON object is.
pub(crate) fn policy_import(raw: Raw<'_>) -> Converted<DnsImport> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = key(&mut meta)?;
    let mut reader = Reader::default();
    let spec = raw.spec.unwrap_or_default();
    let fields = reader.map(&spec, "spec", &["from"]);
    let (mut tenants, mut services) = (Vec::new(), Vec::new());
    let hint = "entries are `tenant: NAME` or `service: NAMESPACE/NAME`";
    for (path, entry) in reader.list(fields, "spec", "from", hint) {
        let entry = reader.map(entry, &path, &["tenant", "service"]);
        let tenant = reader.text(entry, &path, "tenant", somebody);
        let one = reader.text(entry, &path, "service", service);
        if tenant.is_none() && one.is_none() && reader.is_silent(&path) {
            reader.flaw(path.as_str(), hint);
        }
        tenants.extend(tenant);
        services.extend(one);
    }
    Ok(DnsImport {
        meta: reader.finish(key, &meta, &spec),
        tenants,
        services,
    })
}

const EVERYBODY: &str = "everybody is `tenants: [\"*\"]`";
const EVERYTHING: &str = "everything is `tenants: [\"*\"]`, which `serviceSelector` may narrow";

// === fields ===

type Fields<'v> = Option<&'v Map<String, Value>>;

/// Reads fields and notes what is wrong with them.
#[derive(Default)]
struct Reader {
    flaws: Vec<PolicyFlaw>,
}

/// Returns a field; null is absent, as in Go.
fn present<'v>(fields: Fields<'v>, key: &str) -> Option<&'v Value> {
    fields?.get(key).filter(|value| !value.is_null())
}

impl Reader {
    fn flaw(&mut self, field: impl Into<Box<str>>, message: impl Into<Box<str>>) {
        self.flaws.push(PolicyFlaw {
            field: field.into(),
            message: message.into(),
        });
    }

    /// Returns whether nothing has been said of a field, or of one in it.
    fn is_silent(&self, path: &str) -> bool {
        !self.flaws.iter().any(|flaw| flaw.field.starts_with(path))
    }

    /// Returns the fields of a map; each that is not among `known` is a flaw.
    fn map<'v>(&mut self, value: &'v Value, path: &str, known: &[&str]) -> Fields<'v> {
        match value {
            Value::Object(fields) => {
                for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
                    self.flaw(
                        format!("{path}.{key}"),
                        format!("unknown: the fields are {}", known.join(", ")),
                    );
                }
                Some(fields)
            }
            Value::Null => None,
            _ => {
                self.flaw(path, "is no map");
                None
            }
        }
    }

    /// Returns the entries of a list that has to have some, each with its path.
    fn list<'v>(
        &mut self,
        fields: Fields<'v>,
        path: &str,
        key: &str,
        hint: &str,
    ) -> Vec<(String, &'v Value)> {
        let path = format!("{path}.{key}");
        match present(fields, key) {
            Some(Value::Array(list)) if !list.is_empty() => {
                let entries = list.iter().enumerate();
                entries.map(|(i, v)| (format!("{path}[{i}]"), v)).collect()
            }
            Some(Value::Array(_)) | None => {
                self.flaw(path, format!("names nothing; {hint}"));
                Vec::new()
            }
            Some(_) => {
                self.flaw(path, "is no list");
                Vec::new()
            }
        }
    }

    /// Returns the texts of a list, as far as `read` takes them.
    fn texts<T>(&mut self, fields: Fields<'_>, path: &str, key: &str, read: Read<T>) -> Vec<T> {
        let list = match present(fields, key) {
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.flaw(format!("{path}.{key}"), "is no list");
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let mut texts = Vec::new();
        for (i, value) in list.iter().enumerate() {
            texts.extend(self.read(value, || format!("{path}.{key}[{i}]"), read));
        }
        texts
    }

    /// Returns a text, if there is one and `read` takes it.
    fn text<T>(&mut self, fields: Fields<'_>, path: &str, key: &str, read: Read<T>) -> Option<T> {
        let value = present(fields, key)?;
        self.read(value, || format!("{path}.{key}"), read)
    }

    fn read<T>(&mut self, value: &Value, field: impl Fn() -> String, read: Read<T>) -> Option<T> {
        match value.as_str().map(read) {
            Some(Ok(read)) => return Some(read),
            Some(Err(message)) => {
                let text = value.as_str().unwrap_or_default();
                let shown: String = text.chars().take(80).collect();
                self.flaw(field(), format!("`{}` {message}", shown.escape_debug()));
            }
            None => self.flaw(field(), "is no text"),
        }
        None
    }

    /// Returns whether a mark, written `{}`, is there.
    fn mark(&mut self, fields: Fields<'_>, path: &str, key: &str) -> bool {
        match present(fields, key) {
            None => false,
            Some(Value::Object(fields)) if fields.is_empty() => true,
            Some(_) => {
                self.flaw(format!("{path}.{key}"), "is written `{}`");
                false
            }
        }
    }

    /// Returns the selector that a `LabelSelector` is. The empty one is a flaw: one that selects
    /// everything is never meant.
    fn selector(&mut self, fields: Fields<'_>, path: &str, key: &str) -> Option<Selector> {
        let path = format!("{path}.{key}");
        let before = self.flaws.len();
        let value = present(fields, key)?;
        let fields = self.map(value, &path, &["matchLabels", "matchExpressions"]);
        let mut expressions = Vec::new();
        if let Some(labels) = present(fields, "matchLabels") {
            let labels = labels.as_object();
            if labels.is_none() {
                self.flaw(format!("{path}.matchLabels"), "is no map");
            }
            for (label, value) in labels.into_iter().flatten() {
                match value.as_str() {
                    Some(value) => expressions.push((label.as_str(), "In", vec![value])),
                    None => self.flaw(format!("{path}.matchLabels.{label}"), "is no text"),
                }
            }
        }
        if present(fields, "matchExpressions").is_some() {
            for (path, entry) in self.list(fields, &path, "matchExpressions", "") {
                let entry = self.map(entry, &path, &["key", "operator", "values"]);
                let text = |key| present(entry, key).and_then(Value::as_str);
                let values = match present(entry, "values") {
                    Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
                    None => Some(Vec::new()),
                    Some(_) => None,
                };
                match (text("key"), text("operator"), values) {
                    (Some(key), Some(operator), Some(values)) => {
                        expressions.push((key, operator, values));
                    }
                    _ => self.flaw(path, "needs `key`, `operator` and perhaps `values`"),
                }
            }
        }
        if self.flaws.len() != before {
            return None;
        }
        match Selector::of_expressions(expressions) {
            Ok(selector) if selector.is_empty() => self.flaw(path, "selects everything"),
            Ok(selector) => return Some(selector),
            Err(error) => self.flaw(path, error.to_string()),
        }
        None
    }

    fn finish(self, key: ObjectKey, meta: &schema::Meta<'_>, spec: &Value) -> PolicyMeta {
        PolicyMeta {
            key,
            generation: meta.generation.unwrap_or_default(),
            spec: spec.to_string().into(),
            flaws: self.flaws,
        }
    }
}

// === texts ===

/// What a text is read by; the error goes on behind the text.
type Read<T> = fn(&str) -> Result<T, &'static str>;

fn tenant(text: &str) -> Result<Box<str>, &'static str> {
    if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
        return Err("is not a tenant's name: it is not empty and has no blank at its ends");
    }
    Ok(text.into())
}

/// A tenant's name where `*` would give something to everybody.
fn somebody(text: &str) -> Result<Box<str>, &'static str> {
    match text {
        "*" => Err("is ignored: nothing is given to everybody"),
        text => tenant(text),
    }
}

fn object_name(text: &str) -> Result<Box<str>, &'static str> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = [text.chars().next(), text.chars().next_back()];
    if text == "*" {
        return Err("is ignored: nothing is given to everybody");
    }
    if text.len() > 63
        || !text.chars().all(legal)
        || ends.iter().any(|c| matches!(c, None | Some('-')))
    {
        return Err(
            "is not a name in Kubernetes: 1 to 63 of a-z, 0-9 and `-`, no `-` first or last",
        );
    }
    Ok(text.into())
}

fn pattern(text: &str) -> Result<Box<str>, &'static str> {
    let wrong = "is neither a namespace's name nor the start of some, as in `team-*`";
    let name = text.strip_suffix("-*").unwrap_or(text);
    match object_name(name) {
        Ok(_) => Ok(text.into()),
        Err(_) => Err(wrong),
    }
}

fn service(text: &str) -> Result<ObjectKey, &'static str> {
    let parts = text.split_once('/');
    let read = parts.and_then(|(namespace, name)| {
        let parts = (object_name(namespace).ok()?, object_name(name).ok()?);
        Some(ObjectKey::new(parts.0, parts.1))
    });
    read.ok_or("is not a service; one is `namespace/name`")
}

fn cidr(text: &str) -> Result<IpNet, &'static str> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let range: Option<IpNet> = text.parse().ok().or_else(single);
    let range = range.ok_or("is not a range of addresses, as in `10.9.0.0/16`")?;
    if range.trunc() != range {
        return Err("is not a range of addresses: it has bits behind its length");
    }
    Ok(range)
}

#[cfg(test)]
mod tests;
