//! Page views in Redis: `U:<id>:VISITS`, decimal.
//!
//! Whatever is found at the configured address ends as one of two things: a server that is asked for a batch with one MGET (a proxy, and the
//! master that Sentinels name, are such), or a [`Cluster`] that is asked with one pipeline a node. The server is the common case and costs
//! nothing for the other.

mod cluster;
mod dial;
mod explain;
mod hedge;
mod link;
mod node;
mod redirect;
mod sentinel;
mod slots;

use std::io::Write;
use std::time::Duration;

use ::redis::{Cmd, ErrorKind, RedisError, Value};
use user_info_api::config::{Redis, RedisTopology};

use self::cluster::{Access, Cluster};
use self::link::{Link, Login};
use crate::data::loader::{Answer, Backend, ConnectError, ReadError};

/// Kind and address, for people.
pub(in crate::data) fn name(config: &Redis) -> String {
    format!("redis {}", config.seeds().join(","))
}

/// Counters behind one connection, or one to each node of a cluster.
#[derive(Debug)]
pub(super) struct RedisViews {
    config: Redis,
}

impl RedisViews {
    pub(super) fn new(config: &Redis) -> Self {
        Self { config: config.clone() }
    }
}

/// An open connection.
pub(in crate::data) enum Connection {
    /// To the server that has all keys, or a proxy that stands for those who do.
    Server(Server),
    /// To the nodes of a cluster.
    Cluster(Box<Cluster>),
}

/// A connection to one server, and buffers that are filled again for each command.
pub(in crate::data) struct Server {
    link: Link,
    command: Cmd,
    key: Vec<u8>,
}

impl Backend for RedisViews {
    type Key = i64;
    type Value = i64;
    type Connection = Connection;

    /// As the Go demo's read timeout. Short, as a reply without page views is better than a late one.
    const BATCH_BOUND: Duration = Duration::from_millis(200);

    async fn connect(&self) -> Result<Connection, ConnectError> {
        connect(&self.config).await
    }

    async fn read(&self, connection: &mut Connection, ids: &[i64], answers: &mut [Answer<i64>]) -> Result<(), ReadError> {
        let told = |error: &RedisError| format!("{}: {error}", name(&self.config));
        match connection {
            Connection::Server(server) => server.read(ids, answers).await.map_err(|error| {
                // A server that has become a node of a cluster is looked at anew.
                if error.is_unrecoverable_error() || error.is_io_error() || explain::is_of_cluster(&error) {
                    ReadError::ConnectionLost(told(&error))
                } else {
                    ReadError::Refused(told(&error))
                }
            }),
            Connection::Cluster(cluster) => read_from_cluster(cluster, ids, answers).await.map_err(|error| {
                if cluster.is_lost() { ReadError::ConnectionLost(told(&error)) } else { ReadError::Refused(told(&error)) }
            }),
        }
    }
}

/// Opens a connection that has answered once.
pub(in crate::data) async fn connect(config: &Redis) -> Result<Connection, ConnectError> {
    let address = match config.topology {
        RedisTopology::Auto => config.address.clone(),
        RedisTopology::Cluster => return open_cluster(config).await,
        RedisTopology::Sentinel => sentinel::master(config).await?,
    };
    let link = Link::open(config, &Login::of_server(config), &address).await?;
    let mut server = Server { link, command: Cmd::new(), key: Vec::new() };
    // A server that wants a password tells so at the first command only. One in cluster mode refuses keys of different slots, whichever it has.
    match server.read(&[0, 1], &mut [Answer::Missing, Answer::Missing]).await {
        Ok(()) => Ok(Connection::Server(server)),
        Err(error) if explain::is_of_cluster(&error) && config.topology == RedisTopology::Auto => open_cluster(config).await,
        Err(error) => Err(explain::failed(config, &address, &Login::of_server(config), &error).await),
    }
}

async fn open_cluster(config: &Redis) -> Result<Connection, ConnectError> {
    let mut cluster = Cluster::open(config).await?;
    let first = read_from_cluster(&mut cluster, &[0], &mut [Answer::Missing]).await;
    first.map_err(|error| explain::refused(&name(config), &Login::of_server(config), &error))?;
    Ok(Connection::Cluster(Box::new(cluster)))
}

impl Connection {
    /// Writes the page views of the user `id` unless there are some; whether it did.
    pub(in crate::data) async fn write_if_absent(&mut self, id: i64, visits: i64) -> Result<bool, RedisError> {
        let mut key = Vec::new();
        write_key(&mut key, id);
        let mut command = Cmd::new();
        command.arg("SET").arg(&key[..]).arg(visits).arg("NX");
        let reply = match self {
            Self::Server(server) => server.link.send(&command).await?,
            Self::Cluster(cluster) => {
                let mut replies = cluster.run(&[(slots::of(&key), command)], Access::Write).await?;
                replies.pop().unwrap_or(Value::Nil)
            }
        };
        Ok(matches!(reply, Value::Okay))
    }
}

impl Server {
    async fn read(&mut self, ids: &[i64], answers: &mut [Answer<i64>]) -> Result<(), RedisError> {
        let Self { link, command, key } = self;
        command.clear();
        command.arg("MGET");
        for &id in ids {
            write_key(key, id);
            command.arg(&key[..]);
        }
        let Value::Array(values) = link.send(command).await? else { return Err(not_an_array()) };
        for ((answer, value), &id) in answers.iter_mut().zip(values).zip(ids) {
            *answer = answer_of(id, value);
        }
        Ok(())
    }
}

/// One MGET a key, as a node refuses keys of different slots in one command; what belongs to a node goes there as one pipeline.
async fn read_from_cluster(cluster: &mut Cluster, ids: &[i64], answers: &mut [Answer<i64>]) -> Result<(), RedisError> {
    let mut key = Vec::new();
    let asked = ids.iter().map(|&id| {
        write_key(&mut key, id);
        let mut command = Cmd::new();
        command.arg("MGET").arg(&key[..]);
        (slots::of(&key), command)
    });
    let asked: Vec<_> = asked.collect();
    let replies = cluster.run(&asked, Access::Read).await?;
    for ((answer, reply), &id) in answers.iter_mut().zip(replies).zip(ids) {
        let Value::Array(mut values) = reply else { return Err(not_an_array()) };
        *answer = answer_of(id, values.pop().unwrap_or(Value::Nil));
    }
    Ok(())
}

fn not_an_array() -> RedisError {
    (ErrorKind::UnexpectedReturnType, "the reply to MGET is not an array").into()
}

fn answer_of(id: i64, value: Value) -> Answer<i64> {
    match value {
        Value::Nil => Answer::Missing,
        Value::BulkString(text) => match parse(&text) {
            Some(visits) => Answer::Found(visits),
            None => Answer::Malformed(format!("U:{id}:VISITS is {:?}, not a number", String::from_utf8_lossy(&text)).into()),
        },
        other => Answer::Malformed(format!("U:{id}:VISITS is {other:?}, not a string").into()),
    }
}

/// Writes the key of the user `id` into `key`.
fn write_key(key: &mut Vec<u8>, id: i64) {
    key.clear();
    // Writing into memory does not fail.
    let _ = write!(key, "U:{id}:VISITS");
}

fn parse(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
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

    #[test]
    fn d3_the_first_two_keys_are_of_different_slots() {
        let slot = |id| {
            let mut key = Vec::new();
            write_key(&mut key, id);
            slots::of(&key)
        };
        assert_ne!(slot(0), slot(1), "else a server in cluster mode would not be recognised");
    }
}
