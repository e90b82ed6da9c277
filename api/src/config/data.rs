//! Where users and page views are read from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Check, MySqlTls, Violations};
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

const CA_FILE_TWICE: &str = "is for a configuration without tls; set tls.caFile instead";

/// How to reach MySQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "crd",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-validations" = [{"rule": "!has(self.caFile) || !has(self.tls)", "message": CA_FILE_TWICE}]))
)]
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
    /// File with the certificate authorities of the server; short for `tls` with mode `VerifyIdentity` and this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// TLS towards the server; absent, it is used only if the server insists, and then as with mode `Required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<MySqlTls>,
    /// Connections of each worker, 1 to 64.
    #[serde(default = "MySql::default_connections")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::STORE_CONNECTIONS))]
    pub connections: u16,
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
    fn default_connections() -> u16 {
        2
    }

    /// Whether a setting says what is to become of TLS.
    pub fn uses_tls(&self) -> bool {
        self.tls.is_some() || self.ca_file.is_some()
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
            tls: None,
            connections: Self::default_connections(),
        }
    }
}

impl Check for MySql {
    fn check(&self, v: &mut Violations) {
        v.limit("address", &self.address, &limits::MYSQL_ADDRESS);
        v.limit("database", &self.database, &limits::DATABASE);
        v.limit("connections", &self.connections, &limits::STORE_CONNECTIONS);
        v.require(self.tls.is_none() || self.ca_file.is_none(), "caFile", CA_FILE_TWICE);
        if let Some(tls) = &self.tls {
            v.within("tls", tls);
        }
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
}

impl Redis {
    fn default_address() -> String {
        "127.0.0.1:6379".to_owned()
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self { address: Self::default_address(), database: 0, username: None, password_file: None }
    }
}

impl Check for Redis {
    fn check(&self, v: &mut Violations) {
        v.limit("address", &self.address, &limits::REDIS_ADDRESS);
    }
}
