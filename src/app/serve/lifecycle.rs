//! What happens to a server that runs: it becomes ready, and is told to stop. Not how it stops.

use crate::drain::{Drain, termination};
use std::io::{self, Write};
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// Waits until the server is to stop, and returns why. Says where it listens once `ready` says that it
/// answers.
///
/// # Errors
/// Signals can't be waited for.
pub(super) async fn live(
    addresses: &[SocketAddr],
    ready: oneshot::Receiver<()>,
    drain: &Drain,
) -> io::Result<&'static str> {
    tokio::select! {
        asked = termination() => return asked,
        () = drain.started() => return Ok("the source has ended"),
        Ok(()) = ready => {}
    }
    for address in addresses {
        // Nobody has to listen to us to be answered.
        let _ = writeln!(io::stdout(), "listening on {address} (udp, tcp)");
    }
    tokio::select! {
        asked = termination() => asked,
        () = drain.started() => Ok("the source has ended"),
    }
}
