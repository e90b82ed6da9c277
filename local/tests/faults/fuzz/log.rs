//! Peers that make a dependency write into the log.

use std::fs::File;
use std::process::Command;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use user_info_testing::config::IN_MEMORY;
use user_info_testing::http::get;
use user_info_testing::metrics::Metrics;
use user_info_testing::wait::{check, eventually};

use super::frames::{PREFACE, SETTINGS, frame};
use super::serves;
use crate::instance::Instance;

/// Acknowledgements of pings that nobody sent; fewer where each of them is traced.
const ACKS: usize = 500_000;
const TRACED: usize = 20_000;
const CALLS: usize = 300;
const PING: u8 = 6;
const ACK: u8 = 1;

#[tokio::test]
async fn a_peer_that_floods_the_log_leaves_room_for_our_own_lines() {
    flood("info", ACKS).await;
}

#[tokio::test]
async fn a_log_at_trace_shows_dependencies_and_loses_no_line_of_our_own() {
    let lines = flood("trace", TRACED).await;
    let traced = lines.lines().filter(|line| line.contains("TRACE")).count();
    assert!((100..=20_000).contains(&traced), "{traced}");
}

/// Floods an instance that logs at `level` amid calls; what it has logged.
async fn flood(level: &str, acks: usize) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("log");
    let more = format!("{IN_MEMORY}live: {{log: {{level: {level}, accessLinesPerSecond: 100000}}}}\n");
    let instance = Instance::start_as("drainDelay: 0s", &more, |program, config| {
        let mut command = Command::new(program);
        command.arg("--config").arg(config).stderr(File::create(&log).expect("a file"));
        command
    })
    .await;
    serves(&instance).await;
    let flood = async {
        let mut stream = TcpStream::connect(instance.grpc).await.expect("it listens");
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.expect("room");
        let thousand = frame(PING, ACK, 0, b"nobody's").repeat(1000);
        for _ in 0..acks / 1000 {
            stream.write_all(&thousand).await.expect("it reads on");
        }
        stream
    };
    let calls = async {
        for _ in 0..CALLS {
            assert_eq!(get(instance.http, "/user_info/1").await.0, 200);
        }
    };
    let (stream, ()) = tokio::join!(flood, calls);
    let counted = async |name: &str| Metrics::of(instance.http).await.sum(&format!("bbs_user_info_log_lines_{name}_total"), &[]);
    let lines = || std::fs::read_to_string(&log).expect("it is there");
    let of = |lines: &str, text: &str| lines.lines().filter(|line| line.contains(text)).count();
    eventually("it is told how many lines are left out", async || {
        let lines = lines();
        let seen = (counted("left_out").await, of(&lines, "left out, since there were too many"));
        check(seen.0 > acks as f64 * 0.99 && seen.1 > 0, seen)
    })
    .await;
    let lines = lines();
    let (nonsense, calls) = (of(&lines, "PING ack that we never sent"), of(&lines, "/api.user_info.UserInfo/GetUserInfo"));
    println!("{acks} acknowledgements: {nonsense} lines of h2, {calls} of our own, {} bytes", lines.len());
    assert!((1..=200).contains(&nonsense), "{nonsense}");
    assert!(calls > CALLS, "{calls}");
    assert_eq!(counted("dropped").await, 0.0);
    drop(stream);
    serves(&instance).await;
    lines
}
