//! Every path of the document that the service serves, with every kind of hostile value and method; and what callers leave behind in metrics
//! and logs.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::running::UserInfo;

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
/// Logs all there is to log.
const LOUD: &str = "live: {log: {level: trace, accessLinesPerSecond: 1000000}}";

/// Values in percent, each with `mark` after whatever an error may repeat.
fn awkward(mark: &str) -> Vec<String> {
    let padding = "9".repeat(40);
    let text = [
        "",
        "0",
        "-1",
        "9223372036854775808",
        "1e3",
        "0x10",
        "1;drop table user_info",
        "' or 1=1 --",
        "../../etc/passwd",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "\r\nset-cookie: a=b",
        "\nERROR forged line",
        "\u{1b}[31m",
        "\u{0}",
        "\u{202e}",
        "%",
        "null",
        "true",
        "[]",
        "💥",
    ];
    let encode = |text: &str| text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"));
    let mut all: Vec<_> = text.iter().map(|text| encode(text) + &padding + mark).collect();
    all.extend(text.iter().map(|text| encode(text)).filter(|text| !text.is_empty()));
    all.extend(["%ff%fe".to_owned(), "%c0%ae".to_owned(), "7".repeat(9000)]);
    all
}

/// Status, head and body of the answer to a request as it is written here.
async fn raw(at: SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(at).await.expect("accepted");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer));
    read.await.expect("ends in time").expect("readable");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request:?}: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_owned(), body.to_owned())
}

/// Checks one answer against what the document says of the path.
async fn check(at: SocketAddr, method: &str, path: &str, documented: &Value, mark: &str) {
    let (status, head, body) =
        raw(at, &format!("{method} {path} HTTP/1.1\r\nhost: a\r\nx-mark: {mark}\r\nconnection: close\r\n\r\n")).await;
    let shown = format!("{method} {} answers {status}: {body}", &path[..path.len().min(120)]);
    let known = |method: &str| documented[method.to_lowercase()]["responses"].as_object();
    // HEAD is GET without its body.
    match known(if method == "HEAD" { "GET" } else { method }) {
        Some(responses) => assert!(responses.contains_key(&status.to_string()), "undocumented: {shown}"),
        None => assert_eq!(status, 405, "{shown}"),
    }
    assert_ne!(status, 500, "{shown}");
    assert!(!head.contains("set-cookie") && !head.contains(mark) && !body.contains(mark), "repeats its input: {shown}");
    if status >= 400 && method != "HEAD" {
        let error: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {shown}"));
        let keys: BTreeSet<_> = error.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(["code", "reason", "message", "metadata"]), "{shown}");
        assert!(head.to_lowercase().contains("content-type: application/json") && body.len() < 1024, "{shown}");
    }
}

/// Asks for every path with every method and value.
async fn sweep(service: &UserInfo, document: &Value, mark: &str) -> usize {
    let mut asked = 0;
    for (template, documented) in document["paths"].as_object().expect("paths") {
        let paths: Vec<String> = if template.contains('{') {
            // An empty segment is another path.
            awkward(mark).iter().filter(|value| !value.is_empty()).map(|value| template.replace("{userID}", value)).collect()
        } else {
            awkward(mark).iter().take(12).map(|value| format!("{template}?{value}={value}")).collect()
        };
        assert!(!paths.iter().any(|path| path.contains('{')), "a parameter that is not known here: {template}");
        for path in &paths {
            for method in METHODS {
                check(service.http, method, path, documented, mark).await;
                asked += 1;
            }
        }
    }
    asked
}

/// The names and labels of all series.
async fn series(service: &UserInfo) -> BTreeSet<String> {
    let (_, text) = service.get("/metrics").await;
    let names = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
    names.collect()
}

#[tokio::test]
async fn every_documented_path_answers_as_documented_whatever_it_is_given() {
    let service = UserInfo::start("drainDelay: 0s", LOUD).await;
    let document: Value = serde_json::from_str(&service.get("/openapi.json").await.1).expect("JSON");
    let asked = sweep(&service, &document, "firstmark").await;
    assert!(asked > 500, "{asked}");
    let first = series(&service).await;
    sweep(&service, &document, "secondmark").await;
    let second = series(&service).await;
    let new: Vec<_> = second.difference(&first).collect();
    assert!(new.is_empty(), "callers make series: {new:?}");
    assert!(!second.iter().any(|series| series.contains("mark")), "{second:?}");

    let log = service.log();
    assert!(log.contains("operation=\"/api.user_info.UserInfo/GetUserInfo\" code=404"), "calls are logged: {log}");
    for forbidden in ["firstmark", "secondmark", "forged line", "script>", "\u{1b}", "\u{0}", "\r", "\u{202e}"] {
        assert!(!log.contains(forbidden), "the log repeats {forbidden:?}");
    }
}

#[tokio::test]
async fn admin_endpoints_bound_to_one_address_are_nowhere_else() {
    let service = UserInfo::start_split("drainDelay: 0s", "").await;
    let admin = service.admin.expect("a listener of its own");
    assert_eq!(service.get("/readyz").await.0, 200);
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], admin.port()));
    let refused = TcpStream::connect(elsewhere).await.expect_err("bound to 127.0.0.1 alone");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    for path in ["/metrics", "/config", "/healthz", "/readyz"] {
        let (status, ..) = raw(service.http, &format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(status, 404, "{path} is on the admin listener alone");
    }
}
