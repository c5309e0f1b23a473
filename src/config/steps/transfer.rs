//! `[transfer]`: who may have all of a zone at once.

use super::read_zones;
use crate::chain::{Secondary, TransferOptions};
use crate::config::document::Section;
use crate::config::text::shown;
use crate::wire::Name;
use std::net::{IpAddr, SocketAddr};

/// The port that a secondary is notified at where none is written.
const PORT: u16 = 53;

/// Reads a `transfer` table.
pub(super) fn read(mut table: Section<'_>, zones: &[Name]) -> Option<TransferOptions> {
    let is_present = table.is_present();
    let names_some = table.says("to");
    let mut options = TransferOptions {
        zones: read_zones(&mut table, "zones").unwrap_or_else(|| zones.to_vec()),
        to: Vec::new(),
        source: None,
    };
    table.list("to", &mut options.to, "addresses", secondary);
    table.parsed("source", &mut options.source, "an address", |text| {
        source(text).map(Some)
    });
    if is_present && !names_some {
        table.problem("needs `to`: without an address nobody may transfer");
    }
    table.finish(&[]);
    is_present.then_some(options)
}

/// Parses `*`, or an address that a port may stand behind.
fn secondary(text: &str) -> Result<Secondary, String> {
    if text == "*" {
        return Ok(Secondary::Anybody);
    }
    let bare = text
        .parse()
        .map(|address: IpAddr| SocketAddr::new(address, PORT));
    let address = bare.or_else(|_| text.parse::<SocketAddr>());
    match address {
        Ok(address) => Ok(Secondary::At(SocketAddr::new(
            address.ip().to_canonical(),
            address.port(),
        ))),
        Err(_) => Err(format!(
            "`{}` is neither an address, as in \"192.0.2.1\" or \"192.0.2.1:5300\", nor `*`",
            shown(text)
        )),
    }
}

fn source(text: &str) -> Result<IpAddr, String> {
    let address = text.parse().map(|address: IpAddr| address.to_canonical());
    address.map_err(|_| format!("`{}` is not an address", shown(text)))
}
