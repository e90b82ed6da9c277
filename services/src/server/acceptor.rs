//! Accepts connections and hands each to the worker that has the fewest.
//!
//! Instead of one listener a worker (`SO_REUSEPORT`), whose share the kernel draws by lot: a few long-lived gRPC connections would leave
//! workers idle, and a second process on the same port would silently take half of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use prometheus::{IntCounter, IntGaugeVec};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use user_info_layers::metrics::Register;

use super::listener::Listeners;
use super::stack::PREFIX;
use super::worker::{Accepted, Port, Worker};

/// Pause after a failed accept, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Time between looks at the workers' connections.
const MEASURE: Duration = Duration::from_secs(1);

/// What is counted of connections.
#[derive(Debug)]
pub(super) struct ConnectionMetrics {
    accepted: IntCounter,
    refused: IntCounter,
    failures: IntCounter,
    open: IntGaugeVec,
}

impl ConnectionMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub(super) fn new(registry: &dyn Register) -> prometheus::Result<Self> {
        let name = |suffix| format!("{PREFIX}_{suffix}");
        let refused = "Connections closed at once, since server.maxConnections were open.";
        let failures = "Connections that could not be accepted.";
        Ok(Self {
            accepted: registry.counter(name("connections_accepted_total"), "Connections accepted.")?,
            refused: registry.counter(name("connections_refused_total"), refused)?,
            failures: registry.counter(name("accept_failures_total"), failures)?,
            open: registry.gauges(name("connections"), "Open connections, looked at each second.", &["worker"])?,
        })
    }
}

/// Hands connections to workers.
#[derive(Debug)]
pub(super) struct Acceptor {
    workers: Vec<Worker>,
    max_connections: u32,
    metrics: ConnectionMetrics,
}

impl Acceptor {
    /// Serves at most `max_connections` of each listener at a time.
    pub(super) const fn new(workers: Vec<Worker>, max_connections: u32, metrics: ConnectionMetrics) -> Self {
        Self { workers, max_connections, metrics }
    }

    /// Accepts on `listeners` for ever.
    ///
    /// # Errors
    /// If a listener cannot be used with this runtime.
    pub(super) fn run(&self, listeners: Listeners) -> std::io::Result<impl Future<Output = ()>> {
        let grpc = self.accept(Port::Grpc, TcpListener::from_std(listeners.grpc)?);
        let http = self.accept(Port::Http, TcpListener::from_std(listeners.http)?);
        let admin = listeners.admin.map(TcpListener::from_std).transpose()?.map(|l| self.accept(Port::Admin, l));
        Ok(async {
            tokio::join!(grpc, http, OptionFuture::from(admin), self.measure());
        })
    }

    /// A listener has room of its own: whatever callers do on one, the others can be reached. Who finds no room is told so by the end of the
    /// connection, and may go elsewhere; in the kernel's queue it would wait for an answer that does not come.
    async fn accept(&self, port: Port, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(self.max_connections as usize));
        loop {
            match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
                Ok(stream) => match Arc::clone(&permits).try_acquire_owned() {
                    Ok(permit) => {
                        self.metrics.accepted.inc();
                        self.hand_over(Accepted { port, stream, permit });
                    }
                    Err(_) => self.metrics.refused.inc(),
                },
                Err(error) => {
                    if self.metrics.failures.get() == 0 {
                        tracing::error!(%error, "connection not accepted; more of these are counted in bbs_user_info_accept_failures_total");
                    }
                    self.metrics.failures.inc();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn hand_over(&self, accepted: Accepted) {
        if let Some(worker) = self.workers.iter().min_by_key(|w| w.open()) {
            worker.take(accepted);
        }
    }

    /// Shows each worker's connections in the metrics, for ever.
    async fn measure(&self) {
        let gauges: Vec<_> = (0..self.workers.len()).map(|i| self.metrics.open.with_label_values(&[&i.to_string()])).collect();
        loop {
            for (gauge, worker) in gauges.iter().zip(&self.workers) {
                gauge.set(i64::try_from(worker.open()).unwrap_or(i64::MAX));
            }
            tokio::time::sleep(MEASURE).await;
        }
    }

    /// The workers, to be closed.
    pub(super) fn into_workers(self) -> Vec<Worker> {
        self.workers
    }
}
