//! Parts of the services by name, each to be run over and over: nothing around them but a call that is made and a handler that is ready.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::task::yield_now;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder};
use user_info_layers::balance::{
    Balance, Connection, ConnectionState, Endpoint, Failure, InstanceMetrics, LoadBalancing, NodeSet, OutlierEjection, Retries, Staleness,
    Transport,
};
use user_info_layers::middleware::breaker::{self, BreakerLayer, BreakerMetrics};
use user_info_layers::middleware::deadline::DeadlineLayer;
use user_info_layers::middleware::rate_limit::TokenBucket;
use user_info_layers::middleware::receive::Arriving;
use user_info_layers::ticker::Ticker;
use user_info_layers::{Call, Error, Kind};
use user_info_proto::{GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};
use user_info_services::server::ServerStack;

/// Calls between two turns for the tasks beside, such as the deadline's ticker.
const TURN: u64 = 1024;

/// What the metrics' names begin with.
const PREFIX: &str = "bench";

/// Names of the scenarios; `handler` is what all others have in them.
pub const NAMES: [&str; 14] = [
    "handler",
    "metrics",
    "spans",
    "access_log",
    "deadline",
    "rate_limit",
    "rate_limit_refusing",
    "recovery",
    "fault",
    "server_stack",
    "breaker",
    "balance_wrr_3",
    "balance_wrr_100",
    "balance_p2c_100",
];

type Request = Call<GetUserInfoRequest>;

/// Makes `count` calls of a scenario, one after another. Returns how long they took; none if there is no scenario of this name.
pub async fn repeat(name: &str, count: u64) -> Option<Duration> {
    let layers = layers();
    let took = match name {
        "handler" => calls(handler(), count).await,
        "metrics" => calls(layers.metrics.layer(handler()), count).await,
        "spans" => calls(layers.spans.layer(handler()), count).await,
        "access_log" => calls(layers.access_log.layer(handler()), count).await,
        "deadline" => calls(deadline().layer(handler()), count).await,
        "rate_limit" => calls(layers.rate_limit.layer(handler()), count).await,
        "rate_limit_refusing" => {
            layers.rate_limit.configure(Some(TokenBucket { requests_per_second: 1, ..TokenBucket::default() }.into()));
            calls(layers.rate_limit.layer(handler()), count).await
        }
        "recovery" => calls(layers.recovery.layer(handler()), count).await,
        "fault" => calls(layers.fault.layer(handler()), count).await,
        "server_stack" => calls(ServiceBuilder::new().map_request(arrived).service(stack(handler())), count).await,
        "breaker" => {
            let metrics = BreakerMetrics::new(&Registry::new(), PREFIX).expect("registers once");
            calls(BreakerLayer::new(breaker::BreakerSettings::default(), metrics).layer(handler()), count).await
        }
        "balance_wrr_3" => calls(balance(LoadBalancing::WeightedRoundRobin, 3), count).await,
        "balance_wrr_100" => calls(balance(LoadBalancing::WeightedRoundRobin, 100), count).await,
        "balance_p2c_100" => calls(balance(LoadBalancing::P2C, 100), count).await,
        _ => return None,
    };
    Some(took)
}

/// The call as the transports hand it to the stack when its message is here.
fn arrived(call: Request) -> Call<Arriving<GetUserInfoRequest>> {
    let (call, message) = call.take_message();
    call.with_message(Arriving::Here(Ok(message)))
}

async fn calls<S>(mut service: S, count: u64) -> Duration
where
    S: Service<Request, Response = GetUserInfoReply, Error = Error>,
{
    let begun = Instant::now();
    for number in 0..count {
        std::future::poll_fn(|cx| service.poll_ready(cx)).await.expect("ready");
        let call = Call::new(Kind::Grpc, GET_USER_INFO, GetUserInfoRequest { user_id: 1 });
        let _ = std::hint::black_box(service.call(call).await);
        if number % TURN == 0 {
            yield_now().await;
        }
    }
    begun.elapsed()
}

fn handler() -> impl Service<Request, Response = GetUserInfoReply, Error = Error, Future: Send> + Clone + Send + Sync + 'static {
    tower::service_fn(|_: Request| std::future::ready(Ok(GetUserInfoReply { user: None, ip_addr: String::new() })))
}

/// The server's layers around `handler`, with a limit that no call reaches and no faults.
///
/// # Panics
/// Outside a tokio runtime.
pub fn stack<S>(
    handler: S,
) -> impl Service<Call<Arriving<GetUserInfoRequest>>, Response = S::Response, Error = Error, Future: Send> + Clone + Send + Sync + 'static
where
    S: Service<Request, Error = Error, Future: Send, Response: Send> + Clone + Send + Sync + 'static,
{
    layers().service(deadline(), handler)
}

fn layers() -> ServerStack {
    let layers = ServerStack::new(&Registry::new()).expect("registers once");
    layers.rate_limit.configure(Some(TokenBucket { requests_per_second: 10_000_000, burst: 1_000_000, ..TokenBucket::default() }.into()));
    layers
}

fn deadline() -> DeadlineLayer {
    let ticker = Ticker::default();
    tokio::spawn(ticker.clone().run());
    DeadlineLayer::new(ticker, Duration::from_secs(1))
}

/// A connection that is always up, over which every call is answered at once.
struct Instantly;

impl Connection for Instantly {
    fn state(&self) -> ConnectionState {
        ConnectionState::Up
    }

    fn suspect(&self) {}
}

impl Transport<GetUserInfoRequest> for Instantly {
    type Connection = Self;
    type Reply = GetUserInfoReply;

    async fn send(&self, _: &Self, _: &Request) -> Result<GetUserInfoReply, Failure> {
        Ok(GetUserInfoReply { user: None, ip_addr: String::new() })
    }
}

fn balance(setting: LoadBalancing, nodes: u32) -> Balance<GetUserInfoRequest, Instantly> {
    let metrics = InstanceMetrics::new(&Registry::new(), PREFIX).expect("registers once");
    let set = NodeSet::new(OutlierEjection::default(), metrics, Staleness::default(), |_| Instantly);
    let instances: Vec<_> = (0..nodes).map(|n| Endpoint { address: format!("10.0.0.{n}:9001"), weight: 100 }).collect();
    set.update(&instances, Instant::now());
    Balance::new(Arc::new(set), Instantly, setting, Retries::default(), Ticker::default())
}
