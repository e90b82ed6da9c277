//! Stores and a registry that are not there, or refuse: what stops the program, and what it bears.

use serde_json::Value;
use user_info_testing::config::IN_MEMORY;
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
