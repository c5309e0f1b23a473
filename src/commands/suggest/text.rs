//! Suggestions as text: configuration that is commented out, and under prose what it rests on.

use super::super::audit_log::Target;
use super::super::plain::{lines, plain};
use super::{Evidence, Grant, Suggestions, Who};
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::net::IpAddr;

/// Addresses in a suggested rule at most: more are a range, which is for people to find.
const ADDRESSES: usize = 64;
/// The widest line of a list of services.
const WIDTH: usize = 96;
/// Entries of a list of those who are granted nothing.
const FEW: usize = 20;

impl Display for Suggestions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suspects = self.suspects();
        let (grants, others) = self.grants(&suspects);
        let services: usize = grants.iter().map(|grant| grant.services.len()).sum();
        writeln!(
            f,
            "## Grants that would keep answered what an audit saw answered."
        )?;
        if let Some((first, last)) = &self.span {
            let (first, last) = (plain(first), plain(last));
            writeln!(
                f,
                "## Seen in windows that ended {first} to {last}: {} lines.",
                self.read.entries
            )?;
        }
        if self.read.unread > 0 {
            writeln!(
                f,
                "## {} lines can't be read, and are left out.",
                self.read.unread
            )?;
        }
        writeln!(
            f,
            "## {}, {}. Read each before you take it: what was asked for is\n\
             ## not thereby what should be seen. A rule that denies still wins over them.",
            count(grants.len(), "rule"),
            count(services, "service"),
        )?;
        for grant in &grants {
            write!(f, "{grant}")?;
        }
        write_others(f, &others)?;
        self.write_suspects(f, &suspects)?;
        self.write_nobodys(f)
    }
}

impl Display for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## {}", self.who)?;
        for (target, evidence) in &self.services {
            writeln!(f, "##   {target}: {evidence}")?;
        }
        let name = match self.who {
            Who::Namespace(namespace, _) => namespace.clone(),
            Who::Range(tenant) => tenant.clone().unwrap_or_else(|| "a range".to_owned()),
        };
        let from = match self.who {
            Who::Namespace(namespace, _) => format!("namespaces = [{}]", quoted(namespace)),
            Who::Range(_) if self.addresses.len() > ADDRESSES => {
                return writeln!(
                    f,
                    "##   {} addresses: write the rule with the range that they are in, `from = {{ \
                     cidrs = [\"…\"] }}`",
                    self.addresses.len()
                );
            }
            Who::Range(_) => {
                let each = self.addresses.iter().map(|ip| {
                    let bits = if ip.is_ipv4() { 32 } else { 128 };
                    quoted(&format!("{ip}/{bits}"))
                });
                format!("cidrs = [{}]", each.collect::<Vec<_>>().join(", "))
            }
        };
        writeln!(f, "# [[tenancy.rule]]")?;
        writeln!(f, "# name = {}", quoted(&format!("what {name} asked for")))?;
        writeln!(f, "# effect = \"allow\"")?;
        writeln!(f, "# from = {{ {from} }}")?;
        // Lists may be broken into lines; inline tables may not.
        writeln!(f, "# [tenancy.rule.to]")?;
        writeln!(f, "# services = [")?;
        let services = self
            .services
            .keys()
            .map(|target| quoted(&target.to_string()));
        let services: Vec<String> = services.collect();
        for line in lines(&services, ",", WIDTH) {
            writeln!(f, "#   {line}")?;
        }
        writeln!(f, "# ]")
    }
}

fn write_others(f: &mut fmt::Formatter<'_>, others: &[(&Who, &Target, Evidence)]) -> fmt::Result {
    if others.is_empty() {
        return Ok(());
    }
    writeln!(
        f,
        "\n## Granted nothing: names of pods, and names that no rule can hold. Whoever is to see the names of\n\
         ## pods must be shown their namespace."
    )?;
    for (who, target, evidence) in others.iter().take(FEW) {
        writeln!(f, "##   {who}: {target}: {evidence}")?;
    }
    more(f, others.len())
}

impl Suggestions {
    fn write_suspects(
        &self,
        f: &mut fmt::Formatter<'_>,
        suspects: &BTreeMap<IpAddr, usize>,
    ) -> fmt::Result {
        if suspects.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n## Granted nothing: clients that asked for more than {} different services of others. They may\n\
             ## be looking for names; or they watch or scan for others, and belong to the platform.",
            self.sweep
        )?;
        for (ip, targets) in suspects.iter().take(FEW) {
            let of_it = self
                .denials
                .iter()
                .filter_map(|((who, _), by)| Some((who, by.get(ip)?)));
            let mut whose: Option<&Who> = None;
            let mut evidence = Evidence::default();
            for (who, seen) in of_it {
                whose = Some(who);
                evidence.merge(seen);
            }
            let who = whose.map(Who::to_string).unwrap_or_default();
            writeln!(f, "##   {ip}, {who}: {targets} services, {evidence}")?;
        }
        more(f, suspects.len())
    }

    fn write_nobodys(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (reason, what) in [
            (
                "unknown_client",
                "addresses that are nobody's. Pods behind another resolver, a NAT, or\n## of a network that this cluster's API does not know",
            ),
            ("conflict", "addresses that several pods have"),
            (
                "node_client",
                "nodes, and pods on their network. `node` says what all of them see",
            ),
            ("unsynced", "whoever asked before everything had been read"),
        ] {
            let of_reason = self
                .nobodys
                .range((reason.to_owned(), IpAddr::from([0; 4]))..);
            let of_reason: Vec<_> = of_reason
                .take_while(|((other, _), _)| other == reason)
                .collect();
            if of_reason.is_empty() {
                continue;
            }
            writeln!(f, "\n## Granted nothing: {what}.")?;
            for ((_, ip), seen) in of_reason.iter().take(FEW) {
                let targets = seen.targets.iter().take(3).map(Target::to_string);
                let mut names = targets.collect::<Vec<_>>().join(", ");
                if seen.targets.len() > 3 {
                    names += &format!(" and {} more", seen.targets.len() - 3);
                }
                writeln!(f, "##   {ip}: {} of {names}", count_of(seen.count))?;
            }
            more(f, of_reason.len())?;
        }
        Ok(())
    }
}

fn more(f: &mut fmt::Formatter<'_>, all: usize) -> fmt::Result {
    match all.saturating_sub(FEW) {
        0 => Ok(()),
        more => writeln!(f, "##   and {more} more"),
    }
}

impl Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(name, Some(tenant)) if name != tenant => {
                write!(f, "Pods of {} (tenant {})", plain(name), plain(tenant))
            }
            Self::Namespace(name, _) => write!(f, "Pods of {}", plain(name)),
            Self::Range(Some(tenant)) => write!(f, "Clients of {} that are no pods", plain(tenant)),
            Self::Range(None) => f.write_str("Clients of a range that are no pods"),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self
            .service
            .as_deref()
            .map_or_else(|| "(pods)".to_owned(), plain);
        write!(f, "{}/{service}", plain(&self.namespace))
    }
}

fn count(many: usize, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}

fn count_of(count: u64) -> String {
    match count {
        1 => "1 record set".to_owned(),
        many => format!("{many} record sets"),
    }
}

/// Returns a text as TOML's basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
