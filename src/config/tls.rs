//! `[tls]` and `[timeouts]`: what listeners show, and how long their peers may take, with the words of
//! CoreDNS's `tls` and `timeouts`. A block without a table of its own has the one beside `[server]`. Not
//! what the files hold: whoever opens the listeners reads them.

use super::document::Section;
use crate::server::{Endpoint, Options, TimeoutOptions};
use crate::tls::{self, ClientAuth, PairFiles};
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

/// What the tables of one block say.
#[derive(Debug, Clone, Default)]
pub(super) struct Service {
    tls: Option<tls::Options>,
    timeouts: Option<TimeoutOptions>,
}

/// CoreDNS's words for what clients are asked.
const CLIENT_AUTH: &[(&str, Word)] = &[
    ("nocert", Word::NoCert),
    ("request", Word::Request),
    ("require", Word::Require),
    ("verify_if_given", Word::VerifyIfGiven),
    ("require_and_verify", Word::RequireAndVerify),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    NoCert,
    Request,
    Require,
    VerifyIfGiven,
    RequireAndVerify,
}

/// Reads the tables of a block, or those beside `[server]`, whose `default` is none.
pub(super) fn read(tables: &mut Section<'_>, default: &Service) -> Service {
    let (tls, timeouts) = (tables.table("tls"), tables.table("timeouts"));
    Service {
        tls: match tls.is_present() {
            true => read_tls(tls),
            false => default.tls.clone(),
        },
        timeouts: match timeouts.is_present() {
            true => Some(read_timeouts(timeouts)),
            false => default.timeouts,
        },
    }
}

/// Enters what a block says of its listeners. `table` is where problems are told.
pub(super) fn enter(
    table: &Section<'_>,
    service: &Service,
    endpoints: &[Endpoint],
    options: &mut Options,
) {
    for &endpoint in endpoints {
        if let Some(timeouts) = service.timeouts {
            match options.timeouts.iter().find(|(of, _)| *of == endpoint) {
                None => options.timeouts.push((endpoint, timeouts)),
                Some((_, other)) if *other == timeouts => {}
                Some(_) => table.problem(format_args!(
                    "another block has other [timeouts] at `{endpoint}`; a listener has one table"
                )),
            }
        }
        if !endpoint.scheme.is_encrypted() {
            continue;
        }
        match (options.tls_of(endpoint), &service.tls) {
            (None, Some(tls)) => options.tls.push((endpoint, tls.clone())),
            (Some(other), Some(tls)) if other != tls => table.problem(format_args!(
                "another block has another [tls] at `{endpoint}`; a listener shows one certificate"
            )),
            (Some(_), _) => {}
            (None, None) => table.problem(format_args!(
                "`{endpoint}` shows a certificate: write [tls] with `certificate` and `key`, two files in \
                 PEM"
            )),
        }
    }
}

/// Returns `None` where something is missing, and was told.
fn read_tls(mut table: Section<'_>) -> Option<tls::Options> {
    let mut path = |key| {
        let mut path = String::new();
        table.parsed(key, &mut path, "a file", |text| {
            Ok::<_, Infallible>(text.to_owned())
        });
        (!path.is_empty()).then(|| PathBuf::from(path))
    };
    let (certificate, key, ca) = (path("certificate"), path("key"), path("ca"));
    let mut word = Word::NoCert;
    table.choice("client_auth", &mut word, CLIENT_AUTH);
    let client_auth = match (word, ca) {
        (Word::NoCert, _) => Some(ClientAuth::NoCert),
        (Word::Request, _) => Some(ClientAuth::Request),
        (Word::Require, _) => Some(ClientAuth::Require),
        (Word::VerifyIfGiven, Some(ca)) => Some(ClientAuth::VerifyIfGiven(ca)),
        (Word::RequireAndVerify, Some(ca)) => Some(ClientAuth::RequireAndVerify(ca)),
        (Word::VerifyIfGiven | Word::RequireAndVerify, None) => {
            table.problem(
                "needs `ca`, a file of the authorities that clients' certificates are verified by; those \
                 that everybody trusts verify anybody",
            );
            None
        }
    };
    let options = match (certificate, key) {
        (Some(certificate), Some(key)) => client_auth.map(|client_auth| tls::Options {
            pair: PairFiles { certificate, key },
            client_auth,
        }),
        _ => {
            table.problem("needs `certificate` and `key`, two files in PEM");
            None
        }
    };
    table.finish(&[]);
    options
}

fn read_timeouts(mut table: Section<'_>) -> TimeoutOptions {
    let mut time = |key| {
        let mut time = Duration::ZERO;
        let range = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
        table.duration(key, &mut time, range, "it is `1s` to `24h`");
        (!time.is_zero()).then_some(time)
    };
    let timeouts = TimeoutOptions {
        read: time("read"),
        write: time("write"),
        idle: time("idle"),
    };
    table.finish(&[]);
    timeouts
}
