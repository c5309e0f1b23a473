//! Times, with a clock that stands still until everybody waits for it. Only upstreams that say nothing
//! are asked: to wait for octets is not to wait for the clock.

use super::message::Question;
use super::options::Options;
use super::random::Random;
use super::resolve::Way;
use super::stats::{Proto, Stats};
use super::table::{BUDGET, Table};
use super::target::Target;
use super::watch::{Nobody, Watch};
use crate::wire::{Name, RType};
use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::{Instant, advance, sleep};

/// Runs with time standing still.
fn paused(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// Somebody who hears and says nothing.
fn silent() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn table(addresses: &[SocketAddr], change: impl FnOnce(&mut Options)) -> (Table, Stats) {
    let mut options = Options::new(Name::root());
    change(&mut options);
    let options = Arc::new(options);
    let (stats, random) = (
        Stats::new(addresses.iter().copied()),
        Rc::new(Random::new()),
    );
    let watch: Arc<dyn Watch> = Arc::new(Nobody);
    let targets = addresses.iter().map(|&address| {
        let of = (stats.to(address), &random);
        Rc::new(Target::new(address, Way::Dns, &options, of, &watch))
    });
    let table = Table {
        targets: targets.collect(),
        options,
        random,
        stats: stats.clone(),
        turn: Cell::new(0),
    };
    (table, stats)
}

fn question() -> Question {
    Question::own(b"\x01a\0", RType::A, true)
}

/// Waits until an upstream has heard so many questions, and returns whether it was no more.
fn heard(socket: &UdpSocket) -> usize {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 512];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count()
}

#[test]
fn a_query_has_so_many_attempts_and_so_much_time() {
    let seconds = Duration::from_secs;
    for (fact, upstreams, attempts, read_timeout, asked, took) in [
        ("two an upstream", 1, None, seconds(2), 2, seconds(4)),
        ("as many as told", 1, Some(1), seconds(2), 1, seconds(2)),
        ("five seconds in all", 2, None, seconds(2), 3, BUDGET),
        (
            "five seconds without a limit",
            1,
            Some(0),
            seconds(1),
            5,
            BUDGET,
        ),
        (
            "the time that is told",
            1,
            Some(3),
            Duration::from_millis(100),
            3,
            Duration::from_millis(300),
        ),
        (
            "never more than five seconds",
            1,
            None,
            seconds(60),
            1,
            BUDGET,
        ),
    ] {
        paused(async move {
            let servers: Vec<_> = (0..upstreams).map(|_| silent()).collect();
            let addresses: Vec<_> = servers.iter().map(|(_, address)| *address).collect();
            let (table, _) = table(&addresses, |options| {
                options.max_connect_attempts = attempts;
                options.read_timeout = read_timeout;
                options.max_fails = 0;
            });
            let start = Instant::now();
            assert!(table.ask(&question(), false).await.is_err());
            let elapsed = start.elapsed();
            let late = Duration::from_millis(300);
            assert!(
                (took..took + late).contains(&elapsed),
                "{fact}: {elapsed:?}"
            );
            let count: usize = servers.iter().map(|(socket, _)| heard(socket)).sum();
            assert_eq!(count, asked, "{fact}");
        });
    }
}

#[test]
fn an_upstream_that_failed_is_looked_after_at_its_interval() {
    paused(async {
        let (socket, address) = silent();
        let (table, stats) = table(&[address], |options| {
            options.health_check.interval = Duration::from_secs(10);
            options.max_connect_attempts = Some(1);
        });
        sleep(Duration::from_secs(60)).await;
        assert_eq!(heard(&socket), 0, "nobody looks before something failed");
        for _ in 0..2 {
            assert!(table.ask(&question(), false).await.is_err());
        }
        // A look takes its second, and ten pass to the next: three in half a minute.
        sleep(Duration::from_secs(30)).await;
        let failures = stats.read().to[0].healthcheck_failures;
        assert_eq!(failures, 3, "one looks, however many failed");
        assert!(table.targets[0].is_down());
    });
}

#[test]
fn sockets_are_kept_as_long_as_told() {
    let seconds = Duration::from_secs;
    for (fact, expire, max_age, waits, opened) in [
        (
            "ten seconds idle",
            seconds(10),
            Duration::ZERO,
            [9, 9, 9],
            1,
        ),
        ("not eleven", seconds(10), Duration::ZERO, [9, 11, 9], 2),
        ("an age", seconds(10), seconds(20), [9, 9, 9], 2),
    ] {
        paused(async move {
            let (_socket, address) = silent();
            let (table, stats) = table(&[address], |options| {
                options.expire = expire;
                options.max_age = max_age;
            });
            let target = &table.targets[0];
            for wait in waits {
                target.use_once(Proto::Udp).await;
                advance(seconds(wait)).await;
            }
            target.use_once(Proto::Udp).await;
            let of = &stats.read().to[0];
            assert_eq!(of.conn_cache_misses[Proto::Udp as usize], opened, "{fact}");
            assert_eq!(of.sockets_open, 1, "{fact}");
            advance(seconds(30)).await;
            target.sweep();
            assert_eq!(
                stats.read().to[0].sockets_open,
                0,
                "{fact}: idle ones are closed"
            );
        });
    }
}

#[test]
fn opening_a_connection_may_take_twice_what_it_took_of_late() {
    let (table, _) = table(&["192.0.2.1:53".parse().unwrap()], |_| {});
    let target = &table.targets[0];
    let seconds = |target: &Target| target.dial_timeout().as_secs_f64();
    assert_eq!(seconds(target), 30.0);
    for _ in 0..20 {
        target.dialed(Duration::from_millis(10));
    }
    assert_eq!(seconds(target), 1.0);
    for _ in 0..20 {
        target.dialed(Duration::from_secs(3));
    }
    assert!((5.9..6.1).contains(&seconds(target)), "{}", seconds(target));
}
