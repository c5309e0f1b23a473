//! Log lines: where they go and which ones. Nothing is logged for a single query here.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The environment variable that says which log lines are written: `warn`, or
/// `info,tenantdns::manifests=debug`.
const FILTER: &str = "TENANTDNS_LOG";

/// Writes log lines to standard error from now on. A filter that can't be read is said to be one,
/// and `info` is used.
pub fn init() {
    let text = std::env::var(FILTER).unwrap_or_default();
    let parsed = text.parse::<Targets>();
    let filter = match (&parsed, text.is_empty()) {
        (Ok(filter), false) => filter.clone(),
        _ => Targets::new().with_default(tracing::Level::INFO),
    };
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .with_target(false);
    // A test that starts two servers keeps the first one's lines.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init();
    if let (Err(error), false) = (parsed, text.is_empty()) {
        tracing::warn!(%error, "{FILTER}={text} is no filter; `info` is used");
    }
}
