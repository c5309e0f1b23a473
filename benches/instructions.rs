//! Instructions of `respond()`, counted by callgrind: of hidden names and of absent ones, which must
//! not differ, and of each kind of query. See benches/README.md.
//!
//! Without arguments (`cargo test`) every query is answered once, and its response code is looked at.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark ends where it is wrong, and prints what it measured"
)]

#[path = "isolation/cluster.rs"]
mod cluster;
#[path = "isolation/kinds.rs"]
mod kinds;
#[path = "isolation/pairs.rs"]
mod pairs;

use cluster::{CLIENT, CONFIG, LARGE, SMALL, Size};
use kinds::kinds;
use pairs::shapes;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, ExitCode};
use tenantdns::answer::{Outcome, Transport, respond};
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, query_edns, request};

/// Pairs of each shape, and queries of each kind.
const QUERIES: usize = 1_000;
/// By how much hidden and absent names may differ, in percent.
const LIMIT: f64 = 0.5;
/// The argument that says that instructions are being counted.
const COUNTED: &str = "--counted";

/// Queries that are counted together.
struct Batch {
    name: String,
    from: IpAddr,
    rcode: u8,
    queries: Vec<Vec<u8>>,
}

fn batches(size: Size, queries: usize) -> Vec<Batch> {
    let mut batches = Vec::new();
    for shape in shapes(size, queries) {
        let batch = |name: &str, of: fn(&(String, String)) -> &String| Batch {
            name: name.to_owned(),
            from: CLIENT,
            rcode: 3,
            queries: shape
                .pairs
                .iter()
                .map(|pair| query_edns(of(pair), shape.rtype, 1232))
                .collect(),
        };
        batches.push(batch(shape.name, |pair| &pair.0));
        batches.push(batch("the same, absent", |pair| &pair.1));
    }
    batches.extend(kinds(size, queries).into_iter().map(|kind| {
        Batch {
            name: kind.name.to_owned(),
            from: kind.from,
            rcode: kind.rcode,
            queries: kind
                .names
                .iter()
                .map(|name| query_edns(name, kind.rtype, 1232))
                .collect(),
        }
    }));
    batches
}

/// Answers a batch. Callgrind counts in here, and writes the count down at the end.
#[inline(never)]
fn counted(snapshot: &Snapshot, batch: &Batch, out: &mut [u8]) -> usize {
    let mut octets = 0;
    for bytes in &batch.queries {
        if let Outcome::Reply(len, _) =
            respond(snapshot, &request(batch.from, Transport::Udp, bytes), out)
        {
            octets += len;
        }
    }
    octets
}

fn answer(size: Size, queries: usize) {
    let snapshot = Cluster::new(&size.manifests(), CONFIG).seed(1).snapshot();
    let mut out = [0; 1232];
    for batch in batches(size, queries) {
        for bytes in &batch.queries {
            let request = request(batch.from, Transport::Udp, bytes);
            let outcome = respond(&snapshot, &request, &mut out);
            assert!(matches!(outcome, Outcome::Reply(..)), "{outcome:?}");
            assert_eq!(
                out[3] & 15,
                batch.rcode,
                "{} {}",
                batch.name,
                bytes.escape_ascii()
            );
        }
        assert!(counted(&snapshot, &batch, &mut out) > 0);
    }
}

/// Answers under callgrind, and returns what it counted in each batch.
fn count() -> Option<Vec<u64>> {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions.callgrind");
    let status = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "-q",
            "--collect-atstart=no",
            "--combine-dumps=yes",
        ])
        .args([
            "--toggle-collect=instructions::counted",
            "--dump-after=instructions::counted",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .arg(COUNTED)
        .status()
        .ok()?;
    assert!(status.success(), "{status}");
    let text = std::fs::read_to_string(out).unwrap();
    let totals = text
        .lines()
        .filter_map(|line| line.strip_prefix("totals: "));
    Some(totals.map(|count| count.trim().parse().unwrap()).collect())
}

fn main() -> ExitCode {
    let is = |argument: &str| std::env::args().any(|arg| arg == argument);
    if is(COUNTED) {
        answer(LARGE, QUERIES);
        return ExitCode::SUCCESS;
    }
    if !is("--bench") {
        answer(SMALL, 20);
        return ExitCode::SUCCESS;
    }
    let Some(counts) = count() else {
        eprintln!("instructions: valgrind is not installed");
        return ExitCode::FAILURE;
    };
    let batches = batches(LARGE, QUERIES);
    let shapes = 2 * shapes(LARGE, 0).len();
    let means: Vec<f64> = counts.iter().map(|n| *n as f64 / QUERIES as f64).collect();
    assert!(means.len() >= batches.len(), "{} counts", means.len());
    let mut worst = 0f64;
    println!(
        "{:<45} {:>8} {:>8} {:>8}",
        "a name that is", "hidden", "absent", "differ"
    );
    for (batch, mean) in batches.chunks(2).zip(means.chunks(2)).take(shapes / 2) {
        let differ = 100.0 * (mean[0] - mean[1]).abs() / mean[1];
        worst = worst.max(differ);
        let name = &batch[0].name;
        println!(
            "{name:<45} {:>8.1} {:>8.1} {differ:>6.2} %",
            mean[0], mean[1]
        );
    }
    println!();
    for (batch, mean) in batches.iter().zip(&means).skip(shapes) {
        println!("{:<45} {mean:>8.1}", batch.name);
    }
    if worst > LIMIT {
        eprintln!("instructions: hidden and absent names differ by more than {LIMIT} %");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
