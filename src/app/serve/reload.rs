//! When a running server looks at its configuration, and what it makes of it. Not how it is changed:
//! [`super::change`].

use super::change::Changed;
use super::lifecycle::Event;
use super::running::Running;
use super::signals::Signals;
use crate::app::reloads::hash;
use crate::config::{Args, Config};
use tokio::runtime::Runtime;

/// Looks at the configuration that the arguments name.
pub(super) struct Reloader<'a> {
    args: &'a Args,
    /// What was wrong with the configuration that is there, which is said once.
    refused: Option<Refused>,
}

/// A configuration that was not taken.
#[derive(PartialEq, Eq)]
enum Refused {
    /// It can't be read as one.
    Malformed(String),
    /// It can't be put in force, by its hash.
    Whole(Box<str>),
}

impl<'a> Reloader<'a> {
    pub(super) fn new(args: &'a Args) -> Self {
        Self {
            args,
            refused: None,
        }
    }

    /// Looks whether the configuration has changed, and puts it in force; where `told` by a signal, also
    /// if it has not. Returns what there is to do next, where that is known.
    pub(super) fn look(
        &mut self,
        running: &mut Running,
        told: Option<&'static str>,
        (runtime, signals): (&Runtime, &mut Signals),
    ) -> Option<Event> {
        let next = match Config::load(self.args) {
            Ok(next) => next,
            Err(error) => {
                self.refuse(running, Refused::Malformed(error.to_string()), told, || {
                    error.to_string()
                });
                return None;
            }
        };
        let found = hash(&next);
        if told.is_none() {
            let in_force = found == hash(&running.config);
            if in_force {
                self.refused = None;
            }
            if in_force || self.refused == Some(Refused::Whole(found.clone())) {
                return None;
            }
        }
        tracing::info!(
            reason = told.unwrap_or("the configuration has changed"),
            "changing the configuration"
        );
        for note in &next.notes {
            tracing::warn!("{note}");
        }
        match running.change(next, runtime, signals) {
            Ok(Changed::Done) => {
                self.refused = None;
                tracing::info!(sha512 = %found, "another configuration is in force");
                None
            }
            Ok(Changed::Interrupted(signal)) => Some(Event::Signal(signal)),
            Ok(Changed::Waiting) => {
                tracing::warn!("what the next configuration reads more is not known yet");
                Some(Event::Look)
            }
            Err(error) => {
                self.refuse(running, Refused::Whole(found), told, || {
                    format!("{error:#}")
                });
                None
            }
        }
    }

    /// Says why a configuration was not taken, once.
    fn refuse(
        &mut self,
        running: &Running,
        refused: Refused,
        told: Option<&'static str>,
        reason: impl FnOnce() -> String,
    ) {
        if told.is_none() && self.refused.as_ref() == Some(&refused) {
            return;
        }
        let reason = reason();
        running.reloads.refused();
        tracing::error!("the configuration is not taken; the one before stays in force: {reason}");
        self.refused = Some(refused);
    }
}
