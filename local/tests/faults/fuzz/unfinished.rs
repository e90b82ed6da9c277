//! Calls that never complete: their message does not come, or their answer is not taken. They end, and what they hold is bounded.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use user_info_testing::http::get;
use user_info_testing::metrics::Metrics;
use user_info_testing::process::memory;
use user_info_testing::wait::{check, eventually};

use super::frames::{CONTINUATION, HEADERS, PREFACE, SETTINGS, frame};
use super::peer::{Peer, ends, head, status};
use super::{GET_USER_INFO, connections, rest, serves, start};
use crate::instance::{Caller, Instance};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECT: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
/// What a message's frame begins with: eleven bytes are to come, and three are here.
const HALF: &[u8] = &[0, 0, 0, 0, 11, 8, 1, 8];
/// The message that asks for user 1.
const USER_1: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const MB: u64 = 1 << 20;

/// Calls in flight, as the gauge shows them.
async fn in_flight(instance: &Instance) -> f64 {
    Metrics::of(instance.http).await.sum("bbs_user_info_server_requests_in_flight", &["kind=\"grpc\""])
}

async fn nothing_is_left(instance: &Instance) {
    eventually("nothing is left in flight", async || {
        let left = in_flight(instance).await;
        check(left == 0.0, left)
    })
    .await;
}

/// What docs/guarantees.md says that the process may take at most for what callers do, in bytes.
const fn worst_case(connections: u64, calls: u64, buffered: u64) -> u64 {
    connections * (128 << 10) + calls * (12 << 10) + buffered * 3 / 2
}

#[tokio::test]
async fn calls_whose_message_does_not_come_end_at_their_deadline() {
    const CONNECTIONS: usize = 20;
    const CALLS: usize = 1000;
    let instance = start("").await;
    serves(&instance).await;
    let total = (CONNECTIONS * CALLS) as u64;
    for (what, said) in [("a head alone", &b""[..]), ("half a message", HALF)] {
        let before = memory(instance.pid());
        let counted = Metrics::of(instance.http).await.server_codes();
        let (begun, mut peers, mut calls) = (Instant::now(), Vec::new(), Vec::new());
        for _ in 0..CONNECTIONS {
            let mut peer = Peer::connect(instance.grpc, 1 << 16).await;
            calls.extend(peer.begin_all(CALLS, &[("grpc-timeout", "500m")], said).await);
            peers.push(peer);
        }
        let sent = begun.elapsed();
        serves(&instance).await;
        let grown = memory(instance.pid()).saturating_sub(before);
        let ended = ends(calls).await;
        let took = begun.elapsed();
        println!("{total} calls of {what}, sent in {:.1} s, end after {:.1} s; {grown} bytes", sent.as_secs_f64(), took.as_secs_f64());
        assert_eq!(ended, [("4".to_owned(), CONNECTIONS * CALLS)], "{what}");
        assert!(took < sent + Duration::from_secs(5), "{what}: {took:?}");
        assert!(grown < worst_case(CONNECTIONS as u64, total, 0), "{what}: {grown} bytes");
        let counted = Metrics::of(instance.http).await.server_codes().since(&counted);
        assert_eq!(counted.of("504 TIMEOUT"), total as f64, "{counted:?}");
        nothing_is_left(&instance).await;
    }
}

#[tokio::test]
async fn calls_that_are_reset_or_whose_connection_breaks_give_back_all_they_held() {
    let instance = start("timeout: 1m, maxInFlight: 100").await;
    for break_off in [false, true] {
        let mut peer = Peer::connect(instance.grpc, 1 << 16).await;
        let mut calls = peer.begin_all(100, &[], HALF).await;
        eventually("all are in flight", async || {
            let seen = in_flight(&instance).await;
            check(seen == 100.0, seen)
        })
        .await;
        if break_off {
            peer.connection.abort();
        } else {
            calls.iter_mut().for_each(|call| call.message.send_reset(h2::Reason::CANCEL));
        }
        nothing_is_left(&instance).await;
        let mut other = Peer::connect(instance.grpc, 1 << 16).await;
        let again = other.begin_all(100, &[("grpc-timeout", "100m")], b"").await;
        assert_eq!(ends(again).await, [("4".to_owned(), 100)], "there is room for as many as before");
        drop((peer, calls));
    }
    let canceled = Metrics::of(instance.http).await.server_codes().of("499 CANCELED");
    assert_eq!(canceled, 200.0);
}

#[tokio::test]
async fn more_calls_than_allowed_are_refused_and_there_is_room_when_they_end() {
    let instance = start("timeout: 3s, maxInFlight: 100").await;
    serves(&instance).await;
    let mut peer = Peer::connect(instance.grpc, 1 << 16).await;
    let mut other = Peer::connect(instance.grpc, 1 << 16).await;
    let held = peer.begin_all(100, &[], b"").await;
    eventually("all are in flight", async || {
        let seen = in_flight(&instance).await;
        check(seen == 100.0, seen)
    })
    .await;
    let refused = other.begin_all(50, &[], b"").await;
    assert_eq!(ends(refused).await, [("14 OVERLOADED".to_owned(), 50)]);
    let (code, body) = get(instance.http, "/user_info/1").await;
    assert_eq!(code, 503, "{body}");
    assert!(body.contains(r#""reason":"OVERLOADED""#), "{body}");
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(instance.http, path).await.0, 200, "{path}");
    }
    let counted = Metrics::of(instance.http).await.server_codes();
    assert_eq!(counted.of("503 OVERLOADED"), 51.0, "{counted:?}");
    assert_eq!(ends(held).await, [("4".to_owned(), 100)]);
    serves(&instance).await;
    nothing_is_left(&instance).await;
}

#[tokio::test]
async fn health_and_reflection_wait_for_a_question_until_its_deadline_and_are_bounded() {
    let instance = start("timeout: 1s, maxInFlight: 40").await;
    let mut peer = Peer::connect(instance.grpc, 1 << 16).await;
    for path in [CHECK, WATCH, REFLECT] {
        for said in [&b""[..], HALF] {
            let begun = Instant::now();
            let mut call = peer.begin(path, &[("grpc-timeout", "300m")], said).await.expect("the connection stands");
            // Reflection ends its answers, which have begun; it has no words for it.
            let end = status((&mut call.answer).await).await;
            assert!(end == "4" || (path == REFLECT && end == "0"), "{path}: {end}");
            assert!(begun.elapsed() < Duration::from_secs(2), "{path}: {:?}", begun.elapsed());
        }
    }
    // Who has asked to watch may do so for ever; a quarter of the calls may.
    let mut watching = Vec::new();
    for _ in 0..10 {
        let mut call = peer.begin(WATCH, &[], &[0; 5]).await.expect("the connection stands");
        call.message.send_data(bytes::Bytes::new(), true).expect("open");
        watching.push((head(&mut call).await, call));
    }
    let more = vec![peer.begin(WATCH, &[], b"").await.expect("the connection stands")];
    assert_eq!(ends(more).await, [("14 OVERLOADED".to_owned(), 1)]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!peer.connection.is_finished());
    serves(&instance).await;
    drop(watching);
}

#[tokio::test]
async fn callers_that_do_not_take_their_answers_are_cut_off() {
    let instance = start("maxInFlight: 100").await;
    // It takes no byte of an answer, and as long as that is so others find no room.
    let mut peer = Peer::connect(instance.grpc, 0).await;
    let mut calls = peer.begin_all(100, &[], USER_1).await;
    calls.iter_mut().for_each(|call| call.message.send_data(bytes::Bytes::new(), true).expect("open"));
    let mut heads = Vec::new();
    for call in &mut calls {
        heads.push(head(call).await);
    }
    assert_eq!(get(instance.http, "/user_info/1").await.0, 503);
    let begun = Instant::now();
    eventually("it is cut off", async || check(peer.connection.is_finished(), "still there")).await;
    println!("cut off {:.1} s later", begun.elapsed().as_secs_f64());
    drop((heads, calls));
    serves(&instance).await;
}

#[tokio::test]
async fn bodies_of_http_requests_are_not_waited_for() {
    let instance = start("").await;
    let before = memory(instance.pid());
    let head = b"GET /user_info/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
    for mut stream in connections(instance.http, 200, head).await {
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        assert!(rest(&mut stream).await.is_some(), "the connection stays open for its body");
    }
    let mut stream = TcpStream::connect(instance.http).await.expect("it listens");
    stream.write_all(b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await.expect("room");
    while stream.write_all(&[b"10000\r\n", &[b'x'; 0x10000][..], b"\r\n"].concat()).await.is_ok() {}
    assert!(rest(&mut stream).await.is_some());
    let grown = memory(instance.pid()).saturating_sub(before);
    println!("bodies without end cost {grown} bytes");
    assert!(grown < 16 * MB, "{grown} bytes");
}

#[tokio::test]
async fn the_clients_own_listener_waits_for_nobody_either() {
    let instance = start("").await;
    let caller = Caller::start(&[instance.grpc], "concurrency: 1").await;
    let mut open = connections(caller.metrics, 300, b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Endless: ").await;
    for stream in &mut open {
        assert!(rest(stream).await.is_some(), "still open");
    }
    assert_eq!(get(caller.metrics, "/metrics").await.0, 200);
}

/// The worst that callers can do by the limits, as docs/guarantees.md derives it: all connections, all calls, all bytes.
#[tokio::test]
async fn the_worst_case_is_the_one_that_the_limits_allow() {
    const CONNECTIONS: usize = 100;
    const CALLS: usize = 8000;
    const BUFFERED: u64 = 32 * MB;
    let limits = format!("timeout: 1m, maxConnections: {}, maxInFlight: {CALLS}, maxBufferedBytes: {BUFFERED}", 2 * CONNECTIONS);
    let instance = start(&limits).await;
    serves(&instance).await;
    let before = memory(instance.pid());
    // Heads of 8 KiB in headers as small as they get, and as much of a message as is taken.
    let names: Vec<String> = (0..200).map(|n| format!("x{n}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "y")).collect();
    let mut announced = vec![0];
    announced.extend(u32::to_be_bytes(60_000));
    announced.resize(60_000, 0);
    // As much as is taken of a header with 60,000 bytes (RFC 7541, section 5), and a frame that wants a byte.
    let mut header = vec![0, 1, b'x', 0x7f, 0xe1, 0xd3, 0x03];
    header.resize(16_000, b'a');
    let head = frame(HEADERS, 0, 1, &header);
    let mut rest_of_head = frame(CONTINUATION, 0, 1, &[b'a'; 16 << 10]);
    rest_of_head.pop();
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &head, &rest_of_head].concat();
    let unfinished = connections(instance.grpc, CONNECTIONS, &bytes).await;
    let (mut peers, mut calls) = (Vec::new(), Vec::new());
    for number in 0..CONNECTIONS {
        let mut peer = Peer::connect(instance.grpc, 1 << 16).await;
        let large = number.is_multiple_of(2);
        for _ in 0..CALLS / CONNECTIONS {
            let call = if number < 10 && large {
                peer.begin(GET_USER_INFO, &headers, b"").await
            } else if number < 20 && large {
                peer.begin(GET_USER_INFO, &[], &announced).await
            } else {
                peer.begin(GET_USER_INFO, &[], HALF).await
            };
            calls.push(call.expect("the connection stands"));
        }
        peers.push(peer);
    }
    eventually("those that there is room for are in flight", async || {
        let metrics = Metrics::of(instance.http).await;
        let (open, refused) = (in_flight(&instance).await, metrics.server_codes().of("503 OVERLOADED"));
        check(open + refused == CALLS as f64, (open, refused))
    })
    .await;
    let (open, grown) = (in_flight(&instance).await, memory(instance.pid()).saturating_sub(before));
    let worst = worst_case(2 * CONNECTIONS as u64, CALLS as u64, BUFFERED);
    println!("{open} calls on {CONNECTIONS} connections hold {} of at most {} MB", grown / MB, worst / MB);
    assert!(open < CALLS as f64, "some found no room for what they hold");
    assert!(grown < worst, "{grown} bytes of {worst}");
    assert!(grown > worst / 4, "{grown} bytes of {worst}: the bound says nothing");
    drop((calls, peers, unfinished));
    nothing_is_left(&instance).await;
    serves(&instance).await;
}
