//! TLS, with and without certificates of clients.

use std::path::Path;

use user_info_api::config::ClientTls;
use user_info_testing::authority::Authority;

use super::*;

/// Page views behind TLS, whose settings `change` makes of those that work.
fn views(server: &Redis, dir: &Path, change: impl FnOnce(&mut config::Redis, &mut ClientTls)) -> Views {
    let mut redis = server.config();
    let mut tls = ClientTls { ca_file: Some(dir.join("ca.crt")), ..ClientTls::default() };
    change(&mut redis, &mut tls);
    Views { redis: Some(config::Redis { tls: redis.tls.clone().or(Some(tls)), ..redis }), memory: false }
}

fn with_certificate(tls: &mut ClientTls, dir: &Path) {
    tls.cert_file = Some(dir.join("client/tls.crt"));
    tls.key_file = Some(dir.join("client/tls.key"));
}

#[tokio::test]
async fn d4_a_server_with_tls_is_read_or_what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    Authority::new(dir.path()).issue("server", 1);
    let server = Redis::start_tls(dir.path(), false, &[]).await;
    server.execute(&["SET", "U:1:VISITS", "7"]).await;
    let (users, _) = in_memory();
    assert_eq!(visits(&open(&users, &views(&server, dir.path(), |_, _| {})).await.unwrap(), 1).await, 7);
    let by_number = |redis: &mut config::Redis| redis.address = redis.address.replace("localhost", "127.0.0.1");
    let named = views(&server, dir.path(), |redis, tls| {
        by_number(redis);
        tls.server_name = Some("localhost".to_owned());
    });
    assert_eq!(visits(&open(&users, &named).await.unwrap(), 1).await, 7);

    let plain = server.port();
    for (views, remedy) in [
        (
            views(&server, dir.path(), |_, tls| tls.ca_file = None),
            "(set views.redis.tls.caFile to the authorities of the server's certificate)",
        ),
        (
            views(&server, dir.path(), |redis, _| by_number(redis)),
            "(connect to a name of the certificate, or set views.redis.tls.serverName to one)",
        ),
        (
            views(&server, dir.path(), |redis, _| redis.address = format!("localhost:{plain}")),
            "(the server does not speak TLS here: give its port for TLS, or remove views.redis.tls)",
        ),
        (Views { redis: Some(server.config()), memory: false }, "(set views.redis.tls; `{}` trusts the public authorities)"),
        (views(&server, dir.path(), |_, tls| tls.ca_file = Some("/nowhere".into())), "give a PEM file with certificates"),
        (
            views(&server, dir.path(), |_, tls| tls.cert_file = tls.ca_file.clone()),
            "certFile and keyFile belong together; set both or neither",
        ),
        (views(&server, dir.path(), |_, tls| tls.server_name = Some("a b".to_owned())), "give a DNS name or IP address"),
    ] {
        let message = wrong(open(&users, &views).await);
        assert!(message.ends_with(remedy), "{message}");
    }
}

#[tokio::test]
async fn d4_certificates_are_replaced_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let issue = || {
        let authority = Authority::new(dir.path());
        authority.issue("server", 1);
        authority.issue("client", 2);
    };
    issue();
    let mut server = Redis::start_tls(dir.path(), true, &[]).await;
    server.execute(&["SET", "U:1:VISITS", "7"]).await;
    let (users, _) = in_memory();
    let message = wrong(open(&users, &views(&server, dir.path(), |_, _| {})).await);
    assert!(message.ends_with("(the server wants a certificate that it trusts: check views.redis.tls.certFile and keyFile)"), "{message}");
    let data = open(&users, &views(&server, dir.path(), |_, tls| with_certificate(tls, dir.path()))).await.unwrap();
    assert_eq!(visits(&data, 1).await, 7);

    server.kill();
    issue();
    server.restart().await;
    server.execute(&["SET", "U:1:VISITS", "8"]).await;
    eventually("views are read again", async || visits(&data, 1).await == 8).await;
}

/// The node tells no host of its own, so that its name is the one it was reached by.
#[tokio::test]
async fn d4_a_cluster_with_tls_is_read() {
    let dir = tempfile::tempdir().unwrap();
    Authority::new(dir.path()).issue("server", 1);
    let [bus] = user_info_testing::port::free_ports();
    let nodes = dir.path().join("nodes.conf").display().to_string();
    let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus.to_string(), "--cluster-config-file", &nodes, "--tls-cluster", "yes"];
    let server = Redis::start_tls(dir.path(), false, &cluster).await;
    server.execute(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    eventually("the cluster is up", async || server.text(&["CLUSTER", "INFO"]).await.contains("cluster_state:ok")).await;
    server.execute(&["SET", "U:1:VISITS", "7"]).await;
    server.execute(&["SET", "U:2:VISITS", "8"]).await;
    let data = open(&in_memory().0, &views(&server, dir.path(), |_, _| {})).await.unwrap();
    assert_eq!(join_all([1, 2, 3].map(|id| visits(&data, id))).await, [7, 8, 0]);
    assert_eq!(data.status()[1].last_error, None);
}
