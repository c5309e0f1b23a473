//! CoreDNS's own command line, so that its Deployment's arguments still work. Not carrying it out.
//!
//! It is Go's: one dash or two, the value behind `=` or in the next argument, and for truths behind
//! `=` alone.

use super::{Args, Command};
use std::ffi::OsString;
use std::path::PathBuf;

/// What CoreDNS serves when it is told nothing.
const DEFAULT_FILE: &str = "Corefile";
/// Where zones without a port are served.
const DEFAULT_PORT: u16 = 53;

/// Flags with a value, and those without.
const VALUES: [&str; 4] = ["conf", "dns.port", "p", "pidfile"];
const TRUTHS: [&str; 3] = ["plugins", "version", "quiet"];

/// `tenantdns -conf Corefile`, with all of CoreDNS's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreDns {
    /// `-conf`: where the Corefile is.
    pub corefile: CorefileFrom,
    /// `-dns.port`, `-p`: where zones are served that name no port.
    pub port: u16,
    /// `-pidfile`: the file to write the process' number to.
    pub pidfile: Option<PathBuf>,
    /// `-plugins`: list the directives, and do nothing else.
    pub plugins: bool,
    /// `-version`: say the version, and do nothing else.
    pub version: bool,
    /// `-quiet`: don't say at the start what is listened on.
    pub quiet: bool,
}

/// Where a Corefile is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorefileFrom {
    /// In a file.
    File(PathBuf),
    /// On the standard input.
    Stdin,
}

impl CorefileFrom {
    /// Returns where `text` says: `stdin` is the standard input.
    pub fn new(text: &str) -> Self {
        match text {
            "stdin" => Self::Stdin,
            path => Self::File(path.into()),
        }
    }
}

impl Default for CoreDns {
    fn default() -> Self {
        Self {
            corefile: CorefileFrom::File(DEFAULT_FILE.into()),
            port: DEFAULT_PORT,
            pidfile: None,
            plugins: false,
            version: false,
            quiet: false,
        }
    }
}

/// Reads a command line, without the program's name, where it is CoreDNS's: where its first argument
/// is one of CoreDNS's flags. `--version` alone is ours.
///
/// # Errors
/// It is CoreDNS's, and CoreDNS would refuse it: the reason.
pub(super) fn read(arguments: &[OsString]) -> Option<Result<Args, String>> {
    let first = arguments.first()?.to_str()?;
    let (name, _) = flag(first)?;
    let is_ours = arguments.len() == 1 && first == "--version";
    if is_ours || !VALUES.iter().chain(&TRUTHS).any(|known| *known == name) {
        return None;
    }
    Some(read_flags(arguments).map(|coredns| Args {
        command: Command::CoreDns(coredns),
    }))
}

/// Returns a flag's name and the value behind its `=`.
fn flag(argument: &str) -> Option<(&str, Option<&str>)> {
    let flag = argument.strip_prefix('-')?;
    let flag = flag.strip_prefix('-').unwrap_or(flag);
    if flag.is_empty() || flag.starts_with(['-', '=']) {
        return None;
    }
    Some(match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, None),
    })
}

fn read_flags(arguments: &[OsString]) -> Result<CoreDns, String> {
    let mut read = CoreDns::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_str();
        let text = text.ok_or_else(|| format!("`{}` is not UTF-8", argument.display()))?;
        if text == "--" {
            break;
        }
        let Some((name, value)) = flag(text) else {
            return Err(extra(text));
        };
        if TRUTHS.contains(&name) {
            let value = truth(name, value.unwrap_or("true"))?;
            match name {
                "plugins" => read.plugins = value,
                "version" => read.version = value,
                _ => read.quiet = value,
            }
            continue;
        }
        if !VALUES.contains(&name) {
            return Err(format!(
                "flag provided but not defined: -{name}; CoreDNS's flags are not mixed with ours"
            ));
        }
        let value = match value {
            Some(value) => value,
            None => rest
                .next()
                .and_then(|value| value.to_str())
                .ok_or_else(|| format!("flag needs an argument: -{name}"))?,
        };
        match name {
            // As in CoreDNS: an empty one is none.
            "conf" if value.is_empty() => {}
            "conf" => read.corefile = CorefileFrom::new(value),
            "pidfile" => read.pidfile = (!value.is_empty()).then(|| value.into()),
            _ => read.port = port(name, value)?,
        }
    }
    match rest.next() {
        Some(argument) => Err(extra(&argument.to_string_lossy())),
        None => Ok(read),
    }
}

fn extra(argument: &str) -> String {
    format!("extra command line arguments: {argument}")
}

fn truth(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("invalid boolean value \"{value}\" for -{name}")),
    }
}

fn port(name: &str, value: &str) -> Result<u16, String> {
    let parsed = value.parse();
    parsed.map_err(|_| format!("invalid value \"{value}\" for flag -{name}: a port is 0 to 65535"))
}
