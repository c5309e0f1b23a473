//! What is counted, in Prometheus' text format. Values come from those that count; this room knows
//! neither them nor the listener that shows the text.
//!
//! No series of [`text`] has a label that a tenant could choose, or one that names an object: whoever
//! may ask the server may read them. Those that do are [`Details`].

#[macro_use]
mod series;
/// CoreDNS's series.
pub mod coredns;
mod details;
mod page;
mod process;
mod readings;
#[cfg(test)]
mod tests;

pub use details::Details;
pub use page::Histogram;
pub use readings::{Canary, Checkpoint, Observed, Queries, Readings, Watched};

use page::Page;

/// Returns every series as text, the process' own among them.
pub fn text(readings: &Readings) -> String {
    page(readings).text()
}

/// Returns every series as text, and for the administrator alone those that name tenants.
pub fn detailed_text(readings: &Readings, details: &Details) -> String {
    let mut page = page(readings);
    details.write(&mut page);
    page.text()
}

fn page(readings: &Readings) -> Page {
    let mut page = Page::default();
    readings.write(&mut page);
    process::write(&mut page);
    page
}
