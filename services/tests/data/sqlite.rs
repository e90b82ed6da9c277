//! Users in an SQLite file.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures_util::future::{join, join_all};
use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use user_info_api::config::{Sqlite, Users};
use user_info_services::data::{LoadError, PageViews, Seeded, migrate, seed};

use super::{hutao, in_memory, name, open, wrong};

fn sqlite(path: PathBuf) -> Users {
    Users { sqlite: Some(Sqlite { path }), ..Users::default() }
}

#[tokio::test]
async fn sqlite_is_migrated_seeded_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let users = sqlite(dir.path().join("users.db"));
    let views = in_memory().1;
    let message = wrong(open(&users, &views).await);
    assert!(message.contains("run `user_info migrate`"), "{message}");

    let (one, two) = join(migrate(&users), migrate(&users)).await;
    let applied = one.unwrap().applied.len() + two.unwrap().applied.len();
    assert_eq!(applied, 1, "one of two at a time does it");
    assert!(migrate(&users).await.unwrap().applied.is_empty());
    let data = open(&users, &views).await.unwrap();
    assert_eq!(name(&data, 1).await, Ok(None));

    // Written while a reader is connected.
    assert_eq!(seed(&users, &views, PageViews::Required).await.unwrap(), Seeded { users: 10, views: 0 });
    assert_eq!(seed(&users, &views, PageViews::Required).await.unwrap(), Seeded { users: 0, views: 0 });
    let found = join_all((0..500).map(|i| data.get(i % 20))).await;
    assert!((0..).zip(found).all(|(i, found)| found.unwrap().map_or(0, |(user, _)| user.id) == if i % 20 <= 10 { i % 20 } else { 0 }));

    let text = dir.path().join("text");
    std::fs::write(&text, "certainly not a database, although as long as the header of one has to be, and longer").unwrap();
    let message = wrong(open(&sqlite(text), &views).await);
    assert!(message.contains("not a file that `user_info migrate` made"), "{message}");
}

/// A seeded file in a folder of its own.
async fn seeded() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users.db");
    migrate(&sqlite(path.clone())).await.unwrap();
    seed(&sqlite(path.clone()), &in_memory().1, PageViews::Required).await.unwrap();
    (dir, path)
}

/// What is in the folder.
fn files(dir: &Path) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

/// Copies the file alone, as `COPY` in a Dockerfile does.
fn copy(path: &Path) -> (TempDir, Users) {
    let dir = tempfile::tempdir().unwrap();
    let copied = dir.path().join("copied.db");
    std::fs::copy(path, &copied).unwrap();
    (dir, sqlite(copied))
}

#[tokio::test]
async fn d1_a_file_is_whole_after_migrate_seed_and_service() {
    let views = in_memory().1;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users.db");
    migrate(&sqlite(path.clone())).await.unwrap();
    assert_eq!(files(dir.path()), ["users.db"]);
    let (_copied, users) = copy(&path);
    assert_eq!(name(&open(&users, &views).await.unwrap(), 1).await, Ok(None));

    let service = open(&sqlite(path.clone()), &views).await.unwrap();
    seed(&sqlite(path.clone()), &views, PageViews::Required).await.unwrap();
    assert_eq!(name(&service, 1).await, hutao());
    assert_eq!(files(dir.path()), ["users.db"], "beside a service that runs");
    drop(service);
    assert_eq!(files(dir.path()), ["users.db"]);
    let (_copied, users) = copy(&path);
    assert_eq!(name(&open(&users, &views).await.unwrap(), 1).await, hutao());
}

/// A connection that has a write-ahead log, as other programs like it, and a user in it.
async fn with_log(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.connect().await.unwrap();
    sqlx::query("INSERT INTO user_info (id, name) VALUES (11, 'log')").execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn d1_a_write_ahead_log_is_merged_by_migrate() {
    let (dir, path) = seeded().await;
    let views = in_memory().1;
    let connection = with_log(&path).await;
    assert_eq!(files(dir.path()), ["users.db", "users.db-shm", "users.db-wal"]);
    // While it is open it is read.
    assert_eq!(name(&open(&sqlite(path.clone()), &views).await.unwrap(), 11).await, Ok(Some("log".to_owned())));
    connection.close().await.unwrap();
    assert!(migrate(&sqlite(path.clone())).await.unwrap().applied.is_empty());
    assert_eq!(files(dir.path()), ["users.db"]);
    let header = std::fs::read(&path).unwrap();
    assert_eq!(header[18..20], [1, 1], "no write-ahead log");
    let (_copied, users) = copy(&path);
    assert_eq!(name(&open(&users, &views).await.unwrap(), 11).await, Ok(Some("log".to_owned())));
}

#[tokio::test]
async fn d1_a_copy_without_its_log_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE user_info (id INTEGER PRIMARY KEY, name TEXT, email TEXT)").execute(&mut connection).await.unwrap();
    let (_copied, users) = copy(&path);
    let message = wrong(open(&users, &in_memory().1).await);
    assert!(message.contains("the table may be in a write-ahead log that was not copied with the file"), "{message}");
}

/// Runs `work` as a user who is not root and has no rights of its own.
fn as_nobody<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    let nobody = Uid::from_raw(65534);
    std::thread::scope(|scope| {
        let run = move || {
            if rustix::process::geteuid().is_root() {
                // Of this thread, and of those that it starts.
                set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work())
        };
        scope.spawn(run).join().unwrap()
    })
}

/// Makes a folder and what is in it readable by all, and writable by nobody but root.
fn protect(dir: &Path) {
    let set = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for file in files(dir) {
        set(&dir.join(file), 0o444);
    }
    set(dir, 0o555);
}

#[tokio::test]
async fn d2_a_file_that_nobody_may_write_is_served() {
    let (dir, path) = seeded().await;
    protect(dir.path());
    let read = as_nobody(async || {
        std::fs::write(dir.path().join("more"), "").expect_err("the folder is protected");
        let data = open(&sqlite(path.clone()), &in_memory().1).await.unwrap();
        let written = seed(&sqlite(path.clone()), &in_memory().1, PageViews::Required).await.unwrap_err().to_string();
        assert!(written.ends_with("(the file and its folder have to be writable)"), "{written}");
        name(&data, 1).await
    });
    assert_eq!(read, hutao());
    assert_eq!(files(dir.path()), ["users.db"]);
}

#[tokio::test]
async fn d2_a_file_with_a_log_that_nobody_may_write_is_refused_with_the_remedy() {
    let (dir, path) = seeded().await;
    with_log(&path).await.close().await.unwrap();
    assert_eq!(files(dir.path()), ["users.db"]);
    protect(dir.path());
    let message = as_nobody(async || wrong(open(&sqlite(path.clone()), &in_memory().1).await));
    assert!(
        message.contains("needs a folder that can be written, on a local disk; `user_info migrate`, run where it can write"),
        "{message}"
    );
    // Which is true.
    migrate(&sqlite(path.clone())).await.unwrap();
    let read = as_nobody(async || name(&open(&sqlite(path.clone()), &in_memory().1).await.unwrap(), 11).await);
    assert_eq!(read, Ok(Some("log".to_owned())));
}

#[tokio::test]
async fn d7_values_of_any_type_are_read() {
    let (_dir, path) = seeded().await;
    let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    for change in [
        "UPDATE user_info SET name = CAST(name AS BLOB), email = x'' WHERE id = 1",
        "UPDATE user_info SET name = x'616263ff' WHERE id = 2",
        "UPDATE user_info SET name = CAST(x'ff' AS TEXT) WHERE id = 3",
        "CREATE TABLE other (id INTEGER PRIMARY KEY, name INTEGER, email NUMERIC)",
        "INSERT INTO other VALUES (1, 42, 1.5), (2, NULL, NULL)",
    ] {
        sqlx::query(change).execute(&mut connection).await.unwrap();
    }
    let data = open(&sqlite(path.clone()), &in_memory().1).await.unwrap();
    let user = data.get(1).await.unwrap().unwrap().0;
    assert_eq!((user.name.as_str(), user.email.as_str()), ("hutao", ""));
    let malformed =
        |id, byte| Err(LoadError::Malformed(format!("user_info, id {id}: the column name is not UTF-8 from byte {byte} on").into()));
    assert_eq!(name(&data, 2).await, malformed(2, 4));
    assert_eq!(name(&data, 3).await, malformed(3, 1));
    drop(data);
    for change in ["DROP TABLE user_info", "ALTER TABLE other RENAME TO user_info"] {
        sqlx::query(change).execute(&mut connection).await.unwrap();
    }
    let data = open(&sqlite(path), &in_memory().1).await.unwrap();
    let user = data.get(1).await.unwrap().unwrap().0;
    assert_eq!((user.name.as_str(), user.email.as_str()), ("42", "1.5"));
    assert_eq!(name(&data, 2).await, Ok(Some(String::new())));
}
