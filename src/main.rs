//! The `tenantdns` program: arguments in, exit status out.

use clap::Parser;
use std::process::ExitCode;
use tenantdns::app;
use tenantdns::config::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    app::run(&Args::parse())
}
