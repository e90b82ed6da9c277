//! What the services count.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::time::Instant;

use crate::http::get;

/// The counters of a process at one time.
#[derive(Debug, Clone)]
pub struct Metrics {
    text: String,
    /// That time.
    pub at: Instant,
}

impl Metrics {
    /// What the process at `address` has counted so far.
    pub async fn of(address: SocketAddr) -> Self {
        let (status, text) = get(address, "/metrics").await;
        assert_eq!(status, 200, "{text}");
        Self::read(text)
    }

    /// Counters as `/metrics` has just shown them.
    pub fn read(text: String) -> Self {
        Self { text, at: Instant::now() }
    }

    /// The sum of the series of `name` that have all the `labels`, each as `name="value"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let series = self.text.lines().filter_map(|line| line.rsplit_once(' '));
        let wanted = series.filter(|(id, _)| {
            let rest = id.strip_prefix(name);
            rest.is_some_and(|rest| (rest.is_empty() || rest.starts_with('{')) && labels.iter().all(|label| rest.contains(label)))
        });
        wanted.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    }

    /// Calls that `user_client` has made, by code and reason: `0`, `429 RATELIMIT`.
    pub fn client_codes(&self) -> Codes {
        self.codes("bbs_user_client_requests_throughput")
    }

    /// Calls that `user_info` has answered.
    pub fn server_codes(&self) -> Codes {
        self.codes("bbs_user_info_server_requests_throughput")
    }

    fn codes(&self, name: &str) -> Codes {
        let mut codes = BTreeMap::new();
        for (id, value) in self.text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit_once(' ')) {
            let label = |name: &str| id.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"')).map_or("", |l| l.0);
            let key = format!("{} {}", label("code"), label("reason")).trim_end().to_owned();
            *codes.entry(key).or_default() += value.parse::<f64>().expect("a number");
        }
        Codes(codes)
    }
}

/// Calls by code and reason.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Codes(BTreeMap<String, f64>);

impl Codes {
    /// Calls that ended so.
    pub fn of(&self, code: &str) -> f64 {
        self.0.get(code).copied().unwrap_or_default()
    }

    /// All calls.
    pub fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// Calls that ended in none of these ways.
    pub fn other_than(&self, codes: &[&str]) -> f64 {
        self.0.iter().filter(|(code, _)| !codes.contains(&code.as_str())).map(|(_, calls)| calls).sum()
    }

    /// Calls since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self(self.0.iter().map(|(code, calls)| (code.clone(), calls - before.of(code))).collect())
    }
}
