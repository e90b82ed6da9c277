//! The config file of `user_client`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{
    Check, CircuitBreaker, ClientTls, Consul, Listener, LoadBalancing, Log, LogFormat, OutlierEjection, Registry, Retries, Service,
    Tracing, Violations,
};
use crate::{Duration, limits};

/// The config file of `user_client`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UserClientConfig {
    /// Generation of the spec this file was made from; `/config` tells it back.
    #[serde(default)]
    pub generation: i64,
    /// Who this instance is.
    #[serde(default = "UserClientConfig::default_service")]
    pub service: Service,
    /// Listener for /metrics, /healthz, /readyz and /config.
    #[serde(default = "UserClientConfig::default_admin")]
    pub admin: Listener,
    /// How instances of the service are found.
    pub discovery: Discovery,
    /// TLS towards the instances: only those that offer it are called. Absent, only those that speak plaintext are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// Registry to join, as `bbs.user.client`.
    #[serde(default)]
    pub registry: Registry,
    /// Where traces go. The client begins them, with a span for each call.
    #[serde(default)]
    pub tracing: Tracing,
    /// How log lines look.
    #[serde(default)]
    pub log_format: LogFormat,
    /// What may change while the client runs.
    #[serde(default)]
    pub live: UserClientLive,
}

/// How instances are found: exactly one of `consul`, `dns` and `addresses` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Discovery {
    /// Name of the service to call.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::NAME))]
    pub service: String,
    /// Only instances of this version; default is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::VERSION))]
    pub version: Option<String>,
    /// Asks Consul.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consul: Option<Consul>,
    /// Asks the DNS, for the addresses of a headless Kubernetes Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// A fixed list of gRPC addresses, `host:port`, at most 1024.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::INSTANCES))]
    pub addresses: Vec<String>,
}

/// A name whose addresses are the instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Dns {
    /// The name, or an IP address.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::HOST))]
    pub host: String,
    /// gRPC port of every instance, 1 to 65535.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::PORT))]
    pub port: u16,
    /// Time between look-ups, 100ms to 1h.
    #[serde(default = "Dns::default_interval")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::LOOKUP_INTERVAL))]
    pub interval: Duration,
}

impl Dns {
    fn default_interval() -> Duration {
        Duration::from_secs(2)
    }
}

/// What may change while `user_client` runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct UserClientLive {
    /// Calls a second, 0 to 10000000; 0 is as fast as the replies come.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::CLIENT_RATE))]
    pub requests_per_second: u32,
    /// Calls in flight at a time, 0 to 10000; 0 pauses the client.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::CONCURRENCY))]
    pub concurrency: u16,
    /// Users asked for, one after the other, 1 to 100000 ids.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::USER_IDS))]
    pub user_ids: Vec<i64>,
    /// Longest time a call may take, 1ms to 1h.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::CALL_TIMEOUT))]
    pub timeout: Duration,
    /// Which instance gets the next call.
    pub load_balancing: LoadBalancing,
    /// Ejection of instances whose calls time out or whose connections break.
    pub outlier_ejection: OutlierEjection,
    /// Second tries of calls that failed with 500 or 503.
    pub retries: Retries,
    /// Circuit breaker.
    pub circuit_breaker: CircuitBreaker,
    /// Logging.
    pub log: Log,
}

impl Default for UserClientLive {
    fn default() -> Self {
        Self {
            requests_per_second: 0,
            concurrency: 1,
            user_ids: vec![1],
            timeout: Duration::from_secs(2),
            load_balancing: LoadBalancing::default(),
            outlier_ejection: OutlierEjection::default(),
            retries: Retries::default(),
            circuit_breaker: CircuitBreaker::default(),
            log: Log::default(),
        }
    }
}

impl Default for Discovery {
    fn default() -> Self {
        Self { service: super::UserInfoConfig::SERVICE_NAME.to_owned(), version: None, consul: None, dns: None, addresses: Vec::new() }
    }
}

impl UserClientConfig {
    /// Name under which the client registers itself.
    pub const SERVICE_NAME: &'static str = "bbs.user.client";

    fn default_service() -> Service {
        Service::named(Self::SERVICE_NAME)
    }

    fn default_admin() -> Listener {
        SocketAddr::from(([0, 0, 0, 0], 8100)).into()
    }
}

impl Check for UserClientConfig {
    fn check(&self, v: &mut Violations) {
        v.within("service", &self.service);
        v.within("admin", &self.admin);
        v.within("discovery", &self.discovery);
        v.within("registry", &self.registry);
        v.within("tracing", &self.tracing);
        v.within("live", &self.live);
    }
}

impl Check for Discovery {
    fn check(&self, v: &mut Violations) {
        let set = usize::from(self.consul.is_some()) + usize::from(self.dns.is_some()) + usize::from(!self.addresses.is_empty());
        v.require(set == 1, "", "set exactly one of consul, dns and addresses");
        v.limit("service", &self.service, &limits::NAME);
        v.limit("version", &self.version, &limits::VERSION);
        v.list("addresses", &self.addresses, &limits::INSTANCES);
        if let Some(consul) = &self.consul {
            v.within("consul", consul);
        }
        if let Some(dns) = &self.dns {
            v.within("dns", dns);
        }
    }
}

impl Check for Dns {
    fn check(&self, v: &mut Violations) {
        v.limit("host", &self.host, &limits::HOST);
        v.limit("port", &self.port, &limits::PORT);
        v.limit("interval", &self.interval, &limits::LOOKUP_INTERVAL);
    }
}

impl Check for UserClientLive {
    fn check(&self, v: &mut Violations) {
        v.limit("requestsPerSecond", &self.requests_per_second, &limits::CLIENT_RATE);
        v.limit("concurrency", &self.concurrency, &limits::CONCURRENCY);
        v.limit("userIds", &self.user_ids, &limits::USER_IDS);
        v.limit("timeout", &self.timeout, &limits::CALL_TIMEOUT);
        v.within("outlierEjection", &self.outlier_ejection);
        v.within("retries", &self.retries);
        v.within("circuitBreaker", &self.circuit_breaker);
        v.within("log", &self.log);
    }
}
