//! Counts and times calls, under the metric names of the Go demo.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::guard::{Guard, Guarded, Outcome};
use crate::metrics::Register;
use crate::sync::RwLock;
use crate::{Call, Error, Kind};

/// Upper bounds of the duration buckets, in seconds, as in the Go demo.
pub const BUCKETS: [f64; 7] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Reasons of one code that are counted apart.
const MOST_REASONS: usize = 32;

/// What the other reasons are counted under.
const OTHER: &str = "other";

/// Code of a successful call: `"0"`, as Kratos 2.5 has it.
pub const SUCCESS: &str = "0";

/// What a server or a client counts about its calls. The series are bounded: operations are given, and reasons are at most 32 for a code.
#[derive(Debug)]
pub struct CallMetrics {
    throughput: IntCounterVec,
    operations: Vec<Operation>,
    /// Counters of errors seen so far, by operation, code and reason.
    errors: RwLock<HashMap<(usize, u16), Reasons>>,
}

/// Counters of one code, by reason.
type Reasons = Vec<(String, IntCounter)>;

/// Handles of one kind and operation, resolved once.
#[derive(Debug)]
struct Operation {
    kind: Kind,
    name: &'static str,
    duration: Histogram,
    success: IntCounter,
    in_flight: IntGauge,
}

impl CallMetrics {
    /// Registers `<prefix>_requests_duration_sec`, `<prefix>_requests_throughput` and `<prefix>_requests_in_flight` for `operations`.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, prefix: &str, operations: &[&'static str]) -> prometheus::Result<Self> {
        let role = if prefix.ends_with("server") { "server" } else { "client" };
        let name = |suffix| format!("{prefix}_requests_{suffix}");
        let labels = &["kind", "operation"];
        let duration = registry.histograms(name("duration_sec"), &format!("{role} requests duration(sec)."), &BUCKETS, labels)?;
        let throughput = registry.counters(name("throughput"), "throughput", &["kind", "operation", "code", "reason"])?;
        let in_flight = registry.gauges(name("in_flight"), "Calls begun and not ended.", labels)?;
        let operations = operations
            .iter()
            .flat_map(|name| Kind::ALL.map(|kind| (kind, *name)))
            .map(|(kind, name)| {
                let labels = [kind.as_str(), name];
                Operation {
                    kind,
                    name,
                    duration: duration.with_label_values(&labels),
                    success: throughput.with_label_values(&[labels[0], labels[1], SUCCESS, ""]),
                    in_flight: in_flight.with_label_values(&labels),
                }
            })
            .collect();
        Ok(Self { throughput, operations, errors: RwLock::default() })
    }

    /// The counter of errors with this code and reason. Reasons beyond the first [`MOST_REASONS`] of a code share one, since a client
    /// counts what a service sends it.
    fn errors(&self, operation: usize, code: u16, reason: &str) -> IntCounter {
        let code = if (400..=599).contains(&code) { code } else { 500 };
        let find = |seen: &[(String, IntCounter)], reason: &str| seen.iter().find(|(r, _)| r == reason).map(|(_, counter)| counter.clone());
        let known = self.errors.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(&(operation, code)).and_then(|seen| find(seen, reason)) {
            return counter;
        }
        drop(known);
        let mut known = self.errors.write().unwrap_or_else(PoisonError::into_inner);
        let seen = known.entry((operation, code)).or_default();
        let reason = if seen.len() < MOST_REASONS { reason } else { OTHER };
        find(seen, reason).unwrap_or_else(|| {
            let Operation { kind, name, .. } = &self.operations[operation];
            let counter = self.throughput.with_label_values(&[kind.as_str(), name, &code.to_string(), reason]);
            seen.push((reason.to_owned(), counter.clone()));
            counter
        })
    }

    fn find(&self, kind: Kind, name: &'static str) -> Option<usize> {
        self.operations.iter().position(|o| o.kind == kind && (std::ptr::eq(o.name, name) || o.name == name))
    }
}

/// Adds [`CallMetrics`] to a service.
///
/// ```
/// use std::sync::Arc;
/// use tower::{Layer, ServiceExt};
/// use user_info_layers::middleware::metrics::{CallMetrics, MetricsLayer};
/// use user_info_layers::{Call, Error, Kind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = prometheus::Registry::new();
/// let metrics = CallMetrics::new(&registry, "shop_server", &["/shop.Orders/Get"])?;
/// let service = MetricsLayer::new(Arc::new(metrics)).layer(tower::service_fn(async |_: Call<()>| Err::<(), _>(Error::UNKNOWN)));
/// let _ = service.oneshot(Call::new(Kind::Grpc, "/shop.Orders/Get", ())).await;
///
/// let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather())?;
/// let line = r#"shop_server_requests_throughput{code="500",kind="grpc",operation="/shop.Orders/Get",reason="UNKNOWN"} 1"#;
/// assert!(text.contains(line), "{text}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MetricsLayer {
    metrics: Arc<CallMetrics>,
}

impl MetricsLayer {
    /// Counts into `metrics`.
    pub const fn new(metrics: Arc<CallMetrics>) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Metrics { inner, metrics: Arc::clone(&self.metrics) }
    }
}

/// Counts and times the calls of `S`.
#[derive(Debug, Clone)]
pub struct Metrics<S> {
    inner: S,
    metrics: Arc<CallMetrics>,
}

impl<S, M> Service<Call<M>> for Metrics<S>
where
    S: Service<Call<M>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Guarded<S::Future, Option<Measurement>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<M>) -> Self::Future {
        let measurement = self.metrics.find(call.kind, call.operation).map(|operation| {
            self.metrics.operations[operation].in_flight.inc();
            Measurement { metrics: Arc::clone(&self.metrics), operation, begun: call.received }
        });
        Guarded::new(self.inner.call(call), measurement)
    }
}

/// A call being measured.
#[derive(Debug)]
pub struct Measurement {
    metrics: Arc<CallMetrics>,
    operation: usize,
    begun: Instant,
}

impl Guard for Measurement {
    fn done(self, outcome: Outcome<'_>) {
        let operation = &self.metrics.operations[self.operation];
        operation.in_flight.dec();
        operation.duration.observe(self.begun.elapsed().as_secs_f64());
        let (code, reason): (u16, &str) = match outcome {
            Outcome::Success => return operation.success.inc(),
            Outcome::Failure(error) => (error.code, &error.reason),
            Outcome::Canceled => (499, crate::error::reason::CANCELED),
        };
        self.metrics.errors(self.operation, code, reason).inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use tower::ServiceExt;

    use super::*;
    use crate::sync::explore;

    async fn counted(reply: Result<(), Error>) -> String {
        let registry = Registry::new();
        let metrics = Arc::new(CallMetrics::new(&registry, "bbs_user_info_server", &["/op"]).expect("registers"));
        let service = MetricsLayer::new(metrics).layer(tower::service_fn(move |_: Call<()>| std::future::ready(reply.clone())));
        let _ = service.oneshot(Call::new(Kind::Grpc, "/op", ())).await;
        prometheus::TextEncoder::new().encode_to_string(&registry.gather()).expect("encodes")
    }

    #[tokio::test]
    async fn has_the_names_labels_and_buckets_of_the_seed() {
        let text = counted(Ok(())).await;
        for line in [
            r#"bbs_user_info_server_requests_throughput{code="0",kind="grpc",operation="/op",reason=""} 1"#,
            r#"bbs_user_info_server_requests_duration_sec_bucket{kind="grpc",operation="/op",le="0.01"} 1"#,
            r#"bbs_user_info_server_requests_duration_sec_count{kind="grpc",operation="/op"} 1"#,
            r#"bbs_user_info_server_requests_in_flight{kind="grpc",operation="/op"} 0"#,
        ] {
            assert!(text.contains(line), "{line}\nnot in\n{text}");
        }
        let bounds: Vec<&str> =
            text.lines().filter(|l| l.contains("_bucket{kind=\"grpc\"")).filter_map(|l| l.split("le=\"").nth(1)).collect();
        let bounds: Vec<&str> = bounds.iter().filter_map(|l| l.split('"').next()).collect();
        assert_eq!(bounds, ["0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "+Inf"]);
    }

    #[test]
    fn endless_reasons_share_one_series() {
        let metrics = CallMetrics::new(&Registry::new(), "bbs_user_client", &["/op"]).expect("registers");
        (0..1000).for_each(|i| metrics.errors(0, 500, &format!("reason {i}")).inc());
        assert_eq!(metrics.errors.read().unwrap()[&(0, 500)].len(), MOST_REASONS + 1);
        assert_eq!(metrics.errors(0, 500, OTHER).get(), 1000 - MOST_REASONS as u64);
    }

    #[test]
    fn p3_a_reason_that_two_workers_see_first_has_one_series() {
        let metrics = || CallMetrics::new(&Registry::new(), "bbs_user_client", &["/op"]).expect("registers");
        let count = |metrics: &CallMetrics| metrics.errors(0, 500, "new").inc();
        explore(metrics, &[&count, &count], |metrics| {
            assert_eq!(metrics.errors(0, 500, "new").get(), 2);
            assert_eq!(metrics.errors.read().unwrap()[&(0, 500)].len(), 1);
        });
    }

    #[tokio::test]
    async fn refusals_of_inner_layers_are_counted() {
        let text = counted(Err(Error::RATELIMIT)).await;
        let line = r#"requests_throughput{code="429",kind="grpc",operation="/op",reason="RATELIMIT"} 1"#;
        assert!(text.contains(line), "{text}");
    }
}
