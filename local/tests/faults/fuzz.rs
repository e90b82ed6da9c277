//! Connections that do what no caller should: they cost bounded memory, are cut off, and others are served meanwhile.

mod frames;
mod log;
pub(crate) mod peer;
mod unfinished;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use user_info_testing::config::IN_MEMORY;
use user_info_testing::http::get;
use user_info_testing::metrics::Metrics;
use user_info_testing::process::{descriptors, memory};
use user_info_testing::wait::{PATIENCE, check, eventually};

use crate::instance::Instance;
use crate::setting::number;

/// Most memory that an attack may cost for as long as it lasts, in a debug build.
const MEMORY: u64 = 64 << 20;
/// Made-up operations; `USER_INFO_TEST_OPERATIONS` says otherwise.
const OPERATIONS: u64 = 20_000;
const GET_USER_INFO: &str = "/api.user_info.UserInfo/GetUserInfo";

async fn start(server: &str) -> Instance {
    Instance::start(&format!("drainDelay: 0s, {server}"), IN_MEMORY).await
}

/// Connections to `address` that send `bytes` and then nothing.
async fn connections(address: std::net::SocketAddr, number: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..number {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(bytes).await.expect("room");
        open.push(stream);
    }
    open
}

/// Reads to the end of the connection; what came, or none if it does not end in time.
async fn rest(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    // A connection that is reset has ended, too.
    timeout(PATIENCE, stream.read_to_end(&mut buffer)).await.ok().map(|_| buffer)
}

async fn serves(instance: &Instance) {
    assert_eq!(get(instance.http, "/user_info/1").await.0, 200);
}

#[tokio::test]
async fn peers_that_say_nothing_or_never_finish_are_cut_off() {
    let instance = start("idleTimeout: 15s").await;
    serves(&instance).await;
    let (before, open) = (memory(instance.pid()), descriptors(instance.pid()));
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let begun = Instant::now();
    let mut quiet = Vec::new();
    for (port, said) in [
        (instance.grpc, &b""[..]),
        (instance.grpc, &preface[..10]),
        (instance.http, b""),
        (instance.http, b"GET /user_info/1 HTTP/1.1\r\nHost: a\r\nX-Endless: "),
        // Idle after a call.
        (instance.http, b"GET /user_info/1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        quiet.extend(connections(port, 100, said).await);
    }
    serves(&instance).await;
    let grown = memory(instance.pid()).saturating_sub(before);
    for stream in &mut quiet {
        assert!(rest(stream).await.is_some(), "still open after {:?}", begun.elapsed());
    }
    println!("{} quiet connections cost {grown} bytes and are cut off after {:.1} s", quiet.len(), begun.elapsed().as_secs_f64());
    assert!(grown < MEMORY, "{grown} bytes");
    eventually("their descriptors are free", async || {
        let now = descriptors(instance.pid());
        check(now <= open + 2, now)
    })
    .await;
}

#[tokio::test]
async fn heads_and_messages_that_are_too_large_are_refused() {
    let instance = start("").await;
    // HTTP/1: a head without end, and one header that is too large.
    let mut stream = TcpStream::connect(instance.http).await.expect("it listens");
    stream.write_all(b"GET /user_info/1 HTTP/1.1\r\nHost: a\r\n").await.expect("room");
    let mut sent = 0;
    while stream.write_all(b"X-More: 0123456789012345678901234567890123456789\r\n").await.is_ok() && sent < 10 << 20 {
        sent += 50;
    }
    let answer = String::from_utf8(rest(&mut stream).await.expect("it ends")).expect("text");
    assert!(sent < 10 << 20 || answer.starts_with("HTTP/1.1 431"), "{sent} bytes taken: {answer}");

    // HTTP/2: the same, and a message of 64 MiB.
    let (before, mut client) = (memory(instance.pid()), grpc(&instance).await);
    let large = http::Request::post(GET_USER_INFO).header("x-large", "x".repeat(64 << 10)).body(Full::default()).expect("a request");
    let refused = client.send_request(large).await.map(|answer| answer.status());
    assert!(refused.as_ref().map_or(true, |status| *status == 431), "{refused:?}");

    let mut client = grpc(&instance).await;
    let mut message = vec![0];
    message.extend(u32::to_be_bytes(64 << 20));
    message.resize(5 + (64 << 20), 0);
    let call = http::Request::post(GET_USER_INFO).header("content-type", "application/grpc").body(Full::from(message)).expect("a request");
    match client.send_request(call).await {
        Ok(answer) => assert_eq!(answer.headers().get("grpc-status").map(http::HeaderValue::as_bytes), Some(&b"11"[..]), "{answer:?}"),
        Err(error) => println!("the stream is reset: {error}"),
    }
    let grown = memory(instance.pid()).saturating_sub(before);
    println!("a head of {sent} bytes and a message of 64 MiB cost {grown} bytes");
    assert!(grown < MEMORY, "{grown} bytes");
    serves(&instance).await;
}

async fn grpc(instance: &Instance) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(instance.grpc).await.expect("it listens");
    let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    client
}

/// A call of `GetUserInfo` with an empty message.
fn call() -> http::Request<Full<Bytes>> {
    let request = http::Request::post(GET_USER_INFO).header("content-type", "application/grpc");
    request.body(Full::from(Bytes::from_static(&[0; 5]))).expect("a request")
}

#[tokio::test]
async fn a_flood_of_calls_begun_and_reset_ends_the_connection_that_makes_it() {
    const RESETS: usize = 20_000;
    let instance = start("").await;
    let before = memory(instance.pid());
    let stream = TcpStream::connect(instance.grpc).await.expect("it listens");
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let ended = tokio::spawn(connection);
    let (begun, mut made) = (Instant::now(), 0);
    let mut ready = client.ready().await;
    while let Ok(mut client) = ready {
        let request = http::Request::post(format!("http://a{GET_USER_INFO}")).body(()).expect("a request");
        match client.send_request(request, false) {
            Ok((_, mut stream)) => stream.send_reset(h2::Reason::CANCEL),
            Err(_) => break,
        }
        made += 1;
        if made == RESETS {
            break;
        }
        tokio::task::yield_now().await;
        ready = client.ready().await;
    }
    let grown = memory(instance.pid()).saturating_sub(before);
    println!("{made} calls begun and reset in {:.1} s cost {grown} bytes", begun.elapsed().as_secs_f64());
    assert!(grown < MEMORY, "{grown} bytes");
    serves(&instance).await;
    if made < RESETS {
        let error = ended.await.expect("no panic").expect_err("it is told why");
        // Who goes on writing may meet the closed connection before it has read why.
        assert!(error.is_io() || error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM), "{error}");
    }
    let mut others = grpc(&instance).await;
    assert_eq!(others.send_request(call()).await.expect("served").status(), 200);
    eventually("nothing is left in flight", async || {
        let left = Metrics::of(instance.http).await.sum("bbs_user_info_server_requests_in_flight", &["kind=\"grpc\""]);
        check(left == 0.0, left)
    })
    .await;
}

#[tokio::test]
async fn callers_that_ask_and_do_not_read_hold_no_more_than_their_buffers() {
    const SLOW: usize = 50;
    let instance = start("").await;
    serves(&instance).await;
    let (before, open) = (memory(instance.pid()), descriptors(instance.pid()));
    let mut slow = connections(instance.http, SLOW, b"").await;
    let request = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    let mut sent = 0;
    for stream in &mut slow {
        // Until nothing more is taken.
        while timeout(Duration::from_millis(100), stream.write_all(&request)).await.is_ok_and(|done| done.is_ok()) {
            sent += 100;
        }
    }
    let grown = memory(instance.pid()).saturating_sub(before);
    println!("{SLOW} callers asked {sent} times without reading: {grown} bytes");
    assert!(grown < MEMORY, "{grown} bytes");
    serves(&instance).await;
    let begun = Instant::now();
    eventually("they are cut off", async || {
        let now = descriptors(instance.pid());
        check(now <= open + 2, now)
    })
    .await;
    println!("they are cut off {:.1} s later", begun.elapsed().as_secs_f64());
    drop(slow);
}

#[tokio::test]
async fn made_up_operations_add_no_series_and_no_memory() {
    let operations = number("USER_INFO_TEST_OPERATIONS").unwrap_or(OPERATIONS);
    let instance = start("").await;
    serves(&instance).await;
    let mut client = grpc(&instance).await;
    let served = async |client: &mut http2::SendRequest<Full<Bytes>>, n: u64| {
        client.ready().await.expect("the connection stands");
        let path = if n.is_multiple_of(2) { format!("/made.up.Service{n}/Call{n}") } else { format!("/api.user_info.UserInfo/Call{n}") };
        let request = http::Request::post(path).header("content-type", "application/grpc").body(Full::default()).expect("a request");
        let answer = client.send_request(request).await.expect("an answer");
        assert_eq!(answer.headers().get("grpc-status").map(http::HeaderValue::as_bytes), Some(&b"12"[..]), "{answer:?}");
        answer.into_body().collect().await.expect("whole");
    };
    for n in 0..1000 {
        served(&mut client, n).await;
    }
    let series = async || get(instance.http, "/metrics").await.1.lines().count();
    let (before, lines) = (memory(instance.pid()), series().await);
    for n in 1000..operations {
        served(&mut client, n).await;
    }
    for n in 0..500 {
        assert_eq!(get(instance.http, &format!("/made/up/{n}")).await.0, 404);
    }
    let grown = memory(instance.pid()).saturating_sub(before);
    println!("{operations} operations that do not exist: {} series more, {grown} bytes", series().await - lines);
    assert_eq!(series().await, lines);
    assert!(grown < 8 << 20, "{grown} bytes");
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_at_once_and_the_other_listener_is_open() {
    let instance = start("maxConnections: 50").await;
    let mut open = connections(instance.grpc, 200, b"").await;
    let refused = async || Metrics::of(instance.http).await.sum("bbs_user_info_connections_refused_total", &[]);
    eventually("the rest is refused", async || {
        let refused = refused().await;
        check(refused == 150.0, refused)
    })
    .await;
    for stream in &mut open[50..] {
        assert_eq!(rest(stream).await.as_deref(), Some(&b""[..]));
    }
    serves(&instance).await;
    drop(open);
    let mut client = grpc(&instance).await;
    eventually("there is room again", async || {
        if client.ready().await.is_err() {
            client = grpc(&instance).await;
        }
        client.send_request(call()).await.map(drop)
    })
    .await;
}
