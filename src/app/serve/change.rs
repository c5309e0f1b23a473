//! Another configuration for a running server: everything that can fail is done first, while the one
//! before is in force; then they are exchanged, between two queries.

use super::fixed;
use super::handover;
use super::lifecycle;
use super::running::{Looking, Running, configured, names, servers};
use super::signals::{Signal, Signals};
use crate::admin;
use crate::app::canary;
use crate::app::feed::Feed;
use crate::app::notifier::{self, Notifier};
use crate::chain::ListenerId;
use crate::config::Config;
use crate::server::{ListenAddress, Upstream};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a change waits for what it reads more before the file is looked at again, where that is not
/// done by time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a change.
pub(super) enum Changed {
    /// The next configuration is in force.
    Done,
    /// A signal came before that; everything is as it was.
    Interrupted(Signal),
    /// What it reads more is not known yet; everything is as it was, and goes on being read.
    Waiting,
}

impl Running {
    /// Puts another configuration in force.
    ///
    /// # Errors
    /// It can't be; the one before is in force, whole.
    pub(super) fn change(
        &mut self,
        mut next: Config,
        runtime: &Runtime,
        signals: &mut Signals,
    ) -> anyhow::Result<Changed> {
        let fixed = fixed::differing(&self.config, &next);
        if !fixed.is_empty() {
            bail!("{}: only a restart changes this", fixed.join(", "));
        }
        let served: Vec<_> = self.server.listeners().collect();
        let asked: Vec<_> = served.iter().map(|(asked, _)| *asked).collect();
        number_listeners(&mut next, &asked);
        let bound = self.server.bind(&next.server)?;
        let opened: Vec<_> = bound.listeners().collect();
        let doors = self.bind_doors(&next)?;
        let moves = self.config.lifecycle.handover != next.lifecycle.handover;
        let handover = match moves {
            true => handover::open_door(&next, runtime)?,
            false => None,
        };
        let everywhere = served.iter().chain(&opened).map(|(_, address)| *address);
        let upstreams = self
            .upstreams
            .next(&next, &everywhere.collect::<Vec<_>>())?;
        let for_index = Feed::next(&next)?;
        let observed = (&self.config, &next);
        let prepared = self
            .observation
            .prepare(observed, &self.reader, &self.asking)?;
        let looked_for = |config: &Config| (config.tenancy.forwarders.clone(), config.tenancy.mode);
        let other_canary = looked_for(&self.config) != looked_for(&next);
        let means = self.means.next(&self.config, &next);
        let opening = self
            .server
            .open(bound)
            .context("starting a listener's threads")?;

        // The last that may take its time: what the next configuration reads more is read.
        let patience = self.config.lifecycle.reload.unwrap_or(PATIENCE);
        let known = runtime.block_on(async {
            tokio::select! {
                biased;
                signal = signals.next() => Err(Changed::Interrupted(signal)),
                known = self.changing.prepare(for_index) => Ok(known),
                // By then there may be yet another configuration.
                () = tokio::time::sleep(patience) => Err(Changed::Waiting),
            }
        });
        match known {
            Err(changed) => return Ok(changed),
            Ok(None) => bail!("the source has ended"),
            Ok(Some(())) => {}
        }

        let closed: Vec<ListenerId> = {
            let is_kept = |listen: &&ListenAddress| next.server.listen.contains(listen);
            let closed = asked.iter().filter(|listen| !is_kept(listen));
            closed.map(|listen| listen.id).collect()
        };
        // Before the blocks are gone that answer there: whoever has asked there is answered.
        self.server.close(&closed);
        let servers = servers(served.into_iter().chain(opened.iter().copied()));
        self.observation.rename(names(&servers));
        let answerer = self.observation.answerer_by(&prepared);
        let upstream = upstreams.clone().map(|it| it as Arc<dyn Upstream>);
        let setup = means.setup(&next, answerer, upstream, (&self.reader, &self.drain));
        let number = self.reader.load().configuration.wrapping_add(1);
        self.server.configure(number, &setup)?;
        if runtime.block_on(self.changing.exchange()).is_none() {
            bail!("the source has ended");
        }
        // What follows fails for want of memory or threads alone: the rest is in force, and is said.
        let mut failures = Vec::new();
        let mut tried = |what: &'static str, result: anyhow::Result<()>| {
            failures.extend(result.err().map(|error| format!("{what}: {error:#}")));
        };
        let unpinned = self.server.unpinned();
        match self.server.serve(opening) {
            Ok(()) => lifecycle::say_listening(opened.into_iter()),
            Err(error) => tried("listeners", Err(error.into())),
        }
        if unpinned.is_none() {
            lifecycle::say_unpinned(self.server.unpinned());
        }
        self.means = means;
        self.upstreams.put(upstreams);
        tried("observation", self.observation.change(prepared, &next));
        let canary = canary::begin(&next, &self.reader).filter(|_| other_canary);
        let mut shown = configured(&next, &servers, canary.as_ref(), &self.upstreams);
        if other_canary {
            if let Some(looking) = self.canary.take() {
                looking.stop();
            }
            match Looking::start(canary, &self.drain) {
                Ok(looking) => self.canary = looking,
                Err(error) => tried("canary", Err(error)),
            }
        }
        if notifier::is_wanted(&self.config) != notifier::is_wanted(&next) {
            if let Some(notifier) = self.notifier.take() {
                notifier.stop();
            }
            match Notifier::start(&next, &self.reader, &self.drain) {
                Ok(notifier) => self.notifier = notifier,
                Err(error) => tried("notifier", Err(error)),
            }
        }
        self.details.pages.configure(|pages| {
            if !other_canary {
                shown.sightings = pages.sightings.take();
            }
            *pages = shown;
        });
        if self.config.admin != next.admin {
            tried("HTTP listeners", self.change_doors(&next, doors));
        }
        if moves {
            self.handover = handover;
        }
        self.reloads.taken(&next);
        self.config = next;
        for failure in failures {
            tracing::error!(failure, "part of the configuration is not in force");
        }
        Ok(Changed::Done)
    }

    /// Opens the HTTP listeners of a configuration that are not open.
    pub(super) fn bind_doors(&self, next: &Config) -> Result<admin::Bound, admin::BindError> {
        match &self.admin {
            Some(admin) => admin.bind(&next.admin),
            None => admin::bind(&next.admin),
        }
    }

    /// Serves the HTTP listeners of a configuration and no others.
    pub(super) fn change_doors(
        &mut self,
        next: &Config,
        doors: admin::Bound,
    ) -> anyhow::Result<()> {
        super::doors::say(&doors);
        match super::doors::health(&doors) {
            Some(health) => self.pulse.ask_at(Some(health)),
            None if next.admin.health.is_none() => self.pulse.ask_at(None),
            // The listener is the one that was there.
            None => {}
        }
        match &mut self.admin {
            Some(admin) => {
                let reviewer = super::doors::reviewer(next);
                admin.change(&next.admin, doors, reviewer)?;
            }
            None => self.admin = super::doors::open(doors, next, &self.details)?,
        }
        Ok(())
    }
}

/// Gives the listeners of a configuration their numbers: those that are served keep theirs, so that their
/// threads need not know.
fn number_listeners(config: &mut Config, served: &[ListenAddress]) {
    let mut taken: Vec<u16> = served.iter().map(|listen| listen.id.0).collect();
    let mut numbers = BTreeMap::new();
    for listen in &mut config.server.listen {
        let known = served
            .iter()
            .find(|known| known.endpoint() == listen.endpoint());
        let id = match known {
            Some(known) => known.id,
            None => {
                let free = (0..=u16::MAX).find(|number| !taken.contains(number));
                // More listeners than a u16 counts can't be opened.
                let free = free.unwrap_or(u16::MAX);
                taken.push(free);
                ListenerId(free)
            }
        };
        numbers.insert(listen.id.0, id);
        listen.id = id;
    }
    for listener in config.blocks.iter_mut().flat_map(|b| &mut b.listeners) {
        if let Some(id) = numbers.get(&listener.0) {
            *listener = *id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Scheme;

    #[test]
    fn listeners_that_stay_keep_their_numbers_and_others_get_free_ones() {
        let text = "[server]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\"]\n\
                    [kubernetes]\n[[block]]\nzones = [\"a\"]\nlisten = [\"127.0.0.1:3\"]\n[block.kubernetes]\n";
        let mut config = Config::from_toml(text, "f.toml").unwrap();
        let served = [(0, "127.0.0.1:2"), (2, "127.0.0.1:9")].map(|(id, address)| ListenAddress {
            id: ListenerId(id),
            scheme: Scheme::Dns,
            address: address.parse().unwrap(),
        });
        number_listeners(&mut config, &served);
        let numbers: Vec<u16> = config.server.listen.iter().map(|l| l.id.0).collect();
        assert_eq!(numbers, [1, 0, 3]);
        let blocks = config.blocks.iter();
        let blocks: Vec<Vec<u16>> = blocks
            .map(|block| block.listeners.iter().map(|l| l.0).collect())
            .collect();
        assert_eq!(blocks, [vec![1, 0, 3], vec![3]]);
    }
}
