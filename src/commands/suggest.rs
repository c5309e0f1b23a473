//! `policy suggest`: the grants that keep what an audit saw working, for whoever writes the policy to
//! read, and to take or leave one by one. Each names single services, and each stands under what was
//! seen of it. Who may be looking for names, and whom nobody knows, is granted nothing.
//!
//! Prose begins with `##`, and what is configuration with `# `: uncommented, the one is a comment and
//! the other a rule.

mod evidence;

use super::audit_log::{Client, Denial, Entry, Read, Target, read};
use super::plain::{lines, plain};
use evidence::Evidence;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::io::{self, BufRead};
use std::net::IpAddr;

/// Addresses in a suggested rule at most: more are a range, which is for people to find.
const ADDRESSES: usize = 64;
/// Services of a line at most.
const WIDTH: usize = 96;
/// Entries of a list of those who are granted nothing.
const FEW: usize = 20;

/// What to suggest.
#[derive(Debug, Clone)]
pub struct Suggestions {
    /// Different targets from which on a client is suspected of a sweep.
    sweep: usize,
    denials: BTreeMap<(Who, Target), BTreeMap<IpAddr, Evidence>>,
    /// What clients without an identity were denied, by reason.
    nobodys: BTreeMap<(String, IpAddr), Unidentified>,
    targets: BTreeMap<IpAddr, BTreeSet<Target>>,
    read: Read,
    span: Option<(String, String)>,
}

#[derive(Debug, Clone, Default)]
struct Unidentified {
    count: u64,
    targets: BTreeSet<Target>,
}

/// Whom a rule can name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// The pods of a namespace, whose tenant it was then.
    Namespace(String, Option<String>),
    /// Clients of a configured range, and its tenant.
    Range(Option<String>),
}

/// A rule, and what it rests on.
struct Grant<'s> {
    who: &'s Who,
    services: BTreeMap<&'s Target, Evidence>,
    addresses: BTreeSet<IpAddr>,
}

impl Suggestions {
    /// Returns no suggestions. A client that was denied more than `sweep` different targets is
    /// suspected of looking for names.
    pub fn new(sweep: u32) -> Self {
        Self {
            sweep: sweep as usize,
            denials: BTreeMap::new(),
            nobodys: BTreeMap::new(),
            targets: BTreeMap::new(),
            read: Read::default(),
            span: None,
        }
    }

    /// Takes in a log.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(&mut self, log: impl BufRead) -> io::Result<()> {
        let read = read(log, |entry| match entry {
            Entry::Denial(denial) => self.take(denial),
            Entry::Closing(ts, _) => self.saw(&ts),
        })?;
        self.read.entries += read.entries;
        self.read.unread += read.unread;
        Ok(())
    }

    fn saw(&mut self, ts: &str) {
        self.span = Some(match self.span.take() {
            None => (ts.to_owned(), ts.to_owned()),
            Some((first, last)) if *first > *ts => (ts.to_owned(), last),
            Some((first, last)) if *last < *ts => (first, ts.to_owned()),
            Some(span) => span,
        });
    }

    fn take(&mut self, denial: Denial) {
        self.saw(&denial.ts);
        let Client { ip, .. } = denial.client;
        if denial.reason != "hidden" {
            let entry = self.nobodys.entry((denial.reason, ip)).or_default();
            entry.count += denial.count;
            entry.targets.insert(denial.target);
            return;
        }
        let seen = self.targets.entry(ip).or_default();
        seen.insert(denial.target.clone());
        let who = match &denial.client.namespace {
            Some(namespace) => Who::Namespace(namespace.clone(), denial.client.tenant.clone()),
            None => Who::Range(denial.client.tenant.clone()),
        };
        let by_client = self
            .denials
            .entry((who, denial.target.clone()))
            .or_default();
        by_client.entry(ip).or_default().add(&denial);
    }

    /// Returns those that were denied more different things than a client that knows what it wants.
    fn suspects(&self) -> BTreeMap<IpAddr, usize> {
        let many = self
            .targets
            .iter()
            .map(|(ip, targets)| (*ip, targets.len()));
        many.filter(|(_, targets)| *targets > self.sweep).collect()
    }

    /// Returns the grants in the order of their clients, and what can't be granted by one.
    fn grants<'s>(
        &'s self,
        suspects: &BTreeMap<IpAddr, usize>,
    ) -> (Vec<Grant<'s>>, Vec<(&'s Who, &'s Target, Evidence)>) {
        let mut grants: BTreeMap<&Who, Grant<'s>> = BTreeMap::new();
        let mut others = Vec::new();
        for ((who, target), by_client) in &self.denials {
            let honest = by_client
                .iter()
                .filter(|(ip, _)| !suspects.contains_key(ip));
            let mut evidence = Evidence::default();
            let mut addresses = BTreeSet::new();
            for (ip, seen) in honest {
                evidence.merge(seen);
                addresses.insert(*ip);
            }
            if addresses.is_empty() {
                continue;
            }
            if !who.is_named() || !target.is_service() {
                others.push((who, target, evidence));
                continue;
            }
            let grant = grants.entry(who).or_insert_with(|| Grant {
                who,
                services: BTreeMap::new(),
                addresses: BTreeSet::new(),
            });
            grant.services.insert(target, evidence);
            grant.addresses.extend(addresses);
        }
        (grants.into_values().collect(), others)
    }
}

impl Who {
    /// Returns whether a rule can name it: what the log says may be anything.
    fn is_named(&self) -> bool {
        match self {
            Self::Namespace(name, _) => is_label(name),
            Self::Range(_) => true,
        }
    }
}

impl Target {
    /// Returns whether it is one service, of a name that a rule can hold.
    fn is_service(&self) -> bool {
        is_label(&self.namespace) && self.service.as_deref().is_some_and(is_label)
    }
}

/// Returns whether a text is a name of a namespace or of a service, as the configuration takes it.
fn is_label(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

// === as text ===

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
        "\n## Granted nothing: names of pods, which no rule for single services shows. Whoever is to see\n\
         ## them must be shown their namespace."
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
