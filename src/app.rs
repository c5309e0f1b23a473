//! The wiring: arguments to configuration, source to index, index to snapshots, snapshots to
//! sockets. Nothing is decided here that a room could decide.

mod audit;
mod blocks;
mod canary;
mod changes;
mod conditions;
mod coredns;
mod corefile;
mod details;
mod feed;
mod files;
mod journal;
mod ledger;
#[cfg(feature = "kubernetes")]
mod live;
mod notifier;
mod observer;
mod offline;
mod pages;
mod policy;
mod probe;
mod progress;
mod pulse;
mod questions;
mod reloads;
#[cfg(feature = "kubernetes")]
mod review;
mod serve;
mod upstream;

use crate::chain::BlockOptions;
use crate::commands::{absent_tenants, explain, findings};
use crate::config::{
    Args, Check, Command, Config, ConfigError, EXIT_DONE, EXIT_FAILED, Explain, Output, Policy,
};
use crate::server::{self, interface_addresses};
use crate::telemetry;
use anyhow::Context;
use offline::Offline;
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Carries out a command line, and returns the program's exit status: 0 done, 1 failed, 2 wrong
/// usage, 78 wrong configuration.
pub fn run(args: &Args) -> ExitCode {
    let status = carry_out(args).unwrap_or_else(|error| {
        say_error(&error);
        let of_configuration = error.downcast_ref().map(ConfigError::exit_status);
        of_configuration.unwrap_or(EXIT_FAILED)
    });
    ExitCode::from(status)
}

fn carry_out(args: &Args) -> anyhow::Result<u8> {
    let config = || Config::load(args);
    match &args.command {
        Command::Serve(_) => {
            let config = config()?;
            telemetry::init();
            for note in &config.notes {
                tracing::warn!("{note}");
            }
            serve::serve(args, config).map(|()| EXIT_DONE)
        }
        Command::Explain(command) => run_explain(&config()?, command).map(|()| EXIT_DONE),
        Command::Visibility(command) => policy::visibility(config()?, command),
        Command::Audit(command) => {
            let config = config()?;
            telemetry::init();
            audit::audit(config, command).map(|()| EXIT_DONE)
        }
        Command::Policy(Policy::Test(command)) => policy::test(command),
        Command::Policy(Policy::Diff(command)) => Ok(policy::diff(command)),
        Command::Policy(Policy::Suggest(command)) => policy::suggest(command),
        Command::Policy(Policy::Admission(command)) => policy::admission(&config()?, command),
        Command::Check(command) => run_check(&config()?, command),
        Command::Probe(command) => probe::probe(command),
        Command::ImportCorefile(command) => corefile::import(command),
        Command::CoreDns(command) => corefile::run(args, command),
    }
}

/// Writes an error with its causes on one line.
fn say_error(error: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "tenantdns: {error:#}");
}

fn run_explain(config: &Config, command: &Explain) -> anyhow::Result<()> {
    let mut offline = Offline::open(config)?;
    for diagnostic in offline.source.diagnostics() {
        writeln!(std::io::stderr(), "note: {diagnostic}")?;
    }
    let snapshot = offline.snapshot();
    let explanation = explain(
        &offline.index,
        &snapshot,
        &command.from,
        &command.name,
        command.rtype,
    )
    .map_err(anyhow::Error::msg)?;
    let text = match command.output {
        Output::Text => explanation.to_string(),
        Output::Json => serde_json::to_string_pretty(&explanation)?,
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// Says everything that is wrong with the manifests and doubtful in the configuration, and whether an
/// audit lets enforce it. What is wrong makes the command fail.
fn run_check(config: &Config, command: &Check) -> anyhow::Result<u8> {
    let mut out = std::io::stdout().lock();
    let gate = match command.gate.audit_log.is_empty() {
        true => EXIT_DONE,
        false => policy::gate(&command.gate, &mut out)?,
    };
    let unshown = server::certificate_errors(&config.server);
    for error in &unshown {
        writeln!(out, "{error}")?;
    }
    for note in &config.notes {
        writeln!(out, "note: {note}")?;
    }
    if config.source.manifests.is_empty() {
        if !unshown.is_empty() {
            return Ok(EXIT_FAILED);
        }
        if command.inputs.config.is_some() {
            writeln!(out, "configuration: ok")?;
        }
        return Ok(gate);
    }
    let mut offline = Offline::open(config)?;
    let snapshot = offline.snapshot();
    let diagnostics = offline.source.diagnostics();
    for diagnostic in &diagnostics {
        writeln!(out, "{diagnostic}")?;
    }
    let conditions = conditions::findings(&offline);
    for finding in &conditions {
        let note = if finding.fails { "" } else { "note: " };
        writeln!(out, "{note}{}", finding.text)?;
    }
    let failing = conditions.iter().filter(|finding| finding.fails).count();
    let problems = diagnostics.len() + failing + unshown.len();
    let doubts = findings(&config.tenancy, offline.index.objects());
    for doubt in doubts
        .iter()
        .chain(&absent_tenants(&offline.index, &snapshot))
    {
        writeln!(out, "note: {doubt}")?;
    }
    let objects = offline.index.objects();
    writeln!(
        out,
        "configuration: ok; {} namespaces, {} services, {} slices, {} pods, {} nodes; {} problems",
        objects.namespaces.len(),
        objects.services.len(),
        objects.slices.len(),
        objects.pods.len(),
        objects.nodes.len(),
        problems,
    )?;
    Ok(if problems == 0 { gate } else { EXIT_FAILED })
}

/// Returns the blocks with the server's own addresses: the listeners', or where one listens on all,
/// the host's.
fn blocks_with_own_addresses(config: &Config) -> anyhow::Result<Vec<BlockOptions>> {
    let mut blocks = config.blocks.clone();
    for block in &mut blocks {
        let wildcard = block.listeners.iter().any(|id| {
            let listen = config.server.listen.iter().find(|l| l.id == *id);
            listen.is_some_and(|l| l.address.ip().is_unspecified())
        });
        if let Some(zone) = block.kubernetes.as_mut().filter(|_| wildcard) {
            let host = interface_addresses().context("reading the host's addresses")?;
            zone.own_addresses.extend(host);
            zone.own_addresses.sort_unstable();
            zone.own_addresses.dedup();
        }
    }
    blocks::complete(&mut blocks);
    Ok(blocks)
}

/// Returns the seconds since 1970 of now, for SOA serials.
fn now() -> u32 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since_epoch.as_secs() as u32
}
