//! `[health]`, `[ready]`, `[metrics]` and `[admin]`: where pages are served over HTTP.

use super::document::Section;
use super::text::{door, http_listener};
use crate::{admin, observe};
use std::net::SocketAddr;

const WANT: &str = "an address, as in \"[::]:8080\"";
const WANT_DOOR: &str = "a loopback address, as in \"127.0.0.1:9154\", or \"unix:PATH\"";
const TENANTS: &str = "it is 1 to 10000";

/// Reads the four tables of the document.
pub(super) fn read(root: &mut Section<'_>, observe: &mut observe::Options) -> admin::Options {
    let mut options = admin::Options::default();
    for (name, target, later) in [
        ("health", &mut options.health, &["lameduck"][..]),
        ("ready", &mut options.ready, &[]),
        ("metrics", &mut options.metrics, &[]),
    ] {
        let mut table = root.table(name);
        table.parsed("listen", target, WANT, |text| {
            if text.is_empty() {
                return Ok(None);
            }
            http_listener(text).map(Some)
        });
        table.finish(later);
    }
    let mut table = root.table("admin");
    let taken = [
        ("health", options.health),
        ("ready", options.ready),
        ("metrics", options.metrics),
    ];
    table.parsed("listen", &mut options.admin, WANT_DOOR, |text| {
        if text.is_empty() {
            return Ok::<_, String>(None);
        }
        let door = door(text)?;
        if let admin::Door::Loopback(address) = &door {
            refuse_shared(*address, &taken)?;
        }
        Ok(Some(door))
    });
    table.number("tenants", &mut observe.tenants, 1..=10_000, TENANTS);
    table.finish(&[]);
    options
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
