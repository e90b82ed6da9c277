use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use user_info_testing::endless;

use super::*;

/// An agent that answers so many requests on a connection and closes it with the next one unanswered; counts connections.
async fn closing_after(answers: usize) -> (AgentClient, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let consul = Consul { addresses: vec![listener.local_addr().expect("bound").to_string()], ..Consul::default() };
    let connections = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Relaxed);
            let mut request = [0; 4096];
            for _ in 0..answers {
                if matches!(stream.read(&mut request).await, Ok(0) | Err(_)) {
                    break;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\"a:1\"").await.expect("the caller reads");
            }
            let _ = stream.read(&mut request).await;
        }
    });
    (AgentClient::all(&consul, "registry.consul").expect("valid").remove(0), connections)
}

#[tokio::test]
async fn a_kept_connection_that_closes_under_a_call_costs_nothing() {
    let (agent, connections) = closing_after(1).await;
    for _ in 0..3 {
        assert_eq!(agent.leader().await.expect("answered on the next connection"), "a:1");
    }
    assert_eq!(connections.load(Relaxed), 3);
}

#[tokio::test]
async fn an_agent_that_never_answers_is_asked_twice_and_no_more() {
    let (agent, connections) = closing_after(0).await;
    let error = agent.leader().await.expect_err("never answered");
    assert!(error.is_agent_failure(), "{error}");
    assert_eq!(connections.load(Relaxed), 2);
}

#[tokio::test]
async fn p1_an_answer_without_end_is_given_up() {
    let asked = endless::ALL.map(|answer| async move {
        let consul =
            Consul { addresses: vec![answer.serve().to_string()], interval: Duration::from_millis(100).into(), ..Consul::default() };
        let agent = AgentClient::all(&consul, "registry.consul").expect("valid").remove(0);
        let begun = std::time::Instant::now();
        let error = agent.leader().await.expect_err("no end");
        println!("{answer:?}: {error}");
        assert!(error.is_agent_failure(), "{answer:?}: {error}");
        assert!(begun.elapsed() < Duration::from_millis(2500), "{answer:?}: {:?}", begun.elapsed());
    });
    futures_util::future::join_all(asked).await;
}
