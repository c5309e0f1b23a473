//! Tests of the whole: cases as data, answers decoded by a second implementation of the wire format.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where it is wrong"
)]

#[path = "it/decode.rs"]
mod decode;
#[path = "it/examples.rs"]
mod examples;
#[path = "it/live.rs"]
mod live;
#[path = "it/program.rs"]
mod program;
#[path = "it/records.rs"]
mod records;
#[path = "it/waiting.rs"]
mod waiting;
