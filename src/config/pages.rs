//! `[health]`, `[ready]`, `[metrics]` and `[admin]`: where pages are served over HTTP.

use super::document::{Field, Section};
use super::lifecycle::Lifecycle;
use super::text::{Place, http_listener, place};
use crate::admin::{Door, Guarded};
use crate::tls::PairFiles;
use crate::{admin, observe};
use std::net::SocketAddr;
use std::path::PathBuf;

const WANT: &str = "an address, as in \"[::]:8080\"";
const WANT_DOOR: &str = "an address, as in \"127.0.0.1:9154\", or \"unix:PATH\"";
const UNASKED: &str = "has no meaning here: `listen` is a loopback address or a Unix socket, where nobody \
     is asked for a token";
const TENANTS: &str = "it is 1 to 10000";

/// Reads the four tables of the document, and returns where they say that the administrator's pages
/// are beyond loopback, for which an API has to be there.
pub(super) fn read<'a>(
    root: &mut Section<'a>,
    observe: &mut observe::Options,
    lifecycle: &mut Lifecycle,
) -> (admin::Options, Option<Field<'a>>) {
    let mut options = admin::Options::default();
    for (name, target) in [
        ("health", &mut options.health),
        ("ready", &mut options.ready),
        ("metrics", &mut options.metrics),
    ] {
        let mut table = root.table(name);
        table.parsed("listen", target, WANT, |text| {
            if text.is_empty() {
                return Ok(None);
            }
            http_listener(text).map(Some)
        });
        match name {
            "health" => lifecycle.read_health(&mut table),
            "ready" => lifecycle.read_ready(&mut table),
            _ => {}
        }
        table.finish(&[]);
    }
    let taken = [
        ("health", options.health),
        ("ready", options.ready),
        ("metrics", options.metrics),
    ];
    let mut table = root.table("admin");
    let guard = read_admin(&mut table, &mut options.admin, &taken);
    table.number("tenants", &mut observe.tenants, 1..=10_000, TENANTS);
    table.finish(&[]);
    (options, guard)
}

/// Reads where the administrator comes in, and returns where it says that this is beyond loopback.
fn read_admin<'a>(
    table: &mut Section<'a>,
    admin: &mut Option<Door>,
    taken: &[(&str, Option<SocketAddr>)],
) -> Option<Field<'a>> {
    let file = |text: &str| Ok::<_, &str>((!text.is_empty()).then(|| PathBuf::from(text)));
    let (mut certificate, mut key, mut audiences) = (None, None, Vec::new());
    let listen = table.field("listen");
    table.parsed("tls_cert", &mut certificate, "a path", file);
    table.parsed("tls_key", &mut key, "a path", file);
    table.list("audiences", &mut audiences, "texts", |text| match text {
        "" => Err("is empty; an audience is what tokens are issued for, as \"tenantdns\""),
        audience => Ok(audience.into()),
    });
    let parse = |text: &str| {
        if text.is_empty() {
            return Ok::<_, String>(None);
        }
        let address = match place(text)? {
            Place::Unix(path) => return Ok(Some(Door::Unix(path))),
            Place::Address(address) => address,
        };
        refuse_shared(address, taken)?;
        if address.ip().is_loopback() {
            return Ok(Some(Door::Loopback(address)));
        }
        let pair = pair(&certificate, &key).map_err(|missing| unguarded(address, missing))?;
        Ok(Some(Door::Guarded(Guarded {
            address,
            pair,
            audiences: audiences.clone(),
        })))
    };
    if let Some(field) = &listen {
        *admin = field.parsed(WANT_DOOR, parse)?;
    }
    match admin {
        None => return None,
        Some(Door::Guarded(_)) => return listen,
        Some(Door::Loopback(_) | Door::Unix(_)) => {}
    }
    for key in ["tls_cert", "tls_key", "audiences"] {
        if let Some(field) = table.said(key) {
            field.problem(UNASKED);
        }
    }
    None
}

/// Returns the pair of files, or what is missing of it.
fn pair(certificate: &Option<PathBuf>, key: &Option<PathBuf>) -> Result<PairFiles, &'static str> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(PairFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        (None, Some(_)) => Err("`tls_cert` is"),
        (Some(_), None) => Err("`tls_key` is"),
        (None, None) => Err("`tls_cert` and `tls_key` are"),
    }
}

fn unguarded(address: SocketAddr, missing: &str) -> String {
    format!(
        "`{address}` is not a loopback address: these pages name tenants, and are shown there over TLS \
         alone; {missing} missing. Or write `127.0.0.1:{}` or `unix:PATH`",
        address.port()
    )
}

/// Refuses an address that another table has.
fn refuse_shared(address: SocketAddr, taken: &[(&str, Option<SocketAddr>)]) -> Result<(), String> {
    let same = |other: Option<SocketAddr>| other == Some(address) && address.port() != 0;
    match taken.iter().find(|(_, other)| same(*other)) {
        None => Ok(()),
        Some((table, _)) => Err(format!(
            "`{address}` is where [{table}] is; what names tenants has an address of its own"
        )),
    }
}
