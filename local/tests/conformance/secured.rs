//! Consul with ACLs and with TLS; our own agent has neither.

use std::time::Duration;

use user_info_api::config::{ClientTls, Consul as Settings};
use user_info_services::registry::{AgentClient, RegistrarState};
use user_info_testing::consul::{self, Consul};
use user_info_testing::wait::{check, eventually};

use crate::services::Registered;

const TOKEN: &str = "6e1b1f5a-7c1e-4b7a-9c52-3f1f0b9d0c11";

/// Settings for one agent, with a heartbeat each 200 ms.
fn settings(consul: &Consul) -> Settings {
    Settings { addresses: vec![consul.address.clone()], interval: user_info_api::Duration::from_millis(200), ..Settings::default() }
}

/// Waits until Consul has a leader.
async fn led(settings: &Settings) -> AgentClient {
    let agent = AgentClient::all(settings, "registry.consul").expect("valid").remove(0);
    eventually("a leader", async || {
        let leader = agent.leader().await;
        check(leader.as_ref().is_ok_and(|leader| !leader.is_empty()), leader)
    })
    .await;
    agent
}

fn failing(state: &RegistrarState, text: &str) -> bool {
    matches!(state, RegistrarState::Failing { error, .. } if error.contains(text))
}

#[tokio::test]
async fn a_refused_token_is_named_and_read_again() {
    let consul = Consul::launch(
        &format!(r#"acl {{ enabled = true default_policy = "deny" tokens {{ initial_management = "{TOKEN}" agent = "{TOKEN}" }} }}"#),
        false,
    );
    let open = settings(&consul);
    led(&open).await;
    let mut instance = Registered::start(&open, "secured", "secured-1").await;
    instance.until(|state| failing(state, "set registry.consul.tokenFile")).await;
    instance.stop().await;

    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("token");
    let closed = Settings { token_file: Some(file.clone()), ..open };
    let mut instance = Registered::start(&closed, "secured", "secured-1").await;
    instance.until(|state| failing(state, "check registry.consul.tokenFile")).await;
    std::fs::write(&file, "00000000-0000-0000-0000-00000000dead\n").expect("written");
    instance.until(|state| failing(state, "the token in registry.consul.tokenFile needs more rights, or is another cluster's")).await;
    std::fs::write(&file, format!("{TOKEN}\n")).expect("written");
    instance.until(RegistrarState::is_registered).await;

    let agent = led(&closed).await;
    let found = || async { agent.healthy("secured", 0, Duration::ZERO).await.map_or(0, |(_, entries)| entries.len()) };
    eventually("it passes", async || found().await == 1).await;
    instance.stop().await;
    eventually("it is gone", async || found().await == 0).await;
}

#[tokio::test]
async fn speaks_tls_with_a_certificate_of_its_own() {
    let dir = tempfile::tempdir().expect("temporary directory");
    consul::run(dir.path(), &["tls", "ca", "create"]);
    consul::run(dir.path(), &["tls", "cert", "create", "-server"]);
    consul::run(dir.path(), &["tls", "cert", "create", "-client"]);
    let file = |name: &str| dir.path().join(name);
    let consul = Consul::launch(
        &format!(
            r#"tls {{ defaults {{ ca_file = {:?} cert_file = {:?} key_file = {:?} verify_incoming = true }} internal_rpc {{ verify_incoming = false }} }}"#,
            file("consul-agent-ca.pem"),
            file("dc1-server-consul-0.pem"),
            file("dc1-server-consul-0-key.pem"),
        ),
        true,
    );
    let tls = ClientTls {
        ca_file: Some(file("consul-agent-ca.pem")),
        cert_file: Some(file("dc1-client-consul-0.pem")),
        key_file: Some(file("dc1-client-consul-0-key.pem")),
        server_name: Some("server.dc1.consul".to_owned()),
    };
    let trusted = Settings { tls: Some(tls.clone()), ..settings(&consul) };
    led(&trusted).await;
    let mut instance = Registered::start(&trusted, "encrypted", "encrypted-1").await;
    instance.until(RegistrarState::is_registered).await;
    instance.stop().await;

    for untrusted in [
        ClientTls { ca_file: None, ..tls.clone() },
        ClientTls { cert_file: None, key_file: None, ..tls.clone() },
        ClientTls { server_name: Some("server.dc2.consul".to_owned()), ..tls },
    ] {
        let agent = AgentClient::all(&Settings { tls: Some(untrusted), ..settings(&consul) }, "registry.consul").expect("valid").remove(0);
        let error = agent.leader().await.expect_err("not trusted").to_string();
        assert!(error.ends_with(": check registry.consul.tls"), "{error}");
    }
    let agent = AgentClient::all(&settings(&consul), "registry.consul").expect("valid").remove(0);
    let error = agent.leader().await.expect_err("plain").to_string();
    assert!(error.ends_with(": set registry.consul.tls"), "{error}");
}
