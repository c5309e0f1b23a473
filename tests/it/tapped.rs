//! What another server tells may be anything: whatever is sent is read or refused, and never more is
//! kept of it than there is room for.

use crate::random::check;
use proptest::collection::vec;
use proptest::prelude::*;
use std::cell::Cell;
use tenantdns::tap::{Frame, Frames, Lines, Said, Told, read_line, read_message};
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// A stream of dnstap with one query, and a line of CoreDNS's log.
fn stream() -> Vec<u8> {
    let asked = query("web.shop.svc.cluster.local.", RType::A);
    let message = [
        &[8, 5, 34, 4, 10, 0, 0, 1, 82, asked.len() as u8],
        &asked[..],
    ]
    .concat();
    let tap = [&[114, message.len() as u8], &message[..], &[120, 1]].concat();
    let start = [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 2];
    [&start[..], &(tap.len() as u32).to_be_bytes(), &tap].concat()
}

const LINE: &[u8] = b"[INFO] 10.0.0.1:1234 - 5678 \"A IN web.shop.svc.cluster.local. udp 56 false 1232\" NOERROR qr,aa,rd 106 0.0001s\n";

/// Reads both, in pieces of a size; returns how many queries there were.
fn read(bytes: &[u8], size: usize) -> usize {
    let (mut frames, mut lines, mut found) = (Frames::default(), Lines::default(), 0);
    let mut ended = false;
    for piece in bytes.chunks(size) {
        lines.feed(piece);
        while let Some(line) = lines.next_line() {
            found += usize::from(matches!(read_line(line), Said::Query(_)));
        }
        if ended {
            continue;
        }
        frames.feed(piece);
        loop {
            match frames.next_frame() {
                Ok(Some(Frame::Content(message))) => {
                    found += usize::from(matches!(read_message(message), Ok(Told::Query(_))));
                }
                Ok(Some(Frame::Say(_))) => {}
                Ok(Some(Frame::End(_))) | Err(_) => {
                    ended = true;
                    break;
                }
                Ok(None) => break,
            }
        }
    }
    let last = lines.end().map(read_line);
    found + usize::from(matches!(last, Some(Said::Query(_))))
}

#[test]
fn whatever_is_told_is_survived() {
    assert_eq!((read(&stream(), 7), read(LINE, 7)), (1, 1));
    // Something good with some octets that are others, and something that never was good.
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let strategy = (any::<bool>(), changes, vec(any::<u8>(), 0..40), 1usize..64);
    let (read_on, broken) = (Cell::new(0), Cell::new(0));
    check(4096, file!(), &strategy, |(log, changes, more, size)| {
        let mut bytes = if log { LINE.to_vec() } else { stream() };
        for (place, octet) in changes {
            let place = place.index(bytes.len());
            bytes[place] = octet;
        }
        bytes.extend(&more);
        let found = read(&bytes, size);
        // The pieces say nothing.
        prop_assert_eq!(found, read(&bytes, bytes.len()));
        let counter = if found > 0 { &read_on } else { &broken };
        counter.set(counter.get() + 1);
        Ok(())
    });
    assert!(
        read_on.get() > 500 && broken.get() > 500,
        "{read_on:?} {broken:?}"
    );
}
