//! The log.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};
use user_info_api::log_quota::LogQuota;

use crate::args::{LogFormat, RunArgs};

/// Begins to log to standard error. Lines of a reconcile name the resource; those of dependencies are bounded.
pub fn init(args: &RunArgs) {
    let filter = EnvFilter::builder().parse_lossy(args.filter());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match args.log_format {
        LogFormat::Text => lines.with_ansi(colours()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    // Without a thread for it there is no bound; the log is more.
    let quota = LogQuota::start().ok();
    // A second call, in tests, leaves the first in place.
    let _ = Registry::default().with(filter).with(quota).with(lines).try_init();
}

/// Whether standard error is a terminal that wants colours (see no-color.org).
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
