//! One request and its answer, with a limit to how long either may take. Not what is asked for
//! ([`super::resource`]) nor what the answer means.

use super::client::Api;
use super::decode::Encoding;
use super::fault::{Fault, Refusal};
use super::resource::{Ask, Resource, Verb, encoding};
use super::status::Status;
use http::header::RETRY_AFTER;
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// What is read of the reason for a refusal.
const LARGEST_REASON: usize = 64 << 10;

/// The way to one kind's objects.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) api: Api,
    pub(super) resource: &'static Resource,
    /// The field selector.
    pub(super) fields: Option<String>,
}

/// How long is waited for the next of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// Until then,
    at: Instant,
    /// which is so long after the last that came.
    after: Duration,
}

impl Due {
    pub(super) fn after(time: Duration) -> Self {
        Self {
            at: Instant::now() + time,
            after: time,
        }
    }
}

/// An answer whose body is still to come.
pub(super) struct Answer {
    /// How it is written.
    pub(super) encoding: Encoding,
    body: Body,
    /// Rings when nothing has come for too long. It is kept from one piece to the next, because a
    /// new timer for each costs an event more than reading it does.
    alarm: Pin<Box<Sleep>>,
}

impl Link {
    /// Asks, and returns the answer as soon as it begins.
    ///
    /// # Errors
    /// There is none, or a refusal.
    pub(super) async fn ask(&self, ask: &Ask, due: Due) -> Result<Answer, Fault> {
        let request = self.resource.request(ask, self.fields.as_deref());
        self.send(request, ask.verb(), due).await
    }
}

#[derive(Deserialize)]
struct Kinds {
    resources: Vec<KindOf>,
}

#[derive(Deserialize)]
struct KindOf {
    name: String,
}

impl Link {
    /// Returns whether the API knows this kind, whether or not we may read it.
    ///
    /// # Errors
    /// It does not say.
    pub(super) async fn exists(&self, due: Due) -> Result<bool, Fault> {
        let mut answer = match self.ask(&Ask::Kinds, due).await {
            Err(Fault::Refused(refusal)) if refusal.status.code == 404 => return Ok(false),
            other => other?,
        };
        let mut body = Vec::new();
        while let Some(chunk) = answer.next(due).await? {
            body.extend_from_slice(chunk.as_ref());
            if body.len() > LARGEST_REASON {
                return Err(Fault::Corrupt("a group of too many kinds".to_owned()));
            }
        }
        let kinds: Kinds =
            serde_json::from_slice(&body).map_err(|error| Fault::Corrupt(error.to_string()))?;
        let mut kinds = kinds.resources.iter();
        Ok(kinds.any(|kind| kind.name == self.resource.plural()))
    }

    /// Sends a request that is answered at once, and returns when it has been done.
    ///
    /// # Errors
    /// There is no answer, or a refusal.
    pub(super) async fn send(
        &self,
        request: http::Request<Body>,
        verb: Verb,
        due: Due,
    ) -> Result<Answer, Fault> {
        let (method, began) = (request.method().clone(), Instant::now());
        let sent = timeout_at(due.at, self.api.client().send(request)).await;
        let status = match &sent {
            Ok(Ok(response)) => Some(response.status().as_u16()),
            _ => None,
        };
        self.api.requests().count(&method, status, began.elapsed());
        let response = match sent {
            Ok(Ok(response)) => response,
            // What a layer of the client says, without the layer's name.
            Ok(Err(kube::Error::Service(error))) => return Err(Fault::unreachable(&*error)),
            Ok(Err(error)) => return Err(Fault::unreachable(&error)),
            Err(_) => return Err(Fault::Silent(due.after)),
        };
        let code = response.status();
        let mut answer = Answer {
            encoding: encoding(response.headers()),
            body: Body::empty(),
            alarm: Box::pin(sleep_until(due.at)),
        };
        let seconds = response.headers().get(RETRY_AFTER);
        let seconds = seconds.and_then(|text| text.to_str().ok()?.trim().parse().ok());
        answer.body = response.into_body();
        if code.is_success() {
            return Ok(answer);
        }
        let status = answer.reason(code.as_u16(), due).await;
        Err(Fault::Refused(Refusal {
            verb,
            retry_after: seconds
                .map(Duration::from_secs)
                .or_else(|| status.retry_after()),
            status,
        }))
    }
}

impl Answer {
    /// Returns what comes next of the body; `None` at its end.
    ///
    /// # Errors
    /// It breaks off, or nothing comes.
    pub(super) async fn next(
        &mut self,
        due: Due,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Fault> {
        if self.alarm.deadline() != due.at {
            self.alarm.as_mut().reset(due.at);
        }
        loop {
            let frame = tokio::select! {
                biased;
                frame = self.body.frame() => frame,
                () = &mut self.alarm => return Err(Fault::Silent(due.after)),
            };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    // Trailers say nothing here.
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => return Err(Fault::Cut(super::fault::with_causes(&error))),
            }
        }
    }

    async fn reason(&mut self, code: u16, due: Due) -> Status {
        let mut body = Vec::new();
        while body.len() < LARGEST_REASON
            && let Ok(Some(chunk)) = self.next(due).await
        {
            body.extend_from_slice(chunk.as_ref());
        }
        Status::of_body(code, self.encoding, &body)
    }
}
