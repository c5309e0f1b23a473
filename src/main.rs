//! The `tenantdns` program: arguments in, exit status out.

use std::process::ExitCode;
use tenantdns::app;
use tenantdns::config::Args;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    app::run(&Args::of_process())
}
