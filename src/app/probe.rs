//! `probe`: where the process is, and what came of it.

use crate::config::{EXIT_DONE, EXIT_FAILED, EXIT_USAGE, Output, Probe};
use crate::probe::{Options, read_place};
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Probes a server, and returns the exit status: 0 where nothing is given away.
pub(super) fn probe(command: &Probe) -> anyhow::Result<u8> {
    let place = read_place();
    let server = place.server.map(|address| SocketAddr::new(address, 53));
    let zone = command.zone.as_ref().map(|zone| zone.to_string());
    let (Some(server), Some(zone)) = (command.server.or(server), zone.or(place.zone)) else {
        let mut error = std::io::stderr();
        writeln!(
            error,
            "tenantdns: /etc/resolv.conf names no server, or no zone in its search list: \
             give --server and --zone"
        )?;
        return Ok(EXIT_USAGE);
    };
    let options = Options {
        server,
        zone: zone.trim_end_matches('.').to_owned(),
        namespace: command.namespace.clone().or(place.namespace),
        visible: command.visible.clone(),
        hidden: command.hidden.clone(),
        patience: PATIENCE,
    };
    let report = crate::probe::probe(&options);
    let text = match command.output {
        Output::Text => report.to_string(),
        Output::Json => serde_json::to_string_pretty(&report)?,
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(match report.passes() {
        true => EXIT_DONE,
        false => EXIT_FAILED,
    })
}
