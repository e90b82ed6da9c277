//! TLS and mutual TLS of the real programs: who gets in, and certificates that are replaced under load.

mod caller;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use user_info_testing::authority::{self, Authority};
use user_info_testing::config::IN_MEMORY;
use user_info_testing::process::run;
use user_info_testing::wait::eventually;

use self::caller::Caller;
use crate::running::UserInfo;

const USER_INFO: &str = env!("CARGO_BIN_EXE_user_info");
const USER_CLIENT: &str = env!("CARGO_BIN_EXE_user_client");

const RELOADS: &str = "bbs_user_info_tls_reloads_total ";
const FAILURES: &str = "bbs_user_info_tls_reload_failures_total ";
const REFUSED: &str = "bbs_user_info_tls_handshake_failures_total ";

fn server_tls(dir: &Path) -> String {
    format!("{{certFile: {0}/server/tls.crt, keyFile: {0}/server/tls.key}}", dir.display())
}

fn mutual_tls(dir: &Path) -> String {
    format!("{{certFile: {0}/server/tls.crt, keyFile: {0}/server/tls.key, clientCaFile: {0}/ca.crt}}", dir.display())
}

/// Runs `user_client --once` against `service`; says whether it succeeded, and what it printed.
async fn call_once(service: &UserInfo, tls: &str, dir: &Path) -> (bool, String) {
    let config = format!("discovery: {{addresses: ['{}']}}\n{tls}\nlive: {{userIds: [1]}}\n", service.grpc);
    std::fs::write(dir.join("client.yaml"), config).expect("written");
    let (code, stdout, stderr) = run(USER_CLIENT, &["--config", "client.yaml", "--once"], dir).await;
    assert!(code == Some(0) || code == Some(1), "{stderr}");
    (code == Some(0), stdout)
}

#[tokio::test]
async fn callers_over_tls_are_served_and_others_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(dir.path());
    authority.issue("server", 1);
    let service = UserInfo::start_secure(&server_tls(dir.path()), "drainDelay: 0s").await;
    let caller = Caller::new(dir.path(), None);
    for alpn in [&b"h2"[..], b"http/1.1"] {
        let (status, body) = caller.http(&service, alpn, "/user_info/1").await.expect("served");
        assert!(status == 200 && body.contains("hutao"), "{body}");
    }
    assert_eq!(caller.grpc(&service).await.expect("served"), "hutao");

    let (ok, said) =
        call_once(&service, &format!("tls: {{caFile: {}/ca.crt, serverName: localhost}}", dir.path().display()), dir.path()).await;
    assert!(ok && said.contains("hutao"), "{said}");
    for (settings, why) in [
        (String::new(), ""),
        (format!("tls: {{caFile: {}/ca.crt, serverName: elsewhere}}", dir.path().display()), "elsewhere"),
        ("tls: {serverName: localhost}".to_owned(), "UnknownIssuer"),
    ] {
        let (ok, said) = call_once(&service, &settings, dir.path()).await;
        assert!(!ok && said.contains("UNREACHABLE") && said.contains(why), "{settings}: {said}");
    }
    let refused = service.metric(REFUSED).await;
    assert!(caller::plaintext(service.http).await.is_none() && caller::plaintext(service.grpc).await.is_none());
    eventually("both are counted", async || service.metric(REFUSED).await >= refused + 2).await;
    assert_eq!(service.get("/readyz").await.0, 200, "the admin endpoints speak plaintext on their own listener");
}

#[tokio::test]
async fn mutual_tls_lets_in_only_callers_with_a_certificate() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(dir.path());
    for name in ["server", "client"] {
        authority.issue(name, 1);
    }
    let others = tempfile::tempdir().expect("a folder");
    Authority::new(others.path()).issue("stranger", 1);
    let service = UserInfo::start_secure(&mutual_tls(dir.path()), "drainDelay: 0s").await;

    let known = Caller::new(dir.path(), Some(dir.path().join("client")));
    assert_eq!(known.grpc(&service).await.expect("served"), "hutao");
    assert_eq!(known.http(&service, b"http/1.1", "/user_info/1").await.expect("served").0, 200);
    for unknown in [None, Some(others.path().join("stranger"))] {
        let caller = Caller::new(dir.path(), unknown);
        assert!(caller.grpc(&service).await.is_err() && caller.http(&service, b"http/1.1", "/user_info/1").await.is_err());
    }
    let trust = format!("caFile: {0}/ca.crt, serverName: localhost", dir.path().display());
    let own = format!("certFile: {0}/client/tls.crt, keyFile: {0}/client/tls.key", dir.path().display());
    assert!(call_once(&service, &format!("tls: {{{trust}, {own}}}"), dir.path()).await.0);
    let (ok, said) = call_once(&service, &format!("tls: {{{trust}}}"), dir.path()).await;
    assert!(!ok && said.contains("UNREACHABLE"), "{said}");
}

#[tokio::test]
async fn certificates_are_replaced_under_load_without_a_failed_call_and_broken_ones_are_not_used() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(dir.path());
    authority.issue("server", 1);
    let service = UserInfo::start_secure(&server_tls(dir.path()), "drainDelay: 0s").await;
    let caller = Arc::new(Caller::new(dir.path(), None));
    let (calls, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (caller, calls, done, at) = (Arc::clone(&caller), Arc::clone(&calls), Arc::clone(&done), service.grpc);
            tokio::spawn(async move {
                // A connection for each call: all of them meet the change of certificates.
                while !done.load(Relaxed) {
                    caller.grpc_at(at).await.expect("no call fails");
                    calls.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    for serial in 2..=5 {
        let before = calls.load(Relaxed);
        authority.issue("server", serial);
        eventually("the new certificate is served", async || caller.serial(service.http).await == serial).await;
        eventually("calls go on", async || calls.load(Relaxed) > before + 8).await;
    }
    assert_eq!((service.metric(RELOADS).await, service.metric(FAILURES).await), (4, 0));

    // The key of another certificate: refused, and said so.
    authority.issue_mismatched("server");
    eventually("the broken pair is counted", async || service.metric(FAILURES).await >= 1).await;
    assert_eq!(caller.serial(service.http).await, 5, "the last good one stays");
    authority.issue("server", 6);
    eventually("a good one is used again", async || caller.serial(service.http).await == 6).await;
    done.store(true, Relaxed);
    for task in load {
        task.await.expect("no call failed");
    }
    let ends = service.get("/metrics").await.1;
    let ends = ends.lines().find_map(|l| l.strip_prefix("bbs_user_info_tls_certificate_expiry_timestamp_seconds ")).map(str::to_owned);
    assert_eq!(ends.as_deref(), Some(authority::ENDS.to_string().as_str()));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_refused_before_a_port_is_bound() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(dir.path());
    authority.issue("server", 1);
    authority.issue_mismatched("other");
    let folder = dir.path().display();
    for (tls, said) in [
        (
            format!("certFile: {folder}/missing.crt, keyFile: {folder}/server/tls.key"),
            format!(
                "server.tls.certFile: {folder}/missing.crt: cannot be read: No such file or directory (os error 2); give a PEM file with certificates"
            ),
        ),
        (
            format!("certFile: {folder}/server/tls.key, keyFile: {folder}/server/tls.key"),
            format!("server.tls.certFile: {folder}/server/tls.key: holds no certificate; give a PEM file with certificates"),
        ),
        (
            format!("certFile: {folder}/other/tls.crt, keyFile: {folder}/other/tls.key"),
            format!(
                "server.tls.keyFile: {folder}/other/tls.key: the key does not match the certificate in {folder}/other/tls.crt; give the key it was issued for"
            ),
        ),
    ] {
        std::fs::write(dir.path().join("a.yaml"), format!("{IN_MEMORY}server: {{tls: {{{tls}}}}}\n")).expect("written");
        let (code, stdout, stderr) = run(USER_INFO, &["--config", "a.yaml"], dir.path()).await;
        assert_eq!((code, stdout.as_str(), stderr), (Some(64), "", format!("user_info: {said}\n")));
    }
    let client = format!("discovery: {{addresses: ['127.0.0.1:1']}}\ntls: {{certFile: {folder}/server/tls.crt}}\n");
    std::fs::write(dir.path().join("b.yaml"), client).expect("written");
    let (code, _, stderr) = run(USER_CLIENT, &["--config", "b.yaml"], dir.path()).await;
    assert_eq!((code, stderr.as_str()), (Some(64), "tls: certFile and keyFile belong together; set both or neither\n"));
}
