//! What is asked of the API, counted: how often, with what outcome, and how long an answer took to
//! begin. For the series that CoreDNS's client has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The upper bounds of the buckets for times, in seconds: Prometheus' defaults.
pub const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The requests so far. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<Counts>>);

/// What has been asked by one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Requests by method and status; `<error>` where there was no answer.
    pub outcomes: BTreeMap<(&'static str, Box<str>), u64>,
    /// How long answers took to begin, by method: those below each bound, and above the last one.
    pub times: BTreeMap<&'static str, ([u64; BOUNDS.len() + 1], Duration)>,
}

impl Requests {
    /// Counts a request: its method, the answer's status where there is one, and how long it took.
    pub(super) fn count(&self, method: &http::Method, status: Option<u16>, took: Duration) {
        let method = match method.as_str() {
            "GET" => "GET",
            "POST" => "POST",
            "PATCH" => "PATCH",
            _ => "OTHER",
        };
        let outcome = status.map_or_else(|| "<error>".into(), |code| code.to_string().into());
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.outcomes.entry((method, outcome)).or_default() += 1;
        let (places, sum) = counts.times.entry(method).or_default();
        let seconds = took.as_secs_f64();
        places[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        *sum += took;
    }

    /// Returns the counts.
    pub fn read(&self) -> Counts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_outcome_and_time() {
        let requests = Requests::default();
        let get = http::Method::GET;
        requests.count(&get, Some(200), Duration::from_millis(5));
        requests.count(&get, Some(410), Duration::from_millis(6));
        requests.count(&get, None, Duration::from_secs(11));
        let counts = requests.read();
        let of = |outcome: &str| counts.outcomes[&("GET", outcome.into())];
        assert_eq!((of("200"), of("410"), of("<error>")), (1, 1, 1));
        let (places, sum) = counts.times["GET"];
        assert_eq!((places[0], places[1], places[11]), (1, 1, 1));
        assert_eq!(sum, Duration::from_millis(11_011));
    }
}
