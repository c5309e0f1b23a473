//! Questions, judged one after the other, and what has come of them since the last lines. Who gives
//! them is not known here: the server's workers, or another server's log.

use super::judge::{Denial, Judge};
use super::window::Window;
use crate::answer::{Request, Transport};
use crate::chain::ListenerId;
use crate::snapshot::Snapshot;
use crate::tenancy::Client;
use std::net::{IpAddr, SocketAddr};

/// A question, and who asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    listener: ListenerId,
    client: IpAddr,
    qtype: u16,
    /// The message, without options.
    bytes: Vec<u8>,
}

impl Question {
    /// Returns the question for a name, in wire form, and a type.
    pub fn new(listener: ListenerId, client: IpAddr, name: &[u8], qtype: u16) -> Self {
        let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(name);
        bytes.extend(qtype.to_be_bytes());
        bytes.extend([0, 1]);
        Self {
            listener,
            client,
            qtype,
            bytes,
        }
    }

    /// Returns who asks.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// Returns the question as a query over TCP, so that nothing is cut from the answer.
    pub fn request(&self) -> Request<'_> {
        Request {
            listener: self.listener,
            peer: SocketAddr::new(self.client, 0),
            local: None,
            claimed: None,
            transport: Transport::Tcp,
            now: 0,
            entropy: 0,
            may_wait: false,
            bytes: &self.bytes,
        }
    }
}

/// Judges questions, and gathers what it finds.
#[derive(Debug, Default)]
pub struct Auditor {
    /// The judge, and the generation of the snapshot that it is of.
    judge: Option<(u64, Judge)>,
    window: Window,
}

impl Auditor {
    /// Judges a question by a snapshot, and returns what its client would be denied; `None` where the
    /// name is in no zone, which nobody is denied anything of.
    pub fn judge(&mut self, snapshot: &Snapshot, question: &Question) -> Option<Vec<Denial>> {
        let is_of = |(generation, _): &(u64, Judge)| *generation == snapshot.generation;
        let known = self.judge.take().filter(is_of);
        let (_, judge) = self
            .judge
            .insert(known.unwrap_or_else(|| (snapshot.generation, Judge::new(snapshot))));
        let denials = judge.judge(&question.request())?;
        let client = snapshot.identify(question.client);
        let counts = self.window.counts_mut();
        counts.judged += 1;
        counts.unknown += u64::from(client == Client::Unknown);
        counts.node_hidden += u64::from(client == Client::Node && !denials.is_empty());
        if denials.is_empty() {
            return Some(denials);
        }
        let view = snapshot.view(client);
        let namespace = view.own_namespace().map(String::from_utf8_lossy);
        for denial in &denials {
            self.window.add(
                question.client,
                namespace.as_deref(),
                view.own_tenant(),
                question.qtype,
                denial,
            );
        }
        Some(denials)
    }

    /// Returns what has been found since the window was last closed.
    pub fn window(&mut self) -> &mut Window {
        &mut self.window
    }
}
