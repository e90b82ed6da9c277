//! Stores and a registry that are not there, or refuse: what stops the program, and what it bears.

use futures_util::future::join_all;
use serde_json::Value;
use user_info_api::config::{MySql, Users, Views};
use user_info_services::data::{PageViews, migrate, seed};
use user_info_testing::config::IN_MEMORY;
use user_info_testing::http::Http;
use user_info_testing::mariadb::Mariadb;
use user_info_testing::port::{free_address, free_addresses};
use user_info_testing::process::run;
use user_info_testing::wait::eventually;

use crate::running::UserInfo;

#[tokio::test]
async fn a_database_that_refuses_the_password_stops_the_start() {
    let server = Mariadb::start().await;
    server.execute("CREATE USER bbs@'%' IDENTIFIED BY 'secret'").await;
    let address = server.config().address;
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("password"), "guess\n").expect("written");
    let [grpc, http] = free_addresses();
    let config = format!(
        "users: {{mysql: {{address: '{address}', username: bbs, passwordFile: password}}}}\nviews: {{memory: true}}\n\
         server: {{grpc: {{listen: '{grpc}'}}, http: {{listen: '{http}'}}}}\n"
    );
    std::fs::write(dir.path().join("user_info.yaml"), config).expect("written");
    let (code, stdout, stderr) = run(env!("CARGO_BIN_EXE_user_info"), &[], dir.path()).await;
    assert_eq!((code, stdout.as_str()), (Some(64), ""), "{stderr}");
    assert!(stderr.starts_with(&format!("user_info: mysql {address}")), "{stderr}");
    assert!(stderr.ends_with("(check users.mysql.username and the password file)\n"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_waited_for() {
    let users = format!("users: {{mysql: {{address: '{}'}}}}\nviews: {{memory: true}}", free_address());
    let service = UserInfo::start_with("drainDelay: 0s", &users).await;
    let (status, body) = service.get("/user_info/1").await;
    assert_eq!(status, 503);
    assert_eq!(body, r#"{"code":503,"reason":"STORE_UNAVAILABLE","message":"the store of the users is unavailable","metadata":{}}"#);
    let (status, report) = service.get("/readyz").await;
    assert_eq!(status, 200, "all instances share the store: {report}");
    assert!(report.contains("Connection refused"), "{report}");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_reported_and_lived_without() {
    let registry = free_address();
    let more = format!("{IN_MEMORY}registry: {{consul: {{addresses: ['{registry}']}}}}");
    let service = UserInfo::start_with("drainDelay: 0s", &more).await;
    assert_eq!(service.get("/user_info/1").await.0, 200);
    eventually("ready without it", async || service.get("/readyz").await.0 == 200).await;
    let (_, report) = service.get("/readyz").await;
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let part = report["parts"].as_array().expect("parts").iter().find(|p| p["name"] == "registry").expect("a part");
    assert_eq!(part["ok"], false);
    let message = part["message"].as_str().expect("text");
    assert!(message.starts_with(&format!("consul {registry}: ")) && message.ends_with("; serving without it"), "{message}");
}

/// A server that gives ten connections in all, the sample users in it, and the settings of someone who may read them.
async fn ten_connections() -> (Mariadb, MySql) {
    let server = Mariadb::start_with(&["--max-connections=10"]).await;
    let users = Users { mysql: Some(server.config()), ..Users::default() };
    migrate(&users).await.expect("the server is empty");
    seed(&users, &Views { memory: true, ..Views::default() }, PageViews::Required).await.expect("the table is there");
    // Not root, to whom the server gives one more.
    server.execute("CREATE USER bbs@'%'").await;
    server.execute("GRANT SELECT ON demo_a.* TO bbs@'%'").await;
    let config = MySql { username: "bbs".to_owned(), ..server.config() };
    (server, config)
}

fn stores(mysql: &MySql, more: &str) -> String {
    format!("users: {{mysql: {{address: '{}', username: {}{more}}}}}\nviews: {{memory: true}}", mysql.address, mysql.username)
}

/// The status of each of five calls on each of 64 connections.
async fn calls(service: &UserInfo) -> Vec<u16> {
    let url = format!("http://{}/user_info/1", service.http);
    let caller = async || {
        let connection = Http::default();
        let mut codes = Vec::new();
        for _ in 0..5 {
            codes.push(connection.ask("GET", &url, String::new()).await.expect("an answer").status);
        }
        codes
    };
    join_all((0..64).map(|_| caller())).await.concat()
}

/// What `/readyz` says of the users.
async fn users(service: &UserInfo) -> (bool, String) {
    let (status, report) = service.get("/readyz").await;
    assert_eq!(status, 200, "{report}");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let part = report["parts"].as_array().expect("parts").iter().find(|part| part["name"] == "users").expect("a part");
    (part["ok"].as_bool().expect("a boolean"), part["message"].as_str().expect("text").to_owned())
}

const CONNECTED: &str = "bbs_user_info_store_connected{store=\"mysql\"} ";

#[tokio::test]
async fn d6_sixteen_workers_share_what_a_database_gives() {
    let (_server, mysql) = ten_connections().await;
    let service = UserInfo::start_with("workers: 16, drainDelay: 0s", &stores(&mysql, "")).await;
    assert_eq!(calls(&service).await, [200; 320]);
    eventually("all are open", async || service.metric(CONNECTED).await == 8).await;
    assert_eq!(users(&service).await, (true, format!("mysql {}", mysql.address)));
    assert_eq!(calls(&service).await, [200; 320]);
    assert!(!service.log().contains("store"), "{}", service.log());
}

#[tokio::test]
async fn d6_two_connections_serve_sixteen_workers() {
    let (_server, mysql) = ten_connections().await;
    let service = UserInfo::start_with("workers: 16, drainDelay: 0s", &stores(&mysql, ", connections: 2")).await;
    assert_eq!(calls(&service).await, [200; 320]);
    assert_eq!(service.metric(CONNECTED).await, 2);
}

#[tokio::test]
async fn d6_more_connections_than_the_database_gives_fail_no_call_and_are_warned_of() {
    let (server, mysql) = ten_connections().await;
    let service = UserInfo::start_with("workers: 16, drainDelay: 0s", &stores(&mysql, ", connections: 24")).await;
    eventually("the rest is refused", async || users(&service).await.1.contains("Too many connections")).await;
    assert_eq!(calls(&service).await, [200; 320]);
    let (ok, message) = users(&service).await;
    assert!(!ok && message.contains("lower users.mysql.connections") && message.ends_with("of 24 connections are open)"), "{message}");
    let log = service.log();
    let warning = log.lines().find(|line| line.contains("more connections are wanted than the store gives in all")).expect(&log);
    for said in ["24", "10", "max_connections", "users.mysql.connections"] {
        assert!(warning.contains(said), "{said}: {warning}");
    }
    assert!(service.metric("bbs_user_info_store_connect_failures_total{store=\"mysql\"} ").await > 0);
    let open = service.metric(CONNECTED).await;
    assert!((1..=10).contains(&open), "{open}");
    drop(server);
    // A connection without a query does not notice.
    eventually("nothing is open", async || {
        calls(&service).await;
        service.metric(CONNECTED).await == 0
    })
    .await;
    assert_eq!(calls(&service).await, [503; 320]);
    assert!(users(&service).await.1.ends_with("(0 of 24 connections are open)"));
}

#[tokio::test]
async fn d9_a_database_that_gives_one_connection_of_four_is_read_and_asked_again() {
    let (server, mysql) = ten_connections().await;
    server.execute("ALTER USER bbs@'%' WITH MAX_USER_CONNECTIONS 1").await;
    let service = UserInfo::start_with("workers: 4, drainDelay: 0s", &stores(&mysql, ", connections: 4")).await;
    eventually("the others are refused", async || users(&service).await.1.ends_with("(1 of 4 connections are open)")).await;
    assert_eq!(calls(&service).await, [200; 320]);
    assert!(service.log().contains("max_user_connections"), "{}", service.log());
    server.execute("ALTER USER bbs@'%' WITH MAX_USER_CONNECTIONS 0").await;
    eventually("all are open", async || service.metric(CONNECTED).await == 4).await;
    eventually("nothing is wrong", async || users(&service).await.0).await;
    assert_eq!(calls(&service).await, [200; 320]);
}
