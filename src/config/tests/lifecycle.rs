//! The keys of a server's life.

use super::check;
use crate::config::Monitor;
use std::time::Duration;

#[test]
fn a_server_lives_and_ends_as_it_is_told() {
    let seconds = Duration::from_secs;
    check(
        "every key",
        "[server]\nhandover = \"/run/t.sock\"\n[health]\nlameduck = \"5s\"\n[ready]\n\
         monitor = \"continuously\"\n[reload]\ninterval = \"2s\"\njitter = \"1s\"\n",
        |config| {
            config.lifecycle.handover = Some("/run/t.sock".into());
            config.lifecycle.lameduck = seconds(5);
            config.lifecycle.monitor = Monitor::Continuously;
            config.lifecycle.reload = Some(seconds(2));
            config.lifecycle.jitter = seconds(1);
        },
    );
    check(
        "none",
        "[health]\nlameduck = \"0\"\n[reload]\ninterval = \"0\"\njitter = \"0s\"\n",
        |config| {
            config.lifecycle.lameduck = Duration::ZERO;
            config.lifecycle.reload = None;
            config.lifecycle.jitter = Duration::ZERO;
        },
    );
}
