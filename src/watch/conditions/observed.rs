//! The conditions that an object has, and the patch that gives it others. A condition's
//! `lastTransitionTime` is no part of what it says.

use crate::model::{POLICY_API, PolicyStatus};
use serde::Deserialize;
use serde_json::{Value, json};

/// What an object of our own kinds has on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::watch) struct Observed {
    /// The one object that is meant, of all that ever had its name.
    pub(super) uid: Box<str>,
    /// `metadata.generation`.
    pub(super) generation: i64,
    pub(super) conditions: Vec<Condition>,
}

/// One of its conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
    observed_generation: i64,
    last_transition_time: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    metadata: Meta,
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    uid: Option<Box<str>>,
    generation: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Option<Vec<Condition>>,
}

impl Observed {
    /// Reads what an object has, if it can be read.
    pub(in crate::watch) fn read(json: &[u8]) -> Option<Self> {
        let object: Object = serde_json::from_slice(json).ok()?;
        let status = object.status.unwrap_or_default();
        Some(Self {
            uid: object.metadata.uid.unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            conditions: status.conditions.unwrap_or_default(),
        })
    }

    /// Returns whether the object says what it should. One that has been changed since that was found
    /// out is left to what is found out next.
    pub(super) fn says(&self, status: &PolicyStatus) -> bool {
        if self.generation > status.observed_generation {
            return true;
        }
        status.conditions().into_iter().all(|(name, wanted)| {
            self.condition(name).is_some_and(|has| {
                has.status == word(wanted.holds)
                    && has.reason == wanted.reason
                    && has.message == wanted.message
                    && has.observed_generation == status.observed_generation
            })
        })
    }

    fn condition(&self, name: &str) -> Option<&Condition> {
        self.conditions.iter().find(|has| has.r#type == name)
    }
}

fn word(holds: bool) -> &'static str {
    if holds { "True" } else { "False" }
}

/// Returns the body that gives an object its conditions. The UID has the API refuse to make an object
/// of one that is gone.
pub(super) fn patch(status: &PolicyStatus, observed: &Observed, now: &str) -> Vec<u8> {
    let conditions = status.conditions().map(|(name, wanted)| {
        let before = observed.condition(name);
        let same = before
            .filter(|has| has.status == word(wanted.holds) && !has.last_transition_time.is_empty());
        json!({
            "type": name,
            "status": word(wanted.holds),
            "reason": wanted.reason,
            "message": wanted.message,
            "observedGeneration": status.observed_generation,
            "lastTransitionTime": same.map_or(now, |has| &has.last_transition_time),
        })
    });
    let mut metadata = json!({"name": status.key.name, "uid": observed.uid});
    if !status.key.namespace.is_empty() {
        metadata["namespace"] = Value::from(&*status.key.namespace);
    }
    let body = json!({
        "apiVersion": POLICY_API,
        "kind": status.kind.as_str(),
        "metadata": metadata,
        "status": {"conditions": conditions},
    });
    body.to_string().into_bytes()
}
