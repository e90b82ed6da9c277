//! The load against the bare handler: what it counts is what was answered, and what goes wrong is said.

use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use clap::Parser;
use user_info_bench::load::Load;

/// The bare handler, until dropped.
struct Bare {
    program: Child,
    address: String,
}

impl Bare {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let address = free.to_string();
        let program = Command::new(env!("CARGO_BIN_EXE_bare")).arg(&address).spawn().expect("the bare handler starts");
        let begun = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the bare handler does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { program, address }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

async fn load(arguments: &[&str]) -> Result<Vec<u32>, String> {
    Load::parse_from([&["load"], arguments].concat()).run().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn no_more_calls_are_made_than_were_asked_for() {
    let bare = Bare::start();
    let rate = ["grpc", &bare.address, "--connections", "3", "--rate", "1000", "--seconds", "0.2", "--users", "4096", "--header", "x-a:b"];
    let calls = load(&rate).await.unwrap().len();
    // One bunch a millisecond, the first at once.
    assert!((1..=201).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn without_a_rate_every_connection_is_kept_full() {
    let bare = Bare::start();
    let calls = load(&["grpc", &bare.address, "--connections", "2", "--streams", "4", "--seconds", "0.2", "--users", "10"]).await.unwrap();
    // More than the first of each stream.
    assert!(calls.len() > 8, "{} calls", calls.len());
}

#[tokio::test]
async fn what_is_no_reply_ends_the_load() {
    let bare = Bare::start();
    // Its answer to HTTP/1.1 is a frame of HTTP/2.
    let error = load(&["http", &bare.address, "--seconds", "5"]).await.unwrap_err();
    assert!(error.contains("end of file") || error.contains("utf-8") || error.contains("reset"), "{error}");
    let nobody = load(&["grpc", "127.0.0.1:1", "--seconds", "5"]).await.unwrap_err();
    assert!(nobody.contains("refused"), "{nobody}");
}
