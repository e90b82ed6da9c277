//! The log.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::args::{LogFormat, RunArgs};

/// Begins to log to standard error. Lines of a reconcile name the resource.
pub fn init(args: &RunArgs) {
    let filter = EnvFilter::builder().parse_lossy(args.filter());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours());
    // A second call, in tests, leaves the first in place.
    let _ = match args.log_format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
}

/// Whether standard error is a terminal that wants colours (see no-color.org).
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
