//! What the stores count: one set of handles a store, looked up once when the store is opened.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use user_info_layers::metrics::Register;

/// Metrics of all stores of a process, shared by its workers.
#[derive(Debug, Clone)]
pub struct DataMetrics {
    batch_size: HistogramVec,
    errors: IntCounterVec,
    queue_depth: IntGaugeVec,
    connected: IntGaugeVec,
    connect_failures: IntCounterVec,
    reconnects: IntCounterVec,
    /// `bbs_user_info_views_unavailable_total`: replies that say 0 visits since the page views could not be read.
    pub views_unavailable: IntCounter,
}

impl DataMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register) -> prometheus::Result<Self> {
        let name = |suffix| format!("bbs_user_info_{suffix}");
        let (sizes, store) = ([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0], &["store"]);
        let errors = "Reads of a store that failed, by kind of failure.";
        let failures = "Attempts to open a connection of a store that failed.";
        let reconnects = "Connections of a store opened to replace a lost one.";
        let unavailable = "Replies that say 0 visits since the page views could not be read.";
        Ok(Self {
            batch_size: registry.histograms(name("store_batch_size"), "Keys that one query of a store asked for.", &sizes, store)?,
            errors: registry.counters(name("store_errors_total"), errors, &["store", "kind"])?,
            queue_depth: registry.gauges(name("store_queue_depth"), "Reads that wait for a connection of a store.", store)?,
            connected: registry.gauges(name("store_connected"), "Open connections of the process to a store.", store)?,
            connect_failures: registry.counters(name("store_connect_failures_total"), failures, store)?,
            reconnects: registry.counters(name("store_reconnects_total"), reconnects, store)?,
            views_unavailable: registry.counter(name("views_unavailable_total"), unavailable)?,
        })
    }

    /// The handles of the store called `store`, as in the label `store`.
    pub fn store(&self, store: &'static str) -> StoreMetrics {
        let error = |kind| self.errors.with_label_values(&[store, kind]);
        StoreMetrics {
            batch_size: self.batch_size.with_label_values(&[store]),
            queue_depth: self.queue_depth.with_label_values(&[store]),
            connected: self.connected.with_label_values(&[store]),
            connect_failures: self.connect_failures.with_label_values(&[store]),
            reconnects: self.reconnects.with_label_values(&[store]),
            overloaded: error("overloaded"),
            disconnected: error("disconnected"),
            lost: error("connection_lost"),
            timeout: error("timeout"),
            query: error("query"),
            malformed: error("malformed"),
        }
    }
}

/// The handles of one store.
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    pub(super) batch_size: Histogram,
    pub(super) queue_depth: IntGauge,
    pub(super) connected: IntGauge,
    pub(super) connect_failures: IntCounter,
    pub(super) reconnects: IntCounter,
    /// Refused, since the queue was full.
    pub(super) overloaded: IntCounter,
    /// Refused, since no connection was open.
    pub(super) disconnected: IntCounter,
    /// The connection broke under the query.
    pub(super) lost: IntCounter,
    /// The query took longer than its bound.
    pub(super) timeout: IntCounter,
    /// The store refused the query.
    pub(super) query: IntCounter,
    /// The value could not be decoded.
    pub(super) malformed: IntCounter,
}
