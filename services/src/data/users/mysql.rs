//! Users in MySQL or MariaDB.

use std::io::ErrorKind;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{ConnectOptions, Row};
use user_info_api::config::MySql;

use super::{User, room, sql};
use crate::data::address::Address;
use crate::data::loader::{Answer, Backend, ConnectError, ReadError, Room};
use crate::data::password;

/// Kind and address, for people.
pub(in crate::data) fn name(config: &MySql) -> String {
    format!("mysql {}", config.address)
}

/// The table `user_info` behind a connection of our own: a pool would ping before and after each query.
#[derive(Debug)]
pub(super) struct MySqlUsers {
    config: MySql,
}

impl MySqlUsers {
    pub(super) fn new(config: &MySql) -> Self {
        Self { config: config.clone() }
    }
}

impl Backend for MySqlUsers {
    type Key = i64;
    type Value = User;
    type Connection = MySqlConnection;

    const BATCH_BOUND: Duration = Duration::from_secs(1);

    async fn connect(&self) -> Result<MySqlConnection, ConnectError> {
        let mut connection = connect(&self.config, Some(&self.config.database)).await?;
        // Shows whether the table can be read, and prepares the statement that is needed most.
        read(&mut connection, &[0], &mut [Answer::Missing]).await.map_err(|error| explain(&self.config, &error))?;
        Ok(connection)
    }

    async fn room(&self, connection: &mut MySqlConnection) -> Option<Room> {
        room::room(connection).await
    }

    async fn read(&self, connection: &mut MySqlConnection, ids: &[i64], answers: &mut [Answer<User>]) -> Result<(), ReadError> {
        read(connection, ids, answers).await.map_err(|error| {
            let message = format!("{}: {}", name(&self.config), message(&error));
            if keeps_connection(&error) { ReadError::Refused(message) } else { ReadError::ConnectionLost(message) }
        })
    }
}

async fn read(connection: &mut MySqlConnection, ids: &[i64], answers: &mut [Answer<User>]) -> Result<(), sqlx::Error> {
    let (statement, bound) = sql::select(ids);
    let query = bound.fold(sqlx::query(statement), sqlx::query::Query::bind);
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        // The column may be unsigned in a table that we did not make.
        let id = match row.try_get::<i64, _>(0) {
            Ok(id) => id,
            Err(error) => row.try_get::<u64, _>(0).ok().and_then(|id| id.try_into().ok()).ok_or(error)?,
        };
        sql::place(id, &row, ids, answers);
    }
    Ok(())
}

/// Opens a connection to `database`, or to none.
pub(in crate::data) async fn connect(config: &MySql, database: Option<&str>) -> Result<MySqlConnection, ConnectError> {
    open(config, options(config, database)?).await.map_err(|error| explain(config, &error))
}

/// Opens a connection to the configured database; there is none if the server has no such database.
pub(in crate::data) async fn connect_if_there(config: &MySql) -> Result<Option<MySqlConnection>, ConnectError> {
    match open(config, options(config, Some(&config.database))?).await {
        Ok(connection) => Ok(Some(connection)),
        Err(error) if number(&error) == Some(UNKNOWN_DATABASE) => Ok(None),
        Err(error) => Err(explain(config, &error)),
    }
}

/// Opens a connection.
///
/// With a CA file, TLS with a checked server name. Without, no encryption, unless the server insists: since it requires a secure transport
/// for all or for this user (MariaDB then says no more than "access denied"), or to learn a password that its `caching_sha2_password` cache
/// does not hold yet.
async fn open(config: &MySql, options: MySqlConnectOptions) -> Result<MySqlConnection, sqlx::Error> {
    match options.connect().await {
        Err(refused) if config.ca_file.is_none() && may_want_tls(&refused) => {
            match options.ssl_mode(MySqlSslMode::Required).connect().await {
                // The server has no TLS, so that was not the reason.
                Err(sqlx::Error::Tls(_)) => Err(refused),
                outcome => outcome,
            }
        }
        outcome => outcome,
    }
}

fn options(config: &MySql, database: Option<&str>) -> Result<MySqlConnectOptions, ConnectError> {
    let mut options = MySqlConnectOptions::new().username(&config.username).ssl_mode(MySqlSslMode::Disabled).disable_statement_logging();
    options = match Address::parse(&config.address) {
        Some(Address::Tcp(host, port)) => options.host(host).port(port),
        Some(Address::Unix(path)) => options.socket(path),
        None => {
            let wrong = format!("users.mysql.address: {:?} is neither host:port nor an absolute path of a socket", config.address);
            return Err(ConnectError::Configuration(wrong));
        }
    };
    if let Some(password) = password::read(config.password_file.as_deref(), "users.mysql.passwordFile")? {
        options = options.password(&password);
    }
    if let Some(ca) = &config.ca_file {
        let unreadable = |error| ConnectError::Configuration(format!("users.mysql.caFile: cannot read {}: {error}", ca.display()));
        options = options.ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca_from_pem(std::fs::read(ca).map_err(unreadable)?);
    }
    Ok(match database {
        Some(database) => options.database(database),
        None => options,
    })
}

fn number(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// What the server says if it has no such database.
const UNKNOWN_DATABASE: u16 = 1049;

fn may_want_tls(error: &sqlx::Error) -> bool {
    match error {
        // The driver says so where the password would have to be encrypted with the server's RSA key.
        sqlx::Error::Configuration(_) => true,
        error => matches!(number(error), Some(1045 | 3159)),
    }
}

/// Whether the secure channel failed; what is wrong with a certificate comes as invalid data.
fn is_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == ErrorKind::InvalidData,
        _ => false,
    }
}

fn message(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Says what a person can do about an error while connecting. Numbers: MySQL's server error reference.
fn explain(config: &MySql, error: &sqlx::Error) -> ConnectError {
    let text = format!("{}: {}", name(config), message(error));
    let remedy = match (number(error), error) {
        (Some(number), _) if room::REFUSED.contains(&number) => return ConnectError::Unreachable(format!("{text} ({})", room::REMEDY)),
        (Some(1045 | 1698), _) => "check users.mysql.username and the password file",
        (Some(1044 | 1142 | 1143), _) => "grant the user SELECT on the table user_info",
        (Some(UNKNOWN_DATABASE | 1146), _) => "run `user_info migrate`",
        (Some(1054), _) => "the table user_info needs the columns id, name and email; `user_info migrate` makes it where there is none",
        (_, error) if is_tls(error) => "check users.mysql.caFile and the name in users.mysql.address",
        (_, sqlx::Error::Protocol(_)) => "check that users.mysql.address is a MySQL server and how it authenticates the user",
        (_, sqlx::Error::Configuration(_)) => "check users.mysql",
        _ => return ConnectError::Unreachable(text),
    };
    ConnectError::Configuration(format!("{text} ({remedy})"))
}

/// Whether the connection is fine after `error`. Not so if the server is about to close it: shutdown (1053), killed (1927, 3169), idle for
/// too long (4031), or class 08 of SQLSTATE.
fn keeps_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            !matches!(number(error), Some(1053 | 1927 | 3169 | 4031)) && !database.code().is_some_and(|state| state.starts_with("08"))
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnIndexOutOfBounds { .. } => true,
        _ => false,
    }
}
