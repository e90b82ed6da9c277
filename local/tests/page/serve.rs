//! Serves the page on a free loopback port, fed with traffic such as the experiments make.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use user_info_api::config::BreakerMode;
use user_info_local::page::{AppState, Edit, Token, serve};
use user_info_local::sampler::{Breaker, BreakerState, ClientSample, InstanceSample, Sample, Samples};
use user_info_local::supervisor::{Process, ProcessState, Role};
use user_info_local::view::Snapshot;

/// A page that is served until this is dropped.
pub(crate) struct Page {
    pub(crate) port: u16,
    pub(crate) token: Token,
    pub(crate) edits: mpsc::Receiver<Edit>,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) samples: Arc<Samples>,
    _shutdown: oneshot::Sender<()>,
}

impl Page {
    /// Serves a page with two minutes of samples.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (snapshot, watched) = watch::channel(Arc::new(snapshot()));
        let (edit, edits) = mpsc::channel(4);
        let samples = Arc::new(Samples::new());
        (0..120).for_each(|second| samples.push(sample(second)));
        let token = Token::random().unwrap();
        let state = AppState { snapshot: watched, samples: Arc::clone(&samples), edits: edit, token: token.clone(), port };
        let (shutdown, asked) = oneshot::channel();
        tokio::spawn(serve(listener, state, async { drop(asked.await) }));
        Self { port, token, edits, snapshot, samples, _shutdown: shutdown }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Three instances, the last of which restarts, and a caller.
pub(crate) fn snapshot() -> Snapshot {
    let instance = |n: u16| Process {
        grpc: Some(address(9001 + n)),
        http: Some(address(8001 + n)),
        weight: Some(10),
        ..process(&format!("user-info-{n}"), Role::UserInfo)
    };
    let restarting = Process { state: ProcessState::Restarting, restarts: 1, note: Some("exit status 101".to_owned()), ..instance(2) };
    let processes = vec![
        Process { http: Some(address(8500)), ..process("agent", Role::Agent) },
        instance(0),
        instance(1),
        restarting,
        process("user-client", Role::UserClient),
        process("page", Role::Page),
    ];
    Snapshot {
        generation: 7,
        name: "demo".to_owned(),
        spec: spec(),
        yaml: "kind: UserInfoDeployment\n".to_owned(),
        file: "samples/demo.yaml".to_owned(),
        differs_from_file: false,
        problem: None,
        processes,
    }
}

fn spec() -> Value {
    json!({
        "replicas": 3,
        "rateLimiter": {"enabled": false, "algorithm": "TokenBucket", "requestsPerSecond": 2000, "burst": 1},
        "faultInjection": {"enabled": true, "abort": {"percentage": 50, "httpStatus": 500}},
        "client": {"requestsPerSecond": 0, "concurrency": 8, "circuitBreaker": {"enabled": true, "mode": "Bounded"}},
    })
}

fn process(name: &str, role: Role) -> Process {
    Process { pid: Some(4321), generation: Some(7), ..Process::new(name, role, ProcessState::Ready) }
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// One second: calm at first, then half of the calls fail and the breaker is open most of the time.
pub(crate) fn sample(second: u32) -> Sample {
    let faulty = second >= 80;
    let open = faulty && second % 12 > 2;
    let per_instance = if open { 20.0 } else { 1500.0 + f64::from(second * 37 % 90) };
    let codes = if faulty {
        BTreeMap::from([("0".to_owned(), per_instance / 2.0), ("500 random error".to_owned(), per_instance / 2.0)])
    } else {
        BTreeMap::from([("0".to_owned(), per_instance)])
    };
    let bounds =
        [("0.01", 0.97), ("0.025", 0.985), ("0.05", 0.99), ("0.1", 0.995), ("0.25", 0.998), ("0.5", 1.0), ("1", 1.0), ("+Inf", 1.0)];
    let instances: Vec<_> = (0..3_u16)
        .map(|n| InstanceSample {
            name: format!("user-info-{n}"),
            address: address(9001 + n).to_string(),
            calls_per_s: per_instance,
            codes: codes.clone(),
            latency: bounds.iter().map(|(le, share)| ((*le).to_owned(), (per_instance * share).round())).collect(),
            inflight: 2,
        })
        .collect();
    let refused = if open { 20_000.0 } else { 0.0 };
    let mut seen: BTreeMap<_, _> = codes.into_iter().map(|(code, n)| (code, n * 3.0)).collect();
    if open {
        seen.insert("503 CIRCUITBREAKER".to_owned(), refused);
    }
    let state = if open { BreakerState::Open } else { BreakerState::Closed };
    Sample {
        t: 1_800_000_000.0 + f64::from(second),
        client: Some(ClientSample {
            calls_per_s: per_instance * 3.0 + refused,
            codes: seen,
            instances: instances.iter().map(|i| (i.address.clone(), i.calls_per_s)).collect(),
            breaker: Some(Breaker { state, mode: BreakerMode::Bounded, admission: if open { 0.01 } else { 1.0 } }),
            p50: Some(0.0008),
            p99: Some(0.0041),
        }),
        instances,
    }
}
