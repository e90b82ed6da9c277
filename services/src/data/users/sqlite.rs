//! Users in an SQLite file.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use user_info_api::config::Sqlite;

use super::{User, sql};
use crate::data::loader::{Answer, Backend, ConnectError, ReadError};

/// How long a read waits for a writer: as long as a query may take.
const BUSY_TIMEOUT: Duration = Duration::from_millis(700);

/// Kind and path, for people.
pub(in crate::data) fn name(config: &Sqlite) -> String {
    format!("sqlite {}", config.path.display())
}

/// What the start would refuse of the file.
pub(in crate::data) async fn refusal(config: &Sqlite) -> Option<ConnectError> {
    SqliteUsers::new(config).connect().await.err().filter(|error| matches!(error, ConnectError::Configuration(_)))
}

/// The table `user_info` of a file that is only read.
#[derive(Debug)]
pub(super) struct SqliteUsers {
    config: Sqlite,
}

impl SqliteUsers {
    pub(super) fn new(config: &Sqlite) -> Self {
        Self { config: config.clone() }
    }
}

impl Backend for SqliteUsers {
    type Key = i64;
    type Value = User;
    type Connection = SqliteConnection;

    const BATCH_BOUND: Duration = Duration::from_secs(1);

    async fn connect(&self) -> Result<SqliteConnection, ConnectError> {
        let options = SqliteConnectOptions::new().filename(&self.config.path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        let explain = |error: sqlx::Error| explain(&self.config, &error);
        let mut connection = options.disable_statement_logging().connect().await.map_err(explain)?;
        // Shows whether the table can be read, and prepares the statement that is needed most.
        read(&mut connection, &[0], &mut [Answer::Missing]).await.map_err(explain)?;
        Ok(connection)
    }

    async fn read(&self, connection: &mut SqliteConnection, ids: &[i64], answers: &mut [Answer<User>]) -> Result<(), ReadError> {
        read(connection, ids, answers).await.map_err(|error| {
            let message = format!("{}: {}", name(&self.config), message(&error));
            match error {
                sqlx::Error::Database(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => ReadError::Refused(message),
                _ => ReadError::ConnectionLost(message),
            }
        })
    }
}

async fn read(connection: &mut SqliteConnection, ids: &[i64], answers: &mut [Answer<User>]) -> Result<(), sqlx::Error> {
    let (statement, bound) = sql::select(ids);
    let query = bound.fold(sqlx::query(statement), sqlx::query::Query::bind);
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        sql::place(row.try_get(0)?, &row, ids, answers);
    }
    Ok(())
}

fn message(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}

/// The file cannot be opened.
const CANTOPEN: u32 = 14;
/// The file is not a database.
const NOTADB: u32 = 26;

/// SQLite's primary result code, which is the last byte of the extended one.
fn code(error: &sqlx::Error) -> Option<u32> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// Says what a person can do about an error while opening the file.
fn explain(config: &Sqlite, error: &sqlx::Error) -> ConnectError {
    let message = message(error);
    let text = format!("{}: {message}", name(config));
    // A table or column that is missing has the code of any wrong statement: the message alone tells.
    if code(error) == Some(CANTOPEN) || message.contains("no such table") {
        return ConnectError::Configuration(format!("{text} (run `user_info migrate`, and check users.sqlite.path and its permissions)"));
    }
    if code(error) == Some(NOTADB) || message.contains("no such column") {
        return ConnectError::Configuration(format!("{text} (users.sqlite.path is not a file that `user_info migrate` made)"));
    }
    ConnectError::Unreachable(text)
}
