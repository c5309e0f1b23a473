//! How often a property of isolation is tried: a little by `cargo test`, a million times and more by
//! `make verify-isolation`.
//!
//! `TENANTDNS_SAMPLES=N` asks for at least N pairs of answers, of as many random clusters as fit; a
//! failure says the seed that repeats it (`TENANTDNS_SEED`).

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;
use std::env;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::iter::Sum;
use std::thread;

/// Pairs of answers that a random cluster gives at least, on average.
const PER_CASE: u64 = 512;

/// What a property was tried on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Pairs of answers that were compared.
    pub(crate) samples: u64,
    /// Those of them with records.
    pub(crate) telling: u64,
    /// What was paired: clusters that differ, or a name that is hidden with one that is absent.
    pub(crate) pairs: u64,
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |a, b| Self {
            samples: a.samples + b.samples,
            telling: a.telling + b.telling,
            pairs: a.pairs + b.pairs,
        })
    }
}

/// Tries a property on `few` random values, or on as many as `TENANTDNS_SAMPLES` takes, and says how
/// many samples there were. A failure is printed with its smallest value and its seed.
pub(crate) fn sampled<S: Strategy>(
    fact: &str,
    few: u32,
    strategy: impl Fn() -> S + Sync,
    test: impl Fn(S::Value) -> Result<Tally, TestCaseError> + Sync,
) -> Tally {
    let wanted = number("TENANTDNS_SAMPLES").unwrap_or(0);
    let threads = match wanted {
        0 => 1,
        _ => thread::available_parallelism().map_or(1, usize::from) as u64,
    };
    let cases = u64::from(few).max(wanted.div_ceil(PER_CASE));
    let cases = u32::try_from(cases.div_ceil(threads)).expect("a number of cases");
    let seed =
        number("TENANTDNS_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    // Each thread has a seed of its own, which repeats what it did as the first.
    let seeds = (0..threads).map(|thread| seed.wrapping_add(thread));
    let part = |seed| run(fact, seed, wanted, cases, strategy(), &test);
    let tally: Tally = thread::scope(|scope| {
        let parts: Vec<_> = seeds.map(|seed| scope.spawn(move || part(seed))).collect();
        let tallies = parts.into_iter().map(|part| {
            part.join()
                .unwrap_or_else(|why| std::panic::resume_unwind(why))
        });
        tallies.sum()
    });
    println!(
        "{fact}: {} samples of {} pairs, {} with records, 0 differ; TENANTDNS_SEED={seed}",
        tally.samples, tally.pairs, tally.telling
    );
    assert!(tally.samples >= wanted, "only {tally:?}");
    tally
}

fn run<S: Strategy>(
    fact: &str,
    seed: u64,
    wanted: u64,
    cases: u32,
    strategy: S,
    test: impl Fn(S::Value) -> Result<Tally, TestCaseError>,
) -> Tally {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..Config::default()
    };
    let mut octets = [0; 32];
    octets[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &octets);
    let mut runner = TestRunner::new_with_rng(config, random);
    let total = Cell::new(Tally::default());
    let result = runner.run(&strategy, |value| {
        let tally = test(value)?;
        total.set([total.get(), tally].into_iter().sum());
        Ok(())
    });
    if let Err(error) = result {
        panic!("{fact}: TENANTDNS_SEED={seed} TENANTDNS_SAMPLES={wanted} repeats this\n{error}");
    }
    total.get()
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} is {text:?}, which is no number"),
    }
}
