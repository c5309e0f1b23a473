//! What is copied is read, by whoever wants it, and who does not read keeps nobody.

use super::copy::{CAUSES, failure};
use super::*;
use crate::answer::{Attempt, Cause, Step, Transport};
use crate::tenancy::Client;
use crate::testing::{query, request};
use crate::wire::RType;

fn verdict(rcode: Rcode) -> Verdict {
    Verdict {
        rcode,
        block: Some(BlockId(3)),
        plugin: Some(Plugin::Kubernetes),
        zone: None,
        client: None,
        forwarded: None,
        named: Some("fd00::7".parse().unwrap()),
        asker: Client::Unknown,
        qtype: Some(RType::A),
        searched: false,
        missing: None,
        dnssec_ok: false,
        qname: 0,
    }
}

fn all(exchanges: &mut Exchanges) -> Vec<Exchange> {
    let mut read = Vec::new();
    exchanges.read(|exchange| read.push(exchange));
    read
}

const FAILURE: Failure = Failure::NoneHealthy;

#[test]
fn failures_are_read_as_they_were_copied() {
    let attempts = [
        "10.0.0.1:1 10.0.0.2:53",
        "[fd00::1]:65535 [fd00::2]:853",
        "- [::1]:1",
    ];
    let attempts = attempts.into_iter().flat_map(|addresses| {
        let (from, to) = addresses.split_once(' ').unwrap();
        let causes = CAUSES.into_iter().chain([100, 503, 999].map(Cause::Status));
        causes.flat_map(move |cause| {
            [(Step::Dial, true), (Step::Read, false), (Step::Read, true)].map(|(step, stream)| {
                Failure::Upstream(Attempt {
                    step,
                    stream,
                    from: from.parse().ok(),
                    to: to.parse().unwrap(),
                    cause,
                })
            })
        })
    });
    let others = [
        Failure::NoneHealthy,
        Failure::NoRoom,
        Failure::TooMany(u32::MAX),
        Failure::TooManyOfTenant(7),
    ];
    for kind in attempts.chain(others) {
        assert_eq!(failure(failure_words(&kind)), Some(kind));
    }
}

#[test]
fn what_is_read_is_what_was_copied() {
    let first = Recorder::new();
    let mut reader = first.reader(Wanted::ALL, Share::ALL, &Arc::default());
    let mut recorder = first;
    recorder.received(Instant::now());
    let asked = query("web.shop.svc.cluster.local.", RType::A);
    for transport in [Transport::Udp, Transport::Tcp] {
        for length in [0, 1, 12, 100, 1232, 65_535] {
            let answer: Vec<u8> = (0..length).map(|n: usize| n as u8).collect();
            let request = request("10.0.0.1".parse().unwrap(), transport, &asked);
            let failure = (length == 12).then_some(FAILURE);
            recorder.saw(
                &request,
                &verdict(Rcode::NOERROR),
                failure.as_ref(),
                &answer,
            );
            let [read] = &all(&mut reader)[..] else {
                panic!("{length}")
            };
            assert_eq!((&read.query, &read.answer), (&asked, &answer));
            assert_eq!(read.failure, failure);
            assert_eq!(
                (read.peer, read.listener, read.local, read.stream),
                (
                    request.peer,
                    request.listener,
                    request.local,
                    transport == Transport::Tcp
                )
            );
            assert_eq!(
                (read.block, read.plugin, read.named),
                (
                    Some(BlockId(3)),
                    Some(Plugin::Kubernetes),
                    verdict(Rcode(0)).named
                )
            );
        }
    }
    for plugin in Plugin::ALL {
        assert_eq!(Plugin::ALL[plugin as usize], plugin);
    }
}

#[test]
fn only_what_is_wanted_is_copied() {
    let first = Recorder::new();
    let [success, denial, error] = [
        [true, false, false],
        [false, true, false],
        [false, false, true],
    ]
    .map(|[success, denial, error]| {
        first.reader(
            Wanted {
                success,
                denial,
                error,
            },
            Share::ALL,
            &Arc::default(),
        )
    });
    let mut nothing = first.reader(Wanted::ALL, Share::of(0.0), &Arc::default());
    let mut readers = [success, denial, error];
    let mut recorder = first;
    recorder.received(Instant::now());
    let asked = query("a.", RType::A);
    for (rcode, answers, expected) in [
        (Rcode::NOERROR, 1, [1, 0, 0]),
        (Rcode::NOERROR, 0, [1, 1, 0]),
        (Rcode::NXDOMAIN, 0, [0, 1, 0]),
        (Rcode::NXDOMAIN, 1, [0, 0, 1]),
        (Rcode::SERVFAIL, 0, [0, 0, 1]),
        (Rcode::REFUSED, 0, [0, 0, 1]),
    ] {
        let request = request("10.0.0.1".parse().unwrap(), Transport::Udp, &asked);
        recorder.saw(
            &request,
            &verdict(rcode),
            None,
            &[0, 0, 0, 0, 0, 0, 0, answers],
        );
        let read = readers.each_mut().map(|reader| all(reader).len());
        assert_eq!(read, expected, "{rcode} {answers}");
    }
    assert!(all(&mut nothing).is_empty());
}

#[test]
fn a_reader_that_does_not_read_loses_and_keeps_nobody() {
    let first = Recorder::new();
    let [lost, none] = [(); 2].map(|()| Arc::<AtomicU64>::default());
    let mut slow = first.reader(Wanted::ALL, Share::ALL, &lost);
    let mut quick = first.reader(Wanted::ALL, Share::ALL, &none);
    let mut recorder = first.clone();
    recorder.received(Instant::now());
    let asked = query("a.", RType::A);
    let request = request("10.0.0.1".parse().unwrap(), Transport::Udp, &asked);
    for _ in 0..RECORDS {
        recorder.saw(&request, &verdict(Rcode::NOERROR), None, &[0; 200]);
        assert_eq!(all(&mut quick).len(), 1);
    }
    let kept = all(&mut slow).len();
    assert_eq!(
        (
            kept as u64 + lost.load(Ordering::Relaxed),
            none.load(Ordering::Relaxed)
        ),
        (RECORDS as u64, 0)
    );
    assert!(kept > 1000 && lost.load(Ordering::Relaxed) > 0, "{kept}");
    // Whoever is gone is not copied for, and who comes later is.
    drop(slow);
    let mut late = first.reader(Wanted::ALL, Share::ALL, &Arc::default());
    recorder.received(Instant::now());
    recorder.saw(&request, &verdict(Rcode::NOERROR), None, &[0; 200]);
    assert_eq!((recorder.sinks.len(), all(&mut late).len()), (2, 1));
}
