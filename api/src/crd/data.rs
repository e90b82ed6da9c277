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
    /// Connections of one instance, 1 to 64, which its workers share. Default: two for each worker, but no more than 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::STORE_CONNECTIONS)]
    pub connections: Option<u16>,
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
#[schemars(extend("x-kubernetes-validations" = rules::store()))]
#[serde(rename_all = "camelCase", default)]
pub struct Redis {
    /// Whose store.
    pub mode: StoreMode,
    /// `host:port` of a Redis server of someone else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::STORE_ADDRESS)]
    pub address: Option<String>,
    /// Number of the database, 0 to 255.
    pub database: u8,
    /// User name of an ACL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub username: Option<String>,
    /// Password; its usual key is `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Connections of one instance, 1 to 64, which its workers share. Default: one for each worker, but no more than 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::STORE_CONNECTIONS)]
    pub connections: Option<u16>,
    /// How it is installed.
    #[serde(flatten)]
    pub release: Release,
}
