//! Stores of users and page views.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Release, SecretRef, rules};
use crate::{config, limits};

/// Stores of users and page views.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Data {
    /// Store of the users.
    pub mysql: MySql,
    /// Store of the page views.
    pub redis: Redis,
}

/// Whose a store is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StoreMode {
    /// A server installed with the system; on a laptop the same as Embedded.
    Managed,
    /// Someone else's, at `address`.
    External,
    /// No server: SQLite for the users, memory for the page views, with sample data in each instance.
    #[default]
    Embedded,
}

/// Store of the users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::store()))]
#[serde(rename_all = "camelCase", default)]
pub struct MySql {
    /// Whose store.
    pub mode: StoreMode,
    /// `host:port` of a MySQL or MariaDB server of someone else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::STORE_ADDRESS)]
    pub address: Option<String>,
    /// Name of the database, 1 to 64 characters.
    #[schemars(transform = &limits::DATABASE)]
    pub database: String,
    /// User name.
    #[schemars(length(min = 1, max = 32))]
    pub username: String,
    /// Password; its usual key is `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Certificate authorities of the server, usual key `ca.crt`; set, the connection uses TLS and checks the server's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// Connections of each worker, 1 to 64.
    #[schemars(transform = &limits::STORE_CONNECTIONS)]
    pub connections: u16,
    /// How it is installed.
    #[serde(flatten)]
    pub release: Release,
}

impl Default for MySql {
    fn default() -> Self {
        let mysql = config::MySql::default();
        Self {
            mode: StoreMode::default(),
            address: None,
            database: mysql.database,
            username: mysql.username,
            secret_ref: None,
            ca_secret_ref: None,
            connections: mysql.connections,
            release: Release::default(),
        }
    }
}

/// Store of the page views.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::redis()))]
#[serde(rename_all = "camelCase", default)]
pub struct Redis {
    /// Whose store.
    pub mode: StoreMode,
    /// `host:port` of a Redis server of someone else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::STORE_ADDRESS)]
    pub address: Option<String>,
    /// Several nodes of someone else's cluster or several Sentinels, each as `host:port`, of which any may be away; instead of `address`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = &limits::STORE_ADDRESSES)]
    pub addresses: Vec<String>,
    /// What is found at the address or addresses.
    pub topology: config::RedisTopology,
    /// What the Sentinels are asked for, and how; needed with `topology: Sentinel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<Sentinel>,
    /// TLS towards someone else's servers and Sentinels, `{}` with the public authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<StoreTls>,
    /// Number of the database, 0 to 255; a cluster has 0 only.
    pub database: u8,
    /// User name of an ACL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub username: Option<String>,
    /// Password; its usual key is `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// How it is installed.
    #[serde(flatten)]
    pub release: Release,
}

/// How Sentinels tell who is the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sentinel {
    /// Name of the master in the Sentinels' configuration, 1 to 128 characters.
    #[schemars(transform = &limits::REDIS_MASTER)]
    pub master_name: String,
    /// User name of an ACL of the Sentinels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub username: Option<String>,
    /// Password of the Sentinels; its usual key is `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// TLS towards a store of someone else. What the Secrets hold may be replaced at any time: it is read at each connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct StoreTls {
    /// Authorities of the server's certificate, under `ca.crt` unless it names another key; absent, the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// Secret with the certificate to show to the server in `tls.crt` and its key in `tls.key`; on a laptop the folder
    /// `<secrets>/<secretName>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME.0))]
    pub secret_name: Option<String>,
    /// Name that the server's certificate must carry; absent, the host that is connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME.0))]
    pub server_name: Option<String>,
}
