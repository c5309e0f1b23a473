//! What is counted, in Prometheus' text format. Values come from those that count; this room knows
//! neither them nor the listener that shows the text.
//!
//! No series has a label that a tenant could choose, or one that names an object: whoever may ask the
//! server may read them.

mod page;
mod process;
mod readings;
mod series;
#[cfg(test)]
mod tests;

pub use readings::{Canary, Checkpoint, Queries, Readings, Watched};

use page::Page;

/// Returns every series as text, the process' own among them.
pub fn text(readings: &Readings) -> String {
    let mut page = Page::default();
    readings.write(&mut page);
    process::write(&mut page);
    page.text()
}
