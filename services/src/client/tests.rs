mod ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Request, Response, Status};
use tower::ServiceExt;
use user_info_api::config::{CircuitBreaker, UserClientLive};
use user_info_layers::Error;
use user_info_layers::balance::{Connection as _, ConnectionState, Endpoint};
use user_info_proto::user_info_server::{UserInfo, UserInfoServer};
use user_info_proto::{GetUserInfoReply, GetUserInfoRequest, User};

use super::report::Tally;
use super::runner::call;
use super::*;
use crate::error::reason::UNREACHABLE;

/// A real gRPC server in this process.
struct Server {
    address: String,
    service: Service,
    tasks: Vec<AbortHandle>,
    stop: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Default)]
struct Service {
    address: String,
    calls: Arc<AtomicU64>,
    in_flight: Arc<AtomicUsize>,
    most_in_flight: Arc<AtomicUsize>,
    delay_ms: Arc<AtomicU64>,
    failing: Arc<AtomicBool>,
    headers: Arc<std::sync::Mutex<http::HeaderMap>>,
}

#[tonic::async_trait]
impl UserInfo for Service {
    async fn get_user_info(&self, request: Request<GetUserInfoRequest>) -> Result<Response<GetUserInfoReply>, Status> {
        self.calls.fetch_add(1, Relaxed);
        self.most_in_flight.fetch_max(self.in_flight.fetch_add(1, Relaxed) + 1, Relaxed);
        sleep(Duration::from_millis(self.delay_ms.load(Relaxed))).await;
        self.in_flight.fetch_sub(1, Relaxed);
        *self.headers.lock().unwrap() = request.metadata().clone().into_headers();
        if self.failing.load(Relaxed) {
            return Err(Error::new(500, "random error", "random error").into());
        }
        let user = User { user_id: request.get_ref().user_id, name: "Ada".into(), ..User::default() };
        Ok(Response::new(GetUserInfoReply { user: Some(user), ip_addr: self.address.clone() }))
    }
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::on(listener)
    }

    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("bound").to_string();
        let service = Service { address: address.clone(), ..Service::default() };
        let (stop, stopped) = oneshot::channel();
        let (health, checks) = tonic_health::server::health_reporter();
        drop(health);
        let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = tonic::transport::Server::builder()
            .add_service(checks)
            .add_service(UserInfoServer::new(service.clone()))
            .serve_with_incoming_shutdown(incoming, async {
                let _ = stopped.await;
            });
        let task = tokio::spawn(serving).abort_handle();
        Self { address, service, tasks: vec![task], stop: Some(stop) }
    }

    fn calls(&self) -> u64 {
        self.service.calls.load(Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// A way to a server that can be cut, as if the process were killed, or stopped, as if it were frozen.
struct Proxy {
    address: String,
    frozen: watch::Sender<bool>,
    /// Connections up to this number carry nothing any more.
    lost: Arc<AtomicU64>,
    accepted: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Proxy {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, target) = (listener.local_addr().expect("bound").to_string(), server.address.clone());
        let (frozen, follow) = watch::channel(false);
        let (lost, accepted) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (losing, counter) = (Arc::clone(&lost), Arc::clone(&accepted));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (number, lost) = (counter.fetch_add(1, Relaxed) + 1, Arc::clone(&losing));
                let carries = move || lost.load(Relaxed) < number;
                connections.spawn(forward(client, target.clone(), follow.clone(), carries));
            }
        });
        Self { address, frozen, lost, accepted, task: task.abort_handle() }
    }

    /// Loses what the connections that there are would carry from now on; those that are made later carry it.
    fn lose_all(&self) {
        self.lost.store(self.accepted.load(Relaxed), Relaxed);
    }

    /// Closes the listener and all connections at once.
    fn kill(&self) {
        self.task.abort();
    }
}

async fn forward(client: TcpStream, target: String, frozen: watch::Receiver<bool>, carries: impl Fn() -> bool) {
    let server = TcpStream::connect(target).await.expect("the server is there");
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.into_split(), server.into_split());
    let copy = async |from: &mut tokio::net::tcp::OwnedReadHalf, to: &mut tokio::net::tcp::OwnedWriteHalf| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut frozen, mut buffer) = (frozen.clone(), vec![0; 16 * 1024]);
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            let _ = frozen.wait_for(|frozen| !frozen).await;
            if carries() {
                let _ = to.write_all(&buffer[..n]).await;
            }
        }
    };
    tokio::select! {
        () = copy(&mut from_client, &mut to_server) => {}
        () = copy(&mut from_server, &mut to_client) => {}
    }
}

struct Client {
    stack: ClientStack,
    registry: prometheus::Registry,
}

impl Client {
    fn new(live: &UserClientLive) -> Self {
        let registry = prometheus::Registry::new();
        let stack = ClientStack::new(live, None, StackMetrics::new(&registry).expect("registers"));
        tokio::spawn(stack.ticker.clone().run());
        Self { stack, registry }
    }

    async fn to(addresses: &[&str], live: &UserClientLive) -> Self {
        let client = Self::new(live);
        client.discover(addresses);
        client.until("all instances are up", |c| c.up() == addresses.len()).await;
        client
    }

    fn discover(&self, addresses: &[&str]) {
        let instances: Vec<_> = addresses.iter().map(|a| Endpoint { address: (*a).to_owned(), weight: 100 }).collect();
        self.stack.nodes.update(&instances, Instant::now());
    }

    fn up(&self) -> usize {
        self.stack.nodes.all(Instant::now()).iter().filter(|(node, _)| node.connection().state() == ConnectionState::Up).count()
    }

    fn in_rotation(&self) -> usize {
        self.stack.nodes.all(Instant::now()).iter().filter(|(_, healthy)| *healthy).count()
    }

    async fn ask(&self, patience: Duration) -> Result<GetUserInfoReply, Error> {
        self.stack.service().oneshot(call(1, patience, false)).await
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !condition(self) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never came true: {what}"));
    }

    fn metrics(&self) -> String {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).expect("encodes")
    }
}

const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_call_carries_its_caller_its_trace_and_its_deadline() {
    let server = Server::start().await;
    let client = Client::new(&UserClientLive::default());
    client.discover(&[&server.address]);
    // The first call waits for the connection.
    let reply = client.ask(PATIENCE).await.expect("answers");
    assert_eq!(reply.ip_addr, server.address);
    let headers = server.service.headers.lock().unwrap().clone();
    assert_eq!(headers["x-md-service-name"], "bbs.user.client");
    assert!(user_info_layers::middleware::trace::TraceContext::extract(&headers).is_some());
    assert!(headers.contains_key("grpc-timeout"));
    let line = r#"bbs_user_client_requests_throughput{code="0",kind="grpc",operation="/api.user_info.UserInfo/GetUserInfo",reason=""} 1"#;
    assert!(client.metrics().contains(line), "{}", client.metrics());
}

#[tokio::test]
async fn errors_of_the_service_come_through_whole_and_open_the_breaker() {
    let server = Server::start().await;
    server.service.failing.store(true, Relaxed);
    let client = Client::to(&[&server.address], &UserClientLive::default()).await;
    assert_eq!(client.ask(PATIENCE).await, Err(Error::new(500, "random error", "random error")));
    for _ in 0..150 {
        let _ = client.ask(PATIENCE).await;
    }
    assert_eq!(client.ask(PATIENCE).await, Err(Error::CIRCUITBREAKER));
    assert!((100..=102).contains(&server.calls()), "{}", server.calls());
}

#[tokio::test]
async fn two_instances_take_turns() {
    let servers = [Server::start().await, Server::start().await];
    let client = Client::to(&[&servers[0].address, &servers[1].address], &UserClientLive::default()).await;
    let mut last = String::new();
    for _ in 0..20 {
        let from = client.ask(PATIENCE).await.expect("answers").ip_addr;
        assert_ne!(from, last);
        last = from;
    }
}

#[tokio::test]
async fn nobody_listening_is_said_at_once() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound").to_string();
    let client = Client::new(&UserClientLive::default());
    client.discover(&[&gone]);
    let error = timeout(Duration::from_secs(1), client.ask(Duration::from_secs(60))).await.expect("at once").expect_err("nobody there");
    assert_eq!((error.code, &*error.reason), (503, UNREACHABLE));
    assert!(error.message.starts_with(&gone) && error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn an_instance_that_is_killed_costs_only_the_calls_in_flight_on_it_and_returns_when_it_is_back() {
    let servers = [Server::start().await, Server::start().await];
    let proxy = Proxy::to(&servers[1]).await;
    let client = Client::to(&[&servers[0].address, &proxy.address], &UserClientLive::default()).await;
    servers.iter().for_each(|s| s.service.delay_ms.store(5, Relaxed));
    let concurrency = 8;
    let (failures, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        let (service, failures, stop) = (client.stack.service(), Arc::clone(&failures), Arc::clone(&stop));
        workers.spawn(async move {
            while !stop.load(Relaxed) {
                failures.fetch_add(u64::from(service.clone().oneshot(call(1, PATIENCE, false)).await.is_err()), Relaxed);
            }
        });
    }
    let before = servers[0].calls();
    client.until("calls go out", |_| servers[0].calls() > before + 50).await;
    proxy.kill();
    let killed = servers[0].calls();
    client.until("calls go on", |_| servers[0].calls() > killed + 500).await;
    stop.store(true, Relaxed);
    while workers.join_next().await.is_some() {}
    assert!(failures.load(Relaxed) <= concurrency, "{failures:?} failures, {}", client.metrics());
    assert_eq!(client.in_rotation(), 1);

    let back = TcpListener::bind(&proxy.address).await.expect("the port is free again");
    let back = Server::on(back);
    client.until("the instance is back", |c| c.in_rotation() == 2).await;
    for _ in 0..4 {
        client.ask(PATIENCE).await.expect("answers");
    }
    assert_eq!(back.calls(), 2);
}

#[tokio::test]
async fn an_instance_that_stops_in_order_costs_no_call() {
    let (stays, mut leaves) = (Server::start().await, Server::start().await);
    let client = Client::to(&[&stays.address, &leaves.address], &UserClientLive::default()).await;
    let (live, followed) = watch::channel(Arc::new(UserClientLive { concurrency: 8, ..UserClientLive::default() }));
    let (finish, told) = oneshot::channel();
    let runner = Runner::new(client.stack.service(), followed, Arc::new(Tally::new(None)), false);
    let running = tokio::spawn(runner.run(async {
        let _ = told.await;
    }));
    client.until("calls go out", |_| leaves.calls() > 50).await;
    let _ = leaves.stop.take().expect("running").send(());
    let at = stays.calls();
    client.until("calls go on", |_| stays.calls() > at + 500).await;
    let _ = finish.send(());
    running.await.expect("no panic");
    drop(live);
    let errors: Vec<_> =
        client.metrics().lines().filter(|l| l.contains("throughput{") && !l.contains("code=\"0\"")).map(str::to_owned).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[tokio::test]
async fn an_instance_that_is_frozen_is_ejected_and_stays_out_until_it_answers() {
    let servers = [Server::start().await, Server::start().await];
    let proxy = Proxy::to(&servers[1]).await;
    let mut live = UserClientLive::default();
    live.outlier_ejection.base_ejection_time = user_info_api::Duration::from_millis(100);
    live.outlier_ejection.max_ejection_time = user_info_api::Duration::from_millis(100);
    live.circuit_breaker = CircuitBreaker { enabled: false, ..CircuitBreaker::default() };
    let client = Client::to(&[&servers[0].address, &proxy.address], &live).await;
    proxy.frozen.send_replace(true);
    let calls = (0..10).map(|_| client.ask(Duration::from_millis(100)));
    let replies = futures_util::future::join_all(calls).await;
    assert_eq!(replies.iter().filter(|r| r.as_ref().is_err_and(|e| e.code == 504)).count(), 5, "{replies:?}");
    // Much longer than the ejection lasts: it is still silent, so no call goes there.
    sleep(Duration::from_millis(500)).await;
    for _ in 0..10 {
        assert_eq!(client.ask(Duration::from_millis(100)).await.expect("answers").ip_addr, servers[0].address);
    }
    proxy.frozen.send_replace(false);
    client.until("the instance is back", |c| c.in_rotation() == 2).await;
}

#[tokio::test]
async fn rate_and_concurrency_change_without_a_failed_call() {
    let server = Server::start().await;
    server.service.delay_ms.store(10, Relaxed);
    let client = Client::to(&[&server.address], &UserClientLive::default()).await;
    let settings = |concurrency, requests_per_second| UserClientLive { concurrency, requests_per_second, ..UserClientLive::default() };
    let (live, followed) = watch::channel(Arc::new(settings(2, 0)));
    let (finish, told) = oneshot::channel();
    let runner = Runner::new(client.stack.service(), followed, Arc::new(Tally::new(None)), false);
    let running = tokio::spawn(runner.run(async {
        let _ = told.await;
    }));
    let most = |expected| {
        let most = Arc::clone(&server.service.most_in_flight);
        move |_: &Client| most.load(Relaxed) == expected
    };
    client.until("two calls in flight", most(2)).await;
    live.send_replace(Arc::new(settings(20, 0)));
    client.until("twenty calls in flight", most(20)).await;
    live.send_replace(Arc::new(settings(0, 0)));
    client.until("paused", |_| server.service.in_flight.load(Relaxed) == 0).await;
    live.send_replace(Arc::new(settings(20, 100)));
    let (before, begun) = (server.calls(), Instant::now());
    client.until("a hundred calls", |_| server.calls() >= before + 100).await;
    let took = begun.elapsed().as_secs_f64();
    assert!((0.9..1.5).contains(&took), "100 calls at 100 a second took {took} s");
    let _ = finish.send(());
    running.await.expect("no panic");
    assert_eq!(server.service.in_flight.load(Relaxed), 0);
    assert!(!client.metrics().contains("code=\"5"), "{}", client.metrics());
}
