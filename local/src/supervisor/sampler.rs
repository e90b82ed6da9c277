//! Looks at the services' metrics once a second.

use std::collections::BTreeMap;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use user_info_api::config::CircuitBreaker;

use crate::http::Http;
use crate::page::{Process, ProcessState, Role, Sample, Samples, Snapshot};
use crate::scrape::{self, Metrics};

/// Remembers the last look, to tell rates.
#[derive(Debug)]
pub struct Sampler {
    http: Http,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    last: BTreeMap<String, Metrics>,
    at: Instant,
}

impl Sampler {
    pub(super) fn new(http: Http, snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { http, snapshots, last: BTreeMap::new(), at: Instant::now() }
    }

    /// Adds one sample a second to `samples`, for ever.
    pub async fn run(mut self, samples: Arc<Samples>) {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            second.tick().await;
            let snapshot = Arc::clone(&self.snapshots.borrow());
            let breaker = serde_json::from_value(snapshot.spec["client"]["circuitBreaker"].clone()).unwrap_or_default();
            samples.push(self.look(&snapshot.processes, &breaker).await);
        }
    }

    /// What `processes` did since the last look. One that does not answer has no sample.
    async fn look(&mut self, processes: &[Process], breaker: &CircuitBreaker) -> Sample {
        let serves = |p: &Process| matches!(p.role, Role::UserInfo | Role::UserClient) && p.state != ProcessState::Starting;
        let seen: Vec<&Process> = processes.iter().filter(|p| serves(p)).collect();
        let looks = join_all(seen.iter().map(async |process| {
            let (status, text) = self.http.get(process.admin?, "/metrics").await?;
            status.is_success().then(|| Metrics::parse(&text))
        }))
        .await;
        let (now, t) = (Instant::now(), std::time::SystemTime::now());
        let seconds = (now - self.at).as_secs_f64().max(0.001);
        self.at = now;
        let mut sample = Sample { t: t.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64(), ..Sample::default() };
        let mut clients = Vec::new();
        let mut last = BTreeMap::new();
        for (process, metrics) in seen.iter().zip(looks).filter_map(|(p, m)| Some((p, m?))) {
            if let Some(before) = self.last.get(&process.name) {
                if process.role == Role::UserClient {
                    clients.push((before.clone(), metrics.clone()));
                } else {
                    let address = process.grpc.map(|a| a.to_string()).unwrap_or_default();
                    sample.instances.push(scrape::instance(&process.name, &address, before, &metrics, seconds));
                }
            }
            last.insert(process.name.clone(), metrics);
        }
        self.last = last;
        sample.client = scrape::clients(&clients, breaker.enabled.then_some(breaker.mode), seconds);
        sample
    }
}
