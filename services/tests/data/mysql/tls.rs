//! TLS towards a real MariaDB.

use std::path::{Path, PathBuf};
use std::process::Command;

use user_info_api::config::{MySql, MySqlTls, MySqlTlsMode};
use user_info_services::data::{ConnectError, Data, PageViews, migrate, seed};
use user_info_testing::authority::Authority;
use user_info_testing::mariadb::Mariadb;
use user_info_testing::program::installed;

use super::mysql;
use crate::{hutao, in_memory, name, open, wrong};

/// A server whose certificate and key are in these files, with the sample users.
async fn secured(certificate: &Path, key: &Path, more: &[&str]) -> Mariadb {
    let files = [format!("--ssl-cert={}", certificate.display()), format!("--ssl-key={}", key.display())];
    let options: Vec<&str> = files.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let server = Mariadb::start_with(&options).await;
    let root = MySql { address: server.socket().display().to_string(), tls: Some(mode(MySqlTlsMode::Disabled)), ..server.config() };
    migrate(&mysql(root.clone())).await.expect("the server is empty");
    seed(&mysql(root), &in_memory().1, PageViews::Required).await.expect("the table is there");
    server
}

/// An authority, and a server with a certificate of it for `localhost`.
async fn localhost(dir: &Path, more: &[&str]) -> (Authority, Mariadb) {
    let authority = Authority::new(dir);
    authority.issue("server", 1);
    let server = secured(&dir.join("server/tls.crt"), &dir.join("server/tls.key"), more).await;
    (authority, server)
}

fn mode(mode: MySqlTlsMode) -> MySqlTls {
    MySqlTls { mode, ..MySqlTls::default() }
}

fn trusting(of: MySqlTlsMode, ca: &Path) -> MySqlTls {
    MySqlTls { ca_file: Some(ca.to_owned()), ..mode(of) }
}

async fn open_with(server: &Mariadb, username: &str, tls: MySqlTls) -> Result<Data, ConnectError> {
    open(&mysql(MySql { username: username.to_owned(), tls: Some(tls), ..server.config() }), &in_memory().1).await
}

async fn assert_reads(outcome: Result<Data, ConnectError>) {
    match outcome {
        Ok(data) => assert_eq!(name(&data, 1).await, hutao()),
        Err(error) => panic!("{error}"),
    }
}

fn assert_refused(outcome: Result<Data, ConnectError>, parts: &[&str]) {
    let message = wrong(outcome);
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[tokio::test]
async fn d4_the_modes_are_those_of_mysqls_own_client() {
    let dir = tempfile::tempdir().unwrap();
    let (_authority, server) = localhost(dir.path(), &[]).await;
    server.execute("CREATE USER secure REQUIRE SSL").await;
    server.execute("GRANT SELECT ON demo_a.* TO secure").await;
    let ca = dir.path().join("ca.crt");
    let strangers = tempfile::tempdir().unwrap();
    Authority::new(strangers.path());
    let stranger = strangers.path().join("ca.crt");
    use MySqlTlsMode::*;

    assert_refused(open_with(&server, "secure", mode(Disabled)).await, &["Access denied for user 'secure'"]);
    assert_reads(open_with(&server, "root", mode(Disabled)).await).await;
    for encrypted in [mode(Preferred), mode(Required), trusting(VerifyCa, &ca)] {
        assert_reads(open_with(&server, "secure", encrypted).await).await;
    }
    let unknown = ["is of an authority that is not trusted (put its authority into users.mysql.tls.caFile)"];
    assert_refused(open_with(&server, "secure", trusting(VerifyCa, &stranger)).await, &unknown);
    assert_refused(open_with(&server, "secure", trusting(VerifyIdentity, &stranger)).await, &unknown);
    let public = ["is of no public authority (set users.mysql.tls.caFile to its authority)"];
    assert_refused(open_with(&server, "secure", mode(VerifyIdentity)).await, &public);

    let named = |name: &str| MySqlTls { server_name: Some(name.to_owned()), ..trusting(VerifyIdentity, &ca) };
    let other = [
        "is not for 127.0.0.1 but for localhost (set users.mysql.tls.serverName to a name that it has, or set users.mysql.tls.mode to VerifyCa)",
    ];
    assert_refused(open_with(&server, "secure", trusting(VerifyIdentity, &ca)).await, &other);
    assert_refused(open_with(&server, "secure", named("db.example.com")).await, &["is not for db.example.com but for localhost"]);
    assert_refused(open_with(&server, "secure", named("a b")).await, &["users.mysql.tls: serverName: \"a b\""]);
    assert_reads(open_with(&server, "secure", named("localhost")).await).await;

    // The short form, and the name of the address.
    let short = MySql { username: "secure".to_owned(), ca_file: Some(ca), ..server.config() };
    let by_name = MySql { address: short.address.replace("127.0.0.1", "localhost"), ..short.clone() };
    assert_reads(open(&mysql(by_name), &in_memory().1).await).await;
    assert_refused(open(&mysql(short), &in_memory().1).await, &["with users.mysql.tls in the place of users.mysql.caFile"]);
}

#[tokio::test]
async fn d4_a_socket_of_this_machine_needs_no_tls_and_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_authority, server) = localhost(dir.path(), &[]).await;
    server.execute("CREATE USER secure REQUIRE SSL").await;
    server.execute("GRANT SELECT ON demo_a.* TO secure").await;
    let ca = dir.path().join("ca.crt");
    let local = |username: &str, tls| {
        mysql(MySql { address: server.socket().display().to_string(), username: username.to_owned(), tls: Some(tls), ..server.config() })
    };
    for tls in [mode(MySqlTlsMode::Disabled), mode(MySqlTlsMode::Preferred)] {
        assert_reads(open(&local("root", tls), &in_memory().1).await).await;
    }
    // Its name is localhost.
    for tls in [mode(MySqlTlsMode::Required), trusting(MySqlTlsMode::VerifyIdentity, &ca)] {
        assert_reads(open(&local("secure", tls), &in_memory().1).await).await;
    }
}

#[tokio::test]
async fn d4_without_tls_on_the_server_only_those_who_need_it_are_refused() {
    let server = Mariadb::start().await;
    migrate(&mysql(server.config())).await.unwrap();
    seed(&mysql(server.config()), &in_memory().1, PageViews::Required).await.unwrap();
    for tls in [mode(MySqlTlsMode::Disabled), mode(MySqlTlsMode::Preferred)] {
        assert_reads(open_with(&server, "root", tls).await).await;
    }
    let missing = ["the server offers no TLS (switch TLS on there, or set users.mysql.tls.mode to Preferred or Disabled)"];
    assert_refused(open_with(&server, "root", mode(MySqlTlsMode::Required)).await, &missing);
    assert_refused(open_with(&server, "root", mode(MySqlTlsMode::VerifyIdentity)).await, &missing);
}

#[tokio::test]
async fn d4_a_server_that_insists_on_tls_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_authority, server) = localhost(dir.path(), &["--require-secure-transport=on"]).await;
    // Nothing is said of TLS.
    let users = mysql(server.config());
    assert!(migrate(&users).await.unwrap().applied.is_empty());
    seed(&users, &in_memory().1, PageViews::Required).await.unwrap();
    assert_reads(open(&users, &in_memory().1).await).await;
    let refused = open_with(&server, "root", mode(MySqlTlsMode::Disabled)).await;
    assert_refused(refused, &["Access denied", "whether the server insists on TLS, which users.mysql.tls.mode disables"]);
}

#[tokio::test]
async fn d4_a_client_certificate_is_shown_where_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.crt");
    let authority = Authority::new(dir.path());
    for (name, serial) in [("server", 1), ("client", 2)] {
        authority.issue(name, serial);
    }
    authority.issue_mismatched("mixed");
    let strangers = tempfile::tempdir().unwrap();
    Authority::new(strangers.path()).issue("client", 3);
    let option = format!("--ssl-ca={}", ca.display());
    let server = secured(&dir.path().join("server/tls.crt"), &dir.path().join("server/tls.key"), &[&option]).await;
    server.execute("CREATE USER certified REQUIRE X509").await;
    server.execute("GRANT ALL ON *.* TO certified").await;
    let shown = |dir: &Path, name: &str| MySqlTls {
        cert_file: Some(dir.join(name).join("tls.crt")),
        key_file: Some(dir.join(name).join("tls.key")),
        ..trusting(MySqlTlsMode::VerifyCa, &ca)
    };

    let none = open_with(&server, "certified", trusting(MySqlTlsMode::VerifyCa, &ca)).await;
    assert_refused(none, &["Access denied", "a user who has to show a certificate needs users.mysql.tls.certFile"]);
    assert_refused(open_with(&server, "certified", shown(strangers.path(), "client")).await, &["users.mysql.tls.certFile"]);
    assert_refused(open_with(&server, "certified", shown(dir.path(), "mixed")).await, &["users.mysql.tls.keyFile", "does not match"]);
    assert_refused(open_with(&server, "certified", shown(dir.path(), "nowhere")).await, &["users.mysql.tls.certFile", "cannot be read"]);
    assert_reads(open_with(&server, "certified", shown(dir.path(), "client")).await).await;

    // Migrations and samples go the same way.
    let config =
        MySql { username: "certified".to_owned(), tls: Some(shown(dir.path(), "client")), database: "other".to_owned(), ..server.config() };
    let made = migrate(&mysql(config.clone())).await.unwrap();
    assert_eq!((made.created_database, made.applied.len()), (true, 1));
    assert_eq!(seed(&mysql(config), &in_memory().1, PageViews::Required).await.unwrap().users, 10);
}

#[tokio::test]
async fn d4_certificates_are_read_again_at_each_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (old, mut server) = localhost(dir.path(), &[]).await;
    let data = open_with(&server, "root", trusting(MySqlTlsMode::VerifyCa, &dir.path().join("ca.crt"))).await.unwrap();
    assert_eq!(name(&data, 1).await, hutao());
    drop(old);
    // Another authority in the same files.
    Authority::new(dir.path()).issue("server", 2);
    server.kill();
    server.restart().await;
    assert_eq!(name(&data, 1).await, hutao());
}

/// Has openssl make `<name>.key` and `<name>.crt` in `dir`, with what `steps` say.
fn openssl(dir: &Path, steps: &[&str]) {
    for step in steps {
        let output = Command::new(installed("openssl")).current_dir(dir).args(step.split(' ')).output().expect("it runs");
        assert!(output.status.success(), "{step}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// An authority, and a certificate of it with a common name only, with these extensions; of X.509 version 1 without any.
fn old_certificate(dir: &Path, extensions: Option<&str>) -> [PathBuf; 3] {
    let sign = "x509 -req -in old.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 10 -out old.crt";
    let with = extensions.map(|extensions| {
        std::fs::write(dir.join("extensions"), extensions).expect("written");
        format!("{sign} -extfile extensions")
    });
    openssl(
        dir,
        &[
            &format!("req -x509 {KEY} -days 10 -subj /CN=authority -keyout ca.key -out ca.crt"),
            &format!("req -new {KEY} -subj /CN=127.0.0.1 -keyout old.key -out old.csr"),
            with.as_deref().unwrap_or(sign),
        ],
    );
    ["ca.crt", "old.crt", "old.key"].map(|file| dir.join(file))
}

#[tokio::test]
async fn d8_certificates_of_version_1_are_used_where_nothing_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let [ca, certificate, key] = old_certificate(dir.path(), None);
    let server = secured(&certificate, &key, &["--require-secure-transport=on"]).await;
    assert_reads(open(&mysql(server.config()), &in_memory().1).await).await;
    for tls in [mode(MySqlTlsMode::Preferred), mode(MySqlTlsMode::Required)] {
        assert_reads(open_with(&server, "root", tls).await).await;
    }
    let said = ["is of X.509 version 1, which cannot be checked (have one of version 3 issued, or set users.mysql.tls.mode to Required"];
    assert_refused(open_with(&server, "root", trusting(MySqlTlsMode::VerifyCa, &ca)).await, &said);
    assert_refused(open_with(&server, "root", trusting(MySqlTlsMode::VerifyCa, &certificate)).await, &said);
    assert_refused(open_with(&server, "root", mode(MySqlTlsMode::VerifyIdentity)).await, &said);
}

#[tokio::test]
async fn d8_certificates_with_a_common_name_only_are_checked_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let [ca, certificate, key] = old_certificate(dir.path(), Some("basicConstraints=CA:FALSE"));
    let server = secured(&certificate, &key, &[]).await;
    assert_reads(open_with(&server, "root", trusting(MySqlTlsMode::VerifyCa, &ca)).await).await;
    let said = ["names no host: it has no subjectAltName, and a common name does not count (set users.mysql.tls.mode to VerifyCa, or"];
    assert_refused(open_with(&server, "root", trusting(MySqlTlsMode::VerifyIdentity, &ca)).await, &said);
}

#[tokio::test]
async fn d8_a_certificate_that_is_its_own_authority_is_trusted_if_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let own = format!("req -x509 {KEY} -days 10 -subj /CN=db -addext subjectAltName=IP:127.0.0.1 -keyout own.key -out own.crt");
    openssl(dir.path(), &[&own]);
    let [certificate, key] = ["own.crt", "own.key"].map(|file| dir.path().join(file));
    let server = secured(&certificate, &key, &[]).await;
    for of in [MySqlTlsMode::VerifyCa, MySqlTlsMode::VerifyIdentity] {
        assert_reads(open_with(&server, "root", trusting(of, &certificate)).await).await;
    }
    let short = MySql { ca_file: Some(certificate.clone()), ..server.config() };
    assert_reads(open(&mysql(short), &in_memory().1).await).await;
    let other = MySqlTls { server_name: Some("db".to_owned()), ..trusting(MySqlTlsMode::VerifyIdentity, &certificate) };
    assert_refused(open_with(&server, "root", other).await, &["is not for db but for 127.0.0.1"]);
    let unknown = open_with(&server, "root", mode(MySqlTlsMode::VerifyIdentity)).await;
    assert_refused(unknown, &["is an authority's own (put that very certificate into users.mysql.tls.caFile, or"]);
}

#[tokio::test]
async fn d8_a_certificate_for_clients_is_told_from_others() {
    let dir = tempfile::tempdir().unwrap();
    let [ca, certificate, key] = old_certificate(dir.path(), Some("extendedKeyUsage=clientAuth\nsubjectAltName=IP:127.0.0.1"));
    let server = secured(&certificate, &key, &[]).await;
    let refused = open_with(&server, "root", trusting(MySqlTlsMode::VerifyIdentity, &ca)).await;
    assert_refused(refused, &["is not for servers (extendedKeyUsage) (have another one issued for the server)"]);
}
