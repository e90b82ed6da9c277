//! The HTTP API as any client sees it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use user_info_testing::wait::eventually;

use crate::target::Target;

const REGISTER: &str = "/v1/agent/service/register";

/// The registration of an instance with one TTL check.
fn instance(service: &str, id: &str, ttl: &str) -> Value {
    json!({"ID": id, "Name": service, "Tags": ["version=v1"], "Address": "127.0.0.1", "Port": 9001, "Meta": {"weight": "3"},
        "TaggedAddresses": {"grpc": {"Address": "grpc://127.0.0.1:9001", "Port": 9001}},
        "Checks": [{"CheckID": format!("service:{id}"), "TTL": ttl, "Status": "passing"}]})
}

async fn register(on: &Target, registration: &Value) {
    let answer = on.put(REGISTER, registration).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{registration}");
}

pub(crate) async fn refuses_bad_requests(on: Target) {
    register(&on, &instance("refusals", "refusals-1", "60s")).await;
    let tcp = json!({"ID": "refusals-2", "Name": "refusals", "Checks": [{"TCP": "127.0.0.1:1", "Interval": "60s"}, {"TTL": "60s"}]});
    register(&on, &tcp).await;
    let check = |check: Value| json!({"Name": "refused", "Checks": [check]}).to_string();
    let update = "/v1/agent/check/update/service:refusals-1";
    for (method, path, body, status, text) in [
        ("PUT", REGISTER, "{bad".to_owned(), 400, "Request decode failed: "),
        ("PUT", REGISTER, "{}".to_owned(), 400, "Missing service name"),
        ("PUT", REGISTER, r#"{"Name": "refused", "Port": "x"}"#.to_owned(), 400, "Request decode failed: "),
        (
            "PUT",
            REGISTER,
            r#"{"Name": "refused", "Meta": {"a b": "x"}}"#.to_owned(),
            400,
            "Invalid Service Meta: Couldn't load metadata pair ('a b', 'x'): Key contains invalid characters",
        ),
        ("PUT", REGISTER, check(json!({"TTL": "x"})), 400, "Request decode failed: time: invalid duration \"x\""),
        ("PUT", REGISTER, check(json!({"Interval": "10s"})), 400, "Invalid check: TTL must be > 0 for TTL checks"),
        ("PUT", REGISTER, check(json!({"TCP": "127.0.0.1:1"})), 400, "Invalid check: Interval must be > 0 for "),
        ("PUT", REGISTER, check(json!({"TTL": "10s", "Status": "odd"})), 400, "Status for checks must 'passing', 'warning', 'critical'"),
        (
            "PUT",
            "/v1/agent/service/deregister/nobody",
            String::new(),
            404,
            "Unknown service ID \"nobody\". Ensure that the service ID is passed, not the service name.",
        ),
        (
            "PUT",
            "/v1/agent/check/pass/nothing",
            String::new(),
            404,
            "Unknown check ID \"nothing\". Ensure that the check ID is passed, not the check name.",
        ),
        ("PUT", "/v1/agent/check/update/nothing", r#"{"Status": "passing"}"#.to_owned(), 404, "Unknown check ID \"nothing\". "),
        (
            "PUT",
            "/v1/agent/check/update/service:refusals-2:1",
            r#"{"Status": "passing"}"#.to_owned(),
            500,
            "CheckID \"service:refusals-2:1\" does not have associated TTL",
        ),
        ("PUT", update, r#"{"Status": "odd"}"#.to_owned(), 400, "Invalid check status: 'odd'"),
        ("PUT", update, "{bad".to_owned(), 400, "Request decode failed: "),
        ("GET", "/v1/health/service/refusals?index=x", String::new(), 400, "Invalid index"),
        ("GET", "/v1/health/service/refusals?index=1&wait=x", String::new(), 400, "Invalid wait time"),
        ("GET", "/v1/health/service/refusals?index=1&wait=5", String::new(), 400, "Invalid wait time"),
        ("GET", "/v1/health/service/refusals?passing=odd", String::new(), 400, "Invalid value for ?passing"),
        ("GET", "/v1/health/service/refusals?dc=elsewhere", String::new(), 500, "No path to datacenter"),
        ("GET", "/v1/agent/service/nobody", String::new(), 404, "unknown service ID: nobody"),
        ("GET", REGISTER, String::new(), 405, "method GET not allowed"),
        ("POST", "/v1/agent/services", String::new(), 405, "method POST not allowed"),
        ("GET", "/v1/elsewhere", String::new(), 404, "Invalid URL path: not a recognized HTTP API endpoint"),
    ] {
        let answer = on.call(method, path, &body).await;
        assert!(answer.status == status && answer.body.starts_with(text), "{method} {path} {body}: {answer:?}");
    }
}

pub(crate) async fn shows_what_was_registered(on: Target) {
    register(&on, &instance("shown", "shown-1", "60s")).await;
    register(&on, &json!({"Name": "shown-bare"})).await;
    on.until_passing("shown", &["shown-1"]).await;
    on.until_passing("shown-bare", &["shown-bare"]).await;

    let entry = &on.get("/v1/health/service/shown?passing=1").await.json()[0];
    let service = json!({
        "ID": "shown-1", "Service": "shown", "Tags": ["version=v1"], "Address": "127.0.0.1", "Port": 9001, "Meta": {"weight": "3"},
        "TaggedAddresses": {
            "grpc": {"Address": "grpc://127.0.0.1:9001", "Port": 9001},
            "lan_ipv4": {"Address": "127.0.0.1", "Port": 9001},
            "wan_ipv4": {"Address": "127.0.0.1", "Port": 9001},
        },
        "Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false,
    });
    let same = |shown: &Value, expected: &Value| {
        for (key, value) in expected.as_object().expect("fields") {
            assert_eq!(&shown[key], value, "{key}");
        }
    };
    same(&entry["Service"], &service);
    same(&on.get("/v1/agent/services").await.json()["shown-1"], &service);
    same(&on.get("/v1/agent/service/shown-1").await.json(), &service);
    assert_eq!(entry["Node"]["Datacenter"], "dc1");
    let check = json!({"CheckID": "service:shown-1", "Name": "Service 'shown' check", "Status": "passing", "Type": "ttl",
        "ServiceID": "shown-1", "ServiceName": "shown", "ServiceTags": ["version=v1"]});
    let checks = entry["Checks"].as_array().expect("checks");
    same(checks.iter().find(|c| c["CheckID"] == "service:shown-1").expect("the check"), &check);
    same(&on.get("/v1/agent/checks").await.json()["service:shown-1"], &check);

    let catalog = on.get("/v1/catalog/services").await;
    assert_eq!(catalog.json()["shown"], json!(["version=v1"]));
    assert!(catalog.index > 0);
    assert_eq!(on.get("/v1/agent/self").await.json()["Config"]["Datacenter"], "dc1");
    assert!(!on.get("/v1/status/leader").await.json().as_str().expect("an address").is_empty());
    assert_eq!(on.get("/v1/health/service/shown?tag=version=v2").await.json(), json!([]));
}

pub(crate) async fn wakes_blocking_queries(on: Target) {
    let path = |index: u64| format!("/v1/health/service/woken?passing=1&index={index}&wait=60s");
    let nobody = on.get("/v1/health/service/woken?passing=1").await;
    assert_eq!(nobody.json(), json!([]));
    assert!(nobody.index > 0);

    let mut index = nobody.index;
    let first = instance("woken", "woken-1", "60s");
    let fail = "/v1/agent/check/fail/service:woken-1";
    let pass = "/v1/agent/check/pass/service:woken-1";
    for (call, body, instances) in [
        (REGISTER, &first, 1),
        (REGISTER, &instance("woken", "woken-2", "60s"), 2),
        (fail, &Value::Null, 1),
        (pass, &Value::Null, 2),
        ("/v1/agent/service/deregister/woken-2", &Value::Null, 1),
        ("/v1/agent/service/deregister/woken-1", &Value::Null, 0),
        (REGISTER, &first, 1),
    ] {
        let started = Instant::now();
        let change = async { assert_eq!(on.put(call, body).await.status, 200, "{call}") };
        // a change may come in two steps, so ask on with the new index
        let follow = async {
            loop {
                let answer = on.get(&path(index)).await;
                assert!(answer.index >= index, "{call}: the index fell from {index} to {}", answer.index);
                index = answer.index;
                if answer.json().as_array().expect("a list").len() == instances {
                    return;
                }
            }
        };
        let both = async { tokio::join!(follow, change) };
        timeout(Duration::from_secs(15), both).await.unwrap_or_else(|_| panic!("{call} woke nobody"));
        assert!(started.elapsed() < Duration::from_secs(10), "{call}");
    }
}

pub(crate) async fn answers_when_the_wait_is_over(on: Target) {
    register(&on, &instance("waiting", "waiting-1", "60s")).await;
    on.until_passing("waiting", &["waiting-1"]).await;
    let before = on.get("/v1/health/service/waiting?passing=1").await;
    let started = Instant::now();
    let after = on.get(&format!("/v1/health/service/waiting?passing=1&index={}&wait=300ms", before.index)).await;
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    assert_eq!((after.index, after.json()), (before.index, before.json()));

    // a client that knows a higher index, from before a restart, is told the lower one when its wait is over
    let ahead = on.get(&format!("/v1/health/service/waiting?passing=1&index={}&wait=300ms", before.index + 1_000_000)).await;
    assert_eq!(ahead.index, before.index);
}

pub(crate) async fn ttl_checks_run_out_and_heal(on: Target) {
    register(&on, &instance("ttl", "ttl-1", "500ms")).await;
    assert_eq!(on.put("/v1/agent/check/update/service:ttl-1", json!({"Status": "passing", "Output": "pass"})).await.status, 200);
    on.until_passing("ttl", &["ttl-1"]).await;
    on.until_passing("ttl", &[]).await;
    let check = on.get("/v1/agent/checks").await.json()["service:ttl-1"].clone();
    assert_eq!(check["Status"], "critical");
    assert_eq!(check["Output"], "TTL expired (last output before timeout follows): pass");
    assert_eq!(on.put("/v1/agent/check/pass/service:ttl-1?note=back", "").await.status, 200);
    eventually("heals", async || {
        let answer = on.get("/v1/agent/checks").await;
        (answer.json()["service:ttl-1"]["Output"] == "back").then_some(()).ok_or(answer)
    })
    .await;
}

pub(crate) async fn tcp_checks_fail_and_heal(on: Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    register(&on, &json!({"ID": "tcp-1", "Name": "tcp", "Checks": [{"TCP": address.to_string(), "Interval": "200ms", "Timeout": "5s"}]}))
        .await;
    on.until_passing("tcp", &["tcp-1"]).await;
    drop(listener);
    on.until_passing("tcp", &[]).await;
    let check = on.get("/v1/agent/checks").await.json()["service:tcp-1"].clone();
    assert_eq!(check["Type"], "tcp");
    assert_eq!(check["Output"], format!("dial tcp {address}: connect: connection refused"));
    let _listener = TcpListener::bind(address).await.expect("the same port");
    on.until_passing("tcp", &["tcp-1"]).await;
}

pub(crate) async fn deregisters_once(on: Target) {
    register(&on, &instance("gone", "gone-1", "60s")).await;
    on.until_passing("gone", &["gone-1"]).await;
    assert_eq!(on.put("/v1/agent/service/deregister/gone-1", "").await.status, 200);
    on.until_passing("gone", &[]).await;
    assert_eq!(on.put("/v1/agent/service/deregister/gone-1", "").await.status, 404);
    assert_eq!(on.put("/v1/agent/check/pass/service:gone-1", "").await.status, 404);
}

pub(crate) async fn registering_again_keeps_the_state(on: Target) {
    let registration = instance("again", "again-1", "60s");
    register(&on, &registration).await;
    on.until_passing("again", &["again-1"]).await;
    let before = on.get("/v1/health/service/again").await;
    register(&on, &registration).await;
    let query = format!("/v1/health/service/again?index={}&wait=300ms", before.index);
    assert_eq!(on.get(&query).await.index, before.index, "nothing changed");

    on.put("/v1/agent/check/fail/service:again-1", "").await;
    on.until_passing("again", &[]).await;
    register(&on, &registration).await;
    let failed = on.get("/v1/agent/checks").await.json()["service:again-1"]["Status"].clone();
    assert_eq!(failed, "critical", "Status counts for a new check only");
}
