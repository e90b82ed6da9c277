//! Looks at the services' metrics once a second, and keeps what they counted.

mod history;
mod sample;
mod scrape;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use user_info_api::config::BreakerMode;

pub use history::Samples;
pub use sample::{Breaker, BreakerState, ClientSample, InstanceSample, Sample};

use self::scrape::Exposition;
use crate::http::Http;
use crate::supervisor::{Process, ProcessState, Role};

/// What is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// All processes; those that serve metrics are asked.
    pub processes: Vec<Process>,
    /// How the clients' circuit breaker works, if it is enabled.
    pub breaker: Option<BreakerMode>,
}

/// Remembers the last look, to tell rates.
#[derive(Debug)]
pub struct Sampler {
    http: Http,
    targets: watch::Receiver<Targets>,
    last: BTreeMap<String, Exposition>,
    at: Instant,
}

impl Sampler {
    /// Looks at the targets of the moment; none was looked at yet.
    pub fn new(http: Http, targets: watch::Receiver<Targets>) -> Self {
        Self { http, targets, last: BTreeMap::new(), at: Instant::now() }
    }

    /// Adds one sample a second to `samples`, for ever.
    pub async fn run(mut self, samples: Arc<Samples>) {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            second.tick().await;
            let targets = self.targets.borrow().clone();
            samples.push(self.look(&targets).await);
        }
    }

    /// What the targets did since the last look. One that does not answer has no sample.
    async fn look(&mut self, targets: &Targets) -> Sample {
        let serves = |p: &Process| matches!(p.role, Role::UserInfo | Role::UserClient) && p.state != ProcessState::Starting;
        let seen: Vec<&Process> = targets.processes.iter().filter(|p| serves(p)).collect();
        let looks = join_all(seen.iter().map(async |process| {
            let (status, text) = self.http.get(process.admin?, "/metrics").await?;
            status.is_success().then(|| Exposition::parse(&text))
        }))
        .await;
        let (now, t) = (Instant::now(), SystemTime::now());
        let seconds = (now - self.at).as_secs_f64().max(0.001);
        self.at = now;
        let mut sample = Sample { t: t.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(), ..Sample::default() };
        let mut clients = Vec::new();
        let mut last = BTreeMap::new();
        for (process, exposition) in seen.iter().zip(looks).filter_map(|(p, m)| Some((p, m?))) {
            if let Some(before) = self.last.get(&process.name) {
                if process.role == Role::UserClient {
                    clients.push((before.clone(), exposition.clone()));
                } else {
                    let address = process.grpc.map(|a| a.to_string()).unwrap_or_default();
                    sample.instances.push(scrape::instance(&process.name, &address, before, &exposition, seconds));
                }
            }
            last.insert(process.name.clone(), exposition);
        }
        self.last = last;
        sample.client = scrape::clients(&clients, targets.breaker, seconds);
        sample
    }
}
