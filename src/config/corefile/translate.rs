//! Server blocks as tables: the walk over their keys and directives, in CoreDNS's order of plugins.
//! What each directive says is its file's below.

mod answers;
mod cache;
mod forward;
mod kubernetes;
mod lifecycle;
mod listen;
mod observe;
mod once;
mod records;
mod rewrite;
mod tenancy;
mod unsupported;
mod values;
mod view;
pub(super) mod zones;

use super::cursor::{Cursor, Fault};
use super::key;
use super::lexer::{Place, Token};
use super::page::{Item, Page, Table, Value};
use super::parser::ServerBlock;
use super::{Note, Problem, Surroundings, problem, shown};
use listen::Address;
use once::Once;
use std::path::{Path, PathBuf};

/// What a directive becomes.
enum Handling {
    /// Tables.
    Read(fn(&mut Cursor<'_>, &mut Out<'_>) -> Result<(), Fault>),
    /// Nothing: it changes no answer here. The reason is said.
    Noted(&'static str),
    /// Nothing: what it asks for is always so.
    Always(&'static str),
    /// An error, for this reason.
    Refused(&'static str),
}

use Handling::{Always, Noted, Read, Refused};

/// CoreDNS's plugins in its order of execution, and what is ours.
const DIRECTIVES: &[(&str, Handling)] = &[
    ("tenancy", Read(tenancy::read)),
    ("root", Read(listen::root)),
    ("metadata", Always("labels are there without it")),
    ("geoip", Noted("it makes metadata that nothing here reads")),
    ("cancel", Noted("queries have a deadline of their own")),
    ("proxyproto", Refused(unsupported::PROXY)),
    ("quic", Noted("DoQ's limits are its listener's own")),
    ("grpc_server", Noted("there is no gRPC listener")),
    ("https", Noted("DoH's limits are its listener's own")),
    ("https3", Noted("there is no HTTP/3 listener")),
    ("timeouts", Read(listen::timeouts)),
    ("multisocket", Read(listen::multisocket)),
    ("reload", Read(lifecycle::reload)),
    ("nsid", Read(answers::nsid)),
    ("bufsize", Read(answers::bufsize)),
    ("bind", Read(listen::bind)),
    (
        "debug",
        Always("the environment variable TENANTDNS_LOG chooses log lines, as in `debug`"),
    ),
    ("trace", Read(observe::trace)),
    ("ready", Read(lifecycle::ready)),
    ("health", Read(lifecycle::health)),
    ("pprof", Noted("there is no Go runtime to profile")),
    (
        "shed",
        Noted("what can't be answered in time is dropped by itself"),
    ),
    ("prometheus", Read(observe::prometheus)),
    ("errors", Read(observe::errors)),
    ("log", Read(observe::log)),
    ("dnstap", Read(observe::dnstap)),
    ("local", Read(answers::local)),
    ("dns64", Read(answers::dns64)),
    ("any", Read(answers::any)),
    ("chaos", Read(answers::chaos)),
    ("loadbalance", Read(answers::loadbalance)),
    ("tsig", Refused(unsupported::TSIG)),
    ("rewrite", Read(rewrite::read)),
    ("autopath", Read(answers::autopath)),
    ("acl", Read(answers::acl)),
    ("cache", Read(cache::read)),
    ("header", Read(answers::header)),
    ("dnssec", Refused(unsupported::DNSSEC)),
    ("tls", Read(listen::tls)),
    ("minimal", Read(answers::minimal)),
    ("template", Read(records::template)),
    ("transfer", Read(records::transfer)),
    ("hosts", Read(records::hosts)),
    ("route53", Refused(unsupported::BACKEND)),
    ("azure", Refused(unsupported::BACKEND)),
    ("clouddns", Refused(unsupported::BACKEND)),
    ("k8s_external", Read(kubernetes::read_external)),
    ("kubernetes", Read(kubernetes::read)),
    ("file", Refused(unsupported::ZONE_FILE)),
    ("auto", Refused(unsupported::ZONE_FILE)),
    ("secondary", Refused(unsupported::ZONE_FILE)),
    ("etcd", Refused(unsupported::BACKEND)),
    ("loop", Read(forward::read_loop)),
    ("forward", Read(forward::read)),
    ("grpc", Refused(unsupported::GRPC)),
    ("erratic", Refused(unsupported::DIAGNOSTIC)),
    ("whoami", Refused(unsupported::WHOAMI)),
    ("on", Refused(unsupported::COMMAND)),
    ("sign", Refused(unsupported::DNSSEC)),
    ("view", Read(view::read)),
    ("nomad", Refused(unsupported::BACKEND)),
    ("proxy", Refused(unsupported::REMOVED_PROXY)),
    ("federation", Refused(unsupported::REMOVED_FEDERATION)),
    ("reverse", Refused(unsupported::REMOVED_REVERSE)),
    ("startup", Refused(unsupported::COMMAND)),
    ("shutdown", Refused(unsupported::COMMAND)),
];

/// Returns the names of the directives that are read here, CoreDNS's and ours.
pub(in crate::config) fn supported() -> impl Iterator<Item = &'static str> {
    let all = DIRECTIVES.iter();
    all.filter(|(_, handling)| !matches!(handling, Refused(_)))
        .map(|(name, _)| *name)
}

/// Returns the keys of a `tenancy` block.
#[cfg(test)]
pub(super) fn tenancy_keys() -> impl Iterator<Item = &'static str> {
    tenancy::keys()
}

/// What a directive may say.
struct Out<'a> {
    block: &'a mut Block,
    once: &'a mut Once,
    notes: &'a mut Vec<Note>,
    around: &'a dyn Surroundings,
    /// Whether a `tenancy` block says who may see what.
    has_tenancy: bool,
}

impl Out<'_> {
    /// Says that a word has no meaning here.
    fn note(&mut self, place: &Place, text: impl Into<String>) {
        let text = text.into();
        self.notes.push(Note {
            place: place.clone(),
            text,
        });
    }

    /// Returns a path of the Corefile: relative ones start at its `root`.
    fn path(&self, text: &str) -> String {
        match &self.block.root {
            Some(root) if !Path::new(text).is_absolute() => root.join(text).display().to_string(),
            _ => text.into(),
        }
    }
}

/// A server block as tables.
#[derive(Default)]
struct Block {
    root: Option<PathBuf>,
    /// What `bind` names; `None` for every address.
    bind: Option<Vec<Address>>,
    view: Option<(Value, Place)>,
    tables: Vec<Table>,
    comments: Vec<String>,
}

/// Returns `blocks` as TOML, and what of them can't be.
pub(super) fn translate(
    blocks: &[ServerBlock],
    default_port: u16,
    around: &dyn Surroundings,
    notes: &mut Vec<Note>,
) -> (Page, Vec<Problem>) {
    let mut once = Once::default();
    let mut problems = Vec::new();
    let mut done = Vec::new();
    let mut taken = listen::Taken::default();
    let has = |name: &str| {
        let mut directives = blocks.iter().flat_map(|block| &block.directives);
        directives.any(|(other, _)| other == name)
    };
    let has_tenancy = has("tenancy");
    for server in blocks {
        let mut block = Block::default();
        let mut out = Out {
            block: &mut block,
            once: &mut once,
            notes,
            around,
            has_tenancy,
        };
        let mut faults = read_directives(server, &mut out);
        let keys = server.keys.iter();
        let (keys, wrong): (Vec<_>, Vec<_>) = keys
            .map(|token| key::read(token, default_port))
            .partition(Result::is_ok);
        let keys: Vec<key::Key> = keys.into_iter().flatten().collect();
        let wrong = wrong.into_iter().filter_map(Result::err);
        faults.extend(wrong.map(|fault| problem("", fault)));
        if faults.is_empty() {
            let clashes = taken.add(&keys, &block);
            faults.extend(clashes.into_iter().map(|fault| problem("", fault)));
        }
        problems.append(&mut faults);
        done.push((keys, block));
    }
    let mut page = Page::default();
    once.write(&mut page, has_tenancy);
    for (keys, block) in &done {
        listen::write(&mut page, keys, block);
    }
    (page, problems)
}

/// Reads the directives of a block in CoreDNS's order, and returns what is wrong, in the file's order.
fn read_directives(server: &ServerBlock, out: &mut Out<'_>) -> Vec<Problem> {
    let mut faults: Vec<(&str, Fault)> = Vec::new();
    for (name, words) in &server.directives {
        if !DIRECTIVES.iter().any(|(other, _)| other == name) {
            let known: Vec<&str> = supported().collect();
            let near = crate::config::text::closest(name, &known);
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            let fault = words[0].fault(format!(
                "`{}` is none of the directives that are supported{near}",
                shown(name)
            ));
            faults.push(("", fault));
        }
    }
    for (name, handling) in DIRECTIVES {
        let known = server.directives.iter().find(|(other, _)| other == name);
        let Some((_, words)) = known else { continue };
        match handling {
            Read(read) => {
                let result = read(&mut Cursor::new(words), out);
                faults.extend(result.err().map(|fault| (*name, fault)));
            }
            Refused(reason) => faults.push((name, words[0].fault(*reason))),
            Noted(reason) => {
                let text = format!("`{name}` has no meaning here: {reason}");
                out.note(&words[0].place, text.clone());
                out.block.comments.push(text);
            }
            Always(reason) => out.block.comments.push(format!("{name}: {reason}")),
        }
    }
    faults.sort_by_key(|(_, fault)| fault.place.line);
    faults
        .into_iter()
        .map(|(name, fault)| problem(name, fault))
        .collect()
}

/// Refuses a directive that is written twice where CoreDNS refuses it.
fn only_once(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    match cursor.next() {
        true => Err(cursor.fault("it stands in this block already, and may once")),
        false => Ok(()),
    }
}

/// Returns a list of texts.
fn texts(tokens: &[&Token]) -> Vec<Item> {
    let item = |token: &&Token| Item {
        value: Value::text(&token.text),
        place: token.place.clone(),
    };
    tokens.iter().map(item).collect()
}
