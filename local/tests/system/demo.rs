//! What a person sees first.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;
use user_info_testing::http::get;
use user_info_testing::program::built;
use user_info_testing::system::{Row, System};
use user_info_testing::wait::PATIENCE;

/// The reply for user 1 in protojson form, as the Go demo gives it.
pub(crate) fn reply(grpc: &str) -> String {
    let user = r#"{"userID":"1","name":"hutao","ip":"","email":"hutao@wangshengtang.com","visits":"10086"}"#;
    format!(r#"{{"user":{user},"ipAddr":"{grpc}"}}"#)
}

#[tokio::test]
async fn three_instances_serve_within_seconds_and_curl_gets_the_user() {
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/samples/quickstart.yaml");
    let text = std::fs::read_to_string(quickstart).expect("the sample");
    let begun = Instant::now();
    let mut system = System::launch(tempfile::tempdir().expect("a folder"), &text, &[]);
    system.ready().await;
    let took = begun.elapsed();
    println!("three instances serve after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}; without other tests beside it, it takes less than one second");

    let instances = system.instances();
    assert_eq!(instances.len(), 3);
    system.until_called(100.0).await;
    for Row { grpc, http, .. } in &instances {
        // The client calls all the while, and the limiter is on.
        assert_eq!(get(*http, "/user_info/1").await, (200, reply(&grpc.expect("an instance").to_string())));
    }
    for name in ["registry", "user_client", "page"] {
        assert_eq!(system.row(name).state, "ready");
    }
}

#[tokio::test]
async fn the_reference_lists_every_metric_that_the_programs_show() {
    let reference = include_str!("../../../docs/reference/metrics.md");
    let system = System::start("  replicas: 1").await;
    system.until_called(10.0).await;
    for address in [system.instances()[0].http, system.row("user_client").http] {
        let (_, text) = get(address, "/metrics").await;
        let shown: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        assert!(shown.len() > 15, "{text}");
        for (name, kind) in shown {
            assert!(reference.contains(&format!("| `{name}` | {kind} |")), "{name}, a {kind}, is not in the reference");
        }
    }
}

#[tokio::test]
async fn equal_instances_are_called_in_turn_and_weighted_ones_in_the_smooth_sequence() {
    let equal = System::start("  replicas: 3\n  client: {enabled: false}").await;
    let sequence = sequence(&equal, 60);
    assert_eq!(by_first_call(&sequence[..3]), "ABC", "each has its turn");
    assert_eq!(sequence[3..], sequence[..57], "and always the same one: {}", by_first_call(&sequence));
    drop(equal);

    let weighted = System::start("  replicas: 3\n  server: {weights: [3, 2, 1]}\n  client: {enabled: false}").await;
    let sequence = self::sequence(&weighted, 60);
    let letter: BTreeMap<_, _> = weighted.instances().iter().map(|i| i.grpc.expect("an instance").to_string()).zip('A'..).collect();
    let letters: String = sequence.iter().map(|instance| letter[instance]).collect();
    // Nginx' sequence for 3, 2, 1 from wherever it is entered; which of A and C comes first where they tie is not defined.
    let smooth = ["ABACBA", "ABCABA"].iter().any(|period| period.repeat(12).contains(&letters));
    assert!(smooth, "{letters}");
}

/// The instances that answered `n` calls of a `user_client` that makes one at a time, in their order, once it knows all of them.
fn sequence(system: &System, n: usize) -> Vec<String> {
    let config = system.dir.path().join("caller.yaml");
    let registry = system.row("registry").http;
    let text = format!(
        "discovery: {{consul: {{addresses: ['{registry}']}}}}\nadmin: {{listen: '127.0.0.1:0'}}\n\
         live: {{concurrency: 1, requestsPerSecond: 500}}\n"
    );
    std::fs::write(&config, text).expect("written");
    let mut client = Command::new(built("user_client"))
        .args(["--verbose", "--output", "json", "--stop-with-stdin", "--config"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(client.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let instances = lines.map(|line| {
        let call: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        call["reply"]["ipAddr"].as_str().unwrap_or_else(|| panic!("a failed call: {line}")).to_owned()
    });
    let deadline = std::time::Instant::now() + PATIENCE;
    let sequence = instances.inspect(|_| assert!(std::time::Instant::now() < deadline, "calls come in time")).take(n).collect();
    client.kill().and_then(|()| client.wait()).expect("ours");
    sequence
}

/// The instances as letters, in the order in which they first come.
fn by_first_call(sequence: &[String]) -> String {
    let mut known: Vec<&String> = Vec::new();
    let letter = |instance| {
        let at = known.iter().position(|k| *k == instance).unwrap_or_else(|| {
            known.push(instance);
            known.len() - 1
        });
        char::from(b'A' + u8::try_from(at).expect("few instances"))
    };
    sequence.iter().map(letter).collect()
}
