use std::net::SocketAddr;

use axum::Extension;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::Peer;

const SOON: Duration = Duration::from_secs(2);

/// A listener with `routes`, until the sender is dropped.
async fn start(routes: Router, bounds: Bounds) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(serve(listener, routes, bounds, async { drop(stopped.await) }));
    (address, stop, serving)
}

/// All that comes until the connection ends, which is soon.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let end = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("ends soon");
    assert!(end.is_ok() || answer.is_empty(), "{end:?}");
    String::from_utf8(answer).expect("text")
}

/// Waits until there is room for a connection.
async fn until_served(address: SocketAddr) {
    let asked = async {
        loop {
            let mut caller = TcpStream::connect(address).await.expect("it listens");
            let asked = caller.write_all(b"GET / HTTP/1.0\r\n\r\n").await;
            let mut answer = String::new();
            if asked.is_ok() && caller.read_to_string(&mut answer).await.is_ok() && answer.ends_with("here") {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, asked).await.expect("served soon");
}

fn routes() -> Router {
    Router::new().route("/", get(async || "here")).route("/large", get(async || vec![b'a'; 32 << 20])).route(
        "/news",
        get(async |Extension(peer): Extension<Peer>| {
            peer.sends_no_more().await;
            "no news"
        }),
    )
}

#[tokio::test]
async fn p1_slow_callers_are_cut_off_and_others_are_served() {
    let short = Duration::from_millis(100);
    let bounds = Bounds { connections: 1, head: short, body: short, untaken: short, ..Bounds::default() };
    let (address, _stop, _serving) = start(routes(), bounds).await;
    for slow in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut caller = TcpStream::connect(address).await.expect("it listens");
        caller.write_all(slow.as_bytes()).await.expect("taken");
        assert!(!rest(&mut caller).await.contains(" 200 "), "{slow:?}");
    }
    // It asks and does not read: what the kernel has no room for is dropped.
    let mut caller = TcpStream::connect(address).await.expect("it listens");
    caller.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("taken");
    caller.read_exact(&mut [0; 12]).await.expect("answered");
    until_served(address).await;
    let mut taken = Vec::new();
    let _ = timeout(SOON, caller.read_to_end(&mut taken)).await.expect("ends soon");
    assert!(taken.len() < 32 << 20, "{}", taken.len());
}

#[tokio::test]
async fn p5_a_caller_that_closes_its_side_is_answered_over_tcp() {
    let (address, _stop, _serving) = start(routes(), Bounds::default()).await;
    for (path, said) in [("/", "here"), ("/news", "no news")] {
        let mut caller = TcpStream::connect(address).await.expect("it listens");
        caller.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.expect("taken");
        caller.shutdown().await.expect("open");
        assert!(rest(&mut caller).await.ends_with(said), "{path}");
    }
}

#[tokio::test]
async fn p5_who_waits_for_news_for_a_caller_that_is_gone_is_told() {
    let (waits, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let news = get(async move |Extension(peer): Extension<Peer>| {
        waits.send("begun").expect("open");
        peer.sends_no_more().await;
        waits.send("ended").expect("open");
    });
    let (address, _stop, _serving) = start(Router::new().route("/", news), Bounds::default()).await;
    // The second has sent more, which is not read yet.
    for asked in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET"] {
        let mut caller = TcpStream::connect(address).await.expect("it listens");
        caller.write_all(asked.as_bytes()).await.expect("taken");
        assert_eq!(waiting.recv().await, Some("begun"));
        assert!(timeout(Duration::from_millis(50), waiting.recv()).await.is_err(), "it waits as long as the caller is there");
        drop(caller);
        assert_eq!(timeout(SOON, waiting.recv()).await.expect("told soon"), Some("ended"));
    }
}

#[tokio::test]
async fn p1_connections_are_bounded_and_there_is_room_when_they_end() {
    let (address, _stop, _serving) = start(routes(), Bounds { connections: 2, ..Bounds::default() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut caller = TcpStream::connect(address).await.expect("it listens");
        caller.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("taken");
        caller.read_exact(&mut [0; 12]).await.expect("answered");
        held.push(caller);
    }
    let mut third = TcpStream::connect(address).await.expect("the kernel takes it");
    assert_eq!(rest(&mut third).await, "");
    held.pop();
    until_served(address).await;
}

#[tokio::test]
async fn p1_callers_do_not_hold_the_end() {
    let (address, stop, serving) = start(routes(), Bounds::default()).await;
    let mut waiting = TcpStream::connect(address).await.expect("it listens");
    waiting.write_all(b"GET /news HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("taken");
    let mut idle = TcpStream::connect(address).await.expect("it listens");
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("taken");
    idle.read_exact(&mut [0; 12]).await.expect("answered");
    drop(stop);
    timeout(SOON, serving).await.expect("ends soon").expect("no panic");
}
