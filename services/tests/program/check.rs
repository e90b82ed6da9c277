//! `user_info check` and `user_client check`: what the start would refuse of files, without a start.

use std::fs::write;
use std::path::Path;

use user_info_testing::authority::Authority;
use user_info_testing::config::IN_MEMORY;
use user_info_testing::process::run;

const USER_INFO: &str = env!("CARGO_BIN_EXE_user_info");
const USER_CLIENT: &str = env!("CARGO_BIN_EXE_user_client");
/// Where nobody listens, on ports that the kernel chooses.
const LISTEN: &str = "grpc: {listen: '127.0.0.1:0'}, http: {listen: '127.0.0.1:0'}, workers: 1, drainDelay: 0s";

/// A folder with good certificates and with files that are none.
fn files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(dir.path());
    authority.issue("good", 1);
    authority.issue("other", 2);
    for (name, text) in [
        ("empty", ""),
        ("text", "secret"),
        ("damaged", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("torn", "-----BEGIN CERTIFICATE-----\nAA"),
        ("encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
        ("public", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
    ] {
        write(dir.path().join(name), text).expect("written");
    }
    dir
}

fn tls(certificate: &str, key: &str, more: &str) -> String {
    format!("server: {{{LISTEN}, tls: {{certFile: {certificate}, keyFile: {key}{more}}}}}")
}

/// Runs `check` on a file with this text; returns the exit code and what is said of each field.
async fn checked(program: &str, dir: &Path, text: &str, more: &[&str]) -> (Option<i32>, Vec<String>) {
    write(dir.join("a.yaml"), text).expect("written");
    let (code, stdout, stderr) = run(program, &[&["check", "--config", "a.yaml"], more].concat(), dir).await;
    assert_eq!(stdout.starts_with("a.yaml: ok"), code == Some(0), "{stdout}{stderr}");
    let refusals = stderr.lines().filter_map(|line| line.trim_start_matches("user_info: ").strip_prefix("a.yaml: "));
    (code, refusals.map(str::to_owned).collect())
}

/// What the start says of the same file.
async fn started(program: &str, dir: &Path) -> (Option<i32>, String) {
    let (code, _, stderr) = run(program, &["--config", "a.yaml"], dir).await;
    let last = stderr.lines().last().unwrap_or_default();
    (code, last.trim_start_matches("user_info: ").to_owned())
}

#[tokio::test]
async fn p6_check_says_of_files_for_tls_what_the_start_says() {
    let dir = files();
    let (certificate, key, ca) = ("good/tls.crt", "good/tls.key", "ca.crt");
    let otlp = |ca: &str| format!("tracing: {{otlpEndpoint: 'https://127.0.0.1:4317', caFile: {ca}}}\nserver: {{{LISTEN}}}");
    let consul = |tls: &str| format!("registry: {{consul: {{addresses: ['127.0.0.1:1'], tls: {{{tls}}}}}}}\nserver: {{{LISTEN}}}");
    for (text, field) in [
        (tls("missing", key, ""), "server.tls.certFile: missing: cannot be read: "),
        (tls("good", key, ""), "server.tls.certFile: good: cannot be read: "),
        (tls("empty", key, ""), "server.tls.certFile: empty: holds no certificate"),
        (tls("text", key, ""), "server.tls.certFile: text: holds no certificate"),
        (tls("torn", key, ""), "server.tls.certFile: torn: "),
        (tls(key, key, ""), "server.tls.certFile: good/tls.key: holds no certificate"),
        (tls("damaged", key, ""), "server.tls: certFile: damaged: "),
        (tls(certificate, "missing", ""), "server.tls.keyFile: missing: cannot be read: "),
        (tls(certificate, "empty", ""), "server.tls.keyFile: empty: is empty"),
        (tls(certificate, "text", ""), "server.tls.keyFile: text: holds no PEM"),
        (tls(certificate, certificate, ""), "server.tls.keyFile: good/tls.crt: holds a certificate and no key"),
        (tls(certificate, "encrypted", ""), "server.tls.keyFile: encrypted: the key is encrypted"),
        (tls(certificate, "public", ""), "server.tls.keyFile: public: holds a public key"),
        (tls(certificate, "other/tls.key", ""), "server.tls.keyFile: other/tls.key: the key does not match the certificate in "),
        (tls(certificate, key, ", clientCaFile: missing"), "server.tls.clientCaFile: missing: cannot be read: "),
        (tls(certificate, key, ", clientCaFile: empty"), "server.tls.clientCaFile: empty: holds no certificate"),
        (tls(certificate, key, ", clientCaFile: damaged"), "server.tls: clientCaFile: damaged: "),
        (otlp("missing"), "tracing.caFile: missing: cannot be read: "),
        (otlp("text"), "tracing.caFile: text: holds no certificate"),
        (consul("caFile: missing"), "registry.consul.tls.caFile: missing: cannot be read: "),
        (consul(&format!("certFile: {certificate}")), "registry.consul.tls: certFile and keyFile belong together"),
        (
            consul(&format!("certFile: {certificate}, keyFile: other/tls.key")),
            "registry.consul.tls.keyFile: other/tls.key: the key does not",
        ),
        (consul("serverName: 'a b'"), "registry.consul.tls: serverName: \"a b\""),
    ] {
        let (code, said) = checked(USER_INFO, dir.path(), &format!("{IN_MEMORY}{text}\n"), &[]).await;
        assert!(code == Some(64) && said.len() == 1 && said[0].starts_with(field), "{text}: {code:?} {said:?}");
        assert_eq!(started(USER_INFO, dir.path()).await, (Some(64), said[0].clone()), "{text}");
    }
    for text in [tls(certificate, key, &format!(", clientCaFile: {ca}")), otlp(ca), consul(&format!("caFile: {ca}"))] {
        assert_eq!(checked(USER_INFO, dir.path(), &format!("{IN_MEMORY}{text}\n"), &[]).await, (Some(0), Vec::new()), "{text}");
    }
}

#[tokio::test]
async fn p6_check_says_it_of_the_clients_files_too() {
    let dir = files();
    let begin = "discovery: {addresses: ['127.0.0.1:1']}\nadmin: {listen: '127.0.0.1:0'}\n";
    for (text, field) in [
        ("tls: {caFile: missing}", "tls.caFile: missing: cannot be read: "),
        ("tls: {caFile: text}", "tls.caFile: text: holds no certificate"),
        ("tls: {certFile: good/tls.crt, keyFile: other/tls.key}", "tls.keyFile: other/tls.key: the key does not match"),
        ("tls: {keyFile: good/tls.key}", "tls: certFile and keyFile belong together"),
        ("tls: {serverName: 'a b'}", "tls: serverName: \"a b\""),
        ("registry: {consul: {tls: {caFile: empty}}}", "registry.consul.tls.caFile: empty: holds no certificate"),
        ("tracing: {otlpEndpoint: 'https://127.0.0.1:1', caFile: empty}", "tracing.caFile: empty: holds no certificate"),
    ] {
        let (code, said) = checked(USER_CLIENT, dir.path(), &format!("{begin}{text}\n"), &[]).await;
        assert!(code == Some(64) && said.len() == 1 && said[0].starts_with(field), "{text}: {code:?} {said:?}");
        assert_eq!(started(USER_CLIENT, dir.path()).await, (Some(64), said[0].clone()), "{text}");
        assert_eq!(checked(USER_CLIENT, dir.path(), &format!("{begin}{text}\n"), &["--no-files"]).await, (Some(0), Vec::new()), "{text}");
    }
    let good = format!("{begin}tls: {{caFile: ca.crt, certFile: good/tls.crt, keyFile: good/tls.key}}\n");
    assert_eq!(checked(USER_CLIENT, dir.path(), &good, &[]).await, (Some(0), Vec::new()));
    let (code, said) = checked(USER_CLIENT, dir.path(), "live: {concurency: 3}\n", &["--no-files"]).await;
    assert!(code == Some(64) && said[0].contains("concurency"), "{said:?}");
    let (code, said) = checked(USER_CLIENT, dir.path(), "discovery: {consul: {tokenFile: missing}}\n", &[]).await;
    assert!(code == Some(64) && said[0].starts_with("discovery.consul.tokenFile: cannot read missing: "), "{said:?}");
}

#[tokio::test]
async fn u10_check_says_that_files_of_passwords_and_users_are_missing() {
    let dir = files();
    let mysql = "users: {mysql: {address: '127.0.0.1:1', passwordFile: missing}}\nviews: {memory: true}\n";
    let redis = "users: {memory: true}\nviews: {redis: {address: '127.0.0.1:1', passwordFile: missing}}\n";
    let sqlite = |path: &str| format!("users: {{sqlite: {{path: {path}}}}}\nviews: {{memory: true}}\n");
    for (text, said) in [
        (mysql.to_owned(), "users.mysql.passwordFile: cannot read missing: No such file or directory (os error 2)"),
        (redis.to_owned(), "views.redis.passwordFile: cannot read missing: No such file or directory (os error 2)"),
        (
            sqlite("missing"),
            "sqlite missing: unable to open database file (run `user_info migrate`, and check users.sqlite.path and its permissions)",
        ),
        (
            sqlite("empty"),
            "sqlite empty: no such table: user_info (run `user_info migrate`, and check users.sqlite.path and its permissions)",
        ),
    ] {
        let text = format!("{text}server: {{{LISTEN}}}\n");
        assert_eq!(checked(USER_INFO, dir.path(), &text, &[]).await, (Some(64), vec![said.to_owned()]), "{text}");
        assert_eq!(started(USER_INFO, dir.path()).await, (Some(64), said.to_owned()), "{text}");
        assert_eq!(checked(USER_INFO, dir.path(), &text, &["--no-files"]).await, (Some(0), Vec::new()), "{text}");
    }
    // All that is missing is said at once.
    let both = "users: {mysql: {passwordFile: a, caFile: b}}\nviews: {redis: {passwordFile: c}}\nregistry: {consul: {tokenFile: d}}\n";
    let (code, said) = checked(USER_INFO, dir.path(), both, &[]).await;
    let fields: Vec<_> = said.iter().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let expected = ["users.mysql.passwordFile", "users.mysql.caFile", "views.redis.passwordFile", "registry.consul.tokenFile"];
    assert_eq!((code, &fields[..]), (Some(64), &expected[..]), "{said:?}");
    // Once it is made, it is well.
    write(dir.path().join("a.yaml"), sqlite("users.db")).expect("written");
    assert_eq!(run(USER_INFO, &["migrate", "--config", "a.yaml"], dir.path()).await.0, Some(0));
    assert_eq!(checked(USER_INFO, dir.path(), &sqlite("users.db"), &[]).await, (Some(0), Vec::new()));
}
