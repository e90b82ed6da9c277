//! Users in an SQLite file.

mod file;

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use user_info_api::config::Sqlite;

pub(in crate::data) use self::file::{close_whole, write};
use self::file::{explain, message};
use super::{User, sql};
use crate::data::loader::{Answer, Backend, ConnectError, ReadError};

/// Kind and path, for people.
pub(in crate::data) fn name(config: &Sqlite) -> String {
    format!("sqlite {}", config.path.display())
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
        let explain = |error: sqlx::Error| explain(&self.config, &error);
        let mut connection = file::read(&self.config).await.map_err(explain)?;
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
    let statement = sql::select(ids);
    let query = statement.ids.fold(sqlx::query(statement.text), sqlx::query::Query::bind);
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let id: i64 = row.try_get(0)?;
        if let Ok(place) = ids.binary_search(&id) {
            answers[place] = match user(id, &row) {
                Ok(user) => Answer::Found(user),
                Err(problem) => Answer::Malformed(format!("user_info, id {id}: {problem}").into()),
            };
        }
    }
    Ok(())
}

fn user(id: i64, row: &SqliteRow) -> Result<User, String> {
    Ok(User { id, name: text(row, 1, "name")?, email: text(row, 2, "email")? })
}

/// The text in a column, whose values may be of any type. NULL counts as empty, as in the Go demo.
fn text(row: &SqliteRow, place: usize, column: &str) -> Result<String, String> {
    match row.try_get_unchecked::<Option<String>, _>(place) {
        Ok(text) => Ok(text.unwrap_or_default()),
        Err(_) => {
            let bytes = row.try_get_unchecked::<Vec<u8>, _>(place).map_err(|_| format!("the column {column} cannot be read"))?;
            sql::utf8(column, &bytes)
        }
    }
}
