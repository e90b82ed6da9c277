//! Where instances are registered and found.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Check, ClientTls, Violations};
use crate::{Duration, limits};

/// The registry an instance joins; with no field set it joins none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Registry {
    /// Consul agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consul: Option<Consul>,
}

impl Check for Registry {
    fn check(&self, v: &mut Violations) {
        if let Some(consul) = &self.consul {
            v.within("consul", consul);
        }
    }
}

/// How to reach Consul, and how an instance is checked there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Consul {
    /// Agents as `host:port`, 1 to 16; the first that answers is used until it fails.
    #[serde(default = "Consul::default_addresses")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::AGENTS))]
    pub addresses: Vec<String>,
    /// File that holds the ACL token; read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Set, the agents are spoken to over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// Datacenter to ask; default is the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::DATACENTER))]
    pub datacenter: Option<String>,
    /// Time between heartbeats and between TCP checks, 100ms to 1h. The TTL is twice as long.
    #[serde(default = "Consul::default_interval")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::HEARTBEAT))]
    pub interval: Duration,
    /// How long an instance may be critical before Consul forgets it, 1m to 168h; the least is Consul's own.
    #[serde(default = "Consul::default_deregister_after")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::DEREGISTER_AFTER))]
    pub deregister_after: Duration,
    /// Whether Consul opens a TCP connection to each endpoint at each interval. Off where the agent cannot reach the instance.
    #[serde(default = "Consul::default_tcp_checks")]
    pub tcp_checks: bool,
}

impl Consul {
    fn default_addresses() -> Vec<String> {
        vec!["127.0.0.1:8500".to_owned()]
    }
    fn default_interval() -> Duration {
        Duration::from_secs(10)
    }
    fn default_deregister_after() -> Duration {
        Duration::from_secs(600)
    }
    fn default_tcp_checks() -> bool {
        true
    }
}

impl Default for Consul {
    fn default() -> Self {
        Self {
            addresses: Self::default_addresses(),
            token_file: None,
            tls: None,
            datacenter: None,
            interval: Self::default_interval(),
            deregister_after: Self::default_deregister_after(),
            tcp_checks: Self::default_tcp_checks(),
        }
    }
}

impl Check for Consul {
    fn check(&self, v: &mut Violations) {
        v.list("addresses", &self.addresses, &limits::AGENTS);
        v.limit("datacenter", &self.datacenter, &limits::DATACENTER);
        v.limit("interval", &self.interval, &limits::HEARTBEAT);
        v.limit("deregisterAfter", &self.deregister_after, &limits::DEREGISTER_AFTER);
    }
}
