//! One connection: length-prefixed queries in, answers out, in order but for those that come late.
//!
//! Generic over the stream, so that TLS uses the same loop. A connection is never read further
//! while its peer does not take its answers, and keeps no more memory than it was sent.

use super::super::answerer::Answerer;
use super::super::held::ReplyTo;
use super::super::options::{Scheme, TimeoutOptions};
use super::super::padding::pad;
use super::super::proxy::{self, Header, Named};
use super::super::stats::Count;
use super::transfer::Outgoing;
use super::{Answering, MAX_MESSAGE, PREFIX, Shared};
use crate::answer::{Request, Transport};
use crate::chain::ListenerId;
use crate::drain::Drain;
use crate::limits::Admission;
use crate::snapshot::Snapshot;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// What an idle connection keeps of its buffers.
const IDLE_BUFFER: usize = 4096;
/// Queries of one connection that may be answered late at a time: each may leave 64 KiB behind.
const LATE: usize = 32;
/// Reads of what had already arrived when the server stops.
const LAST_READS: usize = 16;

/// Where a connection's queries come from.
#[derive(Debug, Clone)]
pub(in crate::server) struct Origin {
    pub(in crate::server) listener: ListenerId,
    pub(in crate::server) scheme: Scheme,
    /// The listener's own.
    pub(in crate::server) timeouts: TimeoutOptions,
    pub(in crate::server) peer: SocketAddr,
    pub(in crate::server) local: Option<IpAddr>,
    /// Whom a PROXY header named in front of what is encrypted, where that was looked for.
    pub(in crate::server) named: Option<Named>,
    /// Tells when to stop.
    pub(in crate::server) stop: Drain,
}

/// One connection.
pub(in crate::server) struct Connection<A, S> {
    pub(super) shared: Rc<Shared<A>>,
    stream: S,
    pub(super) origin: Origin,
    /// Whom the PROXY header in front of the first query names, once that is known.
    named: Option<Named>,
    /// What was read and not answered: part of a message, once [`Connection::answer`] is done.
    input: Vec<u8>,
    /// What was answered and not taken by the stream.
    output: Vec<u8>,
    /// Whether the stream was written to since it was flushed.
    dirty: bool,
    late: mpsc::Receiver<Vec<u8>>,
    late_places: Option<mpsc::Sender<Vec<u8>>>,
    progress: Progress,
    /// The zone that is being transferred; what was asked behind it waits.
    pub(super) transfer: Option<Outgoing>,
}

/// How far the peer has come, which decides how long it may take for the next step.
#[derive(Debug, Clone, Copy)]
enum Progress {
    /// It has sent nothing since it connected.
    Silent(Instant),
    /// It has sent part of a message, whose first octet came then.
    Partial(Instant),
    /// Its last query, or its last late answer, was then.
    Idle(Instant),
}

/// The connection is to be closed: the peer is gone, or too slow.
pub(super) struct Closed;

enum Event {
    Stop,
    Late(Vec<u8>),
    Read(usize),
    Scarce,
    Time,
}

/// Why the answering of the input stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// What is left is not a whole message.
    Incomplete,
    /// The scratch is full.
    Full,
    /// The rest of a zone is to be sent before more is answered.
    Transfer,
    /// A message of length 0, or a PROXY header without an end: the peer does not speak DNS.
    Nonsense,
    /// The client, or its tenant, has asked as much as it may.
    Limited,
}

impl Step {
    /// Returns whether nothing more is to be read.
    fn is_last(self) -> bool {
        matches!(self, Self::Nonsense | Self::Limited)
    }
}

impl<A: Answerer, S: AsyncRead + AsyncWrite + Unpin> Connection<A, S> {
    pub(in crate::server) fn new(shared: Rc<Shared<A>>, stream: S, origin: Origin) -> Self {
        let (late_places, late) = mpsc::channel(LATE);
        Self {
            shared,
            stream,
            named: origin.named,
            origin,
            input: Vec::new(),
            output: Vec::new(),
            dirty: false,
            late,
            late_places: Some(late_places),
            progress: Progress::Silent(Instant::now()),
            transfer: None,
        }
    }

    /// Answers until the peer closes, is too slow, or the server stops. Whatever ends it, the
    /// answers that are still to come are sent before FIN, unless they can't be.
    pub(in crate::server) async fn run(mut self) {
        if self.serve().await.is_ok() {
            // What fails here is the peer's loss alone.
            let _ = self.finish().await;
        }
    }

    async fn serve(&mut self) -> Result<(), Closed> {
        let shared = self.shared.clone();
        let stop = self.origin.stop.clone();
        let mut stop = pin!(stop.started());
        let mut timer = pin!(sleep_until(self.deadline()));
        loop {
            // Only ever brought forward here: a deadline that has moved back is seen when the timer
            // ends, which is cheaper than moving the timer with every query.
            let deadline = self.deadline();
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            self.make_room();
            let event = tokio::select! {
                biased;
                () = &mut stop => Event::Stop,
                Some(reply) = self.late.recv() => Event::Late(reply),
                read = self.stream.read_buf(&mut self.input) => {
                    Event::Read(read.map_err(|_| Closed)?)
                }
                () = shared.slots.become_scarce() => Event::Scarce,
                () = &mut timer => Event::Time,
            };
            match event {
                Event::Read(0) => return Ok(()),
                Event::Read(_) => {
                    if self.answer().await?.is_last() {
                        return Ok(());
                    }
                }
                Event::Late(reply) => {
                    self.send_late(&reply).await?;
                    if let Progress::Idle(since) = &mut self.progress {
                        *since = Instant::now();
                    }
                }
                Event::Scarce => {}
                Event::Time => {
                    let deadline = self.deadline();
                    if deadline <= Instant::now() {
                        shared.count(Count::TcpTimedOut);
                        return Ok(());
                    }
                    timer.as_mut().reset(deadline);
                }
                Event::Stop => {
                    for _ in 0..LAST_READS {
                        if !self.read_arrived().await || self.answer().await?.is_last() {
                            break;
                        }
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Sends the late answers and FIN.
    async fn finish(mut self) -> Result<(), Closed> {
        let timeouts = self.shared.limits(self.origin.timeouts).timeouts;
        // With ours gone the channel ends as soon as the last kept query is answered, or dropped.
        self.late_places = None;
        let end = Instant::now() + timeouts.late;
        while let Ok(Some(reply)) = tokio::time::timeout_at(end, self.late.recv()).await {
            self.send_late(&reply).await?;
        }
        match timeout(timeouts.write, self.stream.shutdown()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Closed),
        }
    }

    fn deadline(&self) -> Instant {
        let limits = self.shared.limits(self.origin.timeouts);
        match self.progress {
            Progress::Silent(since) => since + limits.timeouts.first,
            Progress::Partial(since) => since + limits.timeouts.message,
            Progress::Idle(since) => since + self.shared.idle(self.origin.timeouts),
        }
    }

    /// Gives the input room for more: an idle one's size at first, then as much again as has
    /// arrived, up to the end of the message. What a prefix merely claims costs nothing.
    fn make_room(&mut self) {
        if self.input.len() < self.input.capacity() {
            return;
        }
        let whole = PREFIX + MAX_MESSAGE;
        let room = self.input.len().clamp(IDLE_BUFFER, whole);
        self.input.reserve_exact(room);
    }

    /// Reads what has arrived, without waiting, and returns whether that was anything.
    async fn read_arrived(&mut self) -> bool {
        self.make_room();
        let (stream, input) = (&mut self.stream, &mut self.input);
        let mut read = pin!(stream.read_buf(input));
        poll_fn(|cx| {
            let arrived = read.as_mut().poll(cx);
            Poll::Ready(matches!(arrived, Poll::Ready(Ok(1..))))
        })
        .await
    }

    /// Answers every whole message of the input.
    async fn answer(&mut self) -> Result<Step, Closed> {
        let step = loop {
            let step = poll_fn(|cx| Poll::Ready(self.answer_some(cx))).await?;
            self.flush().await?;
            match step {
                Step::Full => {}
                Step::Transfer => {
                    self.send_transfer().await?;
                    self.progress = Progress::Idle(Instant::now());
                }
                last => break last,
            }
        };
        if self.input.is_empty() && self.input.capacity() > IDLE_BUFFER {
            self.input = Vec::new();
        }
        Ok(step)
    }

    /// Answers as many messages as the scratch has room for, and writes what the stream takes at
    /// once. Only what it does not take is copied.
    fn answer_some(&mut self, cx: &mut Context<'_>) -> Result<Step, Closed> {
        let shared = self.shared.clone();
        let mut core = shared.core.borrow_mut();
        let Answering { engine, scratch } = &mut *core;
        let named = match self.named {
            Some(named) => named,
            None => match self.take_header(&engine.reader.load()) {
                Ok(named) => *self.named.insert(named),
                Err(step) => return Ok(step),
            },
        };
        let (mut read, mut filled, mut queries) = (0, 0, 0);
        let encrypted = self.origin.scheme.is_encrypted();
        let received_at = std::time::Instant::now();
        engine.received(received_at);
        let step = loop {
            let rest = &self.input[read..];
            let Some((prefix, rest)) = rest.split_first_chunk::<PREFIX>() else {
                break Step::Incomplete;
            };
            let length = usize::from(u16::from_be_bytes(*prefix));
            if length == 0 {
                break Step::Nonsense;
            }
            let Some(message) = rest.get(..length) else {
                break Step::Incomplete;
            };
            let Some(room) = scratch.get_mut(filled..filled + PREFIX + MAX_MESSAGE) else {
                break Step::Full;
            };
            let (out_prefix, out) = room.split_at_mut(PREFIX);
            let request = Request {
                listener: self.origin.listener,
                peer: self.origin.peer,
                local: self.origin.local,
                claimed: match named {
                    Named::Client(address) => Some(address),
                    Named::Nobody | Named::Malformed => None,
                },
                transport: Transport::Tcp,
                now: engine.clock.at(received_at),
                entropy: engine.entropy(),
                may_wait: true,
                bytes: message,
            };
            let places = &self.late_places;
            let keep = || {
                let place = places.clone()?.try_reserve_owned().ok()?;
                Some(match encrypted {
                    false => ReplyTo::Tcp(place),
                    true => ReplyTo::Encrypted(place),
                })
            };
            // Once a query, as its client may change while the connection lasts.
            let snapshot = engine.reader.load();
            engine.adopt(&snapshot);
            let admitted = engine.admit(&snapshot, &request) == Admission::Answer;
            // Other clients' queries come over a forwarder's connection.
            if !admitted && snapshot.forwarder(request.peer.ip()).is_none() {
                break Step::Limited;
            }
            let answered = match named {
                _ if !admitted => 0,
                Named::Malformed => engine.refuse_claim(message, out),
                _ => engine.answer(&snapshot, &request, out, &shared.waiters, keep),
            };
            let answered = match engine.begun.take() {
                None => answered,
                Some(begun) => match shared.transfers.take(self.origin.peer.ip()) {
                    Some(place) => {
                        engine.counters.add(Count::Answered, 1);
                        let outgoing = Outgoing::new(*begun, Arc::clone(&snapshot), place);
                        self.transfer.insert(outgoing).first()
                    }
                    None => engine.fail(message, out),
                },
            };
            let answered = match encrypted {
                false => answered,
                true => pad(message, out, answered),
            };
            if let Ok(length @ 1..) = u16::try_from(answered) {
                out_prefix.copy_from_slice(&length.to_be_bytes());
                filled += PREFIX + answered;
            }
            read += PREFIX + length;
            queries += 1;
            if self.transfer.is_some() {
                break Step::Transfer;
            }
        };
        let count = match encrypted {
            false => Count::TcpQueries,
            true => Count::TlsQueries,
        };
        engine.counters.add(count, queries);
        self.input.drain(..read);
        self.progress = match self.progress {
            Progress::Partial(since) if queries == 0 => Progress::Partial(since),
            _ if !self.input.is_empty() => Progress::Partial(Instant::now()),
            _ => Progress::Idle(Instant::now()),
        };
        let written = self.write(cx, &scratch[..filled]);
        engine.sent();
        written.map(|()| step)
    }

    /// Writes what the stream takes at once, and keeps the rest.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, mut unsent: &[u8]) -> Result<(), Closed> {
        self.dirty |= !unsent.is_empty();
        while !unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, unsent) {
                Poll::Ready(Ok(0) | Err(_)) => return Err(Closed),
                Poll::Ready(Ok(written)) => unsent = &unsent[written..],
                Poll::Pending => {
                    self.output.extend_from_slice(unsent);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes the PROXY header off the input, where the peer is a forwarder that sends them. An error
    /// is that it is not all there yet, or never will be.
    fn take_header(&mut self, snapshot: &Snapshot) -> Result<Named, Step> {
        if !snapshot.speaks_proxy(self.origin.peer.ip()) {
            return Ok(Named::Nobody);
        }
        match proxy::read(&self.input) {
            Header::Absent => Ok(Named::Nobody),
            Header::Broken => Err(Step::Nonsense),
            Header::Incomplete => {
                if let Progress::Silent(_) = self.progress {
                    self.progress = Progress::Partial(Instant::now());
                }
                Err(Step::Incomplete)
            }
            Header::Whole(length, named) => {
                self.input.drain(..length);
                Ok(named)
            }
        }
    }

    async fn send_late(&mut self, reply: &[u8]) -> Result<(), Closed> {
        let Ok(length @ 1..) = u16::try_from(reply.len()) else {
            return Ok(());
        };
        // One write, so that prefix and message don't travel in two segments.
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(reply);
        self.dirty = true;
        self.flush().await
    }

    /// Waits until the stream has taken everything, as long as the peer may take for that.
    pub(super) async fn flush(&mut self) -> Result<(), Closed> {
        if !self.dirty {
            return Ok(());
        }
        let (stream, output) = (&mut self.stream, &mut self.output);
        let write = async {
            stream.write_all(output).await?;
            stream.flush().await
        };
        match timeout(
            self.shared.limits(self.origin.timeouts).timeouts.write,
            write,
        )
        .await
        {
            Ok(Ok(())) => {
                self.dirty = false;
                output.clear();
                if output.capacity() > IDLE_BUFFER {
                    *output = Vec::new();
                }
                Ok(())
            }
            Ok(Err(_)) => Err(Closed),
            Err(_) => {
                self.shared.count(Count::TcpTimedOut);
                Err(Closed)
            }
        }
    }
}
