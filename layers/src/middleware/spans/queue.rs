//! The bounded queue before the collector. What does not fit into it, or cannot be sent, is dropped, counted, and told of once.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use prometheus::IntCounter;
use user_info_metrics::Register;

use crate::room::Room;
use crate::sync::AtomicU64;

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
    waiting: Room,
    /// In one word, since threads that lose spans and the one that sends them change it: [`LOSING`], [`OF_LATE`], and below them how many were
    /// lost since the log says so.
    loss: AtomicU64,
    metrics: SpanMetrics,
}

/// The log says that spans are being lost.
const LOSING: u64 = 1 << 63;
/// One was lost since the last batch that was sent.
const OF_LATE: u64 = 1 << 62;

impl Queue {
    pub(super) fn new(metrics: SpanMetrics) -> Self {
        Self { waiting: Room::default(), loss: AtomicU64::new(0), metrics }
    }

    /// Spans that have not been sent.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.taken()
    }

    /// Takes a place, if there is one.
    fn enter(&self) -> bool {
        self.waiting.take(1, QUEUE)
    }

    /// Gives the places of a batch back. `sent` says whether the collector has it.
    fn leave<E: Display>(&self, spans: usize, sent: &Result<(), E>) {
        self.waiting.give_back(spans);
        match sent {
            Ok(()) => self.sent(),
            Err(error) => self.lose(spans as u64, error),
        }
    }

    fn lose(&self, spans: u64, why: &dyn Display) {
        if self.note_loss(spans) {
            tracing::warn!(%why, "spans do not reach the collector and are dropped");
        }
    }

    /// Notes that so many were lost. Says whether they are the first.
    fn note_loss(&self, spans: u64) -> bool {
        self.metrics.dropped.inc_by(spans);
        let next = |loss: u64| Some((loss + spans) | LOSING | OF_LATE);
        self.loss.fetch_update(Relaxed, Relaxed, next).is_ok_and(|before| before & LOSING == 0)
    }

    /// A collector that is merely slow takes one batch while others are lost: the loss has ended if none was since the batch before.
    fn sent(&self) {
        if let Some(dropped) = self.note_sent() {
            tracing::info!(dropped, "spans reach the collector again");
        }
    }

    /// Notes that a batch was sent. Says how many spans were lost before, if the loss has ended.
    fn note_sent(&self) -> Option<u64> {
        let next = |loss: u64| (loss != 0).then_some(if loss & OF_LATE == 0 { 0 } else { loss & !OF_LATE });
        let before = self.loss.fetch_update(Relaxed, Relaxed, next).ok()?;
        (before & OF_LATE == 0).then_some(before & !LOSING)
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
    use crate::sync::explore;

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
        let losing = || queue.loss.load(Relaxed) & LOSING != 0;
        queue.lose(1, &"the queue is full");
        queue.leave(0, &Err("away"));
        queue.lose(2, &"the queue is full");
        assert!(losing());
        queue.leave(0, &Ok::<_, String>(()));
        assert!(losing(), "the batch was on its way while others were lost");
        queue.leave(0, &Ok::<_, String>(()));
        assert!(!losing());
        assert_eq!((queue.metrics.dropped.get(), queue.loss.load(Relaxed)), (3, 0));
    }

    /// Whoever ends a loss tells of all that were lost, while others lose more.
    #[test]
    fn p3_each_lost_span_is_told_of_once() {
        type World = (Queue, [std::sync::Mutex<u64>; 2]);
        let losing = || -> World {
            let queue = queue();
            assert!(queue.note_loss(5));
            assert_eq!(queue.note_sent(), None);
            (queue, Default::default())
        };
        let lose = |(queue, [warned, _]): &World| {
            let first = queue.note_loss(1);
            *warned.lock().expect("no panic") += u64::from(first);
        };
        let send = |(queue, [_, told]): &World| {
            let lost = queue.note_sent().unwrap_or(0);
            *told.lock().expect("no panic") += lost;
        };
        explore(losing, &[&lose, &send, &lose], |(queue, [warned, told])| {
            let ends = |queue: &Queue| (0..2).filter_map(|_| queue.note_sent()).sum::<u64>();
            let (now, later, warned) = (*told.lock().expect("no panic"), ends(queue), *warned.lock().expect("no panic"));
            assert_eq!(now + later, 7);
            // Told of as over while none was lost: what is lost after it is a new loss, and said to be.
            assert_eq!(warned, u64::from(now > 0 && later > 0), "{now} and {later}");
        });
    }
}
