//! A store that breaks on demand.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use prometheus::Registry;
use tokio::time::{Instant, sleep};

use crate::data::loader::{Answer, Backend, ConnectError, Loader, ReadError};
use crate::data::metrics::{DataMetrics, StoreMetrics};

/// A store that holds the tenfold of each key below 1000.
#[derive(Debug, Clone, Default)]
pub(super) struct Fake(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) latency: Duration,
    /// How opening a connection fails.
    pub(super) connect_error: Option<ConnectError>,
    /// Reads to come that fail.
    pub(super) read_errors: Vec<ReadError>,
    pub(super) hang: bool,
    pub(super) malformed: Option<u32>,
    /// When a connection was asked for.
    pub(super) connects: Vec<Instant>,
    pub(super) batches: Vec<Vec<u32>>,
    /// Held by each open connection, too.
    pub(super) open: Arc<()>,
}

impl Fake {
    pub(super) fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap()
    }

    pub(super) fn with_latency(latency: Duration) -> Self {
        let fake = Self::default();
        fake.plan().latency = latency;
        fake
    }

    pub(super) async fn loader(&self, connections: u16) -> Loader<u32, u32> {
        Loader::open(self.clone(), "fake", connections, 1, metrics()).await.unwrap()
    }
}

pub(super) fn metrics() -> StoreMetrics {
    DataMetrics::new(&Registry::new()).unwrap().store("fake")
}

impl Backend for Fake {
    type Key = u32;
    type Value = u32;
    type Connection = Arc<()>;

    const BATCH_BOUND: Duration = Duration::from_secs(1);

    async fn connect(&self) -> Result<Arc<()>, ConnectError> {
        let mut plan = self.plan();
        plan.connects.push(Instant::now());
        match &plan.connect_error {
            Some(error) => Err(error.clone()),
            None => Ok(plan.open.clone()),
        }
    }

    async fn read(&self, _: &mut Arc<()>, keys: &[u32], answers: &mut [Answer<u32>]) -> Result<(), ReadError> {
        let (latency, hang) = {
            let mut plan = self.plan();
            plan.batches.push(keys.to_vec());
            if let Some(error) = plan.read_errors.pop() {
                return Err(error);
            }
            (plan.latency, plan.hang)
        };
        if hang {
            std::future::pending::<()>().await;
        }
        if !latency.is_zero() {
            sleep(latency).await;
        }
        for (key, answer) in keys.iter().zip(answers) {
            *answer = match *key {
                key if Some(key) == self.plan().malformed => Answer::Malformed("not a number".into()),
                key if key < 1000 => Answer::Found(key * 10),
                _ => Answer::Missing,
            };
        }
        Ok(())
    }
}
