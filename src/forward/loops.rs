//! Whether a question to an upstream comes back to this server: `loop`. A question for a name that
//! nobody can guess is sent to each upstream; whoever receives it again knows that it is in a loop.
//!
//! What is found makes an upstream be left out, and the server not ready. It never ends the process:
//! who sees the question could send it back.

use super::message::Question;
use super::random::Random;
use super::target::Target;
use crate::wire::{Name, NameBuf, RType, eq_ignore_case};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long an upstream is asked that does not reply: it may not be there yet.
const PATIENCE: Duration = Duration::from_secs(30);
/// From one question to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a question may take to come back.
const RETURN: Duration = Duration::from_secs(2);
/// An upstream that led back is asked again after so long: loops are mended.
const AGAIN: Duration = Duration::from_secs(30);

/// The questions that are out, and the upstreams that led back. Only questions for HINFO look here.
#[derive(Default)]
pub(super) struct Probes(Mutex<Vec<Probe>>);

struct Probe {
    name: NameBuf,
    to: SocketAddr,
    seen: bool,
}

impl Probes {
    /// Notes that this server was asked for a name (in wire form).
    pub(super) fn see(&self, name: &[u8]) {
        let mut probes = self.lock();
        for probe in probes.iter_mut() {
            probe.seen |= eq_ignore_case(probe.name.as_wire(), name);
        }
    }

    /// Returns the upstreams whose question came back.
    pub(super) fn found(&self) -> Vec<SocketAddr> {
        let probes = self.lock();
        let mut found: Vec<_> = probes.iter().filter(|p| p.seen).map(|p| p.to).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn add(&self, name: NameBuf, to: SocketAddr) {
        let seen = false;
        self.lock().push(Probe { name, to, seen });
    }

    fn has_seen(&self, name: &NameBuf) -> bool {
        let probes = self.lock();
        let mut probes = probes.iter();
        probes.any(|probe| probe.seen && probe.name.as_wire() == name.as_wire())
    }

    fn remove(&self, name: &NameBuf) {
        self.lock()
            .retain(|probe| probe.name.as_wire() != name.as_wire());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Probe>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks whether an upstream leads back, once it replies; and as long as it does, again and again.
pub(super) async fn look(
    probes: &Probes,
    target: &Rc<Target>,
    zone: &Name,
    random: &Random,
    said: impl Fn(),
) {
    let mut known: Option<NameBuf> = None;
    loop {
        let name = probe_name(zone, random);
        probes.add(name.clone(), target.address);
        let question = Question::own(name.as_wire(), RType::HINFO, true);
        let start = Instant::now();
        // Over what the upstream is asked usually; a question that comes back has no reply.
        while target
            .ask(&question, false, Instant::now() + RETURN)
            .await
            .is_err()
            && !probes.has_seen(&name)
            && start.elapsed() < PATIENCE
        {
            sleep(PAUSE).await;
        }
        if !probes.has_seen(&name) {
            sleep(RETURN).await;
        }
        let leads_back = probes.has_seen(&name);
        if let Some(before) = known.take() {
            probes.remove(&before);
        }
        match (target.is_self.replace(leads_back), leads_back) {
            (false, true) => {
                said();
                tracing::error!(
                    upstream = %target.address,
                    %zone,
                    "a question to this upstream came back: it leads to this server. It is not asked, \
                     and the server is not ready; name the upstreams of the node's own resolver in `to`, \
                     for example by `resolvConf` of the kubelet"
                );
            }
            (true, false) => {
                tracing::info!(upstream = %target.address, "this upstream no longer leads back");
            }
            _ => {}
        }
        if !leads_back {
            probes.remove(&name);
            return;
        }
        known = Some(name);
        sleep(AGAIN).await;
    }
}

fn probe_name(zone: &Name, random: &Random) -> NameBuf {
    let mut name = NameBuf::new();
    for _ in 0..2 {
        // Fits below every zone but ones that have no room for a name.
        let _ = name.push_label(random.number().to_string().as_bytes());
    }
    if name.push_wire(zone.as_wire()).is_err() {
        let _ = name.push_wire(&[0]);
    }
    name
}
