//! Tests of the whole: cases as data, answers decoded by a second implementation of the wire format.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where it is wrong"
)]

#[path = "it/attacks.rs"]
mod attacks;
#[path = "it/clients.rs"]
mod clients;
#[path = "it/decode.rs"]
mod decode;
#[path = "it/events.rs"]
mod events;
#[path = "it/examples.rs"]
mod examples;
#[path = "it/noninterference.rs"]
mod noninterference;
#[path = "it/random.rs"]
mod random;
#[path = "it/snapshots.rs"]
mod snapshots;
