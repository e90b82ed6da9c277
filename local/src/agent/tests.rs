use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use user_info_testing::wait::eventually;

use super::*;

const SOON: Duration = Duration::from_secs(2);

/// An agent that runs until the sender is dropped.
async fn start() -> (Agent, SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel();
    let agent = Agent::default();
    tokio::spawn(agent.clone().run(listener, async { drop(stopped.await) }));
    (agent, address, stop)
}

/// A connection on which this was sent.
async fn ask(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(format!("{request}\r\nhost: a\r\n").as_bytes()).await.expect("taken");
    stream
}

/// A blocking query that waits for five minutes.
async fn watch(agent: &Agent, address: SocketAddr) -> TcpStream {
    let mut stream = ask(address, &format!("GET /v1/health/service/a?index={} HTTP/1.1", agent.with(|c| c.index()))).await;
    stream.write_all(b"\r\n").await.expect("taken");
    stream
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer)).await.expect("soon").expect("text");
    answer
}

async fn waiting(agent: &Agent, count: usize) {
    eventually(&format!("{count} wait"), async || agent.0.waiting.available_permits() == MAX_WAITING - count).await;
}

#[tokio::test]
async fn p5_who_watches_and_closes_the_sending_side_is_answered_and_who_is_gone_gives_back_the_place() {
    let (agent, address, _stop) = start().await;
    let mut half_closed = watch(&agent, address).await;
    waiting(&agent, 1).await;
    half_closed.shutdown().await.expect("open");
    assert!(rest(&mut half_closed).await.ends_with("[]"));
    let gone = watch(&agent, address).await;
    waiting(&agent, 1).await;
    drop(gone);
    timeout(SOON, waiting(&agent, 0)).await.expect("noticed soon");
}

#[tokio::test]
async fn p1_those_who_watch_leave_room_for_heartbeats() {
    let (agent, address, _stop) = start().await;
    let mut watching = Vec::new();
    for _ in 0..MAX_WAITING {
        watching.push(watch(&agent, address).await);
    }
    waiting(&agent, MAX_WAITING).await;
    let mut one_more = watch(&agent, address).await;
    one_more.shutdown().await.expect("open");
    assert!(rest(&mut one_more).await.starts_with("HTTP/1.1 429 "));
    let body = r#"{"Name": "a"}"#;
    let mut registering = ask(address, "PUT /v1/agent/service/register HTTP/1.1").await;
    registering.write_all(format!("content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.expect("taken");
    registering.shutdown().await.expect("open");
    assert!(rest(&mut registering).await.starts_with("HTTP/1.1 200 "));
    waiting(&agent, 0).await;
}

#[tokio::test]
async fn p1_a_registration_that_is_too_large_is_refused() {
    let (_agent, address, _stop) = start().await;
    let mut large = ask(address, "PUT /v1/agent/service/register HTTP/1.1").await;
    large.write_all(b"content-length: 1000000000\r\n\r\n").await.expect("taken");
    large.write_all(&[b'a'; (64 << 10) + 1]).await.expect("taken");
    let mut first = [0; 13];
    timeout(SOON, large.read_exact(&mut first)).await.expect("soon").expect("answered");
    assert_eq!(&first, b"HTTP/1.1 413 ");
}
