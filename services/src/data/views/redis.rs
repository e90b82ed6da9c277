//! Page views in Redis: `U:<id>:VISITS`, decimal.

use std::io::Write;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::io::tcp::TcpSettings;
use ::redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError, Value};
use user_info_api::config::Redis;

use crate::data::address::Address;
use crate::data::loader::{Answer, Backend, ConnectError, ReadError};
use crate::data::password;

/// Kind and address, for people.
pub(in crate::data) fn name(config: &Redis) -> String {
    format!("redis {}", config.address)
}

/// Counters behind one connection.
#[derive(Debug)]
pub(super) struct RedisViews {
    config: Redis,
}

impl RedisViews {
    pub(super) fn new(config: &Redis) -> Self {
        Self { config: config.clone() }
    }
}

/// An open connection, and buffers that are filled again for each command.
pub(super) struct RedisConnection {
    connection: MultiplexedConnection,
    command: Cmd,
    key: Vec<u8>,
}

impl Backend for RedisViews {
    type Key = i64;
    type Value = i64;
    type Connection = RedisConnection;

    /// As the Go demo's read timeout. Short, as a reply without page views is better than a late one.
    const BATCH_BOUND: Duration = Duration::from_millis(200);

    async fn connect(&self) -> Result<RedisConnection, ConnectError> {
        let connection = connect(&self.config).await?;
        let mut connection = RedisConnection { connection, command: Cmd::new(), key: Vec::new() };
        // A server that wants a password tells so at the first command only.
        read(&mut connection, &[0], &mut [Answer::Missing]).await.map_err(|error| explain(&self.config, &error))?;
        Ok(connection)
    }

    async fn read(&self, connection: &mut RedisConnection, ids: &[i64], answers: &mut [Answer<i64>]) -> Result<(), ReadError> {
        read(connection, ids, answers).await.map_err(|error| {
            let message = format!("{}: {error}", name(&self.config));
            if error.is_unrecoverable_error() || error.is_io_error() {
                ReadError::ConnectionLost(message)
            } else {
                ReadError::Refused(message)
            }
        })
    }
}

async fn read(connection: &mut RedisConnection, ids: &[i64], answers: &mut [Answer<i64>]) -> Result<(), RedisError> {
    let RedisConnection { connection, command, key } = connection;
    command.clear();
    command.arg("MGET");
    for &id in ids {
        write_key(key, id);
        command.arg(&key[..]);
    }
    let Value::Array(values) = connection.send_packed_command(command).await?.extract_error()? else {
        return Err((ErrorKind::UnexpectedReturnType, "the reply to MGET is not an array").into());
    };
    for ((answer, value), id) in answers.iter_mut().zip(values).zip(ids) {
        *answer = match value {
            Value::Nil => Answer::Missing,
            Value::BulkString(text) => match parse(&text) {
                Some(visits) => Answer::Found(visits),
                None => Answer::Malformed(format!("U:{id}:VISITS is {:?}, not a number", String::from_utf8_lossy(&text)).into()),
            },
            other => Answer::Malformed(format!("U:{id}:VISITS is {other:?}, not a string").into()),
        };
    }
    Ok(())
}

/// Writes the key of the user `id` into `key`.
pub(in crate::data) fn write_key(key: &mut Vec<u8>, id: i64) {
    key.clear();
    // Writing into memory does not fail.
    let _ = write!(key, "U:{id}:VISITS");
}

fn parse(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Opens a connection. Its commands have no timeout of their own, which would be a timer each: the loader bounds them.
pub(in crate::data) async fn connect(config: &Redis) -> Result<MultiplexedConnection, ConnectError> {
    let address = match Address::parse(&config.address) {
        Some(Address::Tcp(host, port)) => ConnectionAddr::Tcp(host.to_owned(), port),
        Some(Address::Unix(path)) => ConnectionAddr::Unix(path.to_owned()),
        None => {
            let wrong = format!("views.redis.address: {:?} is neither host:port nor an absolute path of a socket", config.address);
            return Err(ConnectError::Configuration(wrong));
        }
    };
    let mut settings = RedisConnectionInfo::default().set_db(config.database.into());
    if let Some(username) = &config.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = password::read(config.password_file.as_deref(), "views.redis.passwordFile")? {
        settings = settings.set_password(password);
    }
    let open = async {
        let info = address.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true)).set_redis_settings(settings);
        let bounds = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        Client::open(info)?.get_multiplexed_async_connection_with_config(&bounds).await
    };
    open.await.map_err(|error| explain(config, &error))
}

/// Says what a person can do about an error while connecting.
fn explain(config: &Redis, error: &RedisError) -> ConnectError {
    let text = format!("{}: {error}", name(config));
    let remedy = match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => "check views.redis.username and the password file",
        (_, Some("NOPERM")) => "allow the user MGET on U:*:VISITS",
        (ErrorKind::InvalidClientConfig, _) => "check views.redis",
        _ if text.contains("switch database") => "check views.redis.database",
        _ => return ConnectError::Unreachable(text),
    };
    ConnectError::Configuration(format!("{text} ({remedy})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_as_the_go_demo_writes_them() {
        let mut key = b"something longer than the key".to_vec();
        write_key(&mut key, 10086);
        assert_eq!(key, b"U:10086:VISITS");
        assert_eq!(parse(b"42"), Some(42));
        assert_eq!(parse(b"-1"), Some(-1));
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b" 42"), None);
        assert_eq!(parse(b"99999999999999999999"), None);
    }
}
