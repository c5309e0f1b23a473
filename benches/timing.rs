//! How long a running server takes to answer over UDP: for hidden names and for absent ones, asked in
//! random order. What differs is told by Welch's t. See benches/README.md.
//!
//! Without arguments (`cargo test`) a few are asked and only the answers are looked at.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark ends where it is wrong, and prints what it measured"
)]

#[path = "isolation/cluster.rs"]
mod cluster;
#[path = "isolation/pairs.rs"]
mod pairs;

use cluster::{CLIENT, CONFIG, LARGE, Random, SMALL, Size};
use pairs::{Shape, shapes};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tenantdns::testing::query_edns;

/// Samples of each side of each shape.
const SAMPLES: usize = 100_000;
/// Pairs of names of a shape.
const PAIRS: usize = 1_000;
/// |t| from which on a difference is taken for one: by chance alone once in a thousand.
const LIMIT: f64 = 3.3;
/// The part of the samples that is kept where the slowest, which other processes cause, are left out:
/// printed beside the rest to show what those hide.
const KEPT: f64 = 0.9;

/// A running server, and a pod's socket that asks it.
struct Serving {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    folder: PathBuf,
    socket: UdpSocket,
}

impl Serving {
    fn start(size: Size) -> Self {
        let name = format!("timing-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        let (manifests, config) = (folder.join("cluster.yaml"), folder.join("tenantdns.toml"));
        fs::write(&manifests, size.manifests()).unwrap();
        let pages = ["health", "ready", "metrics", "admin"];
        let pages = pages
            .map(|page| format!("[{page}]\nlisten = \"\"\n"))
            .concat();
        let text = format!("[server]\nthreads = 1\n{pages}{CONFIG}");
        fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenantdns"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .arg("--manifests")
            .arg(&manifests)
            .env("TENANTDNS_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split(' ').next());
        let server: SocketAddr = address
            .unwrap_or_else(|| panic!("{line:?}"))
            .parse()
            .unwrap();
        let socket = UdpSocket::bind(SocketAddr::new(CLIENT, 0)).unwrap();
        socket.connect(server).unwrap();
        let patience = Some(Duration::from_secs(10));
        socket.set_read_timeout(patience).unwrap();
        Self {
            child,
            _stdout: stdout,
            folder,
            socket,
        }
    }

    /// Asks, and returns the nanoseconds until the answer, which is NXDOMAIN.
    fn ask(&self, bytes: &[u8]) -> u32 {
        let mut reply = [0; 1232];
        let start = Instant::now();
        self.socket.send(bytes).unwrap();
        self.socket.recv(&mut reply).expect("an answer");
        let taken = start.elapsed();
        assert_eq!(
            (&reply[..2], reply[3] & 15),
            (&bytes[..2], 3),
            "{}",
            bytes.escape_ascii()
        );
        u32::try_from(taken.as_nanos()).unwrap_or(u32::MAX)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already gone, where it failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Nanoseconds of each side of each shape.
type Taken = Vec<[Vec<u32>; 2]>;

fn measure(size: Size, shapes: &[Shape], samples: usize, random: &mut Random) -> Taken {
    let serving = Serving::start(size);
    let mut order: Vec<(usize, usize)> = (0..shapes.len())
        .flat_map(|shape| [(shape, 0), (shape, 1)])
        .flat_map(|turn| std::iter::repeat_n(turn, samples))
        .collect();
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last + 1));
    }
    let queries: Vec<Vec<[Vec<u8>; 2]>> = shapes
        .iter()
        .map(|shape| {
            let pairs = shape.pairs.iter();
            let query = |name: &String| query_edns(name, shape.rtype, 1232);
            pairs
                .map(|(hidden, absent)| [query(hidden), query(absent)])
                .collect()
        })
        .collect();
    // Pages are mapped, caches are warm.
    for shape in &queries {
        for query in shape.iter().flatten() {
            serving.ask(query);
        }
    }
    let mut taken: Taken = shapes
        .iter()
        .map(|_| [Vec::with_capacity(samples), Vec::with_capacity(samples)])
        .collect();
    for (number, (shape, side)) in order.into_iter().enumerate() {
        let mut query = queries[shape][random.below(queries[shape].len())][side].clone();
        query[..2].copy_from_slice(&(number as u16).to_be_bytes());
        taken[shape][side].push(serving.ask(&query));
    }
    taken
}

/// Returns the mean and the variance of the mean.
fn mean(samples: &[u32]) -> (f64, f64) {
    let n = samples.len() as f64;
    let mean = samples.iter().map(|ns| f64::from(*ns)).sum::<f64>() / n;
    let squares = samples.iter().map(|ns| (f64::from(*ns) - mean).powi(2));
    (mean, squares.sum::<f64>() / (n - 1.0) / n)
}

/// Returns both means and Welch's t.
fn welch(sides: [&[u32]; 2]) -> (f64, f64, f64) {
    let [(a, va), (b, vb)] = sides.map(mean);
    (a, b, (a - b) / (va + vb).sqrt())
}

/// Leaves out of both sides what is slower than most of both.
fn cropped(sides: &[Vec<u32>; 2]) -> [Vec<u32>; 2] {
    let mut all = sides.concat();
    let at = (all.len() as f64 * KEPT) as usize;
    let limit = *all.select_nth_unstable(at).1;
    [0, 1].map(|side| {
        sides[side]
            .iter()
            .copied()
            .filter(|ns| *ns < limit)
            .collect()
    })
}

fn main() -> ExitCode {
    if !std::env::args().any(|arg| arg == "--bench") {
        let taken = measure(SMALL, &shapes(SMALL, 20), 20, &mut Random(1));
        assert!(taken.iter().flatten().all(|side| side.len() == 20));
        return ExitCode::SUCCESS;
    }
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let shapes = shapes(LARGE, PAIRS);
    let taken = measure(LARGE, &shapes, SAMPLES, &mut Random(seed));
    println!("{SAMPLES} samples a side; means in ns; cropped: the faster {KEPT} of both sides");
    println!(
        "{:<45} {:>8} {:>8} {:>6}   {:>8} {:>8} {:>6}",
        "a name that is", "hidden", "absent", "t", "cropped", "absent", "t"
    );
    let mut worst = 0f64;
    for (shape, sides) in shapes.iter().zip(&taken) {
        let crop = cropped(sides);
        let all = welch([&sides[0], &sides[1]]);
        let most = welch([&crop[0], &crop[1]]);
        worst = worst.max(all.2.abs());
        println!(
            "{:<45} {:>8.0} {:>8.0} {:>6.2}   {:>8.0} {:>8.0} {:>6.2}",
            shape.name, all.0, all.1, all.2, most.0, most.1, most.2
        );
    }
    if worst >= LIMIT {
        eprintln!("timing: hidden and absent names differ: |t| is {worst:.2}, not below {LIMIT}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
