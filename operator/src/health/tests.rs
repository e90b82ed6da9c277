use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn p5_probes_that_close_their_side_are_answered_and_idle_callers_do_not_hold_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (_phase, shown) = watch::channel(Phase::Leading);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, shown, Registry::new(), async { drop(stopped.await) }));
    for (path, said) in [("/healthz", "ok"), ("/readyz", "leading")] {
        let mut probe = TcpStream::connect(address).await.expect("it listens");
        probe.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.expect("taken");
        probe.shutdown().await.expect("open");
        let mut answer = String::new();
        probe.read_to_string(&mut answer).await.expect("text");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(said), "{answer}");
    }
    let mut idle = TcpStream::connect(address).await.expect("it listens");
    idle.write_all(b"GET /healthz HT").await.expect("taken");
    drop(stop);
    timeout(Duration::from_secs(2), serving).await.expect("ends").expect("no panic");
}
