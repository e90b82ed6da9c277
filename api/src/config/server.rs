//! Who the service is and where it listens.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Check, ServerTls, Violations, metadata};
use crate::{Duration, address, limits};

/// Who this instance is, in the registry, in logs and in traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Service {
    /// Name under which callers find the service: `bbs.user.info` or `bbs.user.client`.
    #[serde(default)]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::NAME))]
    pub name: String,
    /// Identity of this instance, unique in the registry. Default: host name and gRPC address, as in the Go demo; for a client, host name and admin address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::ID))]
    pub id: Option<String>,
    /// Version, registered as the tag `version=<version>`.
    #[serde(default)]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::VERSION))]
    pub version: String,
    /// Share of calls under weighted round-robin, 1 to 10000; registered in Meta as `weight`.
    #[serde(default = "Service::default_weight")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::WEIGHT))]
    pub weight: u32,
    /// More metadata for the registry, up to 62 pairs. A key has letters, digits, `_` and `-`, up to 128 of them, and does not begin with
    /// `consul-`; a value has up to 512 bytes. `weight` and `http_port` are the service's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::METADATA))]
    pub metadata: BTreeMap<String, String>,
}

impl Service {
    /// What an instance without a weight counts for, as in Kratos.
    pub const DEFAULT_WEIGHT: u32 = 100;

    /// A service with this name and nothing else set.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), id: None, version: String::new(), weight: Self::DEFAULT_WEIGHT, metadata: BTreeMap::new() }
    }

    fn default_weight() -> u32 {
        Self::DEFAULT_WEIGHT
    }
}

impl Check for Service {
    fn check(&self, v: &mut Violations) {
        let named = !self.name.is_empty();
        v.require(named, "name", "is missing; it is what callers look the service up by, such as bbs.user.info");
        v.limit("name", &named.then(|| self.name.clone()), &limits::NAME);
        let empty = self.id.as_deref() == Some("");
        v.require(!empty, "id", "must not be empty; leave it out to have one made");
        v.limit("id", &self.id.clone().filter(|_| !empty), &limits::ID);
        v.limit("version", &self.version, &limits::VERSION);
        v.limit("weight", &self.weight, &limits::WEIGHT);
        metadata::check(&self.metadata, v);
    }
}

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Listener {
    /// IP address and port to bind, such as `0.0.0.0:9001`.
    #[serde(deserialize_with = "address::read_listen")]
    pub listen: SocketAddr,
    /// Host or `host:port` that callers are told. Default: the listen address, or this machine's first address if that is unspecified: of
    /// IPv4, or of IPv6 where `listen` is `[::]` and there is none of IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::ADVERTISED))]
    pub advertise: Option<String>,
}

impl From<SocketAddr> for Listener {
    fn from(listen: SocketAddr) -> Self {
        Self { listen, advertise: None }
    }
}

impl Check for Listener {
    fn check(&self, v: &mut Violations) {
        v.limit("advertise", &self.advertise, &limits::ADVERTISED);
        let host = self.advertise.as_deref().map(|advertise| address::host_port(advertise).map_or(advertise, |(host, _)| host));
        let ip = host.and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        let nobody = ip.is_some_and(|ip| ip.is_unspecified());
        v.require(
            !nobody,
            "advertise",
            "stands for all addresses, so nobody can call it; write the one at which callers reach this machine",
        );
    }
}

/// The listeners of `user_info` and how they are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Server {
    /// gRPC listener.
    pub grpc: Listener,
    /// HTTP listener; also serves the admin endpoints unless `admin` is set.
    pub http: Listener,
    /// Listener for /metrics, /healthz, /readyz and /config alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<Listener>,
    /// TLS on the gRPC and the HTTP listener; absent, both speak plaintext, as `admin` always does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// Longest time a call may take, 1ms to 1h; a caller's shorter deadline wins.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::CALL_TIMEOUT))]
    pub timeout: Duration,
    /// Single-threaded workers, 0 to 256; 0 is one per CPU of the container's or machine's limit.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::WORKERS))]
    pub workers: u16,
    /// Calls in flight on one gRPC connection, 1 to 65536.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::CONCURRENT_STREAMS))]
    pub max_concurrent_streams: u32,
    /// Calls in flight in the whole process, over all connections, 1 to 1000000; more are answered 503 OVERLOADED. Counted are also those whose
    /// message is still missing or whose answer the caller has not taken yet. Streams of health and reflection may be a quarter of it.
    /// Default: 32768.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::IN_FLIGHT))]
    pub max_in_flight: Option<u32>,
    /// What calls in flight may hold in the whole process of what their callers sent, in bytes, 4194304 to 1099511627776, of which the
    /// least is one message of the greatest length; calls that need more are answered 503 OVERLOADED. The first 3 KiB of a call are not counted. Default: 67108864.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::BUFFERED_BYTES))]
    pub max_buffered_bytes: Option<u64>,
    /// Open connections of each listener, 1 to 1000000, and no more than the limit of open files allows; more are closed at once.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::CONNECTIONS))]
    pub max_connections: u32,
    /// On stop: how long to serve on after leaving the registry, so that callers notice, 0s to 10m.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::GRACE))]
    pub drain_delay: Duration,
    /// On stop: how long calls in flight may take after that, 0s to 10m.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::GRACE))]
    pub shutdown_timeout: Duration,
}

impl Server {
    /// Calls in flight in the whole process, as configured or by default.
    pub fn in_flight(&self) -> u32 {
        self.max_in_flight.unwrap_or(32_768)
    }

    /// What calls in flight may hold in the whole process, in bytes, as configured or by default.
    pub fn buffered_bytes(&self) -> u64 {
        self.max_buffered_bytes.unwrap_or(64 << 20)
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            grpc: SocketAddr::from(([0, 0, 0, 0], 9001)).into(),
            http: SocketAddr::from(([0, 0, 0, 0], 8001)).into(),
            admin: None,
            tls: None,
            timeout: Duration::from_secs(1),
            workers: 0,
            max_concurrent_streams: 1024,
            max_in_flight: None,
            max_buffered_bytes: None,
            max_connections: 10_000,
            drain_delay: Duration::from_secs(2),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

impl Check for Server {
    fn check(&self, v: &mut Violations) {
        let admin = self.admin.as_ref().map(|l| ("admin.listen", l.listen));
        let all = [Some(("grpc.listen", self.grpc.listen)), Some(("http.listen", self.http.listen)), admin];
        let all: Vec<_> = all.into_iter().flatten().collect();
        for (i, (field, address)) in all.iter().enumerate() {
            let taken = all[..i].iter().find(|(_, other)| address.port() != 0 && other.port() == address.port());
            v.require(
                taken.is_none(),
                field,
                format_args!("port {} is also {}; give each listener its own", address.port(), taken.map_or("", |t| t.0)),
            );
        }
        v.within("grpc", &self.grpc);
        v.within("http", &self.http);
        v.within("admin", &self.admin);
        v.limit("timeout", &self.timeout, &limits::CALL_TIMEOUT);
        v.limit("workers", &self.workers, &limits::WORKERS);
        v.limit("maxConcurrentStreams", &self.max_concurrent_streams, &limits::CONCURRENT_STREAMS);
        v.limit("maxInFlight", &self.max_in_flight, &limits::IN_FLIGHT);
        v.limit("maxBufferedBytes", &self.max_buffered_bytes, &limits::BUFFERED_BYTES);
        v.limit("maxConnections", &self.max_connections, &limits::CONNECTIONS);
        v.limit("drainDelay", &self.drain_delay, &limits::GRACE);
        v.limit("shutdownTimeout", &self.shutdown_timeout, &limits::GRACE);
    }
}

/// Where traces go, and how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Tracing {
    /// Collector that speaks OTLP over gRPC, such as `http://127.0.0.1:4317`, or `https://otel.example.com:4317` over TLS; absent, no trace
    /// is exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::OTLP_ENDPOINT))]
    pub otlp_endpoint: Option<String>,
    /// PEM file with the authorities of the collector's certificate; default is the public ones. Read at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Share of the calls that are recorded where no caller has decided it, 0 to 100.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::PERCENTAGE))]
    pub percentage: f64,
}

impl Eq for Tracing {}

impl Default for Tracing {
    fn default() -> Self {
        Self { otlp_endpoint: None, ca_file: None, percentage: 1.0 }
    }
}

impl Check for Tracing {
    fn check(&self, v: &mut Violations) {
        v.limit("otlpEndpoint", &self.otlp_endpoint, &limits::OTLP_ENDPOINT);
        v.limit("percentage", &self.percentage, &limits::PERCENTAGE);
        let secure = self.otlp_endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("https://"));
        v.require(secure || self.ca_file.is_none(), "caFile", "is for a collector that speaks TLS; set otlpEndpoint to its https:// URL");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_what_is_wrong_with_traces_is_said_with_the_field() {
        let said = |tracing: Tracing| tracing.violations().iter().map(ToString::to_string).collect::<Vec<_>>();
        let named = |endpoint: &str| Tracing { otlp_endpoint: Some(endpoint.to_owned()), ..Tracing::default() };
        let hint = limits::OTLP_ENDPOINT.form.words;
        assert_eq!(
            said(named("127.0.0.1:4317")),
            [format!(
                "otlpEndpoint: \"127.0.0.1:4317\" is not {hint}; begin with http://, or with https:// for TLS; write \"http://127.0.0.1:4317\""
            )]
        );
        let plain = Tracing { ca_file: Some("ca.crt".into()), ..named("http://127.0.0.1:4317") };
        assert_eq!(said(plain), ["caFile: is for a collector that speaks TLS; set otlpEndpoint to its https:// URL"]);
        assert!(said(Tracing { ca_file: Some("ca.crt".into()), ..named("https://127.0.0.1:4317") }).is_empty());
    }
}
