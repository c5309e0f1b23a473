//! Senders of all kinds, good and hostile, on streams that are no sockets and a clock that stands
//! still.

use super::*;
use crate::tap::CONTENT_TYPE;
use crate::testing::query;
use crate::wire::RType;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc::{Receiver, channel};

fn control(kind: u8) -> Vec<u8> {
    let content = match kind {
        3 => Vec::new(),
        _ => [
            &[0, 0, 0, 1, 0, 0, 0, CONTENT_TYPE.len() as u8],
            CONTENT_TYPE,
        ]
        .concat(),
    };
    let length = content.len() as u8 + 4;
    [&[0, 0, 0, 0, 0, 0, 0, length, 0, 0, 0, kind], &content[..]].concat()
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// A client's query as CoreDNS tells it; `full` with the message.
fn tap(full: bool) -> Vec<u8> {
    let asked = query("web.shop.svc.cluster.local.", RType::A);
    let mut message = vec![8, 5, 34, 4, 10, 0, 0, 1];
    if full {
        message.extend([82, asked.len() as u8]);
        message.extend(asked);
    }
    frame(&[&[114, message.len() as u8], &message[..], &[120, 1]].concat())
}

/// Reads a stream of which the sender's end is given; returns how it ended, when it has.
fn reading() -> (
    DuplexStream,
    Receiver<Heard>,
    tokio::task::JoinHandle<String>,
) {
    let (near, far) = duplex(1024);
    let (heard, inbox) = channel(WAITING);
    let task = tokio::spawn(async move {
        match read(far, &heard).await {
            Ok(()) => "ended".to_owned(),
            Err(error) => error.to_string(),
        }
    });
    (near, inbox, task)
}

const WAITING: usize = 1024;

#[tokio::test(start_paused = true)]
async fn what_a_stream_tells_until_it_ends() {
    let (ready, start, stop) = (control(4), control(2), control(3));
    let large = [&start[..], &[0x7f, 0xff, 0xff, 0xff]].concat();
    let torn = [&start[..], &tap(true)[..20]].concat();
    let many = [&start[..], &tap(true).repeat(1000), &stop].concat();
    let silence = "nothing came for 10 seconds, and more was to come";
    let short = "it ended within a frame, or before it began";
    for (what, bytes, stays, counts, end) in [
        (
            "both ways",
            [&ready[..], &start, &tap(true), &stop].concat(),
            true,
            [1, 0, 0],
            "ended",
        ),
        (
            "one way",
            [&start[..], &tap(true), &tap(true), &stop].concat(),
            true,
            [2, 0, 0],
            "ended",
        ),
        (
            "no end",
            [&start[..], &tap(true)].concat(),
            false,
            [1, 0, 0],
            "ended",
        ),
        ("many", many, true, [1000, 0, 0], "ended"),
        (
            "without messages",
            [&start[..], &tap(false), &tap(false), &stop].concat(),
            true,
            [0, 2, 0],
            "ended",
        ),
        (
            "a frame that is no dnstap",
            [&start[..], &frame(b"\xff"), &tap(true), &stop].concat(),
            true,
            [1, 0, 1],
            "ended",
        ),
        ("nothing", Vec::new(), false, [0; 3], short),
        ("nothing, and stays", Vec::new(), true, [0; 3], silence),
        ("READY, and stays", ready.clone(), true, [0; 3], silence),
        (
            "half a frame, and stays",
            torn.clone(),
            true,
            [0; 3],
            silence,
        ),
        ("half a frame", torn, false, [0; 3], short),
        (
            "a large frame",
            large,
            true,
            [0; 3],
            "a frame of 2147483647 octets; at most 262144 are read",
        ),
        (
            "a query",
            query("a.", RType::A),
            true,
            [0; 3],
            "a frame of 305398016 octets; at most 262144 are read",
        ),
        (
            "what came before what is wrong",
            [&start[..], &tap(true), &start].concat(),
            true,
            [1, 0, 0],
            "control frame 2 out of turn",
        ),
    ] {
        let (mut near, mut inbox, task) = reading();
        // The reader may be gone before all is written.
        let _ = near.write_all(&bytes).await;
        if !stays {
            let _ = near.shutdown().await;
        }
        let ended = task.await.unwrap();
        let mut told = [0; 3];
        while let Some(heard) = inbox.recv().await {
            told[0] += heard.queries.len() as u64;
            told[1] += heard.wordless;
            told[2] += heard.garbled;
        }
        assert!(ended.starts_with(end), "{what}: {ended}");
        assert_eq!(told, counts, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_has_begun_may_be_silent_for_long() {
    let (mut near, mut inbox, task) = reading();
    near.write_all(&control(2)).await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(PATIENCE * 100).await;
        near.write_all(&tap(true)).await.unwrap();
        let heard = inbox.recv().await.unwrap();
        assert_eq!(heard.queries.len(), 1);
    }
    assert!(!task.is_finished());
}

#[tokio::test]
async fn one_too_many_is_closed_and_the_others_are_read_on() {
    let (heard, mut inbox) = channel(WAITING);
    let slots = Arc::new(Semaphore::new(1));
    let room = Room {
        slots: slots.clone(),
        heard,
    };
    let ((mut first, a), (mut second, b)) = (duplex(1024), duplex(1024));
    room.serve(a, "first".to_owned());
    room.serve(b, "second".to_owned());
    let mut nothing = Vec::new();
    second.read_to_end(&mut nothing).await.unwrap();
    first
        .write_all(&[&control(2)[..], &tap(true), &control(3)].concat())
        .await
        .unwrap();
    assert_eq!(inbox.recv().await.unwrap().queries.len(), 1);
    // Its place is free again.
    let _free = slots.acquire().await.unwrap();
}
