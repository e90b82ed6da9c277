//! Logs: structured, on standard error, at a level that may change while the program runs.
//!
//! A thread of its own writes the lines. Whoever reads them may stand still, and standard error, a pipe, then takes no more; calls go on all
//! the same, and lines that nobody takes are dropped and counted.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::OnceLock;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Opts};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};
use user_info_api::config::{LogFormat, LogLevel};

use crate::metrics::Register;

/// Most lines that wait to be written; some 2 MB.
const WAITING: usize = 8192;

static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Writes, when it is dropped, the lines that still wait; for a second at most.
#[must_use = "lines that wait when it is dropped are the last to be written"]
#[derive(Debug)]
pub struct LogGuard {
    _worker: Option<WorkerGuard>,
}

/// Starts logging to standard error. Later calls have no effect.
pub fn init(format: LogFormat, level: LogLevel) -> LogGuard {
    let (filter, handle) = reload::Layer::new(filter(level));
    if LEVEL.set(handle).is_err() {
        return LogGuard { _worker: None };
    }
    let writer = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).thread_name("log");
    let (writer, worker) = writer.finish(std::io::stderr());
    DROPPED.get_or_init(|| writer.error_counter());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(colours()).boxed(),
    };
    Registry::default().with(filter).with(lines).init();
    log_panics();
    LogGuard { _worker: Some(worker) }
}

/// Counts the log lines that nobody took.
#[derive(Debug)]
pub struct LogMetrics {
    desc: Desc,
    opts: Opts,
}

impl LogMetrics {
    /// Registers the metric, its name beginning with `prefix`.
    ///
    /// # Errors
    /// If the registry has a metric of this name already.
    pub fn register(registry: &dyn Register, prefix: &str) -> prometheus::Result<()> {
        let help = "Log lines dropped, since whoever reads standard error did not keep up.";
        let opts = Opts::new(format!("{prefix}_log_lines_dropped_total"), help);
        let desc = Desc::new(opts.fq_name(), help.to_owned(), Vec::new(), HashMap::new())?;
        registry.register(Box::new(Self { desc, opts }))
    }
}

impl Collector for LogMetrics {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let dropped = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
        let Ok(counter) = IntCounter::with_opts(self.opts.clone()) else { return Vec::new() };
        counter.inc_by(dropped.try_into().unwrap_or(u64::MAX));
        counter.collect()
    }
}

/// Changes the least severe level that is written.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get()
        && let Err(error) = handle.modify(|f| *f = filter(level))
    {
        tracing::warn!(%error, "log level not changed");
    }
}

/// Whether standard error is a terminal that wants colours (see no-color.org).
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Panics go through the log, as one line with the place, instead of raw text on standard error.
fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: {message}");
    }));
}
