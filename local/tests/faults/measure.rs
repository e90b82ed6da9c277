//! What a fault costs the caller: failed calls, and the time until none fails any more.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use user_info_testing::http::Http;
use user_info_testing::metrics::{Codes, Metrics};
use user_info_testing::system::System;
use user_info_testing::wait::{check, eventually};

/// Time between looks at the caller's counters.
const LOOK: Duration = Duration::from_millis(50);

/// Looks at the counters of a `user_client` until dropped.
pub(crate) struct Watch {
    seen: Arc<Mutex<Vec<(Instant, Codes)>>>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a fault cost.
#[derive(Debug)]
pub(crate) struct Cost {
    /// Calls by how they ended, since the fault.
    pub(crate) calls: Codes,
    /// Calls that failed.
    pub(crate) failed: f64,
    /// From the fault to the last failed call, to the next look.
    pub(crate) lasted: Duration,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} calls failed, the last after {:.2} s", self.failed, self.calls.total(), self.lasted.as_secs_f64())
    }
}

impl Watch {
    /// Begins to look at the caller of `system`, once `calls` of its calls have succeeded.
    pub(crate) async fn start(system: &System, calls: f64) -> Self {
        system.until_called(calls).await;
        Self::of(system.row("user_client").http)
    }

    /// Begins to look at the caller whose metrics are at `client`.
    pub(crate) fn of(client: SocketAddr) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let http = Http::default();
            loop {
                if let Some((_, text)) = http.get(client, "/metrics").await {
                    let metrics = Metrics::read(text);
                    let (now, mut seen) = (metrics.client_codes(), sink.lock().expect("no panic"));
                    // A caller that started again counts anew.
                    if seen.last().is_some_and(|(_, last): &(Instant, Codes)| now.total() < last.total()) {
                        seen.clear();
                    }
                    seen.push((metrics.at, now));
                }
                sleep(LOOK).await;
            }
        });
        Self { seen, task }
    }

    /// What has been counted last.
    fn last(&self) -> Option<(Instant, Codes)> {
        self.seen.lock().expect("no panic").last().cloned()
    }

    /// Waits until `more` calls in a row have succeeded.
    pub(crate) async fn until_well(&self, more: f64) {
        let mut since: Option<Codes> = None;
        eventually("calls succeed, one after the other", async || {
            let Some((_, now)) = self.last() else { return Err(String::new()) };
            let before = since.get_or_insert_with(|| now.clone());
            if now.total() < before.total() || now.since(before).other_than(&["0"]) > 0.0 {
                since = Some(now.clone());
            }
            check(since.as_ref().is_some_and(|before| now.since(before).of("0") >= more), format!("{now:?}"))
        })
        .await;
    }

    /// What a fault at `begun` has cost so far.
    pub(crate) fn cost(&self, begun: Instant) -> Cost {
        let seen = self.seen.lock().expect("no panic");
        let first = seen.iter().rposition(|(at, _)| *at <= begun).unwrap_or_default();
        let mut lasted = Duration::ZERO;
        for pair in seen[first..].windows(2) {
            if pair[1].1.other_than(&["0"]) > pair[0].1.other_than(&["0"]) {
                lasted = pair[1].0.saturating_duration_since(begun);
            }
        }
        let calls = seen.last().expect("looked at").1.since(&seen[first].1);
        Cost { failed: calls.other_than(&["0"]) + 0.0, calls, lasted } // the sum of none is -0
    }
}
