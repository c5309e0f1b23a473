//! CoreDNS's command line and configuration: `-conf Corefile`, and `import-corefile`.

use super::serve;
use crate::commands::corefile_in;
use crate::config::{
    Args, Config, ConfigError, CoreDns, Corefile, EXIT_CONFIG, EXIT_DONE, Host, ImportCorefile,
    Surroundings, directives,
};
use crate::telemetry;
use crate::tenancy::Mode;
use anyhow::Context;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Carries out CoreDNS's command line.
pub(super) fn run(args: &Args, command: &CoreDns) -> anyhow::Result<u8> {
    let mut out = std::io::stdout().lock();
    if command.version {
        let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
        let version = env!("CARGO_PKG_VERSION");
        writeln!(out, "tenantdns-{version}\n{system}/{machine}")?;
        return Ok(EXIT_DONE);
    }
    if command.plugins {
        let mut names: Vec<&str> = directives().collect();
        names.sort_unstable();
        for name in names {
            writeln!(out, "dns.{name}")?;
        }
        return Ok(EXIT_DONE);
    }
    drop(out);
    let config = Config::load(args)?;
    telemetry::init();
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    if config.tenancy.mode == Mode::Off {
        tracing::info!(
            "tenancy is off: answers are CoreDNS's; to see what tenants could be kept from, and \
             answer as before, write a block `tenancy` with `mode audit` into the Corefile"
        );
    }
    let _pidfile = command.pidfile.as_deref().map(Pidfile::write).transpose()?;
    serve::serve(args, config).map(|()| EXIT_DONE)
}

/// Prints the TOML that means what a Corefile means; what has no meaning here goes to the standard
/// error.
pub(super) fn import(command: &ImportCorefile) -> anyhow::Result<u8> {
    let (name, octets) = match &*command.file {
        "stdin" => {
            let mut octets = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut octets);
            ("/dev/stdin", read.map(|_| octets))
        }
        file => (file, Host.read(Path::new(file))),
    };
    let octets = octets.map_err(|error| ConfigError::Read {
        path: name.into(),
        error,
    })?;
    let import = match corefile_in(&String::from_utf8_lossy(&octets)) {
        Ok(import) => import,
        Err(reason) => {
            writeln!(std::io::stderr(), "tenantdns: {name}: {reason}")?;
            return Ok(EXIT_CONFIG);
        }
    };
    let name = match import.part {
        Some(part) => format!("{name} ({part})"),
        None => name.into(),
    };
    let corefile = Corefile::read(&name, &import.text, command.port, &Host)?;
    // What can't be served is not printed either.
    let config = corefile.config()?;
    for note in &config.notes {
        writeln!(std::io::stderr(), "note: {note}")?;
    }
    write!(std::io::stdout(), "{}", corefile.toml())?;
    Ok(EXIT_DONE)
}

/// A file with this process' number, as long as it runs.
struct Pidfile(PathBuf);

impl Pidfile {
    fn write(path: &Path) -> anyhow::Result<Self> {
        std::fs::write(path, format!("{}\n", std::process::id()))
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(Self(path.into()))
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
