//! This instance, and how Kratos writes it into Consul.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;
use user_info_api::config::{Consul, Service};
use user_info_consul::{CheckDefinition, CheckStatus, GoDuration, Registration, TaggedAddress};

use super::host;

/// Key of the metadata that holds the weight.
pub const WEIGHT: &str = "weight";
/// Key of the metadata that holds the port of `/metrics`, for Prometheus.
pub const HTTP_PORT: &str = "http_port";
/// Longest time the agent may take to open a connection, as in Kratos.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);

/// What is registered for one running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Identity, unique in the registry.
    pub id: String,
    /// Name of the service.
    pub name: String,
    /// Version; may be empty.
    pub version: String,
    /// Metadata, with [`WEIGHT`] and [`HTTP_PORT`].
    pub metadata: BTreeMap<String, String>,
    /// At least one URL such as `grpc://10.0.0.7:9001`; the first is the one told as the service's address.
    pub endpoints: Vec<String>,
}

/// An endpoint that cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {0:?} is not a URL such as grpc://10.0.0.7:9001")]
pub struct InvalidEndpoint(String);

impl Instance {
    /// The instance that `service` describes, reached at `endpoints`.
    ///
    /// `/metrics` is taken to be served at the endpoint of scheme `http`. Without an id it is called by its host and first endpoint, so that instances on one machine differ.
    pub fn new(service: &Service, endpoints: Vec<String>) -> Self {
        let mut metadata = service.metadata.clone();
        metadata.insert(WEIGHT.to_owned(), service.weight.to_string());
        if let Some(port) = endpoints.iter().filter_map(|e| Endpoint::parse(e).ok()).find(|e| e.scheme == "http").map(|e| e.port) {
            metadata.insert(HTTP_PORT.to_owned(), port.to_string());
        }
        let address = endpoints.first().and_then(|e| e.split_once("://")).map_or("", |(_, address)| address);
        let id = service.id.clone().unwrap_or_else(|| format!("{}-{address}", host::hostname()));
        Self { id, name: service.name.clone(), version: service.version.clone(), metadata, endpoints }
    }

    /// The same, with `/metrics` at `port`, if it is served at one of its own.
    #[must_use]
    pub fn with_metrics_at(mut self, port: Option<u16>) -> Self {
        self.metadata.extend(port.map(|port| (HTTP_PORT.to_owned(), port.to_string())));
        self
    }

    /// Identity of the check that heartbeats keep passing.
    pub(super) fn ttl_check(&self) -> String {
        format!("service:{}", self.id)
    }

    /// The registration as Kratos writes it (contrib/registry/consul/client.go), but passing from the start: Consul begins with critical
    /// and first probes after a random part of the interval, so that callers would not see a new instance for up to that long.
    ///
    /// # Errors
    /// If an endpoint is not a URL with host and port, or there is none.
    pub(super) fn registration(&self, consul: &Consul) -> Result<Registration, InvalidEndpoint> {
        let endpoints = self.endpoints.iter().map(|e| Endpoint::parse(e)).collect::<Result<Vec<_>, _>>()?;
        let first = endpoints.first().ok_or_else(|| InvalidEndpoint(String::new()))?;
        let interval = consul.interval.get();
        let check = CheckDefinition {
            deregister_critical_service_after: GoDuration(consul.deregister_after.get()),
            status: CheckStatus::Passing.as_str().to_owned(),
            ..CheckDefinition::default()
        };
        let tcp = endpoints.iter().filter(|_| consul.tcp_checks).map(|e| CheckDefinition {
            tcp: e.authority(),
            interval: GoDuration(interval),
            timeout: GoDuration(TCP_TIMEOUT),
            ..check.clone()
        });
        let ttl = CheckDefinition { check_id: self.ttl_check(), ttl: GoDuration(interval * 2), ..check.clone() };
        Ok(Registration {
            id: self.id.clone(),
            name: self.name.clone(),
            tags: vec![format!("version={}", self.version)],
            tagged_addresses: endpoints.iter().map(|e| (e.scheme.clone(), e.tagged())).collect(),
            address: first.host.clone(),
            port: first.port,
            meta: self.metadata.clone(),
            checks: tcp.chain([ttl]).collect(),
            ..Registration::default()
        })
    }
}

/// A URL's parts.
struct Endpoint {
    url: String,
    scheme: String,
    host: String,
    port: u16,
}

impl Endpoint {
    fn parse(url: &str) -> Result<Self, InvalidEndpoint> {
        let invalid = || InvalidEndpoint(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        let (Some(scheme), Some(host), Some(port)) = (uri.scheme_str(), uri.host(), uri.port_u16()) else { return Err(invalid()) };
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { url: url.to_owned(), scheme: scheme.to_owned(), host, port })
    }

    fn authority(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }

    fn tagged(&self) -> TaggedAddress {
        TaggedAddress { address: self.url.clone(), port: self.port }
    }
}

#[cfg(test)]
mod tests;
