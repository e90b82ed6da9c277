//! What a person at the terminal sees of the calls: a line a second, or one for each reply.

mod latency;
mod line;
mod reply;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use user_info_api::config::UserClientLive;
use user_info_layers::Error;
use user_info_proto::GetUserInfoReply;

pub use line::{Colours, Ended, Line, PerInstance};
pub use reply::OneCall;
use user_info_layers::balance::NodeSet;
use user_info_layers::middleware::breaker::BreakerLayer;

use self::latency::Latencies;
use self::line::milliseconds;
use super::connection::InstanceConnection;
use crate::telemetry;

/// Quiet seconds between lines that only say that nothing happens.
const QUIET: u64 = 10;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text(Colours),
    /// One JSON object a line.
    Json,
}

/// Counts calls between two lines, and writes each on a line of its own if asked to.
#[derive(Debug)]
pub struct Tally {
    counts: Mutex<Counts>,
    each: Option<Output>,
}

#[derive(Debug, Default)]
struct Counts {
    successes: u64,
    errors: BTreeMap<(u16, String), u64>,
    latencies: Latencies,
}

impl Tally {
    /// Counts calls; with `each`, also writes a line for each to standard output.
    pub fn new(each: Option<Output>) -> Self {
        Self { counts: Mutex::default(), each }
    }

    /// Notes a call for `user` that has ended.
    pub fn record(&self, user: i64, result: &Result<GetUserInfoReply, Error>, took: Duration) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.latencies.record(took);
        match result {
            Ok(_) => counts.successes += 1,
            Err(error) => {
                let calls = counts.errors.iter_mut().find(|((code, reason), _)| *code == error.code && *reason == error.reason);
                match calls {
                    Some((_, calls)) => *calls += 1,
                    None => drop(counts.errors.insert((error.code, error.reason.to_string()), 1)),
                }
            }
        }
        drop(counts);
        if let Some(output) = self.each {
            write_line(&OneCall { user, result, took }.render(output));
        }
    }

    fn take(&self) -> Counts {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes the lines.
#[derive(Debug)]
pub struct Reporter {
    /// Where the calls are counted.
    pub tally: Arc<Tally>,
    /// The instances.
    pub nodes: Arc<NodeSet<InstanceConnection>>,
    /// The breakers.
    pub breaker: BreakerLayer,
    /// The settings in force.
    pub live: watch::Receiver<Arc<UserClientLive>>,
    /// How lines are written.
    pub output: Output,
}

impl Reporter {
    /// Writes a line a second for ever; while nothing happens, every ten.
    pub async fn run(self) {
        let start = Instant::now();
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        seconds.tick().await;
        let (mut seen, mut quiet) = (HashMap::new(), 0);
        loop {
            let now = seconds.tick().await;
            let line = self.line(now.saturating_duration_since(start), &mut seen, now);
            quiet = if line.calls() > 0 { 0 } else { quiet + 1 };
            // The first quiet second is told too: that is when a person wonders.
            if quiet <= 1 || quiet % QUIET == 0 {
                telemetry::report(&match self.output {
                    Output::Text(colours) => line.text(colours),
                    Output::Json => serde_json::to_string(&line).unwrap_or_default(),
                });
            }
        }
    }

    /// The line since the last one; `seen` holds each instance's count at that time.
    fn line(&self, at: Duration, seen: &mut HashMap<String, u64>, now: Instant) -> Line {
        let counts = self.tally.take();
        let success = (counts.successes > 0).then(|| Ended { code: 0, reason: String::new(), calls: counts.successes });
        let errors = counts.errors.into_iter().map(|((code, reason), calls)| Ended { code, reason, calls });
        let before = std::mem::take(seen);
        let instances = self.nodes.all(now).into_iter().map(|(node, in_rotation)| {
            let (instance, (total, _)) = (node.address().to_owned(), node.totals());
            seen.insert(instance.clone(), total);
            PerInstance { calls: total.saturating_sub(before.get(&instance).copied().unwrap_or(0)), instance, in_rotation }
        });
        Line {
            at: at.as_secs_f64().round() as u64,
            ended: success.into_iter().chain(errors).collect(),
            instances: instances.collect(),
            p50_ms: counts.latencies.quantile(0.5).map(milliseconds),
            p99_ms: counts.latencies.quantile(0.99).map(milliseconds),
            breaker_open: !self.breaker.open().is_empty(),
            paused: self.live.borrow().concurrency == 0,
        }
    }
}

/// Writes a line to standard output. Nobody there to read it is no reason to stop.
pub fn write_line(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
