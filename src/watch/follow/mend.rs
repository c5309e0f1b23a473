//! What a follower does about a fault: what it asks for next, and when. What a fault is called is for
//! [`super::super::fault`], how long pauses are for [`super::super::pace`].

use super::{Follower, Next, Stop};
use crate::index::{Event, Trust};
use crate::watch::fault::Fault;
use crate::watch::resource::Need;
use tokio::time::sleep;

/// How often a watch may be refused in a row before a list is tried instead.
const FUTILE: u32 = 3;

impl Follower {
    /// Does about a fault what can be done, and waits.
    pub(super) async fn mend(&mut self, fault: Fault) -> Result<(), Stop> {
        let (kind, resource) = (self.kind(), self.link.resource);
        let listing = self.next == Next::List;
        let code = match &fault {
            Fault::Refused(refusal) => refusal.status.code,
            _ => 0,
        };
        if listing && !self.plain && is_for_streaming(&fault) {
            self.plain = true;
            tracing::debug!(kind = kind.as_str(), ?fault, "lists are not streamed");
            return Ok(());
        }
        if listing && matches!(code, 403 | 404) {
            match resource.need {
                Need::Always => {}
                Need::Optional => return self.miss(&fault, code).await,
                Need::Ours | Need::OursHiding => return self.miss_ours(fault, code).await,
            }
        }
        let text = fault.text(resource);
        if self.health.trouble(kind, &fault, text.clone()) {
            tracing::warn!("{text}");
        }
        if fault.may_be_credentials() {
            self.link.api.renew().await;
        }
        match &fault {
            Fault::Refused(refusal) if refusal.status.is_too_new() => {
                self.behind += u32::from(listing);
                self.next = Next::List;
            }
            Fault::Refused(_) if matches!(code, 404 | 410) => self.next = Next::List,
            // A busy server; so is one that does not answer.
            Fault::Refused(_) if matches!(code, 401 | 403 | 429 | 503 | 504) => {}
            Fault::Refused(_) => self.futile += 1,
            Fault::Corrupt(_) => {
                self.corrupt += 1;
                self.futile += 1;
            }
            Fault::Unreachable(_) | Fault::Cut(_) | Fault::Silent(_) => {}
        }
        if self.futile >= FUTILE {
            self.futile = 0;
            self.next = Next::List;
        }
        // A list that began to stream and did not come to its end, may as a plain one.
        self.plain |= listing && matches!(fault, Fault::Cut(_) | Fault::Silent(_));
        sleep(self.pace.pause(&fault)).await;
        Ok(())
    }

    /// Does without a kind that a cluster need not have, or we need not see.
    async fn miss(&mut self, fault: &Fault, code: u16) -> Result<(), Stop> {
        let (kind, resource) = (self.kind(), self.link.resource);
        // What was forbidden only now is still what it was.
        let absent = code == 404;
        if absent {
            self.begin(Trust::Anew).await?;
        }
        if absent || !self.health.is_synced(kind) {
            self.send(Event::Synced(kind)).await?;
            self.health.synced(kind);
        }
        let text = format!("{}; answering without", fault.text(resource));
        self.health.trouble(kind, fault, text.clone());
        if !std::mem::replace(&mut self.missed, true) {
            tracing::warn!("{text}");
        }
        sleep(self.timers.absent()).await;
        Ok(())
    }

    /// Does without one of our own kinds where the cluster does. The API refuses alike what is not
    /// there and what we may not read, so it is asked which it is: grants that we may not read may hide
    /// something, and are waited for; an export or a consent shows something, and is not missed.
    async fn miss_ours(&mut self, fault: Fault, code: u16) -> Result<(), Stop> {
        let (kind, resource) = (self.kind(), self.link.resource);
        let exists = self.link.exists(self.silence()).await;
        if exists == Ok(false) {
            if !std::mem::replace(&mut self.absent, true) {
                // Whoever deletes a definition deletes its objects: there are none any more.
                self.begin(Trust::Anew).await?;
                self.send(Event::Synced(kind)).await?;
                tracing::info!(
                    kind = kind.as_str(),
                    "the API has no {}; it is read when it is installed",
                    resource.name()
                );
            }
            self.health.synced(kind);
            sleep(self.timers.absent()).await;
            return Ok(());
        }
        self.absent = false;
        let mut text = fault.text(resource);
        match exists {
            Ok(_) => {}
            Err(other @ Fault::Refused(_)) => {
                text.push_str("; whether there are any can't be told: ");
                text.push_str(&other.text(resource));
            }
            // It is away: what it has said last does not say much.
            Err(other) => {
                if self.health.trouble(kind, &other, other.text(resource)) {
                    tracing::warn!("{}", other.text(resource));
                }
                sleep(self.pace.pause(&other)).await;
                return Ok(());
            }
        }
        let forbidden = code == 403;
        let known = self.health.is_synced(kind);
        if forbidden && resource.need == Need::Ours && !known {
            self.send(Event::Synced(kind)).await?;
            self.health.synced(kind);
        }
        text.push_str(match (resource.need, known) {
            (_, true) => "; what was known stays in force",
            (Need::OursHiding, false) => {
                "; what it hides is not known, so that nothing is answered before it has been read"
            }
            (_, false) => "; nothing of it is in force",
        });
        if self.health.trouble(kind, &fault, text.clone()) {
            tracing::warn!("{text}");
        }
        sleep(self.pace.pause(&fault)).await;
        Ok(())
    }
}

/// Returns whether a list was refused only because it was to be streamed. Servers before 1.27 know
/// neither parameter, later ones may have it switched off.
fn is_for_streaming(fault: &Fault) -> bool {
    let Fault::Refused(refusal) = fault else {
        return false;
    };
    let named = ["sendInitialEvents", "resourceVersionMatch", "watch stream"];
    let message = &refusal.status.message;
    match refusal.status.code {
        400 | 405 | 406 | 415 | 422 => true,
        403 | 500 | 501 => named.iter().any(|name| message.contains(name)),
        _ => false,
    }
}
