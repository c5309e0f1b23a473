//! The thread of one receiver of dnstap: copies of answers become frames on its socket. While there is
//! no receiver, the rings keep what they have room for.

use super::pause;
use super::servers::Servers;
use super::upstreams::Copied;
use crate::drain::Drain;
use crate::observe::{Exchange, Exchanges};
use crate::tap::{Destination, Heard, Message, MessageKind, Sender, TapOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the receiver may take for anything: CoreDNS's time.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How long the end of the stream is waited for.
const FAREWELL: Duration = Duration::from_secs(1);
/// Pauses between two attempts to connect.
const RETRIES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(10);
/// Exchanges with upstreams that are sent at once.
const AT_MOST: usize = 256;
/// Octets of frames that are sent at once.
const AT_ONCE: usize = 256 * 1024;

/// What sends.
pub(super) struct Tap {
    options: TapOptions,
    blocks: Vec<u16>,
    /// What the blocks' upstreams are asked.
    upstreams: Receiver<Copied>,
    servers: Servers,
    /// When, since 1970, the exchanges' times begin.
    since: Duration,
}

impl Tap {
    /// Returns what sends the exchanges of some blocks, whose times begin at `origin`, and those with
    /// their upstreams.
    pub(super) fn new(
        (mut options, blocks): (TapOptions, Vec<u16>),
        servers: Servers,
        upstreams: Receiver<Copied>,
        origin: Instant,
    ) -> Self {
        if options.identity.is_empty() {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            options.identity = name.trim().into();
        }
        if options.version.is_empty() {
            options.version = concat!("tenantdns-", env!("CARGO_PKG_VERSION")).into();
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            options,
            blocks,
            upstreams,
            servers,
            since: now.saturating_sub(origin.elapsed()),
        }
    }

    /// Sends until it is closed, and then what is left.
    pub(super) fn run(self, mut exchanges: Exchanges, closing: &Drain) {
        closing.unpark_me();
        let (mut retry, mut said) = (*RETRIES.start(), false);
        loop {
            let error = match self.connect() {
                Ok(mut stream) => {
                    tracing::info!(to = self.to(), "dnstap is received");
                    (retry, said) = (*RETRIES.start(), false);
                    match self.send(&mut *stream, &mut exchanges, closing) {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut said, true) {
                tracing::warn!(to = self.to(), %error, "dnstap is not received; trying again");
            }
            if closing.is_started() {
                return;
            }
            thread::park_timeout(retry);
            retry = (retry * 2).min(*RETRIES.end());
        }
    }

    fn to(&self) -> String {
        match &self.options.to {
            Destination::Unix(path) => format!("unix:{}", path.display()),
            Destination::Tcp(host, port) => format!("tcp://{host}:{port}"),
        }
    }

    /// Connects, and agrees on what is sent.
    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let mut stream: Box<dyn Stream> = match &self.options.to {
            Destination::Unix(path) => Box::new(UnixStream::connect(path)?),
            Destination::Tcp(host, port) => {
                let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
                let mut stream = None;
                for address in (&**host, *port).to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, TIMEOUT) {
                        Ok(connected) => {
                            stream = Some(connected);
                            break;
                        }
                        Err(error) => last = error,
                    }
                }
                Box::new(stream.ok_or(last)?)
            }
        };
        stream.wait_at_most(TIMEOUT)?;
        stream.write_all(&Sender::ready())?;
        hear(&mut *stream, Heard::Accept)?;
        stream.write_all(&Sender::start())?;
        Ok(stream)
    }

    /// Sends what there is until it is closed.
    fn send(
        &self,
        stream: &mut dyn Stream,
        exchanges: &mut Exchanges,
        closing: &Drain,
    ) -> io::Result<()> {
        loop {
            let last = closing.is_started();
            let (mut frames, mut result) = (Vec::new(), Ok(()));
            let mut asked = 0;
            // No more than wait now: who asks meanwhile is heard the next time.
            let most = if last { usize::MAX } else { AT_MOST };
            for copied in self.upstreams.try_iter().take(most) {
                self.add_asked(&copied, &mut frames);
                asked += 1;
            }
            let taken = exchanges.read(|mut exchange| {
                self.servers.name_way(&mut exchange);
                self.add(&exchange, &mut frames);
                if frames.len() > AT_ONCE {
                    if result.is_ok() {
                        result = stream.write_all(&frames);
                    }
                    frames.clear();
                }
            });
            result?;
            stream.write_all(&frames)?;
            if last {
                stream.write_all(&Sender::stop())?;
                stream.wait_at_most(FAREWELL)?;
                // Whoever goes without a word has everything as well.
                let _ = hear(stream, Heard::Finish);
                return Ok(());
            }
            thread::park_timeout(pause(taken + asked));
        }
    }

    /// Adds the frames of what an upstream was asked.
    fn add_asked(&self, copied: &Copied, frames: &mut Vec<u8>) {
        let options = &self.options;
        let query = Message {
            kind: MessageKind::ForwarderQuery,
            stream: copied.stream,
            from: copied.from,
            to: Some(copied.to),
            asked: copied.asked,
            answered: None,
            octets: options.full.then_some(&*copied.query),
        };
        let response = copied.reply.as_deref().map(|reply| Message {
            kind: MessageKind::ForwarderResponse,
            answered: Some(copied.answered),
            octets: options.full.then_some(reply),
            ..query
        });
        for message in [Some(query), response].into_iter().flatten() {
            let bytes = message.to_bytes(options.identity.as_bytes(), options.version.as_bytes());
            Sender::frame(&bytes, frames);
        }
    }

    /// Adds the frames of an exchange.
    fn add(&self, exchange: &Exchange, frames: &mut Vec<u8>) {
        if exchange.block.is_none_or(|id| !self.blocks.contains(&id.0)) {
            return;
        }
        let options = &self.options;
        let asked = self.since + exchange.received;
        let query = Message {
            kind: MessageKind::ClientQuery,
            stream: exchange.stream,
            from: Some(exchange.peer),
            to: None,
            asked,
            answered: None,
            octets: options.full.then_some(&*exchange.query),
        };
        let response = Message {
            kind: MessageKind::ClientResponse,
            answered: Some(asked + exchange.took),
            octets: options.full.then_some(&*exchange.answer),
            ..query
        };
        for message in [query, response] {
            let bytes = message.to_bytes(options.identity.as_bytes(), options.version.as_bytes());
            Sender::frame(&bytes, frames);
        }
    }
}

/// Waits until the receiver says it.
fn hear(stream: &mut dyn Stream, awaited: Heard) -> io::Result<()> {
    let mut sender = Sender::default();
    let mut piece = [0; 512];
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match sender.hear(piece.get(..length).unwrap_or_default()) {
            Some(Heard::Nothing) => {}
            Some(heard) if heard == awaited => return Ok(()),
            Some(_) | None => {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "it does not receive dnstap in frame streams",
                ));
            }
        }
    }
}

/// A connection of either kind.
trait Stream: Read + Write {
    fn wait_at_most(&self, time: Duration) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

impl Stream for TcpStream {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}
