//! One stream: a query in, its reply out.

use super::super::answerer::Answerer;
use super::super::single::Ended;
use super::super::stats::Count;
use super::super::tcp::{Origin, Serving, Shared};
use super::{EXCESSIVE_LOAD, NO_ERROR, PROTOCOL_ERROR, UNSPECIFIED_ERROR, code};
use crate::wire::{HEADER_LEN, QNameBuffer, Query};
use quinn::{Connection, ReadExactError, RecvStream, SendStream};
use std::rc::Rc;
use tokio::time::timeout;

/// What a query is given room for at first: what its prefix merely claims costs nothing.
const ROOM: usize = 1024;
/// The option by which TCP connections are kept, which has no place here (RFC 9250 section 5.5.2).
const KEEPALIVE: u16 = 11;

/// A stream's surroundings.
pub(super) struct Stream<A> {
    pub(super) shared: Rc<Shared<A>>,
    pub(super) serving: Rc<Serving>,
    pub(super) connection: Connection,
    pub(super) origin: Rc<Origin>,
}

/// Why there is no query.
enum NoQuery {
    /// The client has given up, or is too slow.
    Gone,
    /// The client does not speak DNS over QUIC.
    Wrong,
}

impl<A: Answerer> Stream<A> {
    pub(super) async fn run(self, mut query: RecvStream, mut reply: SendStream) {
        let limits = self.shared.limits(self.origin.timeouts);
        let message = match timeout(limits.timeouts.first, read(&mut query)).await {
            Ok(Ok(message)) if is_allowed(&message) => message,
            Ok(Err(NoQuery::Gone)) => return,
            Err(_) => {
                self.shared.count(Count::TcpTimedOut);
                let _ = reply.reset(code(UNSPECIFIED_ERROR));
                return;
            }
            Ok(Ok(_) | Err(NoQuery::Wrong)) => return self.close(PROTOCOL_ERROR),
        };
        let ended = self.shared.ask(&self.origin, &message, Count::QuicQueries);
        let answer = match ended.await {
            Ended::Reply(answer) => answer,
            Ended::Limited { close: true } => return self.close(EXCESSIVE_LOAD),
            Ended::Limited { close: false } => return self.reset(&mut reply, EXCESSIVE_LOAD),
            Ended::Nothing => return self.reset(&mut reply, UNSPECIFIED_ERROR),
        };
        let Ok(length) = u16::try_from(answer.len()) else {
            return self.reset(&mut reply, UNSPECIFIED_ERROR);
        };
        let framed = [&length.to_be_bytes(), &answer[..]].concat();
        let sent = timeout(limits.timeouts.write, async {
            reply.write_all(&framed).await.ok()?;
            reply.finish().ok()?;
            self.serving.replied(NO_ERROR);
            // Until the client has it, or the connection could end before.
            reply.stopped().await.ok()
        });
        if sent.await.is_err() {
            self.shared.count(Count::TcpTimedOut);
            let _ = reply.reset(code(UNSPECIFIED_ERROR));
        }
    }

    /// Ends the connection.
    fn close(&self, with: u16) {
        if self.connection.close_reason().is_none() {
            self.serving.replied(with);
            self.connection.close(code(with), b"");
        }
    }

    /// Ends the stream alone.
    fn reset(&self, reply: &mut SendStream, with: u16) {
        self.serving.replied(with);
        let _ = reply.reset(code(with));
    }
}

/// Reads a query with its length prefix (RFC 9250 section 4.2). What follows it is not looked at.
async fn read(stream: &mut RecvStream) -> Result<Vec<u8>, NoQuery> {
    let mut prefix = [0; 2];
    stream
        .read_exact(&mut prefix)
        .await
        .map_err(|error| no_query(&error))?;
    let length = usize::from(u16::from_be_bytes(prefix));
    let mut message = Vec::with_capacity(length.min(ROOM));
    while message.len() < length {
        let left = length - message.len();
        match stream.read_chunk(left, true).await {
            Ok(Some(chunk)) => message.extend_from_slice(&chunk.bytes),
            Ok(None) => return Err(NoQuery::Wrong),
            Err(_) => return Err(NoQuery::Gone),
        }
    }
    Ok(message)
}

fn no_query(error: &ReadExactError) -> NoQuery {
    match error {
        // The stream ended before its query did.
        ReadExactError::FinishedEarly(_) => NoQuery::Wrong,
        ReadExactError::ReadError(_) => NoQuery::Gone,
    }
}

/// Returns whether a message has what RFC 9250 asks of one: ID 0 (section 4.2.1), and no keepalive of
/// TCP (section 5.5.2).
fn is_allowed(message: &[u8]) -> bool {
    if message.len() < HEADER_LEN || message[..2] != [0, 0] {
        return false;
    }
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(message, &mut buffer).ok();
    let edns = query.and_then(|query| query.edns);
    !edns.is_some_and(|edns| edns.options().any(|(code, _)| code == KEEPALIVE))
}
