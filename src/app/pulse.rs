//! Asks the health page once a second, as CoreDNS does: a program that can't answer itself is
//! overloaded. What comes of it is counted, and nothing else: the probes decide.

use crate::drain::Drain;
use crate::metrics::Histogram;
use crate::metrics::coredns::Health;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often it asks.
const EVERY: Duration = Duration::from_secs(1);
/// How long it waits for each part of the answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// What takes longer is said in the log.
const SLOW: Duration = Duration::from_secs(1);
/// `plugin.SlimTimeBuckets`, in seconds.
const BOUNDS: [f64; 5] = [0.000_25, 0.002_5, 0.025, 0.25, 2.5];

/// The running thread.
pub(super) struct Pulse {
    closing: Drain,
    thread: JoinHandle<()>,
    counts: Counts,
}

/// What came of asking. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub(super) struct Counts(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    /// Where the page is, where there is one.
    at: Option<SocketAddr>,
    health: Health,
}

impl Pulse {
    /// Starts to ask at an address, where there is one.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(health: Option<SocketAddr>) -> io::Result<Self> {
        let (closing, counts) = (Drain::new(), Counts::default());
        let (closed, counted) = (closing.clone(), counts.clone());
        counts.lock().at = health;
        let thread = thread::Builder::new()
            .name("health".into())
            .spawn(move || run(&counted, &closed))?;
        Ok(Self {
            closing,
            thread,
            counts,
        })
    }

    /// Asks elsewhere from now on, or not at all.
    pub(super) fn ask_at(&self, health: Option<SocketAddr>) {
        self.counts.lock().at = health;
    }

    /// Returns what comes of asking, now and later.
    pub(super) fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Stops to ask, and returns whether the thread ended in good order.
    pub(super) fn close(self) -> bool {
        self.closing.start();
        self.thread.join().is_ok()
    }
}

impl Counts {
    /// Returns what came of it so far; `None` where there is no page.
    pub(super) fn read(&self) -> Option<Health> {
        let asked = self.lock();
        asked.at.map(|_| asked.health.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        // Whole whatever happened to who held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, took: Duration, failed: bool) {
        let health = &mut self.lock().health;
        let Histogram {
            bounds,
            counts,
            sum,
        } = &mut health.times;
        if bounds.is_empty() {
            *bounds = BOUNDS.to_vec();
            *counts = vec![0; BOUNDS.len() + 1];
        }
        let seconds = took.as_secs_f64();
        counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        *sum += seconds;
        health.failures += u64::from(failed);
    }
}

fn run(counts: &Counts, closing: &Drain) {
    closing.unpark_me();
    let mut next = Instant::now() + EVERY;
    loop {
        let now = Instant::now();
        if closing.is_started() {
            return;
        }
        if now < next {
            thread::park_timeout(next - now);
            continue;
        }
        next = now + EVERY;
        let Some(health) = counts.lock().at.map(reachable) else {
            continue;
        };
        let asked = ask(health);
        let took = now.elapsed();
        counts.add(took, asked.is_err());
        match asked {
            Err(error) => tracing::warn!(%health, %error, "the health page can't be had"),
            Ok(()) if took > SLOW => {
                tracing::warn!(%health, ?took, "the health page took long: overloaded?");
            }
            Ok(()) => {}
        }
        next = now + EVERY.max(took);
    }
}

/// Asks for the page, and reads it to its end.
fn ask(health: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&health, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n")?;
    let mut page = Vec::new();
    // The page is a word. Whoever else has taken the port must not fill the memory.
    stream.take(4096).read_to_end(&mut page)?;
    match page.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "it is not 200")),
    }
}

/// Returns where a listener is reached from this host.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        // Takes IPv4 as well, and the host may have no address of IPv6.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn what_is_asked_is_counted() {
        let counts = Counts::default();
        assert!(counts.read().is_none());
        counts.lock().at = Some("127.0.0.1:1".parse().unwrap());
        assert_eq!(counts.read().unwrap().times.count(), 0);
        counts.add(Duration::from_micros(250), false);
        counts.add(Duration::from_micros(251), false);
        counts.add(Duration::from_secs(3), true);
        let health = counts.read().unwrap();
        assert_eq!(health.times.counts, [1, 1, 0, 0, 0, 1]);
        assert_eq!((health.failures, health.times.bounds.len()), (1, 5));
    }

    #[test]
    fn only_a_page_that_is_there_is_healthy() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            ("", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let served = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                let length = stream.read(&mut request).unwrap();
                assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).unwrap();
            });
            assert_eq!(ask(address).is_ok(), expected, "{answer}");
            served.join().unwrap();
        }
    }

    #[test]
    fn a_listener_for_all_addresses_is_reached_on_loopback() {
        for (listener, from_here) in [
            ("[::]:8080", "127.0.0.1:8080"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[fd00::7]:1", "[fd00::7]:1"),
        ] {
            let expected: SocketAddr = from_here.parse().unwrap();
            assert_eq!(reachable(listener.parse().unwrap()), expected);
        }
    }
}
