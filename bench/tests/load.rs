//! The load against the bare handler: what it counts is what was answered, and what goes wrong is said.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use user_info_bench::load::{Latencies, Load};
use user_info_testing::port::{free_address, until_open};
use user_info_testing::process::Process;

/// The bare handler, until dropped.
struct Bare {
    _program: Process,
    address: String,
}

impl Bare {
    async fn start() -> Self {
        let address = free_address();
        let program = Process::start(Command::new(env!("CARGO_BIN_EXE_user-info-bench")).args(["bare", &address.to_string()]));
        until_open(address).await;
        Self { _program: program, address: address.to_string() }
    }
}

async fn load(arguments: &[&str]) -> Result<Latencies, String> {
    Load::parse_from([&["load"], arguments].concat()).run().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn as_many_calls_are_made_as_were_asked_for() {
    let bare = Bare::start().await;
    let rate = ["grpc", &bare.address, "--connections", "3", "--rate", "1000", "--seconds", "1", "--users", "4096", "--header", "x-a:b"];
    let calls = load(&rate).await.unwrap().calls();
    // A bunch each 1.25 ms; a halted machine may lose some.
    assert!((500..=1001).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn without_a_rate_calls_follow_replies() {
    let bare = Bare::start().await;
    let calls =
        load(&["grpc", &bare.address, "--connections", "2", "--streams", "4", "--seconds", "1", "--users", "10"]).await.unwrap().calls();
    // Far more than the first of each stream.
    assert!(calls > 80, "{calls} calls");
}

/// A server that answers the first call of each connection with `reply` and closes it.
fn server(reply: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Once one of them has failed, the load closes all connections.
            let _ = stream.and_then(|mut stream| stream.read(&mut [0; 1024]).and_then(|_| stream.write_all(reply.as_bytes())));
        }
    });
    address
}

#[tokio::test]
async fn latencies_count_from_when_a_call_was_due() {
    // It answers nothing for a second, so that calls beyond the first have no room.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let held = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let reply = "HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{\"user\":{\"userID\":\"1\"}}";
        let mut call = [0; 1024];
        assert!(stream.read(&mut call).unwrap() > 0);
        std::thread::sleep(Duration::from_millis(300));
        // The load closes the connection in the end.
        while stream.write_all(reply.as_bytes()).is_ok() && stream.read(&mut call).is_ok_and(|read| read > 0) {}
    });
    let latencies = load(&["http", &address, "--connections", "1", "--rate", "100", "--seconds", "1"]).await.unwrap();
    held.join().unwrap();
    let waited = latencies.iter().filter(|&latency| latency > 100_000).count();
    assert!(waited >= 20, "about 30 calls were due while the first was not answered, 20 of them 100 ms before it was: {latencies:?}");
}

#[tokio::test]
async fn what_is_no_reply_ends_the_load() {
    let http = async |address: String| load(&["http", &address, "--seconds", "5"]).await.unwrap_err();
    let other = http(server("HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{\"user\":{\"userID\":\"2\"}}")).await;
    assert!(other.contains("user 2, who was not asked for"), "{other}");
    let refused = http(server("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 23\r\n\r\n{\"user\":{\"userID\":\"1\"}}")).await;
    assert!(refused.contains("503 Service Unavailable"), "{refused}");
    let closed = http(server("")).await;
    assert!(closed.contains("end of file") || closed.contains("reset"), "{closed}");
    let nobody = http("127.0.0.1:1".to_owned()).await;
    assert!(nobody.contains("refused"), "{nobody}");
}
