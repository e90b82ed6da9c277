//! The config file of `user_client`.

use super::{ClientInstance, Peers, Target};
use crate::Duration;
use crate::config::{Discovery, Dns, Registry, Service, UserClientConfig, UserClientLive};
use crate::crd::UserInfoDeployment;

/// The config file of one instance of `user_client`.
pub fn user_client(resource: &UserInfoDeployment, target: &Target, instance: &ClientInstance) -> UserClientConfig {
    let client = &resource.spec.client;
    UserClientConfig {
        generation: target.generation,
        service: Service { id: instance.id.clone(), ..Service::named(UserClientConfig::SERVICE_NAME) },
        admin: instance.admin.clone(),
        discovery: discovery(resource, target),
        registry: Registry { consul: target.registry(resource) },
        tracing: resource.spec.tracing.clone(),
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
