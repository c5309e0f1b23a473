//! Who the bearer of a token is, and whether it may read a page: TokenReview, then
//! SubjectAccessReview, as kube-rbac-proxy asks them. How often is asked is the asker's.
//!
//! What kube's client makes of an answer is passed by: it logs those that it can't read, and the
//! answer to a TokenReview repeats the token.

use super::client::{Api, ClientError, Connection, connect};
use super::fault::with_causes;
use super::resource::AGENT;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

/// How long both questions may take together.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read of an answer. A user may be of many groups.
const LARGEST: usize = 1 << 20;
/// How often the log says that something is still wrong.
const REPEAT: Duration = Duration::from_secs(60);

/// What the API says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its bearer may read the page.
    Allowed,
    /// Its bearer is known, and may not.
    Forbidden,
    /// It is nobody's, or not meant for us.
    Unknown,
    /// The API gives no answer; the log says why.
    Unavailable,
}

/// Asks the API about tokens, over connections of its own: they belong to the runtime that first
/// asked, and wait for no watch.
pub struct Reviews {
    connection: Connection,
    audiences: Vec<Box<str>>,
    api: OnceCell<Api>,
    said: Mutex<Option<(String, Instant)>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the API can't be reached: {0}")]
    Unreachable(String),
    #[error("nothing from the API for {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the API does not accept our credentials")]
    Credentials,
    #[error(
        "not permitted; the ClusterRole needs the verb create on {0} (deploy/components/admin/rbac.yaml)"
    )]
    Forbidden(&'static str),
    #[error("the API answers {0} to create {1}")]
    Refused(u16, &'static str),
    /// Without what is wrong: that may quote the answer.
    #[error("the API's answer to create {0} can't be read")]
    Corrupt(&'static str),
}

/// Who a token is of, as both kinds have it.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct User {
    #[serde(rename(serialize = "user"))]
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenStatus {
    authenticated: bool,
    user: User,
    audiences: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccessStatus {
    allowed: bool,
    denied: bool,
}

/// An object of which the status alone is read.
#[derive(Deserialize)]
struct Answered<S> {
    status: S,
}

/// A kind that is created to be answered.
struct Kind {
    version: &'static str,
    name: &'static str,
    path: &'static str,
    /// As the ClusterRole has it.
    resource: &'static str,
}

const TOKEN_REVIEW: Kind = Kind {
    version: "authentication.k8s.io/v1",
    name: "TokenReview",
    path: "/apis/authentication.k8s.io/v1/tokenreviews",
    resource: "tokenreviews.authentication.k8s.io",
};
const ACCESS_REVIEW: Kind = Kind {
    version: "authorization.k8s.io/v1",
    name: "SubjectAccessReview",
    path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    resource: "subjectaccessreviews.authorization.k8s.io",
};

impl Reviews {
    /// Returns what asks the API at `connection`. Tokens have to be meant for one of `audiences`, or
    /// for the API where there is none.
    pub fn new(connection: Connection, audiences: Vec<Box<str>>) -> Self {
        Self {
            connection,
            audiences,
            api: OnceCell::new(),
            said: Mutex::default(),
        }
    }

    /// An API that is a function of the test's own.
    #[cfg(test)]
    pub(super) fn of(api: Api, audiences: Vec<Box<str>>) -> Self {
        Self {
            api: OnceCell::new_with(Some(api)),
            ..Self::new(Connection::default(), audiences)
        }
    }

    /// Returns whether the bearer of `token` may `get` the path, which is none of the API's own.
    pub async fn review(&self, token: &str, path: &str) -> Access {
        let asked = timeout(PATIENCE, self.ask_both(token, path)).await;
        match asked.unwrap_or(Err(Trouble::Silent)) {
            Ok(access) => access,
            Err(trouble) => {
                self.say(&trouble);
                Access::Unavailable
            }
        }
    }

    async fn ask_both(&self, token: &str, path: &str) -> Result<Access, Trouble> {
        let api = self.api.get_or_try_init(|| connect(&self.connection));
        let api = api.await?;
        let mut spec = json!({"token": token});
        if !self.audiences.is_empty() {
            spec["audiences"] = json!(self.audiences);
        }
        let token: TokenStatus = ask(api, &TOKEN_REVIEW, &spec).await?;
        // An API server that knows nothing of audiences names none.
        let ours = |audience: &String| self.audiences.iter().any(|own| **own == **audience);
        let is_meant = self.audiences.is_empty() || token.audiences.iter().any(ours);
        if !token.authenticated || token.user.username.is_empty() || !is_meant {
            return Ok(Access::Unknown);
        }
        let mut spec = json!(token.user);
        spec["nonResourceAttributes"] = json!({"path": path, "verb": "get"});
        let access: AccessStatus = ask(api, &ACCESS_REVIEW, &spec).await?;
        Ok(match access.allowed && !access.denied {
            true => Access::Allowed,
            false => Access::Forbidden,
        })
    }

    /// Says what is wrong, each thing once a minute.
    fn say(&self, trouble: &Trouble) {
        let (text, now) = (trouble.to_string(), Instant::now());
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let known = said.as_ref();
        if known.is_none_or(|(last, at)| *last != text || now >= *at + REPEAT) {
            tracing::warn!("nobody is let in to [admin]: {text}");
            *said = Some((text, now));
        }
    }
}

/// Creates an object of this kind, and returns its status.
async fn ask<S: DeserializeOwned>(api: &Api, kind: &Kind, spec: &Value) -> Result<S, Trouble> {
    let asked = send(api, kind, spec).await;
    if let Err(Trouble::Credentials | Trouble::Unreachable(_)) = &asked {
        // For those who ask next.
        api.renew().await;
    }
    asked
}

async fn send<S: DeserializeOwned>(api: &Api, kind: &Kind, spec: &Value) -> Result<S, Trouble> {
    let corrupt = || Trouble::Corrupt(kind.resource);
    let object = json!({"apiVersion": kind.version, "kind": kind.name, "spec": spec});
    let request = Request::post(kind.path)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, AGENT)
        .body(Body::from(object.to_string().into_bytes()))
        .map_err(|_| corrupt())?;
    let response = api.client().send(request).await.map_err(|error| {
        Trouble::Unreachable(match &error {
            // What a layer of the client says, without the layer's name.
            kube::Error::Service(error) => with_causes(&**error),
            error => with_causes(error),
        })
    })?;
    match response.status().as_u16() {
        200..=299 => {}
        401 => return Err(Trouble::Credentials),
        403 => return Err(Trouble::Forbidden(kind.resource)),
        code => return Err(Trouble::Refused(code, kind.resource)),
    }
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|_| corrupt())?.to_bytes();
    let answer: Answered<S> = serde_json::from_slice(&body).map_err(|_| corrupt())?;
    Ok(answer.status)
}
