//! Logs: structured, on standard error, at a level that may change while the program runs.
//!
//! A thread of its own writes the lines. Whoever reads them may stand still, and standard error, a pipe, then takes no more; calls go on all
//! the same, and lines that nobody takes are dropped and counted.
//!
//! Lines of dependencies are bounded ([`LogQuota`]), as some are written at a peer's will, and never take the room of our own.

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
use tracing::Metadata;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};
use user_info_api::config::{LogFormat, LogLevel};
use user_info_api::log_quota::{self, LogQuota};
use user_info_layers::metrics::Register;

use self::lines::Lines;

static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
static LOG: OnceLock<Lines> = OnceLock::new();
static QUOTA: OnceLock<LogQuota> = OnceLock::new();
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
    let lines = LOG.get_or_init(|| lines);
    let quota = LogQuota::start()?;
    let quota = QUOTA.get_or_init(|| quota).clone();
    let writers = Writers { ours: lines.clone(), others: lines.of_others() };
    let lines = tracing_subscriber::fmt::layer().with_writer(writers).with_target(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(colours()).boxed(),
    };
    Registry::default().with(filter).with(quota).with(lines).init();
    log_panics();
    Ok(())
}

/// Where a line goes, by whose it is.
#[derive(Debug)]
struct Writers {
    ours: Lines,
    others: Lines,
}

impl<'a> MakeWriter<'a> for Writers {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.ours.clone()
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Lines {
        if log_quota::is_ours(metadata) { self.ours.clone() } else { self.others.clone() }
    }
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

/// Counts the log lines that nobody took, and those of dependencies that were left out.
#[derive(Debug, Clone)]
pub struct LogMetrics {
    counters: [LogCounter; 2],
}

/// A counter whose value stands elsewhere.
type LogCounter = (Desc, Opts, fn() -> u64);

impl LogMetrics {
    /// Registers the metrics, their names beginning with `prefix`.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, count: fn() -> u64| {
            let opts = Opts::new(format!("{prefix}_{name}"), help);
            Ok::<_, prometheus::Error>((Desc::new(opts.fq_name(), help.to_owned(), Vec::new(), HashMap::new())?, opts, count))
        };
        let dropped = "Log lines dropped, since whoever reads standard error did not keep up, or the disk is full.";
        let left_out = "Log lines of dependencies left out, since there were too many.";
        let counters = [
            counter("log_lines_dropped_total", dropped, || LOG.get().map_or(0, Lines::dropped))?,
            counter("log_lines_left_out_total", left_out, || QUOTA.get().map_or(0, LogQuota::left_out))?,
        ];
        registry.add(Self { counters })
    }
}

impl Collector for LogMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.counters.iter().map(|(desc, ..)| desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let counted = self.counters.iter().filter_map(|(_, opts, count)| {
            let counter = IntCounter::with_opts(opts.clone()).ok()?;
            counter.inc_by(count());
            Some(counter.collect())
        });
        counted.flatten().collect()
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
