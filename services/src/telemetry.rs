//! Logs: structured, on standard error, at a level that may change while the program runs.
//!
//! A thread of its own writes the lines. Whoever reads them may stand still, and standard error, a pipe, then takes no more; calls go on all
//! the same, and lines that nobody takes are dropped and counted.

mod lines;

use std::collections::HashMap;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Opts};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};
use user_info_api::config::{LogFormat, LogLevel};

use self::lines::Lines;
use crate::metrics::Register;

static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
static LOG: OnceLock<Lines> = OnceLock::new();
static REPORTS: OnceLock<Option<Lines>> = OnceLock::new();

/// How long the last lines may take to be written when a program ends in order.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// Starts logging to standard error. Later calls have no effect.
///
/// # Errors
/// If the system has no thread left.
pub fn init(format: LogFormat, level: LogLevel) -> std::io::Result<()> {
    let (filter, handle) = reload::Layer::new(filter(level));
    if LEVEL.set(handle).is_err() {
        return Ok(());
    }
    // A file of its own: a thread that writes to `std::io::stderr` and is stuck holds its lock.
    let lines = Lines::to("log", File::from(std::io::stderr().as_fd().try_clone_to_owned()?))?;
    let writer = LOG.get_or_init(|| lines);
    let lines = tracing_subscriber::fmt::layer().with_writer(|| writer.clone()).with_target(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(colours()).boxed(),
    };
    Registry::default().with(filter).with(lines).init();
    log_panics();
    Ok(())
}

/// Writes a line to standard output, by a thread of its own as the log.
pub(crate) fn report(line: &str) {
    let begin = || Lines::to("reports", File::from(std::io::stdout().as_fd().try_clone_to_owned()?));
    let warn = |error: &std::io::Error| tracing::warn!(%error, "no thread for the lines on standard output");
    if let Some(lines) = REPORTS.get_or_init(|| begin().inspect_err(warn).ok()) {
        lines.put(format!("{line}\n").into_bytes());
    }
}

/// Waits until all lines of log and reports are written, for `limit` at most: to be called before the program ends.
pub fn flush(limit: Duration) {
    let begun = Instant::now();
    for lines in LOG.get().into_iter().chain(REPORTS.get().into_iter().flatten()) {
        lines.flush(limit.saturating_sub(begun.elapsed()));
    }
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
        let help = "Log lines dropped, since whoever reads standard error did not keep up, or the disk is full.";
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
        let dropped = LOG.get().map_or(0, Lines::dropped);
        let Ok(counter) = IntCounter::with_opts(self.opts.clone()) else { return Vec::new() };
        counter.inc_by(dropped);
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
