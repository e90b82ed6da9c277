//! Passwords and tokens stand in their files and go to their servers, and nowhere else.

use std::path::Path;

use user_info_testing::port::free_address;
use user_info_testing::process::run;
use user_info_testing::redis::Redis;
use user_info_testing::wait::eventually;

use crate::running::UserInfo;

const USER_INFO: &str = env!("CARGO_BIN_EXE_user_info");

/// What no output may hold.
const SECRETS: [(&str, &str); 3] =
    [("mysql", "mysql-s3cr3t-81f0"), ("redis", "redis-s3cr3t-44c2"), ("token", "6e1b1f5a-7c1e-4b7a-9c52-s3cr3t0d0c11")];

/// Stores and a registry that are reached with secrets; MySQL and Consul are not there.
fn settings(dir: &Path, redis: &str) -> String {
    let dir = dir.display();
    format!(
        "users: {{mysql: {{address: '{}', username: user_info, passwordFile: {dir}/mysql}}}}\n\
         views: {{redis: {{address: '{redis}', passwordFile: {dir}/redis}}}}\n\
         registry: {{consul: {{addresses: ['{}'], interval: 200ms, tokenFile: {dir}/token}}}}\n\
         live: {{log: {{level: trace, accessLinesPerSecond: 1000}}}}\n",
        free_address(),
        free_address()
    )
}

#[tokio::test]
async fn no_output_holds_a_secret() {
    let dir = tempfile::tempdir().expect("a folder");
    for (file, secret) in SECRETS {
        std::fs::write(dir.path().join(file), secret).expect("written");
    }
    let mut said = Vec::new();
    // A Redis that wants another password ends the program with the reason.
    let redis = Redis::start_with_password(Some("another")).await;
    std::fs::write(dir.path().join("refused.yaml"), settings(dir.path(), &redis.config().address)).expect("written");
    let (code, stdout, stderr) = run(USER_INFO, &["--config", "refused.yaml"], dir.path()).await;
    assert!(code == Some(64) && stderr.contains("check views.redis.username and the password file"), "{stderr}");
    said.extend([stdout, stderr]);

    let settings = settings(dir.path(), &free_address().to_string());
    let service = UserInfo::start_with("drainDelay: 0s", &settings).await;
    said.extend(service.process());
    eventually("each of the three has failed", async || {
        said.push(service.get("/user_info/1").await.1);
        let told = (service.log() + &service.get("/readyz").await.1).to_lowercase();
        ["mysql", "redis", "consul"].iter().all(|part| told.contains(part))
    })
    .await;
    for path in ["/config", "/readyz", "/metrics"] {
        said.push(service.get(path).await.1);
    }
    assert!(said.iter().any(|text| text.contains("passwordFile")), "/config names the files");
    said.push(service.log());

    std::fs::write(dir.path().join("once.yaml"), &settings).expect("written");
    for command in ["check", "migrate", "seed"] {
        let (_, stdout, stderr) = run(USER_INFO, &[command, "--config", "once.yaml"], dir.path()).await;
        said.extend([stdout, stderr]);
    }
    for (name, secret) in SECRETS {
        let leak = said.iter().find(|text| text.contains(secret));
        assert!(leak.is_none(), "the secret of {name} is in: {leak:?}");
    }
}
