use axum::body::Bytes;
use axum::routing::{get, post};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{sleep, timeout};

use super::*;

/// Serves `routes` within `bounds` on the connection that is returned, whose buffers are small.
fn connect(routes: Router, bounds: Bounds) -> (DuplexStream, tokio::task::JoinHandle<()>) {
    let (caller, server) = duplex(4 * 1024);
    let serving = tokio::spawn(async move {
        let (_going_on, stopping) = watch::channel(false);
        Http1::new(bounds).serve(server, routes, stopping).await;
    });
    (caller, serving)
}

/// All that comes back until the connection ends.
async fn rest(caller: &mut DuplexStream) -> String {
    let mut answer = Vec::new();
    timeout(Duration::from_secs(120), caller.read_to_end(&mut answer)).await.expect("in time").expect("open");
    String::from_utf8(answer).expect("text")
}

/// Sends `request` and closes the sending side; returns all that comes back until the connection ends.
async fn answer_to_half_closed(request: &str, handler: Duration) -> String {
    let slow = async move || {
        sleep(handler).await;
        "here"
    };
    let (mut caller, serving) = connect(Router::new().route("/", get(slow)), Bounds::default());
    caller.write_all(request.as_bytes()).await.expect("taken");
    caller.shutdown().await.expect("open");
    let answer = rest(&mut caller).await;
    serving.await.expect("no panic");
    answer
}

#[tokio::test(start_paused = true)]
async fn p5_a_caller_that_closes_its_side_is_answered() {
    for handler in [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(20)] {
        for request in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
            let answer = answer_to_half_closed(request, handler).await;
            assert!(answer.starts_with("HTTP/1.") && answer.contains(" 200 OK") && answer.ends_with("here"), "{handler:?}: {answer}");
        }
        let two = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2);
        assert_eq!(answer_to_half_closed(&two, handler).await.matches("here").count(), 2, "{handler:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p5_half_a_head_is_not_waited_for() {
    assert!(!answer_to_half_closed("GET / HTTP/1.1\r\nhost", Duration::ZERO).await.contains("200"));
    assert_eq!(answer_to_half_closed("", Duration::ZERO).await, "");
}

#[tokio::test(start_paused = true)]
async fn p1_a_head_that_comes_slowly_and_a_caller_that_is_idle_are_cut_off() {
    for (begun, slowly) in
        [("", ""), ("GET / HTTP/1.1\r\nx: ", "a"), ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", ""), ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "G")]
    {
        let (caller, serving) = connect(Router::new().route("/", get(async || "here")), Bounds::default());
        let (mut from, mut to) = tokio::io::split(caller);
        to.write_all(begun.as_bytes()).await.expect("taken");
        let dripping = tokio::spawn(async move {
            while to.write_all(slowly.as_bytes()).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let begin = Instant::now();
        timeout(Duration::from_secs(20), serving).await.expect("cut off").expect("no panic");
        assert!(begin.elapsed() >= Bounds::default().head, "{begun:?} {slowly:?}");
        let mut answer = String::new();
        let _ = from.read_to_string(&mut answer).await;
        assert_eq!(answer.contains("here"), begun.ends_with("\r\n\r\n"), "{answer}");
        dripping.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn p1_a_body_that_does_not_come_is_answered_408() {
    let routes = || Router::new().route("/", post(async |body: Bytes| format!("{} bytes", body.len())));
    for (head, slowly) in [
        ("content-length: 1000", ""),
        ("content-length: 1000", "a"),
        ("transfer-encoding: chunked", ""),
        ("transfer-encoding: chunked", "1\r\na\r\n"),
    ] {
        let (caller, serving) = connect(routes(), Bounds::default());
        let (mut from, mut to) = tokio::io::split(caller);
        to.write_all(format!("POST / HTTP/1.1\r\nhost: a\r\n{head}\r\n\r\n").as_bytes()).await.expect("taken");
        let dripping = tokio::spawn(async move {
            while to.write_all(slowly.as_bytes()).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        timeout(Duration::from_secs(40), serving).await.expect("an end").expect("no panic");
        let mut answer = String::new();
        from.read_to_string(&mut answer).await.expect("text");
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("was not there within 15s\n"), "{head} {slowly:?}: {answer}");
        dripping.abort();
    }
    // What comes in time is taken, however many pieces it has.
    let (mut caller, serving) = connect(routes(), Bounds::default());
    caller.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await.expect("taken");
    for _ in 0..10 {
        caller.write_all(b"1\r\na\r\n").await.expect("taken");
        sleep(Duration::from_secs(1)).await;
    }
    caller.write_all(b"0\r\n\r\n").await.expect("taken");
    caller.shutdown().await.expect("open");
    assert!(rest(&mut caller).await.ends_with("10 bytes"));
    serving.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn p1_an_answer_that_is_not_taken_ends_the_connection() {
    let large = || Bytes::from(vec![b'a'; 1 << 20]);
    let (mut caller, serving) = connect(Router::new().route("/", get(async move || large())), Bounds::default());
    caller.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("taken");
    timeout(Duration::from_secs(25), serving).await.expect("cut off").expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn p1_events_go_on_for_as_long_as_they_are_taken() {
    let events = || {
        let events = stream::unfold(0, async |n| {
            sleep(Duration::from_secs(60)).await;
            (n < 10).then(|| (Ok::<_, Infallible>(Bytes::from(format!("event {n}\n"))), n + 1))
        });
        Body::from_stream(events)
    };
    let (mut caller, serving) = connect(Router::new().route("/", get(async move || events())), Bounds::default());
    caller.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("taken");
    let mut answer = String::new();
    caller.read_to_string(&mut answer).await.expect("text");
    assert!(answer.contains("event 0\n") && answer.contains("event 9\n"), "{answer}");
    serving.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn p1_answers_that_wait_to_be_taken_are_bounded_over_all_connections() {
    let bounds = Bounds { answers: 100 * 1024, ..Bounds::default() };
    let http1 = Http1::new(bounds);
    let routes = Router::new().route("/", get(async || vec![b'a'; 60 * 1024])).route("/small", get(async || "small"));
    let (_going_on, stopping) = watch::channel(false);
    let ask = |path: &'static str| {
        let (mut caller, server) = duplex(4 * 1024);
        let (http1, routes, stopping) = (http1.clone(), routes.clone(), stopping.clone());
        tokio::spawn(async move { http1.serve(server, routes, stopping).await });
        async move {
            caller.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.expect("taken");
            let mut first = [0; 12];
            caller.read_exact(&mut first).await.expect("an answer");
            (caller, String::from_utf8(first.to_vec()).expect("text"))
        }
    };
    let (mut first, said) = ask("/").await;
    assert_eq!(said, "HTTP/1.0 200");
    assert_eq!(ask("/").await.1, "HTTP/1.0 503");
    assert_eq!(ask("/small").await.1, "HTTP/1.0 200");
    // Its bytes count until the last is taken, though the handler is long done.
    let first = rest(&mut first).await;
    assert_eq!(first.split_once("\r\n\r\n").map(|(_, body)| body.len()), Some(60 * 1024));
    assert_eq!(ask("/").await.1, "HTTP/1.0 200");
}
