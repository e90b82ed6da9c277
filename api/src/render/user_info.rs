//! The config file of `user_info`.

use super::origins::Origins;
use super::{ServerInstance, Target};
use crate::config::{
    FaultInjection, MySql, Redis, Registry, Server, ServerTls, Service, Sqlite, Tracing, UserInfoConfig, UserInfoLive, Users, Views,
};
use crate::crd::{self, LoadError, StoreMode, UserInfoDeployment};

/// Where the fields come from. Those that are not named are the target's own.
pub(super) const ORIGINS: &[(&str, &str)] = &[
    ("service.version", "spec.server.version"),
    ("service.weight", "spec.server.weights"),
    ("server", "spec.server"),
    ("server.grpc.listen", "spec.server.grpcPort"),
    ("server.http.listen", "spec.server.httpPort"),
    ("server.admin.listen", "spec.server.metricsPort"),
    ("server.tls.certFile", "spec.server.tls.secretName"),
    ("server.tls.keyFile", "spec.server.tls.secretName"),
    ("server.tls.clientCaFile", "spec.server.tls.clientCaSecretRef"),
    ("users.sqlite", "spec.data.mysql.mode"),
    ("users.mysql", "spec.data.mysql"),
    ("users.mysql.passwordFile", "spec.data.mysql.secretRef"),
    ("users.mysql.caFile", "spec.data.mysql.caSecretRef"),
    ("views.memory", "spec.data.redis.mode"),
    ("views.redis", "spec.data.redis"),
    ("views.redis.passwordFile", "spec.data.redis.secretRef"),
    ("registry.consul.tokenFile", "spec.addons.consul.external.secretRef"),
    ("tracing", "spec.tracing"),
    ("logFormat", "spec.server.logFormat"),
    ("live.rateLimiter", "spec.rateLimiter"),
    ("live.faultInjection", "spec.faultInjection"),
    ("live.faultInjection.expiresAt", "spec.faultInjection.expireAfter"),
    ("live.log", "spec.server.log"),
];

/// The config file of one instance of `user_info`.
///
/// # Errors
/// The fields of `resource` from which values come that `user_info` refuses.
pub fn user_info(resource: &UserInfoDeployment, target: &Target, instance: &ServerInstance) -> Result<UserInfoConfig, LoadError> {
    let spec = &resource.spec;
    let (users, mysql) = users(&spec.data.mysql, target);
    let (views, redis) = views(&spec.data.redis, target);
    let (consul, agents) = target.registry(resource);
    let origins =
        Origins::new(ORIGINS).and("users.mysql.address", mysql).and("views.redis.address", redis).and("registry.consul.addresses", agents);
    origins.judge(UserInfoConfig {
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
        users,
        views,
        registry: Registry { consul },
        tracing: tracing(&spec.tracing, target),
        log_format: spec.server.log_format,
        live: UserInfoLive {
            rate_limiter: spec.rate_limiter.clone(),
            fault_injection: spec.fault_injection.as_ref().map(|faults| fault_injection(faults, target)),
            log: spec.server.log.clone(),
        },
    })
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

/// The store of the users, and where its address comes from.
fn users(mysql: &crd::MySql, target: &Target) -> (Users, &'static str) {
    let password = mysql.secret_ref.as_ref().map(|secret| target.secret_file(secret, "password"));
    let (address, password_file, origin) = match (mysql.mode, &target.mysql, &mysql.address) {
        (StoreMode::Managed, Some(managed), _) => {
            let password = managed.password.as_ref().map(|secret| target.secret_file(secret, "password"));
            (managed.address.clone(), password, "spec.data.mysql.values")
        }
        (StoreMode::External, _, Some(address)) => (address.clone(), password, "spec.data.mysql.address"),
        _ => return (Users { sqlite: Some(Sqlite { path: target.sqlite.clone() }), ..Users::default() }, "spec.data.mysql.mode"),
    };
    let mysql = MySql {
        address,
        database: mysql.database.clone(),
        username: mysql.username.clone(),
        password_file,
        ca_file: mysql.ca_secret_ref.as_ref().map(|secret| target.secret_file(secret, "ca.crt")),
        connections: mysql.connections,
    };
    (Users { mysql: Some(mysql), ..Users::default() }, origin)
}

/// The store of the page views, and where its address comes from.
fn views(redis: &crd::Redis, target: &Target) -> (Views, &'static str) {
    let password = redis.secret_ref.as_ref().map(|secret| target.secret_file(secret, "password"));
    let (address, password_file, origin) = match (redis.mode, &target.redis, &redis.address) {
        (StoreMode::Managed, Some(managed), _) => {
            let password = managed.password.as_ref().map(|secret| target.secret_file(secret, "password"));
            (managed.address.clone(), password, "spec.data.redis.values")
        }
        (StoreMode::External, _, Some(address)) => (address.clone(), password, "spec.data.redis.address"),
        _ => return (Views { memory: true, ..Views::default() }, "spec.data.redis.mode"),
    };
    let (database, username, connections) = (redis.database, redis.username.clone(), redis.connections);
    let redis = Redis { address, database, username, password_file, connections };
    (Views { redis: Some(redis), ..Views::default() }, origin)
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
