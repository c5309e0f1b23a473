//! Benchmarks of `respond`.
fn main() {}
