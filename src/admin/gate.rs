//! Who may read the administrator's pages beyond loopback: the bearers of tokens whom the cluster
//! lets. What the cluster says is a [`Reviewer`]'s to find out; here is how often it is asked.
//!
//! An answer is believed for a short time, so that a program that reads page after page costs the
//! cluster's API little. A yes holds for 10 seconds: so long a right that was taken away lasts, and
//! kube-apiserver itself believes tokens as long. A no holds for two: whoever was just given a right
//! soon has it, and a client that tries again and again has the API asked every other second. That
//! the API can't be asked is never kept.
//!
//! Whoever reaches the listener can invent tokens, each of which the API has to be asked about. So
//! tokens without a yes so far share a budget of 10 reviews a second, and what is remembered of
//! them pushes out nothing that is remembered of others.

#[cfg(test)]
mod tests;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};
use ring_crypto::hmac;
use ring_crypto::rand::SystemRandom;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How long a yes is believed.
const ALLOWED: Duration = Duration::from_secs(10);
/// How long a no is believed.
const REFUSED: Duration = Duration::from_secs(2);
/// How long a token with a yes is no stranger's: it is asked about out of turn.
const ACQUAINTED: Duration = Duration::from_secs(3600);
/// Answers kept of each sort.
const KEPT: usize = 256;
/// Reviews at a time.
const REVIEWS: usize = 8;
/// How long a review may take, the wait for its turn included.
const PATIENCE: Duration = Duration::from_secs(6);
/// The pause between two reviews of strangers' tokens.
const STRANGERS: Duration = Duration::from_millis(100);
/// Of which so many may be missing, after a time without any.
const BURST: u32 = 20;

/// What a review comes to.
pub type Reviewing<'a> = Pin<Box<dyn Future<Output = Review> + Send + 'a>>;

/// Asks the cluster. Called on the listeners' runtime, at most eight times at once.
pub trait Reviewer: Send + Sync + 'static {
    /// Returns whether the bearer of `token` may read the page at `path`. The token must get into no
    /// log and no error.
    fn review<'a>(&'a self, token: &'a str, path: &'a str) -> Reviewing<'a>;
}

/// What the cluster says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// Its bearer may read the page.
    Allowed,
    /// Its bearer is known, and may not.
    Forbidden,
    /// It is nobody's.
    Unknown,
    /// The cluster can't be asked.
    Unavailable,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is no token, or it is nobody's.
    Unauthorized,
    /// The bearer may not read this.
    Forbidden,
    /// Nobody can say now.
    Unavailable,
}

impl Denied {
    /// Returns the status, and a line that tells nothing of the cluster.
    pub(super) fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized\n"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden\n"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "ask again\n"),
        }
    }
}

/// A reviewer, and what it said last.
pub(super) struct Gate {
    reviewer: Arc<dyn Reviewer>,
    /// Of this process alone: what is remembered is of no use to who reads the memory.
    key: hmac::Key,
    turns: Semaphore,
    known: Mutex<Known>,
}

/// A token's MAC and a path.
type Question = ([u8; 32], &'static str);

#[derive(Default)]
struct Known {
    /// When a yes was heard.
    allowed: HashMap<Question, Instant>,
    /// Until when a no is believed.
    refused: HashMap<Question, (Denied, Instant)>,
    /// When the budget of strangers is full again.
    full: Option<Instant>,
}

impl Gate {
    /// Returns a gate that asks `reviewer`.
    ///
    /// # Errors
    /// The system has no random bits.
    pub(super) fn new(reviewer: Arc<dyn Reviewer>) -> io::Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(Self {
            reviewer,
            key: key.map_err(|_| io::Error::other("no random bits"))?,
            turns: Semaphore::new(REVIEWS),
            known: Mutex::default(),
        })
    }

    /// Finds out whether a request may read the page at `path`.
    ///
    /// # Errors
    /// It may not, or nobody can say.
    pub(super) async fn admit(
        &self,
        headers: &HeaderMap,
        path: &'static str,
    ) -> Result<(), Denied> {
        let token = bearer(headers).ok_or(Denied::Unauthorized)?;
        let question = (self.mac(token), path);
        let believed = self.lock().recall(question, Instant::now());
        if let Some(answer) = believed {
            return answer;
        }
        let review = async {
            // The semaphore is never closed.
            let _turn = self.turns.acquire().await;
            self.reviewer.review(token, path).await
        };
        let review = timeout(PATIENCE, review).await;
        let answer = match review.unwrap_or(Review::Unavailable) {
            Review::Allowed => Ok(()),
            Review::Forbidden => Err(Denied::Forbidden),
            Review::Unknown => Err(Denied::Unauthorized),
            Review::Unavailable => return Err(Denied::Unavailable),
        };
        self.lock().keep(question, answer, Instant::now());
        answer
    }

    fn mac(&self, token: &str) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&self.key, token.as_bytes()).as_ref());
        mac
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Returns what is believed of a question; `None` where the cluster may be asked.
    fn recall(&mut self, question: Question, now: Instant) -> Option<Result<(), Denied>> {
        let allowed = self.allowed.get(&question);
        if allowed.is_some_and(|heard| now < *heard + ALLOWED) {
            return Some(Ok(()));
        }
        if let Some((denied, until)) = self.refused.get(&question)
            && now < *until
        {
            return Some(Err(*denied));
        }
        if allowed.is_some_and(|heard| now < *heard + ACQUAINTED) {
            return None;
        }
        let full = self.full.unwrap_or(now).max(now) + STRANGERS;
        if full > now + STRANGERS * BURST {
            return Some(Err(Denied::Unavailable));
        }
        self.full = Some(full);
        None
    }

    /// Keeps an answer, unless there are too many of its sort.
    fn keep(&mut self, question: Question, answer: Result<(), Denied>, now: Instant) {
        match answer {
            Ok(()) => {
                self.refused.remove(&question);
                self.allowed.retain(|_, heard| now < *heard + ACQUAINTED);
                if self.allowed.len() < KEPT || self.allowed.contains_key(&question) {
                    self.allowed.insert(question, now);
                }
            }
            Err(denied) => {
                self.allowed.remove(&question);
                self.refused.retain(|_, (_, until)| now < *until);
                if self.refused.len() < KEPT {
                    self.refused.insert(question, (denied, now + REFUSED));
                }
            }
        }
    }
}

/// Returns the token of a request (RFC 6750, section 2.1); of several headers there is none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    // The characters of `b64token`.
    let of_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    (is_bearer && !token.is_empty() && token.chars().all(of_token)).then_some(token)
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}
