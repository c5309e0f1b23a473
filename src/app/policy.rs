//! The commands about a policy that nobody serves yet: `visibility`, `policy test`, `policy diff`,
//! `policy suggest`, `policy admission`, and the gate of `check`.

use super::offline::Offline;
use super::say_error;
use crate::commands::{
    Allowed, Difference, Facts, Gate, Suggestions, Visibility, admission as guard, try_fact,
};
use crate::config::{
    Config, ConfigError, EXIT_CONFIG, EXIT_DONE, EXIT_FAILED, EXIT_USAGE, GateArgs, Inputs, Output,
    PolicyAdmission, PolicyDiff, PolicySuggest, PolicyTest, Visibility as VisibilityArgs,
    VisibilityOutput,
};
use crate::snapshot::Snapshot;
use crate::tenancy::Mode;
use anyhow::Context;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The configuration of a folder that `policy diff` compares.
const CONFIG_OF_FOLDER: &str = "tenantdns.toml";

/// Says who can resolve what.
pub(super) fn visibility(mut config: Config, command: &VisibilityArgs) -> anyhow::Result<u8> {
    let (offline, snapshot) = open(&mut config, command.enforce)?;
    let visibility = Visibility::of(&offline.index, &snapshot);
    let mut out = BufWriter::new(io::stdout().lock());
    match command.output {
        VisibilityOutput::Table => write!(out, "{visibility}")?,
        VisibilityOutput::Json => {
            serde_json::to_writer_pretty(&mut out, &visibility.to_json())?;
            writeln!(out)?;
        }
        VisibilityOutput::Html => write!(out, "{}", visibility.to_html()?)?,
    }
    out.flush()?;
    Ok(EXIT_DONE)
}

/// Reads the manifests of a configuration, and returns them with the snapshot. `enforce` has it
/// enforced, whatever its mode is.
fn open(config: &mut Config, enforce: bool) -> anyhow::Result<(Offline, Snapshot)> {
    if enforce {
        config.tenancy.mode = Mode::Enforce;
    }
    let mut offline = Offline::open(config)?;
    let mut notes = io::stderr().lock();
    for diagnostic in offline.source.diagnostics() {
        writeln!(notes, "note: {diagnostic}")?;
    }
    if config.tenancy.mode != Mode::Enforce {
        writeln!(
            notes,
            "note: the configuration's mode hides nothing; --enforce shows what enforcing would"
        )?;
    }
    drop(notes);
    let snapshot = offline.snapshot();
    Ok((offline, snapshot))
}

/// Tries files of facts. All of them are read first, so that everything wrong in them is said.
pub(super) fn test(command: &PolicyTest) -> anyhow::Result<u8> {
    let mut wrong = false;
    let mut files = Vec::new();
    for path in &command.files {
        let read = Facts::read(path).and_then(|facts| {
            let config = config_of(&command.inputs, &facts)?;
            Ok((facts, config))
        });
        match read {
            Ok(read) => files.push(read),
            Err(error) => {
                wrong = true;
                say_error(&error);
            }
        }
    }
    if wrong {
        return Ok(EXIT_CONFIG);
    }
    let (mut holding, mut failing) = (0usize, 0usize);
    for (facts, mut config) in files {
        let (offline, snapshot) = open(&mut config, command.enforce)?;
        let mut out = io::stdout().lock();
        for fact in &facts.facts {
            let place = format!("{}:{}", facts.path.display(), fact.line);
            match try_fact(&offline.index, &snapshot, fact).failure {
                None => {
                    holding += 1;
                    writeln!(out, "pass  {place}: {fact}")?;
                }
                Some(reason) => {
                    failing += 1;
                    writeln!(out, "FAIL  {place}: {fact}\n      {reason}")?;
                }
            }
        }
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} facts: {holding} hold, {failing} do not",
        holding + failing
    )?;
    Ok(if failing == 0 { EXIT_DONE } else { EXIT_FAILED })
}

/// Arguments win over the file of facts, and that over the configuration's own source.
fn config_of(inputs: &Inputs, facts: &Facts) -> Result<Config, ConfigError> {
    let manifests = match inputs.manifests.is_empty() {
        true => facts.manifests.clone(),
        false => inputs.manifests.clone(),
    };
    Config::offline(&Inputs {
        config: inputs.config.clone().or_else(|| facts.config.clone()),
        manifests,
    })
}

/// Prints what guards a configuration's keys and names on the API, and those of DnsGrants in manifests.
pub(super) fn admission(config: &Config, command: &PolicyAdmission) -> anyhow::Result<u8> {
    let mut options = config.tenancy.clone();
    if !config.source.manifests.is_empty() {
        // What grants read and name is guarded as what the configuration's own rules do.
        let snapshot = Offline::open(config)?.snapshot();
        options.rules = snapshot.policy.options().rules.clone();
    }
    let allowed = Allowed {
        groups: command.allow_group.clone(),
        users: command.allow_user.clone(),
    };
    write!(io::stdout(), "{}", guard(&options, &allowed))?;
    Ok(EXIT_DONE)
}

/// Says who sees something else. As in `diff`, 1 says that anything differs, and 2 that it can't be
/// told.
pub(super) fn diff(command: &PolicyDiff) -> u8 {
    match compare(command) {
        Ok(status) => status,
        Err(error) => {
            say_error(&error);
            error
                .downcast_ref()
                .map_or(EXIT_USAGE, ConfigError::exit_status)
        }
    }
}

fn compare(command: &PolicyDiff) -> anyhow::Result<u8> {
    let side = |path: &Path| Config::offline(&side(path, &command.manifests));
    let (mut old, mut new) = (side(&command.old)?, side(&command.new)?);
    let old = open(&mut old, command.enforce)?;
    let new = open(&mut new, command.enforce)?;
    let difference = Difference::between((&old.0.index, &old.1), (&new.0.index, &new.1));
    let mut out = io::stdout().lock();
    match command.output {
        Output::Text => write!(out, "{difference}")?,
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&difference)?)?,
    }
    Ok(if difference.is_empty() {
        EXIT_DONE
    } else {
        EXIT_FAILED
    })
}

/// Returns where one of the two has its configuration and its objects.
fn side(path: &Path, manifests: &[PathBuf]) -> Inputs {
    let mut inputs = Inputs {
        config: Some(path.to_owned()),
        manifests: manifests.to_vec(),
    };
    if path.is_dir() {
        let config = path.join(CONFIG_OF_FOLDER);
        inputs.config = config.exists().then_some(config);
        inputs.manifests.push(path.to_owned());
    }
    inputs
}

/// Prints the grants that keep what audits saw working.
pub(super) fn suggest(command: &PolicySuggest) -> anyhow::Result<u8> {
    let mut suggestions = Suggestions::new(command.sweep);
    read_logs(&command.audit_log, |log| suggestions.read(log))?;
    write!(io::stdout(), "{suggestions}")?;
    Ok(EXIT_DONE)
}

/// Says whether enforcing is safe, as far as audits tell.
pub(super) fn gate(args: &GateArgs, out: &mut impl Write) -> anyhow::Result<u8> {
    let mut gate = Gate::new(args.max_unidentified.0);
    read_logs(&args.audit_log, |log| gate.read(log))?;
    write!(out, "{gate}")?;
    Ok(if gate.passes() {
        EXIT_DONE
    } else {
        EXIT_FAILED
    })
}

/// Opens each log in turn; `-` is the standard input.
fn read_logs(
    paths: &[PathBuf],
    mut read: impl FnMut(&mut dyn BufRead) -> io::Result<()>,
) -> anyhow::Result<()> {
    for path in paths {
        let what = || format!("reading the audit log {}", path.display());
        let mut log: Box<dyn BufRead> = match path.as_os_str().to_str() {
            Some("-") => Box::new(io::stdin().lock()),
            _ => Box::new(BufReader::new(File::open(path).with_context(what)?)),
        };
        read(&mut *log).with_context(what)?;
    }
    Ok(())
}
