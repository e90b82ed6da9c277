//! The config file of `user_info`.

use super::{Instance, Target};
use crate::config::{
    FaultInjection, MySql, Redis, Registry, Server, ServerTls, Service, Sqlite, Tracing, UserInfoConfig, UserInfoLive, Users, Views,
};
use crate::crd::{self, StoreMode, UserInfoDeployment};

/// The config file of one instance of `user_info`.
pub fn user_info(resource: &UserInfoDeployment, target: &Target, instance: &Instance) -> UserInfoConfig {
    let spec = &resource.spec;
    UserInfoConfig {
        generation: target.generation,
        service: Service {
            id: instance.id.clone(),
            version: spec.server.version.clone(),
            weight: weight(&spec.server, instance.index),
            ..Service::named(UserInfoConfig::SERVICE_NAME)
        },
        server: Server {
            grpc: instance.grpc.clone(),
            http: instance.http.clone(),
            admin: instance.admin.clone(),
            tls: spec.server.tls.as_ref().map(|tls| server_tls(tls, target)),
            timeout: spec.server.timeout,
            workers: spec.server.workers,
            max_in_flight: spec.server.max_in_flight,
            max_buffered_bytes: spec.server.max_buffered_bytes,
            max_connections: spec.server.max_connections,
            drain_delay: spec.server.drain_delay,
            shutdown_timeout: spec.server.shutdown_timeout,
            ..Server::default()
        },
        users: users(&spec.data.mysql, target),
        views: views(&spec.data.redis, target),
        registry: Registry { consul: target.registry(resource) },
        tracing: tracing(&spec.tracing, target),
        log_format: spec.server.log_format,
        live: UserInfoLive {
            rate_limiter: spec.rate_limiter.clone(),
            fault_injection: spec.fault_injection.as_ref().map(|faults| fault_injection(faults, target)),
            log: spec.server.log.clone(),
        },
    }
}

/// Where the traces of both programs go.
pub(super) fn tracing(tracing: &crd::Tracing, target: &Target) -> Tracing {
    Tracing {
        otlp_endpoint: tracing.otlp_endpoint.clone(),
        ca_file: tracing.authorities().map(|secret| target.secret_file(secret, "ca.crt")),
        percentage: tracing.percentage,
    }
}

fn server_tls(tls: &crd::ServerTls, target: &Target) -> ServerTls {
    ServerTls {
        cert_file: target.secret(&tls.secret_name, "tls.crt"),
        key_file: target.secret(&tls.secret_name, "tls.key"),
        client_ca_file: tls.client_ca_secret_ref.as_ref().map(|secret| target.secret_file(secret, "ca.crt")),
    }
}

/// The weight of the instance at `index`; without an order all have the first one.
fn weight(server: &crd::Server, index: Option<usize>) -> u32 {
    server.weights.get(index.unwrap_or(0)).copied().unwrap_or(Service::DEFAULT_WEIGHT)
}

fn users(mysql: &crd::MySql, target: &Target) -> Users {
    let password = mysql.secret_ref.as_ref().map(|secret| target.secret_file(secret, "password"));
    let (address, password_file) = match (mysql.mode, &target.mysql, &mysql.address) {
        (StoreMode::Managed, Some(managed), _) => {
            (managed.address.clone(), managed.password.as_ref().map(|secret| target.secret_file(secret, "password")))
        }
        (StoreMode::External, _, Some(address)) => (address.clone(), password),
        _ => return Users { sqlite: Some(Sqlite { path: target.sqlite.clone() }), ..Users::default() },
    };
    let mysql = MySql {
        address,
        database: mysql.database.clone(),
        username: mysql.username.clone(),
        password_file,
        ca_file: mysql.ca_secret_ref.as_ref().map(|secret| target.secret_file(secret, "ca.crt")),
        connections: mysql.connections,
    };
    Users { mysql: Some(mysql), ..Users::default() }
}

fn views(redis: &crd::Redis, target: &Target) -> Views {
    let password = redis.secret_ref.as_ref().map(|secret| target.secret_file(secret, "password"));
    let (address, password_file) = match (redis.mode, &target.redis, &redis.address) {
        (StoreMode::Managed, Some(managed), _) => {
            (managed.address.clone(), managed.password.as_ref().map(|secret| target.secret_file(secret, "password")))
        }
        (StoreMode::External, _, Some(address)) => (address.clone(), password),
        _ => return Views { memory: true, ..Views::default() },
    };
    let redis = Redis { address, database: redis.database, username: redis.username.clone(), password_file };
    Views { redis: Some(redis), ..Views::default() }
}

fn fault_injection(faults: &crd::FaultInjection, target: &Target) -> FaultInjection {
    FaultInjection {
        enabled: faults.enabled,
        delay: faults.delay.clone(),
        abort: faults.abort.clone(),
        expires_at: faults
            .expire_after
            .and_then(|after| target.faults_since.checked_add(after.get()))
            .map(|end| humantime::format_rfc3339_millis(end).to_string()),
    }
}
