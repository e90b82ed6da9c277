//! Users in a real MariaDB.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use user_info_api::config::{MySql, Users, Views};
use user_info_services::data::{Data, LoadError, PageViews, Seeded, migrate, seed};
use user_info_testing::mariadb::Mariadb;
use user_info_testing::program::installed;
use user_info_testing::redis::Redis;
use user_info_testing::wait::eventually;

use super::{hutao, in_memory, metrics, name, open, wrong};

fn mysql(config: MySql) -> Users {
    Users { mysql: Some(config), ..Users::default() }
}

/// A server with the sample users, and how to reach it.
async fn seeded_mariadb() -> (Mariadb, Users) {
    let server = Mariadb::start().await;
    let users = mysql(server.config());
    migrate(&users).await.expect("the server is empty");
    seed(&users, &in_memory().1, PageViews::Required).await.expect("the table is there");
    (server, users)
}

#[tokio::test]
async fn mysql_is_migrated_seeded_and_read() {
    let server = Mariadb::start().await;
    let redis_server = Redis::start().await;
    let (users, views) = (mysql(server.config()), Views { redis: Some(redis_server.config()), memory: false });

    let (one, two) = join(migrate(&users), migrate(&users)).await;
    let applied = one.unwrap().applied.len() + two.unwrap().applied.len();
    assert_eq!(applied, 1, "one of two at a time does it");
    let again = migrate(&users).await.unwrap();
    assert!(again.to_string().ends_with("/demo_a: up to date"), "{again}");

    assert_eq!(seed(&users, &views, PageViews::Required).await.unwrap(), Seeded { users: 10, views: 10 });
    server.execute("UPDATE demo_a.user_info SET name = 'changed' WHERE id = 2").await;
    assert_eq!(seed(&users, &views, PageViews::Required).await.unwrap(), Seeded { users: 0, views: 0 });

    let data = open(&users, &views).await.unwrap();
    let (user, visits) = data.get(1).await.unwrap().unwrap();
    assert_eq!((user.id, user.name.as_str(), user.email.as_str(), visits), (1, "hutao", "hutao@wangshengtang.com", 10086));
    assert_eq!(name(&data, 2).await, Ok(Some("changed".to_owned())));
    assert_eq!(name(&data, 10).await, Ok(Some("zoë".to_owned())));
    for missing in [0, -1, 11, i64::MIN, i64::MAX] {
        assert_eq!(data.get(missing).await, Ok(None));
    }

    let found = join_all((0..500).map(|i| data.get(i % 20))).await;
    assert!((0..).zip(found).all(|(i, found)| found.unwrap().map_or(0, |(user, _)| user.id) == if i % 20 <= 10 { i % 20 } else { 0 }));

    let socket = MySql { address: server.socket().display().to_string(), ..server.config() };
    let data = open(&mysql(socket), &views).await.unwrap();
    assert_eq!(name(&data, 1).await, hutao());
}

#[tokio::test]
async fn mysql_tables_made_by_others_are_read() {
    let (server, users) = seeded_mariadb().await;
    server.execute("ALTER TABLE demo_a.user_info MODIFY id INT UNSIGNED, MODIFY email TEXT NULL").await;
    server.execute("UPDATE demo_a.user_info SET email = NULL WHERE id = 1").await;
    let data = open(&users, &in_memory().1).await.unwrap();
    let (user, _) = data.get(1).await.unwrap().unwrap();
    assert_eq!((user.id, user.name.as_str(), user.email.as_str()), (1, "hutao", ""));
}

#[tokio::test]
async fn a_mysql_connection_closed_meanwhile_is_not_noticed() {
    let (mut server, users) = seeded_mariadb().await;
    let data = open(&users, &in_memory().1).await.unwrap();
    assert_eq!(name(&data, 1).await, hutao());
    server.kill();
    server.restart().await;
    assert_eq!(name(&data, 1).await, hutao());
}

#[tokio::test]
async fn mysql_killed_fails_reads_at_once_until_it_is_back() {
    let (mut server, users) = seeded_mariadb().await;
    let data = open(&users, &in_memory().1).await.unwrap();
    server.kill();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(name(&data, 1).await, Err(LoadError::Unavailable));
    }
    assert!(start.elapsed() < Duration::from_secs(1), "100 reads took {:?}", start.elapsed());
    eventually("both connections are given up", async || data.status()[0].connected == 0).await;
    let error = data.status()[0].last_error.clone().unwrap_or_default();
    assert!(error.contains("Connection refused"), "{error}");

    server.restart().await;
    eventually("reads succeed again", async || name(&data, 1).await == hutao()).await;
    eventually("the error is forgotten", async || data.status()[0].last_error.is_none()).await;
}

#[tokio::test]
async fn mysql_hanging_holds_reads_for_a_second_at_most() {
    let (server, users) = seeded_mariadb().await;
    let data = open(&users, &in_memory().1).await.unwrap();
    assert_eq!(name(&data, 1).await, hutao());
    server.pause();
    let start = Instant::now();
    assert_eq!(name(&data, 1).await, Err(LoadError::Unavailable));
    assert!((500..1500).contains(&start.elapsed().as_millis()), "took {:?}", start.elapsed());
    server.resume();
    eventually("reads succeed again", async || name(&data, 1).await == hutao()).await;
}

#[tokio::test]
async fn mysql_away_at_start_is_waited_for() {
    let (mut server, users) = seeded_mariadb().await;
    server.kill();
    let data = open(&users, &in_memory().1).await.unwrap();
    assert_eq!(name(&data, 1).await, Err(LoadError::Unavailable));
    server.restart().await;
    eventually("reads succeed", async || name(&data, 1).await == hutao()).await;
}

#[tokio::test]
async fn what_is_wrong_with_mysql_is_said() {
    let (server, _) = seeded_mariadb().await;
    let views = in_memory().1;
    let dir = tempfile::tempdir().unwrap();
    let password_file = dir.path().join("password");
    server.execute("CREATE USER reader IDENTIFIED BY 'right'").await;
    server.execute("GRANT SELECT ON demo_a.* TO reader").await;
    let config = MySql { username: "reader".to_owned(), password_file: Some(password_file.clone()), ..server.config() };

    let message = wrong(open(&mysql(config.clone()), &views).await);
    assert!(message.contains("users.mysql.passwordFile: cannot read"), "{message}");
    std::fs::write(&password_file, "wrong\n").unwrap();
    let message = wrong(open(&mysql(config.clone()), &views).await);
    let expected = format!("mysql {}: Access denied for user 'reader'@'127.0.0.1' (using password: YES)", config.address);
    assert_eq!(message, format!("{expected} (check users.mysql.username and the password file)"));

    std::fs::write(&password_file, "right\n").unwrap();
    let data = open(&mysql(config.clone()), &views).await.unwrap();
    assert_eq!(name(&data, 1).await, hutao());
    drop(data);

    let elsewhere = MySql { database: "nowhere".to_owned(), ..server.config() };
    let message = wrong(open(&mysql(elsewhere), &views).await);
    assert!(message.ends_with("Unknown database 'nowhere' (run `user_info migrate`)"), "{message}");
    server.execute("DROP TABLE demo_a.user_info").await;
    let message = wrong(open(&mysql(config.clone()), &views).await);
    assert!(message.ends_with("Table 'demo_a.user_info' doesn't exist (run `user_info migrate`)"), "{message}");

    let denied = MySql { database: "nowhere".to_owned(), ..config };
    assert!(migrate(&mysql(denied)).await.is_err());
    let unseeded = seed(&mysql(server.config()), &views, PageViews::Required).await.unwrap_err().to_string();
    assert!(unseeded.contains("run `user_info migrate` first"), "{unseeded}");
}

#[tokio::test]
async fn a_rotated_password_is_read_from_its_file_again() {
    let (mut server, _) = seeded_mariadb().await;
    let dir = tempfile::tempdir().unwrap();
    let password_file = dir.path().join("password");
    server.execute("CREATE USER reader IDENTIFIED BY 'old'").await;
    server.execute("GRANT SELECT ON demo_a.* TO reader").await;
    std::fs::write(&password_file, "old").unwrap();
    let config = MySql { username: "reader".to_owned(), password_file: Some(password_file.clone()), ..server.config() };
    let data = open(&mysql(config), &in_memory().1).await.unwrap();
    server.execute("ALTER USER reader IDENTIFIED BY 'new'").await;
    server.execute("FLUSH TABLES").await;
    std::fs::write(&password_file, "new").unwrap();
    server.kill();
    server.restart().await;
    assert_eq!(name(&data, 1).await, hutao());
}

#[tokio::test]
async fn d9_a_password_rotated_between_two_connections_is_waited_for() {
    let (server, _) = seeded_mariadb().await;
    let dir = tempfile::tempdir().unwrap();
    let password_file = dir.path().join("password");
    server.execute("CREATE USER reader IDENTIFIED BY 'right'").await;
    server.execute("GRANT SELECT ON demo_a.* TO reader").await;
    std::fs::write(&password_file, "right").unwrap();
    let (username, password_file) = ("reader".to_owned(), Some(password_file));
    let config = MySql { username, password_file: password_file.clone(), connections: Some(2), ..server.config() };
    let first = Data::open_for(2, &mysql(config), &in_memory().1, &metrics()).await.unwrap();
    std::fs::write(password_file.as_ref().unwrap(), "tomorrow's").unwrap();
    let second = first.join(1);
    eventually("the second is refused", async || second.status()[0].trouble().is_some()).await;
    let trouble = second.status()[0].trouble().unwrap_or_default();
    assert!(trouble.contains("Access denied") && trouble.ends_with("(1 of 2 connections are open)"), "{trouble}");
    assert_eq!((name(&first, 1).await, name(&second, 1).await), (hutao(), hutao()));
    server.execute("SET PASSWORD FOR reader = PASSWORD('tomorrow\\'s')").await;
    eventually("the second is open", async || second.status()[0].connected == 2).await;
    assert_eq!(second.status()[0].trouble(), None);
}

/// A key and a certificate for 127.0.0.1 that vouches for itself, as PEM files `<name>.key` and `<name>.crt` in `dir`.
fn certificate(dir: &Path, name: &str) -> [PathBuf; 2] {
    let files = ["key", "crt"].map(|extension| dir.join(format!("{name}.{extension}")));
    let mut openssl = Command::new(installed("openssl"));
    openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=test".split(' '));
    openssl.args("-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout".split(' '));
    let output = openssl.arg(&files[0]).arg("-out").arg(&files[1]).output().expect("the program is there");
    assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    files
}

#[tokio::test]
async fn mysql_is_read_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let [key, ca_file] = certificate(dir.path(), "server");
    let [_, stranger] = certificate(dir.path(), "stranger");
    let options = [format!("--ssl-key={}", key.display()), format!("--ssl-cert={}", ca_file.display())];
    let server = Mariadb::start_with(&[&options[0], &options[1], "--require-secure-transport=on"]).await;
    let views = in_memory().1;

    // The server insists, so TLS is used even if nothing says whom to trust.
    migrate(&mysql(server.config())).await.unwrap();
    seed(&mysql(server.config()), &views, PageViews::Required).await.unwrap();
    let data = open(&mysql(server.config()), &views).await.unwrap();
    assert_eq!(name(&data, 1).await, hutao());

    let data = open(&mysql(MySql { ca_file: Some(ca_file), ..server.config() }), &views).await.unwrap();
    assert_eq!(name(&data, 1).await, hutao());
    let message = wrong(open(&mysql(MySql { ca_file: Some(stranger), ..server.config() }), &views).await);
    assert!(message.ends_with("(check users.mysql.caFile and the name in users.mysql.address)"), "{message}");
}
