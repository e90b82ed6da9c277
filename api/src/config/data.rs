//! Where users and page views are read from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Check, Violations};
use crate::limits;

/// Store of the users: exactly one of the fields is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Users {
    /// Table `user_info` in a MySQL or MariaDB server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mysql: Option<MySql>,
    /// Table `user_info` in an SQLite file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<Sqlite>,
    /// The sample users, in memory (for benchmarks).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub memory: bool,
}

impl Check for Users {
    fn check(&self, v: &mut Violations) {
        let set = usize::from(self.mysql.is_some()) + usize::from(self.sqlite.is_some()) + usize::from(self.memory);
        v.require(set == 1, "", "set exactly one of mysql, sqlite and memory");
        if let Some(mysql) = &self.mysql {
            v.within("mysql", mysql);
        }
    }
}

/// How to reach MySQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MySql {
    /// `host:port`, or an absolute path of a Unix socket.
    #[serde(default = "MySql::default_address")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::MYSQL_ADDRESS))]
    pub address: String,
    /// Name of the database, 1 to 64 characters.
    #[serde(default = "MySql::default_database")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::DATABASE))]
    pub database: String,
    /// User name.
    #[serde(default = "MySql::default_username")]
    pub username: String,
    /// File that holds the password; read again at each connection, so that it can be rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// File with the certificate authorities of the server; set, the connection uses TLS and checks the server's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Connections of the whole process, 1 to 64, which its workers share. Default: two for each worker, but no more than 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::STORE_CONNECTIONS))]
    pub connections: Option<u16>,
}

/// Connections of a process that is told no number, at most: a server gives a limited number (MySQL 151 by default) to all processes together,
/// however many CPUs each has; a few carry any load, as a query is for up to 256 users.
const FEW: usize = 8;

/// Connections of a process with so many workers, if each has a use for `each`.
fn few(workers: usize, each: usize) -> u16 {
    workers.saturating_mul(each).clamp(1, FEW) as u16
}

impl MySql {
    fn default_address() -> String {
        "127.0.0.1:3306".to_owned()
    }
    fn default_database() -> String {
        "demo_a".to_owned()
    }
    fn default_username() -> String {
        "root".to_owned()
    }
    /// Connections of a process with so many workers. The second of a worker runs queries while one hangs.
    pub fn connections(&self, workers: usize) -> u16 {
        self.connections.unwrap_or_else(|| few(workers, 2))
    }
}

impl Default for MySql {
    fn default() -> Self {
        Self {
            address: Self::default_address(),
            database: Self::default_database(),
            username: Self::default_username(),
            password_file: None,
            ca_file: None,
            connections: None,
        }
    }
}

impl Check for MySql {
    fn check(&self, v: &mut Violations) {
        v.limit("address", &self.address, &limits::MYSQL_ADDRESS);
        v.limit("database", &self.database, &limits::DATABASE);
        v.limit("connections", &self.connections, &limits::STORE_CONNECTIONS);
    }
}

/// An SQLite file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sqlite {
    /// Path of the file; made by `user_info migrate`.
    pub path: PathBuf,
}

impl Sqlite {
    /// Connections of a process with so many workers, which are threads.
    pub fn connections(&self, workers: usize) -> u16 {
        few(workers, 1)
    }
}

/// Store of the page views: exactly one of the fields is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Views {
    /// Keys `U:<id>:VISITS` in a Redis server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// The sample users' views, in memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub memory: bool,
}

impl Check for Views {
    fn check(&self, v: &mut Violations) {
        v.require(self.redis.is_some() != self.memory, "", "set exactly one of redis and memory");
        if let Some(redis) = &self.redis {
            v.within("redis", redis);
        }
    }
}

/// How to reach Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Redis {
    /// `host:port`, or an absolute path of a Unix socket.
    #[serde(default = "Redis::default_address")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::REDIS_ADDRESS))]
    pub address: String,
    /// Number of the database.
    #[serde(default)]
    pub database: u8,
    /// User name of an ACL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File that holds the password; read again at each connection, so that it can be rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Connections of the whole process, 1 to 64, which its workers share. Default: one for each worker, but no more than 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::STORE_CONNECTIONS))]
    pub connections: Option<u16>,
}

impl Redis {
    fn default_address() -> String {
        "127.0.0.1:6379".to_owned()
    }

    /// Connections of a process with so many workers.
    pub fn connections(&self, workers: usize) -> u16 {
        self.connections.unwrap_or_else(|| few(workers, 1))
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self { address: Self::default_address(), database: 0, username: None, password_file: None, connections: None }
    }
}

impl Check for Redis {
    fn check(&self, v: &mut Violations) {
        v.limit("address", &self.address, &limits::REDIS_ADDRESS);
        v.limit("connections", &self.connections, &limits::STORE_CONNECTIONS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d6_connections_do_not_grow_with_the_cpus() {
        let (mysql, redis, sqlite) = (MySql::default(), Redis::default(), Sqlite { path: "a.db".into() });
        let of = |workers| [mysql.connections(workers), redis.connections(workers), sqlite.connections(workers)];
        assert_eq!(of(1), [2, 1, 1]);
        assert_eq!(of(2), [4, 2, 2]);
        assert_eq!(of(96), [8, 8, 8]);
        let (mysql, redis) = (MySql { connections: Some(2), ..mysql }, Redis { connections: Some(64), ..redis });
        assert_eq!([mysql.connections(96), redis.connections(1)], [2, 64]);
    }
}
