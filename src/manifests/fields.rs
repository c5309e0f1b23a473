//! The part of an object that is held while it is read: a tree without what no kind reads. Not a
//! schema: types are checked at the conversion, where the field can be named.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Returns how to read the value of this field of an object, whose kind is known where it stands in
/// front; `None` for what is not read.
///
/// Containers, volumes and `managedFields` are most of a Pod; whatever is dropped here costs no
/// memory and half the time.
pub(super) fn kept(field: &str, kind: Option<&str>) -> Option<Keep> {
    match field {
        // Of our own kinds an unknown field is told of.
        "spec" if kind.is_some_and(|kind| kind.starts_with("Dns")) => Some(Keep(None)),
        "apiVersion" | "kind" | "addressType" | "endpoints" | "ports" => Some(Keep(None)),
        "metadata" => Some(Keep(Some(METADATA))),
        "spec" => Some(Keep(Some(SPEC))),
        "status" => Some(Keep(Some(STATUS))),
        _ => None,
    }
}

const METADATA: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "labels",
    "annotations",
    "deletionTimestamp",
    "generation",
];

const SPEC: &[&str] = &[
    "type",
    "clusterIP",
    "clusterIPs",
    "externalName",
    "externalIPs",
    "ports",
    "ips",
    "hostNetwork",
    "nodeName",
    "podCIDR",
    "podCIDRs",
    "effect",
    "from",
    "to",
    "services",
];

const STATUS: &[&str] = &[
    "phase",
    "podIP",
    "podIPs",
    "containerStatuses",
    "conditions",
    "addresses",
    "nodeInfo",
    "loadBalancer",
];

/// Reads a value, of a map only these keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep(Option<&'static [&'static str]>);

impl<'de> DeserializeSeed<'de> for Keep {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keep {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.0.is_none_or(|keys| keys.contains(&key.as_str())) {
                let value = map.next_value_seed(Self(None))?;
                fields.insert(key, value);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Self(None))? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        // No field that is read is this large; as text it is refused where it stands.
        Ok(value.to_string().into())
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(value.to_string().into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
}
