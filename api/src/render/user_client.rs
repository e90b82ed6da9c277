//! The config file of `user_client`.

use super::{ClientInstance, Peers, Target};
use crate::Duration;
use crate::config::{ClientTls, Discovery, Dns, Registry, Service, UserClientConfig, UserClientLive};
use crate::crd::{ServerTls, UserInfoDeployment};

/// The config file of one instance of `user_client`.
pub fn user_client(resource: &UserInfoDeployment, target: &Target, instance: &ClientInstance) -> UserClientConfig {
    let client = &resource.spec.client;
    UserClientConfig {
        generation: target.generation,
        service: Service { id: instance.id.clone(), ..Service::named(UserClientConfig::SERVICE_NAME) },
        admin: instance.admin.clone(),
        discovery: discovery(resource, target),
        tls: resource.spec.server.tls.as_ref().map(|tls| client_tls(resource, tls, target)),
        registry: Registry { consul: target.registry(resource) },
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
    }
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

fn discovery(resource: &UserInfoDeployment, target: &Target) -> Discovery {
    let found = Discovery { version: resource.spec.client.version.clone(), ..Discovery::default() };
    match (target.registry(resource), &target.peers) {
        (Some(consul), _) => Discovery { consul: Some(consul), ..found },
        (None, Peers::Dns(host)) => Discovery {
            dns: Some(Dns { host: host.clone(), port: resource.spec.server.grpc_port, interval: Duration::from_secs(2) }),
            ..found
        },
        (None, Peers::Addresses(addresses)) => Discovery { addresses: addresses.clone(), ..found },
    }
}
