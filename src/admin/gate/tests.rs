//! The gate before a cluster that a test writes. The clock stands still until everybody waits for it.

use super::*;
use hyper::header::HeaderValue;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// A cluster in which a token says what is to be said of it.
#[derive(Default)]
struct Script {
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// The API can't be reached.
    away: std::sync::atomic::AtomicBool,
    /// Lets those go on who came with a token `slow…`.
    go: Notify,
}

impl Reviewer for Script {
    fn review<'a>(&'a self, token: &'a str, path: &'a str) -> Reviewing<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::Relaxed);
            if token.starts_with("slow") {
                self.go.notified().await;
            }
            self.at_once.fetch_sub(1, Ordering::Relaxed);
            if self.away.load(Ordering::Relaxed) {
                return Review::Unavailable;
            }
            match token {
                "silent" => std::future::pending().await,
                "reader" if path == "/metrics" => Review::Allowed,
                "reader" | "other" => Review::Forbidden,
                _ if token.starts_with("good") || token.starts_with("slow") => Review::Allowed,
                _ => Review::Unknown,
            }
        })
    }
}

struct Rig {
    script: Arc<Script>,
    gate: Arc<Gate>,
}

impl Rig {
    fn new() -> Self {
        let script = Arc::new(Script::default());
        let gate = Arc::new(Gate::new(script.clone()).unwrap());
        Self { script, gate }
    }

    async fn admit(&self, token: &str, path: &'static str) -> Result<(), Denied> {
        self.gate.admit(&bearing(token), path).await
    }

    /// Checks what comes of a token at `/metrics`, and how often the cluster has been asked by then.
    async fn check(&self, token: &str, expected: Result<(), Denied>, asked: usize) {
        assert_eq!(self.admit(token, "/metrics").await, expected, "{token}");
        assert_eq!(self.asked(), asked, "{token}");
    }

    fn asked(&self) -> usize {
        self.script.asked.load(Ordering::Relaxed)
    }
}

fn bearing(token: &str) -> HeaderMap {
    headers(&[&format!("Bearer {token}")])
}

fn headers(authorizations: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for text in authorizations {
        headers.append(AUTHORIZATION, HeaderValue::from_str(text).unwrap());
    }
    headers
}

#[tokio::test(start_paused = true)]
async fn what_is_no_bearers_token_is_asked_nobody() {
    let rig = Rig::new();
    for wrong in [
        &[][..],
        &[""],
        &["Bearer"],
        &["Bearer "],
        &["good"],
        &["Basic good"],
        &["Bearer good evil"],
        &["Bearer g\"ood"],
        &["Bearer good", "Bearer good"],
    ] {
        let answer = rig.gate.admit(&headers(wrong), "/metrics").await;
        assert_eq!(answer, Err(Denied::Unauthorized), "{wrong:?}");
    }
    assert_eq!(rig.asked(), 0);
    for right in ["Bearer good", "bearer good", "BEARER  good "] {
        let answer = rig.gate.admit(&headers(&[right]), "/metrics").await;
        assert_eq!(answer, Ok(()), "{right}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_token_gets_what_the_cluster_says_of_it_for_each_page() {
    let rig = Rig::new();
    for (token, path, expected) in [
        ("reader", "/metrics", Ok(())),
        ("reader", "/explain", Err(Denied::Forbidden)),
        ("other", "/metrics", Err(Denied::Forbidden)),
        ("nobody", "/metrics", Err(Denied::Unauthorized)),
        ("silent", "/metrics", Err(Denied::Unavailable)),
    ] {
        assert_eq!(rig.admit(token, path).await, expected, "{token} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_yes_is_believed_for_ten_seconds_and_a_no_for_two() {
    let rig = Rig::new();
    rig.check("good", Ok(()), 1).await;
    rig.check("nobody", Err(Denied::Unauthorized), 2).await;
    rig.check("other", Err(Denied::Forbidden), 3).await;
    tokio::time::advance(REFUSED - Duration::from_millis(1)).await;
    rig.check("nobody", Err(Denied::Unauthorized), 3).await;
    rig.check("other", Err(Denied::Forbidden), 3).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    rig.check("nobody", Err(Denied::Unauthorized), 4).await;
    rig.check("other", Err(Denied::Forbidden), 5).await;
    tokio::time::advance(ALLOWED - REFUSED - Duration::from_millis(1)).await;
    rig.check("good", Ok(()), 5).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    rig.check("good", Ok(()), 6).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_api_nobody_is_let_in_and_that_is_not_kept() {
    let rig = Rig::new();
    rig.check("good", Ok(()), 1).await;
    rig.script.away.store(true, Ordering::Relaxed);
    rig.check("good2", Err(Denied::Unavailable), 2).await;
    rig.check("good", Ok(()), 2).await;
    tokio::time::advance(ALLOWED).await;
    rig.check("good", Err(Denied::Unavailable), 3).await;
    rig.script.away.store(false, Ordering::Relaxed);
    rig.check("good", Ok(()), 4).await;
    rig.check("good2", Ok(()), 5).await;
}

#[tokio::test(start_paused = true)]
async fn invented_tokens_share_a_budget_that_known_ones_do_not_need() {
    let rig = Rig::new();
    rig.check("good", Ok(()), 1).await;
    tokio::time::advance(ALLOWED).await;
    let before = rig.asked();
    for n in 0..500 {
        let answer = rig.admit(&format!("invented{n}"), "/metrics").await;
        assert!(answer.is_err(), "{n}");
    }
    let reviewed = rig.asked() - before;
    assert_eq!(reviewed, BURST as usize);
    rig.check("good3", Err(Denied::Unavailable), before + reviewed)
        .await;
    rig.check("good", Ok(()), before + reviewed + 1).await;
    tokio::time::advance(STRANGERS).await;
    rig.check("good3", Ok(()), before + reviewed + 2).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_bounded_and_a_no_pushes_out_no_yes() {
    let rig = Rig::new();
    rig.check("good", Ok(()), 1).await;
    for n in 0..2 * KEPT {
        for sort in ["good", "invented"] {
            let answer = rig.admit(&format!("{sort}-{n}"), "/metrics").await;
            assert_ne!(answer, Err(Denied::Unavailable));
            // So that the budget does not end.
            tokio::time::advance(STRANGERS).await;
        }
    }
    let (allowed, refused) = {
        let known = rig.gate.lock();
        (known.allowed.len(), known.refused.len())
    };
    assert_eq!(allowed, KEPT);
    assert!(refused <= KEPT, "{refused}");
    let asked = rig.asked();
    rig.check("good", Ok(()), asked + 1).await;
    rig.check("good", Ok(()), asked + 1).await;
}

#[tokio::test(start_paused = true)]
async fn reviews_wait_for_their_turn_and_not_for_ever() {
    let rig = Rig::new();
    let tasks: Vec<_> = (0..2 * REVIEWS)
        .map(|n| {
            let gate = rig.gate.clone();
            tokio::spawn(async move { gate.admit(&bearing(&format!("slow{n}")), "/metrics").await })
        })
        .collect();
    while rig.asked() < REVIEWS {
        tokio::task::yield_now().await;
    }
    rig.script.go.notify_waiters();
    for (n, task) in tasks.into_iter().enumerate() {
        let answer = task.await.unwrap();
        // Nobody lets the second eight go on.
        let expected = match n < REVIEWS {
            true => Ok(()),
            false => Err(Denied::Unavailable),
        };
        assert_eq!(answer, expected, "{n}");
    }
    assert_eq!(rig.script.most_at_once.load(Ordering::Relaxed), REVIEWS);
    // Their turns are given back.
    rig.check("good", Ok(()), 2 * REVIEWS + 1).await;
}
