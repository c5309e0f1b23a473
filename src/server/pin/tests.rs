//! Where the kernel lets the workers of a started server run.

use super::super::script::{Running, eventually, options, query, receive_udp, reply, udp};
use super::super::{Count, Options};
use super::*;
use crate::chain::ListenerId;
use std::collections::BTreeMap;
use std::fs;
use std::thread;

/// Returns options with a listener of this number, which no other test has: workers are named by it.
fn listener(id: u16, threads: usize, pin: bool) -> Options {
    let mut options = options("127.0.0.1:0");
    options.listen[0].id = ListenerId(id);
    Options {
        threads,
        pin,
        ..options
    }
}

/// Returns the lines of a thread's status that say its name and which CPUs it may use.
fn status(text: &str) -> Option<(String, String)> {
    let line = |key| text.lines().find_map(|line| line.strip_prefix(key));
    let (name, cpus) = (line("Name:\t")?, line("Cpus_allowed_list:\t")?);
    Some((name.to_owned(), cpus.to_owned()))
}

/// Returns which CPUs each worker of a listener may use, by the worker's name.
fn workers(id: u16) -> BTreeMap<String, String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // Threads of other tests end meanwhile.
    let texts = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let prefix = format!("udp-{id}-");
    let all = texts.filter_map(|text| status(&text));
    all.filter(|(name, _)| name.starts_with(&prefix)).collect()
}

fn own() -> String {
    let text = fs::read_to_string("/proc/thread-self/status").unwrap();
    status(&text).unwrap().1
}

fn expect_answer(client: &std::net::UdpSocket, word: &str) {
    client.send(&query(1, word)).unwrap();
    assert_eq!(receive_udp(client), reply(1, word));
}

#[test]
fn each_worker_has_a_cpu_and_where_there_are_more_workers_the_first_cpu_has_another() {
    let cpus = Cpus::allowed().unwrap().0;
    let running = Running::with(listener(901, cpus.len() + 1, true), |_| {});
    let in_turn = cpus.iter().chain(&cpus[..1]).enumerate();
    let expected: BTreeMap<String, String> = in_turn
        .map(|(worker, cpu)| (format!("udp-901-{worker}"), cpu.to_string()))
        .collect();
    assert_eq!(workers(901), expected);
    assert_eq!(running.server.unpinned(), None);
    expect_answer(&running.udp(), "pinned");
    running.stop();
}

#[test]
fn a_process_that_may_use_one_cpu_has_one_worker_unless_told_otherwise_and_holds_it_there() {
    // In a thread of its own, whose threads may use what it may use.
    let restricted = thread::spawn(|| {
        let last = *Cpus::allowed().unwrap().0.last().unwrap();
        hold(last).unwrap();
        for (id, threads) in [(902, 0), (903, 1)] {
            let running = Running::with(listener(id, threads, true), |_| {});
            let expected = (format!("udp-{id}-0"), last.to_string());
            assert_eq!(workers(id), BTreeMap::from([expected]));
            running.stop();
        }
    });
    restricted.join().unwrap();
}

#[test]
fn without_pin_workers_may_use_what_the_process_may_use() {
    let running = Running::with(listener(904, 2, false), |_| {});
    let expected = ["udp-904-0", "udp-904-1"].map(|name| (name.to_owned(), own()));
    let expected = BTreeMap::from(expected);
    // A thread gets its name once it runs.
    eventually(|| workers(904) == expected);
    running.stop();
}

#[test]
fn a_cpu_that_can_not_be_had_is_said_and_its_worker_answers() {
    let mut running = Running::with(listener(905, 1, true), |_| {});
    assert_eq!(running.server.unpinned(), None);
    // No machine has all that there could be.
    running.server.cpus = Cpus(vec![CpuSet::MAX_CPU - 1]);
    let mut more = listener(906, 1, true);
    more.listen.extend(listener(905, 1, true).listen);
    let bound = running.server.bind(&more).unwrap();
    let (_, address) = bound.local_addresses().next().unwrap();
    let opening = running.server.open(bound).unwrap();
    running.server.serve(opening).unwrap();
    let refused = PinError::Refused(CpuSet::MAX_CPU - 1, Errno::INVAL);
    assert_eq!(running.server.unpinned(), Some(refused));
    assert_eq!(workers(906).get("udp-906-0"), Some(&own()));
    expect_answer(&udp("127.0.0.1", address), "anyway");
    running.expect(Count::UdpQueries, 1);
    running.stop();
}
