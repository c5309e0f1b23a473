//! What a cluster weighs once it is published, structure by structure, and what a change of it
//! costs. See benches/README.md.
#![allow(clippy::unwrap_used, reason = "a benchmark ends where it is wrong")]
#![allow(
    clippy::print_stdout,
    reason = "its figures are what a benchmark is for"
)]
#![allow(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait, and there is no other way to count what is allocated"
)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;
use tenantdns::index::{Event, Index};
use tenantdns::model::{Kind, Object};
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, objects};

thread_local! {
    /// Octets and blocks that this thread has allocated and not freed, and those it has allocated
    /// in all.
    static LIVE: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
    static EVER: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
}

struct Counting;

/// The program's allocator, so that times are those of the program.
static INNER: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn add(to: &'static std::thread::LocalKey<Cell<(i64, i64)>>, octets: i64, blocks: i64) {
    let (o, b) = to.get();
    to.set((o + octets, b + blocks));
}

// SAFETY: every method hands its arguments to the inner allocator unchanged, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(&LIVE, layout.size() as i64, 1);
        add(&EVER, layout.size() as i64, 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { INNER.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(&LIVE, -(layout.size() as i64), -1);
        // SAFETY: `pointer` is from `INNER.alloc` with this layout.
        unsafe { INNER.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// === the cluster ===

/// How large the cluster is. Endpoints are about as many as pods.
struct Size {
    services: usize,
    pods: usize,
    namespaces: usize,
    /// Endpoints of the large headless services, each a service of its own.
    large: &'static [usize],
}

const LARGE: Size = Size {
    services: 20_000,
    pods: 150_000,
    namespaces: 2_000,
    large: &[1000, 1000, 1000, 1000, 1000, 1000, 1500, 1500, 1500, 2500],
};

/// What `cargo test` runs, so that the benchmark does not rot.
const SMALL: Size = Size {
    services: 100,
    pods: 750,
    namespaces: 10,
    large: &[150],
};

/// Pods of a node, which has a /24 of addresses for them.
const PODS_PER_NODE: usize = 60;
/// Endpoints of a slice at most, as the EndpointSlice controller writes them.
const PER_SLICE: usize = 100;

fn pod_address(n: usize) -> IpAddr {
    let base = u32::from(Ipv4Addr::new(10, 128, 0, 0));
    let host = n / PODS_PER_NODE * 256 + n % PODS_PER_NODE + 2;
    IpAddr::V4(Ipv4Addr::from(base + host as u32))
}

fn cluster_address(n: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(
        u32::from(Ipv4Addr::new(10, 96, 1, 0)) + n as u32,
    ))
}

/// Service `n` with its slices: its namespace, its name, whether it is headless, and its endpoints
/// as numbers of pods.
struct Planned {
    namespace: String,
    name: String,
    headless: bool,
    first_pod: usize,
    endpoints: usize,
}

impl Size {
    fn namespace(&self, n: usize) -> String {
        const ENVIRONMENTS: [&str; 4] = ["dev", "test", "staging", "prod"];
        let n = n % self.namespaces;
        format!("team-{:04}-{}", n, ENVIRONMENTS[n % 4])
    }

    /// Every twelfth service is headless, with host names; the large ones come first.
    fn services(&self) -> Vec<Planned> {
        let (mut first_pod, mut all) = (0, Vec::new());
        let large: usize = self.large.iter().sum();
        let rest = (self.pods - large) / (self.services - self.large.len());
        for n in 0..self.services {
            let large = self.large.get(n).copied();
            // From half to one and a half times the mean.
            let endpoints = large.unwrap_or_else(|| rest.div_ceil(2) + n % (rest + 1));
            let endpoints = endpoints.min(self.pods - first_pod);
            all.push(Planned {
                namespace: self.namespace(n),
                name: format!(
                    "{}-{n:05}",
                    ["api", "checkout", "worker-queue", "db"][n % 4]
                ),
                headless: large.is_some() || n % 12 == 0,
                first_pod,
                endpoints,
            });
            first_pod += endpoints;
        }
        all
    }
}

impl Planned {
    fn service(&self, n: usize) -> Object {
        if self.headless {
            objects::headless(&self.namespace, &self.name)
        } else {
            objects::service(&self.namespace, &self.name, &[cluster_address(n)])
        }
    }

    /// Small services have one or two slices, large ones as many as they need.
    fn slices(&self, n: usize) -> Vec<Object> {
        (0..self.pieces(n)).map(|at| self.slice(n, at, 0)).collect()
    }

    fn pieces(&self, n: usize) -> usize {
        self.endpoints.div_ceil(PER_SLICE).max(1 + n % 2)
    }

    /// Slice `at`, without so many of its endpoints.
    fn slice(&self, n: usize, at: usize, without: usize) -> Object {
        let per_slice = self.endpoints.div_ceil(self.pieces(n));
        let pods = (at * per_slice..self.endpoints).take(per_slice.saturating_sub(without));
        let endpoints = pods.map(|e| {
            let hostname = self.headless.then(|| format!("{}-{e}", self.name));
            (pod_address(self.first_pod + e), hostname)
        });
        let name = format!("{}-{at:05}", self.name);
        objects::named_slice(&self.namespace, &self.name, &name, endpoints)
    }
}

/// Each event of the first sync, in the order in which the kinds are read.
fn events(size: &Size) -> impl Iterator<Item = Object> {
    let services = size.services();
    let planned: Vec<Object> = services
        .iter()
        .zip(0..)
        .map(|(s, n)| s.service(n))
        .collect();
    let slices = services.into_iter().zip(0..).flat_map(|(s, n)| s.slices(n));
    let (pods, namespaces) = (size.pods, size.namespaces);
    let name = {
        let names: Vec<String> = (0..namespaces).map(|n| size.namespace(n)).collect();
        move |n: usize| names[n % namespaces].clone()
    };
    let pod_name = name.clone();
    let namespaces = (0..namespaces).map(move |n| objects::namespace(&name(n)));
    let pods = (0..pods).map(move |n| {
        let name = format!("checkout-5f6d8{n:05}-{:05}", n % 77_777);
        let node = format!("node-{:05}", n / PODS_PER_NODE);
        objects::pod_on(&pod_name(n), &name, pod_address(n), &node)
    });
    let nodes = (0..size.pods / PODS_PER_NODE).map(|n| {
        let address = IpAddr::V4(Ipv4Addr::from(
            u32::from(Ipv4Addr::new(10, 64, 0, 10)) + n as u32,
        ));
        objects::node(&format!("node-{n:05}"), address, true)
    });
    namespaces
        .chain(nodes)
        .chain(planned)
        .chain(slices)
        .chain(pods)
}

// === the first sync ===

/// Events of a batch, with a snapshot after each.
const BATCH: usize = 4096;

fn sync(size: &Size, config: &str) -> (Index, Snapshot) {
    let mut index = Cluster::of(Vec::new(), config).seed(1).empty_index();
    let mut events = events(size).peekable();
    let (mut applying, mut publishing) = (0.0, 0.0);
    let mut last = None;
    let mut batch = Vec::with_capacity(BATCH);
    let mut count = 0;
    while events.peek().is_some() {
        batch.extend(events.by_ref().take(BATCH));
        count += batch.len();
        let start = Instant::now();
        for object in batch.drain(..) {
            index.apply(Event::Apply(object));
        }
        applying += start.elapsed().as_secs_f64();
        let start = Instant::now();
        last = Some(index.snapshot(1));
        publishing += start.elapsed().as_secs_f64();
    }
    Kind::ALL
        .into_iter()
        .for_each(|kind| index.apply(Event::Synced(kind)));
    drop(last);
    let snapshot = index.snapshot(1);
    println!(
        "first sync: {count} events, {:.2} s applying, {:.2} s publishing",
        applying, publishing
    );
    (index, snapshot)
}

// === what it weighs ===

/// Frees `value`, and says what that gave back.
fn weigh<T>(what: &str, value: T) {
    let (octets, blocks) = LIVE.get();
    drop(value);
    let (after, after_blocks) = LIVE.get();
    println!(
        "  {what:<28}{:>9.2} MiB {:>9} blocks",
        (octets - after) as f64 / f64::from(1 << 20),
        blocks - after_blocks
    );
}

fn weights(index: Index, snapshot: Snapshot) {
    println!("weights:");
    weigh("index, not published", index);
    let total = LIVE.get();
    let Snapshot {
        zones,
        directory,
        clients,
        policy,
        ..
    } = snapshot;
    let all: Vec<_> = zones.iter().cloned().collect();
    drop(zones);
    for zone in all {
        for (what, part) in zone.into_parts() {
            weigh(&format!("zone: {what}"), part);
        }
    }
    weigh("directory", directory);
    weigh("clients", clients);
    weigh("policy", policy);
    let left = LIVE.get();
    println!(
        "  {:<28}{:>9.2} MiB {:>9} blocks",
        "published in all",
        (total.0 - left.0) as f64 / f64::from(1 << 20),
        total.1 - left.1
    );
}

// === what a change costs ===

/// Applies each event, with a snapshot after each, and says what one costs.
fn measure(what: &str, index: &mut Index, events: Vec<Object>) {
    let count = events.len() as f64;
    let ever = EVER.get();
    let mut before = index.snapshot(1);
    let start = Instant::now();
    for object in events {
        index.apply(Event::Apply(object));
        before = index.snapshot(before.generation as u32);
    }
    let micros = start.elapsed().as_secs_f64() * 1e6 / count;
    let (octets, blocks) = EVER.get();
    println!(
        "  {what:<28}{micros:>9.2} us {:>9.0} octets {:>6.0} blocks",
        (octets - ever.0) as f64 / count,
        (blocks - ever.1) as f64 / count
    );
}

fn changes(size: &Size, index: &mut Index) {
    println!("changes, each with a snapshot:");
    let services = size.services();
    let sample = |large: bool| {
        let all = services.iter().enumerate();
        let all = all.filter(move |(n, s)| (*n < size.large.len()) == large && s.endpoints > 1);
        all.step_by(if large {
            1
        } else {
            (services.len() / 97).max(1)
        })
    };
    // One endpoint less, and as it was.
    let flip = |(n, service): (usize, &Planned)| [1, 0].map(|without| service.slice(n, 0, without));
    measure("slice", index, sample(false).flat_map(flip).collect());
    measure(
        "slice of a large service",
        index,
        sample(true).flat_map(flip).collect(),
    );
    let moved = |(n, s): (usize, &Planned)| {
        let to = |n| objects::service(&s.namespace, &s.name, &[cluster_address(n)]);
        (!s.headless).then(|| [to(n + 50_000), to(n)])
    };
    measure(
        "service",
        index,
        sample(false).filter_map(moved).flatten().collect(),
    );
    let pods = (0..size.pods).step_by((size.pods / 100).max(1));
    let restarted = |n: usize| {
        let to = |address| {
            let name = format!("moving-{n}");
            objects::pod_on(&size.namespace(n), &name, address, "node-00001")
        };
        [
            to(pod_address(n + size.pods)),
            to(pod_address(n + 2 * size.pods)),
        ]
    };
    measure("pod", index, pods.flat_map(restarted).collect());
    let labeled = |n: usize| {
        let name = size.namespace(n);
        [
            objects::labeled_namespace(&name, &[("tenantdns.io/visibility", "shared")]),
            objects::namespace(&name),
        ]
    };
    let some = (0..size.namespaces).step_by((size.namespaces / 10).max(1));
    measure("namespace label", index, some.flat_map(labeled).collect());
    let node = |n: usize| {
        let address = IpAddr::V4(Ipv4Addr::from(
            u32::from(Ipv4Addr::new(10, 64, 0, 10)) + n as u32,
        ));
        let ready = |ready| objects::node(&format!("node-{n:05}"), address, ready);
        [ready(false), ready(true)]
    };
    measure("node ready", index, (0..10).flat_map(node).collect());
}

fn main() {
    // Cargo passes `--bench` where it measures, and nothing where it tests.
    let size = if std::env::args().any(|arg| arg == "--bench") {
        LARGE
    } else {
        SMALL
    };
    let config = "[kubernetes]\npods = \"verified\"\n[tenancy]\nmode = \"enforce\"\n";
    let (mut index, snapshot) = sync(&size, config);
    drop(snapshot);
    changes(&size, &mut index);
    let snapshot = index.snapshot(1);
    weights(index, snapshot);
}
