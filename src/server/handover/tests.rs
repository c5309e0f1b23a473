//! A successor and a predecessor over a real Unix socket.

use super::super::{bind, bind_with};
use super::*;
use crate::server::script::options;
use std::sync::atomic::{AtomicU32, Ordering};

/// A path that nobody has.
fn path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("tenantdns-handover-{}-{next}", std::process::id()))
}

/// A door, and what connects to it.
async fn pair() -> (HandoverDoor, UnixStream, UnixStream) {
    let door = HandoverDoor::open(&path()).unwrap();
    let successor = UnixStream::connect(door.path()).await.unwrap();
    let stream = door.accept().await.unwrap();
    (door, successor, stream)
}

#[tokio::test]
async fn every_socket_arrives_and_a_datagram_that_waits_in_one_is_there() {
    let mut options = options("127.0.0.1:0");
    options.threads = 70;
    let bound = bind(&options).unwrap();
    let (_, address) = bound.listeners().next().unwrap();
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"waits", address).unwrap();

    let (_door, successor, stream) = pair().await;
    let giving = async {
        let greeted = Successor::greet(stream).await.unwrap().unwrap();
        let asked = "127.0.0.1:8080".parse().unwrap();
        let http = [(asked, http.as_fd())].into_iter();
        let listeners = bound.listeners.iter().map(|listener| listener.sockets());
        greeted.give(listeners, http).await.unwrap();
        greeted.leave().await;
    };
    let taking = async {
        let predecessor = Predecessor(successor);
        let mut inherited = predecessor.ask().await.unwrap();
        let http = std::mem::take(&mut inherited.http);
        options.threads = 72;
        let taken = bind_with(&options, inherited).unwrap();
        predecessor.relieve().await;
        (taken, http)
    };
    let ((), (taken, served)) = tokio::join!(giving, taking);
    assert_eq!(
        served[0].1.local_addr().unwrap(),
        http.local_addr().unwrap()
    );
    let listener = &taken.listeners[0];
    assert!(listener.taken_over);
    assert_eq!((listener.address, listener.udp.len()), (address, 72));
    assert_eq!(
        listener.tcp.as_ref().unwrap().local_addr().unwrap(),
        address
    );
    drop(bound);
    let waiting = listener.udp.iter().find_map(|each| {
        each.socket.set_nonblocking(true).unwrap();
        let mut octets = [0; 16];
        let length = each.socket.recv(&mut octets).ok()?;
        Some(octets[..length].to_vec())
    });
    assert_eq!(waiting.as_deref(), Some(&b"waits"[..]));
}

#[tokio::test]
async fn another_version_is_refused_with_the_reason_and_a_look_is_none() {
    let (_door, successor, stream) = pair().await;
    say(&successor, "tenantdns handover 0", &[]).await.unwrap();
    let error = Successor::greet(stream).await.unwrap_err();
    assert!(matches!(error, HandoverError::Version(said) if &*said == "tenantdns handover 0"));
    let (text, _) = hear(&successor, PATIENCE).await.unwrap();
    assert_eq!(text, format!("refused {HELLO} is spoken here"));

    let (_door, successor, stream) = pair().await;
    drop(successor);
    assert!(Successor::greet(stream).await.unwrap().is_none());
}

#[tokio::test]
async fn who_says_what_makes_no_sense_or_gives_no_socket_is_told_apart() {
    for (says, expected) in [
        ("refused no", "the predecessor refuses: no"),
        ("udp nowhere", "`udp nowhere` is not what comes next"),
        (
            "udp 127.0.0.1:1",
            "what is handed over as udp 127.0.0.1:1 is no such socket",
        ),
    ] {
        let (_door, successor, stream) = pair().await;
        let predecessor = Predecessor(successor);
        let file = fs::File::open("/dev/null").unwrap();
        let saying = async {
            hear(&stream, PATIENCE).await.unwrap();
            say(&stream, says, &[file.as_fd()]).await.unwrap();
        };
        let ((), asked) = tokio::join!(saying, predecessor.ask());
        assert_eq!(asked.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_successor_that_dies_half_way_is_noticed() {
    let bound = bind(&options("127.0.0.1:0")).unwrap();
    let (_door, successor, stream) = pair().await;
    let giving = async {
        let greeted = Successor::greet(stream).await.unwrap().unwrap();
        let listeners = bound.listeners.iter().map(|listener| listener.sockets());
        greeted.give(listeners, std::iter::empty()).await
    };
    let dying = async {
        let predecessor = Predecessor(successor);
        drop(predecessor.ask().await.unwrap());
    };
    let (given, ()) = tokio::join!(giving, dying);
    assert!(matches!(given, Err(HandoverError::Io(_))), "{given:?}");
}

#[tokio::test]
async fn a_door_that_was_left_behind_is_no_obstacle_and_one_in_use_is() {
    let path = path();
    let left = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(left);
    assert!(Predecessor::find(&path).await.is_none());
    let door = HandoverDoor::open(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = HandoverDoor::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(Predecessor::find(&path).await.is_some());
    drop(door);
    assert!(!path.exists());
}
