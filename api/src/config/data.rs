//! Where users and page views are read from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Check, ClientTls, Violations};
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
}

impl Default for MySql {
    fn default() -> Self {
        Self {
            address: Self::default_address(),
            database: Self::default_database(),
            username: Self::default_username(),
            password_file: None,
            ca_file: None,
            connections: Self::default_connections(),
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

const ADDRESS_TWICE: &str = "set address or addresses, not both";
const SEVERAL_OF_ONE: &str =
    "several addresses are of a cluster or of Sentinels; set topology: Cluster or Sentinel, or give the one server in address";
const SENTINEL_ALONE: &str = "topology: Sentinel and sentinel.masterName belong together; set both or neither";

/// How to reach Redis, or what speaks its protocol: Valkey, a proxy, a cloud's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "crd",
    schemars(extend("x-kubernetes-validations" = [
        {"rule": "!has(self.addresses) || self.addresses.size() == 0 || self.address == '127.0.0.1:6379'", "message": ADDRESS_TWICE},
        {"rule": "!has(self.addresses) || self.addresses.size() == 0 || (has(self.topology) && self.topology != 'Auto')", "message": SEVERAL_OF_ONE},
        {"rule": "has(self.sentinel) == (has(self.topology) && self.topology == 'Sentinel')", "message": SENTINEL_ALONE},
    ]))
)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Redis {
    /// `host:port`, or an absolute path of a Unix socket.
    #[serde(default = "Redis::default_address")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::REDIS_ADDRESS))]
    pub address: String,
    /// Several nodes of a cluster or several Sentinels, each as `host:port`, of which any may be away; set, `address` is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::REDIS_ADDRESSES))]
    pub addresses: Vec<String>,
    /// What is found at the address or addresses; default is `Auto`.
    #[serde(default, skip_serializing_if = "RedisTopology::is_auto")]
    pub topology: RedisTopology,
    /// What the Sentinels are asked for, and how; needed with `topology: Sentinel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<Sentinel>,
    /// TLS towards servers and Sentinels, `{}` with the public authorities. Absent, the connections are not encrypted. The files are read
    /// again at each connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// Number of the database; a cluster has 0 only.
    #[serde(default)]
    pub database: u8,
    /// User name of an ACL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File that holds the password; read again at each connection, so that it can be rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// What is found at the addresses of Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum RedisTopology {
    /// One server, or a proxy that stands for several. A server in cluster mode is recognised, and taken as `Cluster`.
    #[default]
    Auto,
    /// Nodes of a cluster, which tell of the others.
    Cluster,
    /// Sentinels, which tell who is the master.
    Sentinel,
}

impl RedisTopology {
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// How Sentinels tell who is the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sentinel {
    /// Name of the master in the Sentinels' configuration, 1 to 128 characters.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::REDIS_MASTER))]
    pub master_name: String,
    /// User name of an ACL of the Sentinels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File that holds the password of the Sentinels; read again at each connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

impl Redis {
    fn default_address() -> String {
        "127.0.0.1:6379".to_owned()
    }

    /// Where a connection may begin: all of `addresses`, or `address`.
    pub fn seeds(&self) -> &[String] {
        if self.addresses.is_empty() { std::slice::from_ref(&self.address) } else { &self.addresses }
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            address: Self::default_address(),
            addresses: Vec::new(),
            topology: RedisTopology::default(),
            sentinel: None,
            tls: None,
            database: 0,
            username: None,
            password_file: None,
        }
    }
}

impl Check for Redis {
    fn check(&self, v: &mut Violations) {
        v.limit("address", &self.address, &limits::REDIS_ADDRESS);
        v.list("addresses", &self.addresses, &limits::REDIS_ADDRESSES);
        let several = !self.addresses.is_empty();
        v.require(!several || self.address == Self::default_address(), "addresses", ADDRESS_TWICE);
        v.require(!several || self.topology != RedisTopology::Auto, "topology", SEVERAL_OF_ONE);
        v.require(self.sentinel.is_some() == (self.topology == RedisTopology::Sentinel), "sentinel", SENTINEL_ALONE);
        if let Some(sentinel) = &self.sentinel {
            v.within("sentinel", sentinel);
        }
        if let Some(tls) = &self.tls {
            v.require(several || !self.address.starts_with('/'), "tls", "a Unix socket has no TLS; give host:port, or remove tls");
            v.require(
                tls.cert_file.is_some() == tls.key_file.is_some(),
                "tls",
                "certFile and keyFile belong together; set both or neither",
            );
        }
    }
}

impl Check for Sentinel {
    fn check(&self, v: &mut Violations) {
        v.limit("masterName", &self.master_name, &limits::REDIS_MASTER);
    }
}
