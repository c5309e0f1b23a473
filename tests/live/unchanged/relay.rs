//! The API server where a pod finds it: at its ClusterIP, from which bytes are carried to where it is.

use crate::apiserver::ApiServer;
use crate::hosts::Network;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What takes connections on a host. Ends when dropped; connections end with their clients.
pub(super) struct Relay {
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens at the address on the host of the network.
    pub(super) fn start(network: &Network, host: &str, address: &str, api: &ApiServer) -> Self {
        let listener = network.on(host, || TcpListener::bind(address).unwrap());
        listener.set_nonblocking(true).unwrap();
        let to = api.url().trim_start_matches("https://").to_owned();
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        // A thread of our own namespace, as its connections are.
        let accepting = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((client, _)) => carry(client, &to),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        thread::park_timeout(Duration::from_millis(5));
                    }
                    Err(error) => panic!("{to}: {error}"),
                }
            }
        });
        let accepting = Some(accepting);
        Self { ended, accepting }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(accepting) = self.accepting.take() {
            accepting.thread().unpark();
            let _ = accepting.join();
        }
    }
}

/// Carries bytes both ways until either side ends. A server that is away ends it at once.
fn carry(client: TcpStream, to: &str) {
    client.set_nonblocking(false).unwrap();
    let Ok(server) = TcpStream::connect(to) else {
        return;
    };
    let ways = [
        (client.try_clone().unwrap(), server.try_clone().unwrap()),
        (server, client),
    ];
    for (mut from, mut into) in ways {
        thread::spawn(move || {
            // Where it fails, the other side is gone, which ending both tells.
            let _ = io::copy(&mut from, &mut into);
            let _ = into.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
}
