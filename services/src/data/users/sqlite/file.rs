//! The file: opened to be read or written, left whole, and words for what is wrong with it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep, timeout_at};
use user_info_api::config::Sqlite;

use super::name;
use crate::data::loader::ConnectError;

/// How long a read waits for a writer: as long as a query may take.
const READ_PATIENCE: Duration = Duration::from_millis(700);
/// How long the others that have the file open are waited for before it is left with a write-ahead log.
const WHOLE_PATIENCE: Duration = Duration::from_secs(2);
/// Pause between two looks whether they are gone.
const PAUSE: Duration = Duration::from_millis(50);

/// Opens the file to be read.
///
/// It is opened for writing where that is allowed, although nothing is written: what a writer left behind that was killed has to be put in order.
pub(super) async fn read(config: &Sqlite) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(&config.path).busy_timeout(READ_PATIENCE).pragma("query_only", "ON");
    options.disable_statement_logging().connect().await
}

/// Opens the file to be written, and makes it if told so.
pub(in crate::data) async fn write(config: &Sqlite, make: bool) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(&config.path).create_if_missing(make);
    options.disable_statement_logging().connect().await
}

/// Closes what was written. Then all is in the one file, which may be copied, mounted read-only and kept on a network disk.
///
/// A write-ahead log, which a file may have from elsewhere, allows none of these. It stays while others have the file open.
pub(in crate::data) async fn close_whole(config: &Sqlite, mut connection: SqliteConnection) -> Result<(), sqlx::Error> {
    if journal(&mut connection, "PRAGMA journal_mode").await? == "wal" {
        let deadline = Instant::now() + WHOLE_PATIENCE;
        let merged = async {
            while journal(&mut connection, "PRAGMA journal_mode=DELETE").await.is_ok_and(|mode| mode == "wal") || has_wal(&config.path) {
                sleep(PAUSE).await;
            }
        };
        if timeout_at(deadline, merged).await.is_err() {
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await?;
            let file = config.path.display();
            tracing::warn!(%file, "others have the file open, so it keeps its write-ahead log; copy it with `sqlite3 FILE '.backup COPY'` only");
        }
    }
    connection.close().await
}

async fn journal(connection: &mut SqliteConnection, pragma: &'static str) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(pragma).fetch_one(connection).await
}

/// Whether the header of the file says that there is a write-ahead log beside it.
fn has_wal(path: &Path) -> bool {
    let mut header = [0; 20];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut header).is_ok()) && header[18..] == [2, 2]
}

/// The file may not be written.
const READONLY: u32 = 8;
/// The disk or the operating system does not do what SQLite needs.
const IOERR: u32 = 10;
/// The file cannot be opened.
const CANTOPEN: u32 = 14;
/// Locks do not work.
const PROTOCOL: u32 = 15;
/// The file is not a database.
const NOTADB: u32 = 26;

/// SQLite's primary result code, which is the last byte of the extended one.
fn code(error: &sqlx::Error) -> Option<u32> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

pub(super) fn message(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}

/// Says what a person can do about an error while opening the file.
pub(super) fn explain(config: &Sqlite, error: &sqlx::Error) -> ConnectError {
    let message = message(error);
    let text = format!("{}: {message}", name(config));
    // A table or column that is missing has the code of any wrong statement: the message alone tells.
    let remedy = match code(error) {
        Some(READONLY | IOERR | CANTOPEN | PROTOCOL) if has_wal(&config.path) => {
            "the file has a write-ahead log, which needs a folder that can be written, on a local disk; `user_info migrate`, run where it can \
             write, makes it one whole file"
        }
        Some(READONLY) => "a writer was interrupted; open the file once where it can be written, with `user_info migrate`",
        Some(IOERR) => "the disk fails, or has no locks, as some network disks have none; copy the file to a local disk",
        Some(CANTOPEN) => "run `user_info migrate`, and check users.sqlite.path and its permissions",
        Some(NOTADB) => NOT_OURS,
        _ if message.contains("no such table") && has_wal(&config.path) => {
            "the table may be in a write-ahead log that was not copied with the file; run `user_info migrate` on the first one and copy it \
             again, or run `user_info migrate` here"
        }
        _ if message.contains("no such table") => "run `user_info migrate`, and check users.sqlite.path",
        _ if message.contains("no such column") => NOT_OURS,
        _ => return ConnectError::Unreachable(text),
    };
    ConnectError::Configuration(format!("{text} ({remedy})"))
}

const NOT_OURS: &str = "users.sqlite.path is not a file that `user_info migrate` made";
