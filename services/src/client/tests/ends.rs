//! Connections that their server ends: which calls that may cost, and how soon the next one is made.

mod pings;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::HeaderMap;
use user_info_proto::user_info_client::UserInfoClient;

use super::*;
use crate::client::connection::{InstanceConnection, Unconnected};

/// Messages of gRPC: a reply without a user, and the health `SERVING`.
const REPLY: &[u8] = &[0, 0, 0, 0, 0];
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

/// What a server does with each connection.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Announces its end with the answer to this request, the health check among them, as grpc-go does: what arrives meanwhile is served.
    EndsAfter(u32),
    /// Ends it with this error instead.
    RefusesAfter(u32, Reason),
    /// Drops it with this request unanswered, and without a word.
    BreaksAt(u32),
    /// Closes it as soon as it is there.
    Closes,
    /// Drops it when told to, at once and without a word: with FIN, or with RST.
    Drops(Drops),
}

/// How the system tells the other side that a connection is gone.
#[derive(Debug, Clone, Copy)]
enum Drops {
    Fin,
    Rst,
}

/// A server of health and `GetUserInfo` that ends its connections.
struct Ending {
    address: String,
    connections: Arc<AtomicU64>,
    drop: watch::Sender<()>,
    task: AbortHandle,
}

impl Ending {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let connections = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&connections);
        let (drop, told) = watch::channel(());
        let task = tokio::spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Relaxed);
                serving.spawn(serve(stream, manner, told.clone()));
            }
        });
        Self { address, connections, drop, task: task.abort_handle() }
    }

    fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, manner: Manner, mut told: watch::Receiver<()>) {
    told.mark_unchanged();
    match manner {
        Manner::Closes => return,
        Manner::Drops(Drops::Rst) => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option"),
        _ => {}
    }
    stream.set_nodelay(true).expect("an option");
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut requests = 0;
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            Ok(()) = told.changed() => return,
        };
        let Some(Ok((request, reply))) = accepted else { return };
        requests += 1;
        match manner {
            Manner::BreaksAt(last) if requests == last => return,
            Manner::EndsAfter(last) if requests == last => connection.graceful_shutdown(),
            Manner::RefusesAfter(last, reason) if requests == last => connection.abrupt_shutdown(reason),
            _ => {}
        }
        tokio::spawn(answer(request, reply));
    }
}

async fn answer(request: http::Request<h2::RecvStream>, mut reply: SendResponse<Bytes>) {
    let message = if request.uri().path().starts_with("/grpc.health") { SERVING } else { REPLY };
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.data().await {}
    let head = http::Response::builder().header("content-type", "application/grpc").body(()).expect("a head");
    // The caller may be gone.
    if let Ok(mut body) = reply.send_response(head, false) {
        let _ = body.send_data(Bytes::from_static(message), false);
        let _ = body.send_trailers(HeaderMap::from_iter([("grpc-status".parse().expect("a name"), "0".parse().expect("a value"))]));
    }
}

impl Client {
    /// Makes `calls` calls, `concurrency` at a time; returns what failed.
    async fn ask_many(&self, calls: usize, concurrency: usize) -> Vec<Error> {
        use futures_util::StreamExt;
        let asked = futures_util::stream::iter(0..calls).map(|_| self.ask(Duration::from_secs(10)));
        asked.buffer_unordered(concurrency).filter_map(async |reply| reply.err()).collect().await
    }
}

#[tokio::test]
async fn an_end_that_is_announced_costs_no_call() {
    // The first call may have to be sent anew for each one that is answered before.
    for (last, calls, concurrency) in [(100, 2000, 1), (100, 2000, 20), (100, 4000, 300), (2, 100, 1), (2, 60, 10)] {
        let server = Ending::start(Manner::EndsAfter(last)).await;
        let client = Client::to(&[&server.address], &UserClientLive::default()).await;
        let failed = client.ask_many(calls, concurrency).await;
        assert!(failed.is_empty(), "{last} requests a connection, {concurrency} callers: {failed:?}");
        // What arrives while an end is being announced is served, too.
        assert!(server.connections() > 3, "{}", server.connections());
    }
}

#[tokio::test]
async fn with_several_instances_it_costs_no_call_either_and_each_keeps_its_share() {
    let servers = [Ending::start(Manner::EndsAfter(100)).await, Ending::start(Manner::EndsAfter(130)).await];
    let client = Client::to(&[&servers[0].address, &servers[1].address], &UserClientLive::default()).await;
    let failed = client.ask_many(4000, 8).await;
    assert!(failed.is_empty(), "{failed:?}");
    let shares: Vec<_> = client.stack.nodes.all(Instant::now()).iter().map(|(node, _)| node.totals().0).collect();
    assert!(shares.iter().all(|calls| *calls > 1000), "{shares:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_costs_the_calls_on_it_and_is_made_again_at_once() {
    let server = Ending::start(Manner::BreaksAt(101)).await;
    let client = Client::to(&[&server.address], &UserClientLive::default()).await;
    let failed = client.ask_many(950, 1).await;
    assert_eq!(failed.len() as u64, server.connections() - 1, "the one that is on it: {failed:?}");
    assert_eq!(failed.len(), 9);
}

#[tokio::test]
async fn c1_a_connection_that_is_dropped_between_calls_costs_none() {
    for how in [Drops::Fin, Drops::Rst] {
        let server = Ending::start(Manner::Drops(how)).await;
        let client = Client::to(&[&server.address], &UserClientLive::default()).await;
        for connections in 1..=30 {
            client.ask(PATIENCE).await.unwrap_or_else(|error| panic!("{how:?}: {error}"));
            server.drop.send_replace(());
            // Nobody has to call for the next one to be made.
            client.until("the next connection", |_| server.connections() > connections).await;
        }
        let failed = client.ask_many(100, 10).await;
        assert!(failed.is_empty(), "{how:?}: {failed:?}");
        assert_eq!(server.connections(), 31, "{how:?}: none more than that");
    }
}

/// As if the way of the connection led to a pod that is gone, and that of a new one to the pod that has taken its place.
#[tokio::test]
async fn c1_a_silent_connection_is_replaced_as_soon_as_another_one_answers() {
    let server = Server::start().await;
    let proxy = Proxy::to(&server).await;
    let client = Client::to(&[&proxy.address], &UserClientLive::default()).await;
    proxy.lose_all();
    let begun = Instant::now();
    let mut failed = 0;
    while let Err(error) = client.ask(Duration::from_millis(200)).await {
        assert_eq!(error.code, 504, "{error}");
        failed += 1;
        assert!(begun.elapsed() < Duration::from_secs(8), "{failed} calls failed");
    }
    // A call and a health check in vain, and the machine may be busy.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let failed = client.ask_many(100, 10).await;
    assert!(failed.is_empty(), "{failed:?}");
}

/// Calls an instance for a second, as the loop of a client would; returns how many connections it made, and how long that took.
async fn hammer(client: &Client, server: &Ending) -> (f64, Duration) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        let _ = client.ask_many(5, 5).await;
        sleep(Duration::from_millis(1)).await;
    }
    (server.connections() as f64, begun.elapsed())
}

#[tokio::test]
async fn who_asks_for_calm_gets_it() {
    let server = Ending::start(Manner::RefusesAfter(10, Reason::ENHANCE_YOUR_CALM)).await;
    let client = Client::to(&[&server.address], &UserClientLive::default()).await;
    let (connections, time) = hammer(&client, &server).await;
    // Each is of use, so the next one follows after the shortest pause.
    assert!((2.0..=2.0 + time.as_secs_f64() / 0.08).contains(&connections), "{connections} in {time:?}");
    assert!(client.metrics().contains("code=\"503\""), "and calls are refused meanwhile: {}", client.metrics());
}

#[tokio::test]
async fn c2_who_asks_for_calm_is_quoted() {
    let server = Ending::start(Manner::RefusesAfter(2, Reason::ENHANCE_YOUR_CALM)).await;
    let client = Client::to(&[&server.address], &UserClientLive::default()).await;
    let failed = client.ask_many(20, 1).await;
    assert!(failed.iter().any(|error| error.message.contains("ENHANCE_YOUR_CALM")), "{failed:?}");
}

#[tokio::test]
async fn servers_that_are_of_no_use_are_not_hammered() {
    // They answer the health check and no call, or nothing at all.
    for manner in [Manner::EndsAfter(1), Manner::BreaksAt(2), Manner::BreaksAt(1), Manner::Closes] {
        let server = Ending::start(manner).await;
        let client = Client::new(&UserClientLive::default());
        client.discover(&[&server.address]);
        let (connections, time) = hammer(&client, &server).await;
        // The second may be made at once; the pauses after that are 80, 160, 320 ms and more.
        let most = 3.0 + (time.as_secs_f64() / 0.08 + 1.0).log2();
        assert!((2.0..=most).contains(&connections), "{manner:?}: {connections} in {time:?}");
    }
}

#[tokio::test]
async fn calls_in_flight_end_on_the_connection_they_began_on() {
    let mut server = Server::start().await;
    server.service.delay_ms.store(300, Relaxed);
    let client = Client::to(&[&server.address], &UserClientLive::default()).await;
    let calls = tokio::spawn(futures_util::future::join_all((0..20).map(|_| client.stack.service().oneshot(call(1, PATIENCE, false)))));
    client.until("all are in flight", |_| server.service.in_flight.load(Relaxed) == 20).await;
    let _ = server.stop.take().expect("running").send(());
    let replies = calls.await.expect("no panic");
    assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    client.until("the instance is down", |c| c.in_rotation() == 0).await;
    let error = timeout(Duration::from_secs(1), client.ask(Duration::from_secs(60))).await.expect("at once").expect_err("nobody there");
    assert_eq!((error.code, &*error.reason), (503, UNREACHABLE));
}

/// As if its process were frozen, or the host behind a proxy gone: nobody says that it has ended.
#[tokio::test]
async fn c2_a_connection_that_stays_silent_is_made_anew_and_its_calls_go_on() {
    let server = Server::start().await;
    let proxy = Proxy::to(&server).await;
    let connection = InstanceConnection::open(&proxy.address, None, Default::default());
    let mut client = UserInfoClient::with_origin(connection.channel().await.expect("up"), connection.origin().clone());
    proxy.frozen.send_replace(true);
    let call = tokio::spawn(async move { client.get_user_info(GetUserInfoRequest { user_id: 1 }).await });
    connection.suspect();
    let given_up = async {
        while connection.state() != ConnectionState::Down {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), given_up).await.expect("given up after 10 s");
    proxy.frozen.send_replace(false);
    let back = async {
        loop {
            match connection.channel().await {
                Ok(channel) => break channel.number,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(30), back).await.expect("back"), 2);
    call.await.expect("no panic").expect("answered by the connection that it began on");
}

#[tokio::test]
async fn no_more_calls_wait_for_a_connection_than_there_may_be() {
    // The kernel takes the connection, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let connection = Arc::new(InstanceConnection::open(&silent.local_addr().expect("bound").to_string(), None, Default::default()));
    let mut waiting = JoinSet::new();
    for _ in 0..10_001 {
        let connection = Arc::clone(&connection);
        waiting.spawn(async move { connection.channel().await.map(drop) });
    }
    let mut whys = Vec::new();
    while let Some(ended) = waiting.join_next().await {
        whys.push(ended.expect("no panic").expect_err("nobody answers").to_string());
    }
    assert_eq!(whys[0], "too many calls wait for the connection");
    assert!(whys[1..].iter().all(|why| why == "connected, but no answer within 1s"), "{:?}", &whys[1..3]);
    assert_eq!(connection.channel().await.map(drop), Err(Unconnected::Down("connected, but no answer within 1s".into())));
}
