//! `metav1.Status`: how the API says that something did not go well, as an answer's body or as a
//! watch's last event.

use super::decode::{Corrupt, Encoding};
use super::proto::{self, Malformed};
use serde::Deserialize;
use std::time::Duration;

/// What the API says is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    /// The HTTP status.
    pub(super) code: u16,
    /// In words.
    pub(super) message: String,
    details: Details,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    causes: Vec<Cause>,
    retry_after_seconds: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
}

impl Status {
    /// Reads the body of an answer that is no success. What is no status is its message.
    pub(super) fn of_body(code: u16, encoding: Encoding, body: &[u8]) -> Self {
        let read = match encoding {
            Encoding::Proto => proto::open(body)
                .map_err(Corrupt::from)
                .and_then(|envelope| Ok(Self::from_proto(envelope.object)?)),
            Encoding::Json => serde_json::from_slice(body).map_err(Corrupt::from),
        };
        let mut status = read.unwrap_or_else(|_| Self {
            message: String::from_utf8_lossy(body).trim().to_owned(),
            ..Self::default()
        });
        status.code = code;
        status
    }

    /// Reads the message.
    pub(super) fn from_proto(message: &[u8]) -> Result<Self, Malformed> {
        let mut status = Self::default();
        for field in proto::fields(message) {
            let field = field?;
            match field.number {
                3 => status.message = field.text()?.into_owned(),
                5 => details(field.bytes()?, &mut status.details)?,
                6 => status.code = u16::try_from(field.number()?).unwrap_or(0),
                _ => {}
            }
        }
        Ok(status)
    }

    /// Returns whether the server is behind what it was asked for.
    pub(super) fn is_too_new(&self) -> bool {
        let cause = |cause: &Cause| cause.reason == "ResourceVersionTooLarge";
        self.details.causes.iter().any(cause) || self.message.contains("Too large resource version")
    }

    /// Returns how long the server wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.details.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }
}

fn details(message: &[u8], details: &mut Details) -> Result<(), Malformed> {
    for field in proto::fields(message) {
        let field = field?;
        match field.number {
            4 => {
                let mut cause = Cause::default();
                for field in proto::fields(field.bytes()?) {
                    let field = field?;
                    if field.number == 1 {
                        cause.reason = field.text()?.into_owned();
                    }
                }
                details.causes.push(cause);
            }
            5 => details.retry_after_seconds = u32::try_from(field.number()?).unwrap_or(0),
            _ => {}
        }
    }
    Ok(())
}
