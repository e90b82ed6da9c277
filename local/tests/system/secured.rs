//! TLS and mutual TLS on a laptop, with the certificates in the folder that stands for the cluster's Secrets.

use std::path::Path;

use user_info_testing::authority::Authority;
use user_info_testing::http::Http;
use user_info_testing::metrics::Metrics;
use user_info_testing::system::System;
use user_info_testing::wait::{check, eventually};

const SPEC: &str = "  replicas: 2
  server:
    metricsPort: 8002
    tls: {secretName: certificate, caSecretRef: {name: authority}, serverName: localhost, clientCaSecretRef: {name: authority}}
  client: {requestsPerSecond: 200, concurrency: 4, tls: {secretName: certificate}}";

/// An authority whose certificate is in one Secret, and a folder next to it for what it issues.
fn authority(secrets: &Path) -> Authority {
    let dir = secrets.join("authority");
    std::fs::create_dir_all(&dir).expect("made");
    Authority::new(&dir)
}

#[tokio::test]
async fn instances_and_client_trust_each_other_by_certificates_that_are_renewed_while_they_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = authority(&dir.path().join("secrets"));
    authority.issue("../certificate", 1);
    let system = System::start_in(dir, SPEC, &[]).await;
    system.until_called(100.0).await;
    let instances = system.instances();
    assert_eq!(instances.len(), 2);
    for instance in &instances {
        assert_eq!(Http::default().get(instance.http, "/user_info/1").await, None, "it speaks TLS only");
    }

    authority.issue("../certificate", 2);
    let snapshot = system.snapshot().await;
    let rows = snapshot["processes"].as_array().expect("rows").iter().filter(|row| row["role"] == "userInfo");
    let admin = rows.map(|row| row["admin"].as_str().and_then(|address| address.parse().ok()).expect("an address"));
    let admin: Vec<_> = admin.collect();
    assert_eq!(admin.len(), 2);
    for admin in admin {
        eventually("the new certificate is in use", async || {
            let reloads = Metrics::of(admin).await.sum("bbs_user_info_tls_reloads_total", &[]);
            check(reloads == 1.0, reloads)
        })
        .await;
    }
    eventually("the client has it, too", async || {
        let reloads = Metrics::of(system.row("user_client").http).await.sum("bbs_user_client_tls_reloads_total", &[]);
        check(reloads == 1.0, reloads)
    })
    .await;
    system.until_called(100.0).await;
    let calls = system.calls().await;
    assert_eq!(calls.other_than(&["0"]), 0.0, "{calls:?}");
    assert!(system.processes().await.iter().all(|process| process.restarts == 0));
}
