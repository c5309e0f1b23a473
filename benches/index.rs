//! What an EndpointSlice that changes costs until queries see it, over clusters of three sizes: published
//! alone, and in a batch that is published once. What other changes cost, and in memory, is published.rs's.
//! See benches/README.md.

#[path = "clusters/sizes.rs"]
mod sizes;

use divan::Bencher;
use divan::counter::ItemsCount;
use sizes::{SERVICES, enforcing};
use tenantdns::index::Event;
use tenantdns::model::Object;
use tenantdns::snapshot::cell;
use tenantdns::testing::sized;

/// The program's allocator, so that times are those of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events that are published together, each of another service.
const BATCH: usize = 100;

fn main() {
    divan::main();
}

/// Measures batches of so many events, each with its snapshot, and sees that each did something.
fn bench(bencher: Bencher<'_, '_>, services: usize, batch: usize) {
    let mut index = enforcing(sized::cluster(services)).index();
    let (mut publisher, _reader) = cell(index.snapshot(1));
    // Every service has an endpoint less, and then as many as before.
    let changes = [1, 0].map(|without| sized::slices(services, BATCH, without));
    let changes = changes.concat();
    let mut changes = changes.iter().cycle().cloned();
    let (before, mut given) = (index.work().services, 0);
    bencher
        .counter(ItemsCount::new(batch))
        .with_inputs(|| -> Vec<Object> {
            given += batch;
            changes.by_ref().take(batch).collect()
        })
        .bench_local_values(|changes| {
            for change in changes {
                index.apply(Event::Apply(change));
            }
            publisher.publish(index.snapshot(1));
        });
    let made_anew = index.work().services - before;
    assert_eq!(made_anew, given as u64, "services made anew, events");
}

#[divan::bench(args = SERVICES)]
fn slice_alone(bencher: Bencher<'_, '_>, services: usize) {
    bench(bencher, services, 1);
}

#[divan::bench(args = SERVICES)]
fn batch_of_100_slices(bencher: Bencher<'_, '_>, services: usize) {
    bench(bencher, services, BATCH);
}
