//! The config file of `user_client`.

use super::origins::Origins;
use super::{ClientInstance, Peers, Target};
use crate::Duration;
use crate::config::{ClientTls, Consul, Discovery, Dns, Registry, Service, UserClientConfig, UserClientLive};
use crate::crd::{LoadError, Problem, ServerTls, UserInfoDeployment};

/// Where the fields come from. Those that are not named are the target's own.
pub(super) const ORIGINS: &[(&str, &str)] = &[
    ("admin.listen", "spec.client.metricsPort"),
    ("discovery.version", "spec.client.version"),
    ("discovery.consul.tokenFile", "spec.addons.consul.external.secretRef"),
    ("discovery.dns.port", "spec.server.grpcPort"),
    ("discovery.addresses", "spec.replicas"),
    ("tls.certFile", "spec.client.tls.secretName"),
    ("tls.keyFile", "spec.client.tls.secretName"),
    ("tls.caFile", "spec.server.tls.caSecretRef"),
    ("tls.serverName", "spec.server.tls.serverName"),
    ("registry.consul.tokenFile", "spec.addons.consul.external.secretRef"),
    ("tracing", "spec.tracing"),
    ("logFormat", "spec.client.logFormat"),
    ("live", "spec.client"),
];

/// What is said where a client would have an empty list of instances.
const NOBODY: &str = "0 leaves user_client nobody to call; set 1 or more, or addons.consul.mode: Managed, or client.enabled: false";

/// The config file of one instance of `user_client`.
///
/// # Errors
/// The fields of `resource` from which values come that `user_client` refuses, or that leave it nothing to call.
pub fn user_client(resource: &UserInfoDeployment, target: &Target, instance: &ClientInstance) -> Result<UserClientConfig, LoadError> {
    let client = &resource.spec.client;
    let (consul, agents) = target.registry(resource);
    let origins = Origins::new(ORIGINS).and("discovery.consul.addresses", agents).and("registry.consul.addresses", agents);
    origins.judge(UserClientConfig {
        generation: target.generation,
        service: Service { id: instance.id.clone(), ..Service::named(UserClientConfig::SERVICE_NAME) },
        admin: instance.admin.clone(),
        discovery: discovery(resource, target, consul.clone())?,
        tls: resource.spec.server.tls.as_ref().map(|tls| client_tls(resource, tls, target)),
        registry: Registry { consul },
        tracing: super::user_info::tracing(&resource.spec.tracing, target),
        log_format: client.log_format,
        live: UserClientLive {
            requests_per_second: client.requests_per_second,
            concurrency: client.concurrency,
            user_ids: client.user_ids.clone(),
            timeout: client.timeout,
            load_balancing: client.load_balancing,
            outlier_ejection: client.outlier_ejection.clone(),
            retries: client.retries.clone(),
            circuit_breaker: client.circuit_breaker.clone(),
            log: client.log.clone(),
        },
    })
}

fn client_tls(resource: &UserInfoDeployment, tls: &ServerTls, target: &Target) -> ClientTls {
    let file = |key: &str| resource.spec.client.tls.as_ref().map(|own| target.secret(&own.secret_name, key));
    let name = resource.metadata.name.as_deref().unwrap_or_default();
    ClientTls {
        ca_file: Some(target.secret_file(&tls.authorities(), "ca.crt")),
        cert_file: file("tls.crt"),
        key_file: file("tls.key"),
        server_name: Some(tls.server_name.clone().unwrap_or_else(|| format!("{name}-user-info"))),
    }
}

fn discovery(resource: &UserInfoDeployment, target: &Target, consul: Option<Consul>) -> Result<Discovery, LoadError> {
    let found = Discovery { version: resource.spec.client.version.clone(), ..Discovery::default() };
    Ok(match (consul, &target.peers) {
        (Some(consul), _) => Discovery { consul: Some(consul), ..found },
        (None, Peers::Dns(host)) => Discovery {
            dns: Some(Dns { host: host.clone(), port: resource.spec.server.grpc_port, interval: Duration::from_secs(2) }),
            ..found
        },
        (None, Peers::Addresses(addresses)) if addresses.is_empty() => return Err(Problem::of("spec.replicas", NOBODY).into()),
        (None, Peers::Addresses(addresses)) => Discovery { addresses: addresses.clone(), ..found },
    })
}
