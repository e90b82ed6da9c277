//! Writes a sample of the calls to the log, so many a second at most, and counts the rest.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use prometheus::IntCounter;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::metrics::SUCCESS;
use super::trace::TraceContext;
use crate::guard::{Guard, Guarded, Outcome};
use crate::metrics::Register;
use crate::sync::{AtomicU32, AtomicU64};
use crate::{Call, Error, Kind};

/// Logs a sample of the calls.
///
/// ```
/// use user_info_layers::middleware::access_log::AccessLogLayer;
///
/// let log = AccessLogLayer::new(&prometheus::Registry::new(), "shop")?;
/// log.configure(10); // at most ten lines a second from now on; what is left out is counted
/// # Ok::<(), prometheus::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AccessLogLayer(Arc<LineQuota>);

#[derive(Debug)]
struct LineQuota {
    epoch: Instant,
    lines_per_second: AtomicU32,
    /// The running second since `epoch` (upper half) and the lines it has had (lower half).
    window: AtomicU64,
    left_out: IntCounter,
}

impl AccessLogLayer {
    /// A log without lines, until it is [configured](Self::configure). Registers `<prefix>_access_log_left_out_total`.
    ///
    /// # Errors
    /// If the registry has a metric of this name already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        let left_out = registry.counter(format!("{prefix}_access_log_left_out_total"), "Calls beyond the access log's lines a second.")?;
        let quota = LineQuota { epoch: Instant::now(), lines_per_second: AtomicU32::new(0), window: AtomicU64::new(0), left_out };
        Ok(Self(Arc::new(quota)))
    }

    /// Allows `lines_per_second`; 0 turns the log off.
    pub fn configure(&self, lines_per_second: u32) {
        self.0.lines_per_second.store(lines_per_second, Ordering::Relaxed);
    }
}

impl LineQuota {
    /// Whether a call received `now` gets a line.
    fn take(&self, now: Instant) -> bool {
        let most = u64::from(self.lines_per_second.load(Ordering::Relaxed));
        if most == 0 {
            return false;
        }
        let second = now.saturating_duration_since(self.epoch).as_secs().min(u32::MAX.into());
        let next = |window: u64| {
            // Received before another worker's call of the running second: it counts there, or a second could have its lines twice.
            let second = second.max(window >> 32);
            let used = if window >> 32 == second { window & u64::from(u32::MAX) } else { 0 };
            (used < most).then(|| second << 32 | (used + 1))
        };
        let taken = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok();
        if !taken {
            self.left_out.inc();
        }
        taken
    }
}

impl<S> Layer<S> for AccessLogLayer {
    type Service = AccessLog<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AccessLog { inner, quota: Arc::clone(&self.0) }
    }
}

/// Logs a sample of the calls of `S`.
#[derive(Debug, Clone)]
pub struct AccessLog<S> {
    inner: S,
    quota: Arc<LineQuota>,
}

impl<S, M> Service<Call<M>> for AccessLog<S>
where
    S: Service<Call<M>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Guarded<S::Future, Option<Line>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<M>) -> Self::Future {
        let line = self.quota.take(call.received).then(|| Line {
            kind: call.kind,
            operation: call.operation,
            begun: call.received,
            trace: TraceContext::extract(&call.metadata),
        });
        Guarded::new(self.inner.call(call), line)
    }
}

/// A call that gets a line when it has ended.
#[derive(Debug)]
pub struct Line {
    kind: Kind,
    operation: &'static str,
    begun: Instant,
    trace: Option<TraceContext>,
}

impl Guard for Line {
    fn done(self, outcome: Outcome<'_>) {
        let latency = self.begun.elapsed().as_secs_f64();
        let (kind, operation) = (self.kind.as_str(), self.operation);
        let trace_id = self.trace.map(|t| format!("{:032x}", t.trace_id));
        let trace_id = trace_id.as_deref();
        match outcome {
            Outcome::Success => tracing::info!(kind, operation, code = SUCCESS, reason = "", latency, trace_id, "call"),
            Outcome::Failure(Error { code, reason, .. }) if *code >= 500 => {
                tracing::error!(kind, operation, code, %reason, latency, trace_id, "call failed");
            }
            Outcome::Failure(Error { code, reason, .. }) => {
                tracing::info!(kind, operation, code, %reason, latency, trace_id, "call refused");
            }
            Outcome::Canceled => {
                tracing::info!(kind, operation, code = 499, reason = crate::error::reason::CANCELED, latency, trace_id, "call canceled");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sync::explore;

    #[tokio::test(start_paused = true)]
    async fn so_many_lines_a_second_and_the_rest_is_counted() {
        let AccessLogLayer(quota) = AccessLogLayer::new(&prometheus::Registry::new(), "test").expect("registers");
        let lines = |calls: u32| (0..calls).filter(|_| quota.take(Instant::now())).count();
        assert_eq!((lines(5), quota.left_out.get()), (0, 0), "off counts nothing");
        quota.lines_per_second.store(3, Ordering::Relaxed);
        assert_eq!((lines(5), quota.left_out.get()), (3, 2));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((lines(2), quota.left_out.get()), (2, 2));
    }

    #[test]
    fn p3_workers_share_the_lines_of_a_second_exactly() {
        let quota = || {
            let AccessLogLayer(quota) = AccessLogLayer::new(&prometheus::Registry::new(), "test").expect("registers");
            quota.lines_per_second.store(1, Ordering::Relaxed);
            quota
        };
        let take = |quota: &Arc<LineQuota>| {
            quota.take(quota.epoch);
        };
        explore(quota, &[&take, &take, &take], |quota| assert_eq!((quota.window.load(Ordering::Relaxed), quota.left_out.get()), (1, 2)));
    }

    #[tokio::test(start_paused = true)]
    async fn p3_a_call_of_the_second_before_does_not_give_the_running_one_its_lines_again() {
        let AccessLogLayer(shared) = AccessLogLayer::new(&prometheus::Registry::new(), "test").expect("registers");
        shared.lines_per_second.store(3, Ordering::Relaxed);
        let (before, now) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let taken = [now, now, before, now, before, now].map(|at| shared.take(at));
        assert_eq!((taken, shared.left_out.get()), ([true, true, true, false, false, false], 3));
    }
}
