//! DNS over QUIC (RFC 9250): a connection's streams have one query each.
//!
//! Connections never move to another address: who asks is told by the address that the handshake came
//! from, and proved there. Nothing is taken before the handshake is done (no 0-RTT).

mod stream;
#[cfg(test)]
mod tests;

use super::answerer::Answerer;
use super::options::Scheme;
use super::stats::Count;
use super::sys::canonical;
use super::tcp::{Origin, Serving, Shared};
use crate::chain::ListenerId;
use crate::drain::Drain;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, Incoming, ServerConfig, TransportConfig, VarInt,
};
use std::cell::{Cell, RefCell};
use std::net::UdpSocket;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::rustls;

/// Handshakes at a time: nobody has proved its address in one.
const HANDSHAKES: usize = 256;
/// Handshakes at a time that begin without a proof of the address, which costs a round trip.
const TRUSTING: usize = 64;
/// Queries of one connection that may be answered at a time, as over TCP: each may leave 64 KiB behind.
const STREAMS: u32 = 32;
/// What may arrive on a stream, and on all of a connection, before it is read.
const STREAM_WINDOW: u32 = 66 * 1024;
const WINDOW: u32 = 128 * 1024;
/// Octets of replies that a connection keeps until its client has them.
const UNSENT: u64 = 128 * 1024;
/// Octets of packets that are kept for handshakes not begun yet, each and all.
const PENDING: u64 = 16 * 1024;
const PENDING_ALL: u64 = 512 * 1024;
/// How long the last packets may take when the endpoint closes.
const CLOSING: Duration = Duration::from_millis(500);

/// Codes that end a stream or a connection (RFC 9250 section 8.4).
const NO_ERROR: u16 = 0x0;
const PROTOCOL_ERROR: u16 = 0x2;
const EXCESSIVE_LOAD: u16 = 0x4;
const UNSPECIFIED_ERROR: u16 = 0x5;

/// Takes connections until `stop`, and answers on them.
pub(super) async fn accept<A: Answerer>(
    shared: &Rc<Shared<A>>,
    serving: &Rc<Serving>,
    (id, socket): (ListenerId, UdpSocket),
    stop: &Drain,
) {
    let runtime = Arc::new(quinn::TokioRuntime);
    let offered = Offered::default();
    let first = offered.current(shared, serving);
    let endpoint = first.and_then(|config| {
        let config = Some((*config).clone());
        Endpoint::new(EndpointConfig::default(), config, socket, runtime).ok()
    });
    let Some(endpoint) = endpoint else {
        shared.count(Count::TcpAcceptFailed);
        return;
    };
    let handshakes = Rc::new(Cell::new(0));
    let mut connections = JoinSet::new();
    let mut stopped = pin!(stop.started());
    loop {
        tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            incoming = endpoint.accept() => {
                let Some(incoming) = incoming else { break };
                let Some(incoming) = admit(shared, &handshakes, incoming) else { continue };
                let Some(config) = offered.current(shared, serving) else { continue };
                let peer = canonical(incoming.remote_address());
                let origin = Origin {
                    listener: id,
                    scheme: Scheme::Quic,
                    timeouts: serving.timeouts(),
                    peer,
                    local: incoming.local_ip().map(|ip| ip.to_canonical()),
                    named: None,
                    stop: stop.clone(),
                };
                let opening = Handshake::begin(&handshakes);
                let (shared, serving) = (shared.clone(), serving.clone());
                connections.spawn_local(async move {
                    open(&shared, &serving, (incoming, config), origin, opening).await;
                });
            }
        }
    }
    // Whoever comes now is not answered, and asks another server.
    endpoint.set_server_config(None);
    while connections.join_next().await.is_some() {}
    endpoint.close(code(NO_ERROR), b"");
    let _ = timeout(CLOSING, endpoint.wait_idle()).await;
}

/// Returns a connection to be taken; others are refused, or told to prove their address first.
fn admit<A: Answerer>(
    shared: &Shared<A>,
    handshakes: &Cell<usize>,
    incoming: Incoming,
) -> Option<Incoming> {
    let proved = incoming.remote_address_validated();
    if handshakes.get() >= HANDSHAKES {
        shared.count(Count::QuicRefused);
        incoming.refuse();
        return None;
    }
    if !proved && (handshakes.get() >= TRUSTING || shared.slots.are_scarce()) {
        // It fails only for one that is proved.
        let _ = incoming.retry();
        return None;
    }
    Some(incoming)
}

/// One of the handshakes that are counted.
struct Handshake(Rc<Cell<usize>>);

impl Handshake {
    fn begin(all: &Rc<Cell<usize>>) -> Self {
        all.set(all.get() + 1);
        Self(all.clone())
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What new connections are offered, made anew when the certificate or the idle time changes.
#[derive(Default)]
struct Offered(RefCell<Option<Made>>);

/// What was made, and of what.
struct Made {
    of: Arc<rustls::ServerConfig>,
    idle: Duration,
    config: Arc<ServerConfig>,
}

impl Offered {
    fn current<A: Answerer>(
        &self,
        shared: &Shared<A>,
        serving: &Serving,
    ) -> Option<Arc<ServerConfig>> {
        let shown = serving.shown()?;
        let idle = shared.limits(serving.timeouts()).idle;
        let mut made = self.0.borrow_mut();
        if let Some(known) = &*made
            && Arc::ptr_eq(&known.of, &shown)
            && known.idle == idle
        {
            return Some(known.config.clone());
        }
        let config = Arc::new(config(shown.clone(), idle)?);
        *made = Some(Made {
            of: shown,
            idle,
            config: config.clone(),
        });
        Some(config)
    }
}

fn config(shown: Arc<rustls::ServerConfig>, idle: Duration) -> Option<ServerConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(UNSENT)
        .datagram_receive_buffer_size(None)
        // What ends an idle connection is our own clock; this is for clients that are gone.
        .max_idle_timeout((idle + Duration::from_secs(1)).try_into().ok());
    let crypto = QuicServerConfig::try_from(shown).ok()?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport))
        .migration(false)
        .max_incoming(HANDSHAKES)
        .incoming_buffer_size(PENDING)
        .incoming_buffer_size_total(PENDING_ALL);
    Some(config)
}

/// Comes to terms with a client, and answers it.
async fn open<A: Answerer>(
    shared: &Rc<Shared<A>>,
    serving: &Rc<Serving>,
    (incoming, config): (Incoming, Arc<ServerConfig>),
    origin: Origin,
    opening: Handshake,
) {
    let longest = shared.limits(origin.timeouts).timeouts.first;
    let connecting = async { incoming.accept_with(config)?.await };
    let stop = origin.stop.clone();
    let opened = tokio::select! {
        biased;
        () = stop.started() => return,
        opened = timeout(longest, connecting) => opened,
    };
    drop(opening);
    let Ok(Ok(connection)) = opened else {
        shared.count(Count::HandshakeFailed);
        return;
    };
    // Only now: whoever sends packets in another's name can't use up its places.
    let Some(slot) = shared.slots.take(origin.peer.ip()) else {
        shared.count(Count::QuicRefused);
        serving.replied(EXCESSIVE_LOAD);
        connection.close(code(EXCESSIVE_LOAD), b"too many connections");
        return;
    };
    shared.count(Count::QuicAccepted);
    serve(shared, serving, &connection, &Rc::new(origin)).await;
    drop(slot);
}

async fn serve<A: Answerer>(
    shared: &Rc<Shared<A>>,
    serving: &Rc<Serving>,
    connection: &Connection,
    origin: &Rc<Origin>,
) {
    let mut streams = JoinSet::new();
    let mut last = Instant::now();
    let stop = origin.stop.clone();
    let mut stopped = pin!(stop.started());
    loop {
        let idle_end = last + shared.idle(origin.timeouts);
        tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(_) = streams.join_next() => {}
            opened = connection.accept_bi() => {
                let Ok((reply, query)) = opened else { break };
                last = Instant::now();
                let stream = Stream {
                    shared: shared.clone(),
                    serving: serving.clone(),
                    connection: connection.clone(),
                    origin: origin.clone(),
                };
                streams.spawn_local(stream.run(query, reply));
            }
            () = shared.slots.become_scarce() => {}
            () = sleep_until(idle_end) => break,
        }
    }
    while streams.join_next().await.is_some() {}
    connection.close(code(NO_ERROR), b"");
}

fn code(code: u16) -> VarInt {
    VarInt::from_u32(code.into())
}
