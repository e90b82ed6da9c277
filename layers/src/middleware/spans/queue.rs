//! The bounded queue before the collector. What does not fit into it, or cannot be sent, is dropped, counted, and told of once.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use prometheus::IntCounter;
use user_info_metrics::Register;

/// Most spans that wait to be sent, those being sent included; more are dropped. A span takes 1 to 3 KiB.
pub const QUEUE: usize = 2048;

/// What is counted of spans.
#[derive(Debug, Clone)]
pub struct SpanMetrics {
    dropped: IntCounter,
}

impl SpanMetrics {
    /// Registers the metrics. Their names begin with `prefix`.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        let help = "Spans that did not reach the collector: it was away or too slow, and the queue before it was full.";
        Ok(Self { dropped: registry.counter(format!("{prefix}_spans_dropped_total"), help)? })
    }
}

/// How many spans wait, and whether some are being lost.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: AtomicUsize,
    /// Whether the log says that spans are being lost.
    losing: AtomicBool,
    /// Whether one was lost since the last batch that was sent.
    lost_of_late: AtomicBool,
    /// Lost since the log says so.
    lost: AtomicU64,
    metrics: SpanMetrics,
}

impl Queue {
    pub(super) const fn new(metrics: SpanMetrics) -> Self {
        let (losing, lost_of_late) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { waiting: AtomicUsize::new(0), losing, lost_of_late, lost: AtomicU64::new(0), metrics }
    }

    /// Spans that have not been sent.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Takes a place, if there is one.
    fn enter(&self) -> bool {
        let free = self.waiting.fetch_add(1, Relaxed) < QUEUE;
        if !free {
            self.waiting.fetch_sub(1, Relaxed);
        }
        free
    }

    /// Gives the places of a batch back. `sent` says whether the collector has it.
    fn leave<E: Display>(&self, spans: usize, sent: &Result<(), E>) {
        self.waiting.fetch_sub(spans, Relaxed);
        match sent {
            Ok(()) => self.sent(),
            Err(error) => self.lose(spans as u64, error),
        }
    }

    fn lose(&self, spans: u64, why: &dyn Display) {
        self.metrics.dropped.inc_by(spans);
        self.lost.fetch_add(spans, Relaxed);
        self.lost_of_late.store(true, Relaxed);
        if !self.losing.swap(true, Relaxed) {
            tracing::warn!(%why, "spans do not reach the collector and are dropped");
        }
    }

    /// A collector that is merely slow takes one batch while others are lost: the loss has ended if none was since the batch before.
    fn sent(&self) {
        if !self.lost_of_late.swap(false, Relaxed) && self.losing.swap(false, Relaxed) {
            let dropped = self.lost.swap(0, Relaxed);
            tracing::info!(dropped, "spans reach the collector again");
        }
    }
}

/// Hands ended spans on as long as there is room.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: BatchSpanProcessor,
    queue: Arc<Queue>,
}

impl Bounded {
    /// The queue before `exporter`. The processor within has as much room and never drops a span by itself.
    pub(super) fn before<E: SpanExporter + 'static>(exporter: E, queue: &Arc<Queue>) -> Self {
        let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE).with_max_export_batch_size(QUEUE / 4).build();
        let counted = Counted { inner: exporter, queue: Arc::clone(queue) };
        Self { inner: BatchSpanProcessor::builder(counted).with_batch_config(config).build(), queue: Arc::clone(queue) }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if self.queue.enter() {
            self.inner.on_end(span);
        } else {
            self.queue.lose(1, &"the queue is full");
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Tells the queue what has become of each batch.
#[derive(Debug)]
struct Counted<E> {
    inner: E,
    queue: Arc<Queue>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.inner.export(batch).await;
        self.queue.leave(spans, &sent);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    fn queue() -> Queue {
        Queue::new(SpanMetrics::new(&Registry::new(), "test").expect("registers once"))
    }

    #[test]
    fn p8_more_than_the_bound_do_not_wait() {
        let queue = queue();
        assert!((0..QUEUE).all(|_| queue.enter()));
        assert!(!queue.enter());
        assert_eq!(queue.waiting(), QUEUE);
        queue.leave(2, &Ok::<_, String>(()));
        assert_eq!((queue.enter(), queue.enter(), queue.enter()), (true, true, false));
    }

    #[test]
    fn p8_a_loss_ends_when_a_whole_batch_was_sent_without_another() {
        let queue = queue();
        let losing = || queue.losing.load(Relaxed);
        queue.lose(1, &"the queue is full");
        queue.leave(0, &Err("away"));
        queue.lose(2, &"the queue is full");
        assert!(losing());
        queue.leave(0, &Ok::<_, String>(()));
        assert!(losing(), "the batch was on its way while others were lost");
        queue.leave(0, &Ok::<_, String>(()));
        assert!(!losing());
        assert_eq!((queue.metrics.dropped.get(), queue.lost.load(Relaxed)), (3, 0));
    }
}
