use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;
use crate::config::{Check, UserClientConfig, UserInfoConfig};
use crate::crd::{SecretRef, UserInfoDeployment, load};

fn resource(spec: &str) -> UserInfoDeployment {
    let head = "apiVersion: userinfo.bbs.dev/v1alpha1\nkind: UserInfoDeployment\nmetadata: {name: demo, generation: 7}\n";
    load(&format!("{head}spec: {spec}")).expect("valid")
}

fn laptop() -> Target {
    let peers = vec!["127.0.0.1:9001".to_owned(), "127.0.0.1:9101".to_owned()];
    Target::local(Path::new("state"), Path::new("secrets"), "127.0.0.1:8500", peers, 3, SystemTime::UNIX_EPOCH)
}

fn process(index: usize) -> ServerInstance {
    let port = |base: usize| SocketAddr::from(([127, 0, 0, 1], u16::try_from(base + index).expect("small"))).into();
    ServerInstance { index: Some(index), id: Some(format!("demo-{index}")), grpc: port(9001), http: port(8001), admin: None }
}

/// A namespace in which everything that may be is installed.
fn cluster(resource: &UserInfoDeployment) -> Target {
    let own = |name: &str| Some(SecretRef { name: name.to_owned(), key: None });
    let store = |name: &str, port: u16| Some(ManagedStore { address: format!("{name}:{port}"), password: own(name) });
    Target {
        consul: Some(ManagedConsul { addresses: vec!["demo-consul:8500".to_owned()], token: None }),
        mysql: store("demo-mysql", 3306),
        redis: store("demo-redis", 6379),
        ..Target::cluster(resource, SystemTime::UNIX_EPOCH)
    }
}

/// Renders and reads back, since the services read what is written.
fn server(resource: &UserInfoDeployment, target: &Target, instance: &ServerInstance) -> UserInfoConfig {
    let config = user_info(resource, target, instance);
    assert_eq!(config.violations(), []);
    let text = serde_yaml::to_string(&config).expect("YAML");
    assert_eq!(serde_yaml::from_str::<UserInfoConfig>(&text).expect(&text), config);
    config
}

fn client(resource: &UserInfoDeployment, target: &Target) -> UserClientConfig {
    let config = user_client(resource, target, &ClientInstance::pod(resource));
    assert_eq!(config.violations(), []);
    let text = serde_yaml::to_string(&config).expect("YAML");
    assert_eq!(serde_yaml::from_str::<UserClientConfig>(&text).expect(&text), config);
    config
}

#[test]
fn a_laptop_runs_the_defaults_on_stand_ins() {
    let text = serde_yaml::to_string(&server(&resource("{rateLimiter: {}}"), &laptop(), &process(1))).expect("YAML");
    insta::assert_snapshot!(text, @r#"
    generation: 3
    service:
      name: bbs.user.info
      id: demo-1
      version: ""
      weight: 100
    server:
      grpc:
        listen: 127.0.0.1:9002
      http:
        listen: 127.0.0.1:8002
      timeout: 1s
      workers: 0
      maxConcurrentStreams: 1024
      maxConnections: 10000
      drainDelay: 2s
      shutdownTimeout: 10s
    users:
      sqlite:
        path: state/users.db
    views:
      memory: true
    registry:
      consul:
        addresses:
        - 127.0.0.1:8500
        interval: 10s
        deregisterAfter: 10m
        tcpChecks: true
    tracing:
      percentage: 1.0
    logFormat: text
    live:
      rateLimiter:
        enabled: true
        algorithm: TokenBucket
        requestsPerSecond: 2000
        burst: 1
        scope: Instance
      log:
        level: info
        accessLinesPerSecond: 1
    "#);
}

#[test]
fn a_pod_runs_managed_parts_by_the_names_the_operator_gives() {
    let resource = resource("{data: {mysql: {mode: Managed}, redis: {mode: Managed}}, server: {metricsPort: 9100}}");
    let config = server(&resource, &cluster(&resource), &ServerInstance::pod(&resource));

    let mysql = config.users.mysql.expect("MySQL");
    assert_eq!(mysql.address, "demo-mysql:3306");
    assert_eq!(mysql.password_file, Some(PathBuf::from("/etc/user-info/secrets/demo-mysql/password")));
    assert_eq!(config.views.redis.expect("Redis").address, "demo-redis:6379");
    assert_eq!(config.registry.consul.expect("Consul").addresses, ["demo-consul:8500"]);
    assert_eq!(config.server.admin.map(|admin| admin.listen), "0.0.0.0:9100".parse().ok());
    assert_eq!((config.generation, config.service.id), (7, None));
}

#[test]
fn a_laptop_takes_managed_stores_as_embedded() {
    let config = server(&resource("{data: {mysql: {mode: Managed}, redis: {mode: Managed}}}"), &laptop(), &process(0));
    assert_eq!(config.users.sqlite.map(|s| s.path), Some(PathBuf::from("state/users.db")));
    assert!(config.views.memory);
}

#[test]
fn external_parts_come_from_the_spec_with_secrets_as_files() {
    let resource = resource(
        "{data: {mysql: {mode: External, address: 'db:3306', username: app, secretRef: {name: db}, caSecretRef: {name: db, key: ca.pem}},
                 redis: {mode: External, address: 'cache:6379', database: 2, secretRef: {name: cache, key: pw}}},
          addons: {consul: {mode: External, external: {address: 'a:8500,b:8500', secretRef: {name: acl}}}}}",
    );
    for (target, secrets) in [(laptop(), "secrets"), (cluster(&resource), "/etc/user-info/secrets")] {
        let secret = |file: &str| Some(Path::new(secrets).join(file));
        let config = server(&resource, &target, &process(0));
        let mysql = config.users.mysql.expect("MySQL");
        assert_eq!((mysql.address.as_str(), mysql.username.as_str()), ("db:3306", "app"));
        assert_eq!((mysql.password_file, mysql.ca_file), (secret("db/password"), secret("db/ca.pem")));
        let redis = config.views.redis.expect("Redis");
        assert_eq!((redis.address.as_str(), redis.database, redis.password_file), ("cache:6379", 2, secret("cache/pw")));
        let consul = config.registry.consul.expect("Consul");
        assert_eq!((consul.addresses, consul.token_file), (vec!["a:8500".to_owned(), "b:8500".to_owned()], secret("acl/token")));
    }
}

#[test]
fn clients_find_instances_by_consul_or_without() {
    let with = resource("{}");
    assert_eq!(client(&with, &laptop()).discovery.consul.expect("Consul").addresses, ["127.0.0.1:8500"]);

    let without = resource("{addons: {consul: {mode: Disabled}}, server: {grpcPort: 9009}, client: {version: v2}}");
    let on_laptop = client(&without, &laptop());
    assert_eq!(on_laptop.discovery.addresses, ["127.0.0.1:9001", "127.0.0.1:9101"]);
    assert_eq!((on_laptop.discovery.version.as_deref(), on_laptop.registry.consul), (Some("v2"), None));
    let dns = client(&without, &cluster(&without)).discovery.dns.expect("DNS");
    assert_eq!((dns.host.as_str(), dns.port), ("demo-user-info-peers", 9009));
}

#[test]
fn the_client_is_set_by_the_spec() {
    let spec = "{client: {requestsPerSecond: 50, concurrency: 8, userIds: [1, 2], timeout: 500ms, loadBalancing: P2C, metricsPort: 8200,
                          retries: {enabled: true}, circuitBreaker: {mode: Kratos}, outlierEjection: {enabled: false}, log: {level: debug}}}";
    let config = client(&resource(spec), &laptop());
    assert_eq!(config.admin.listen.port(), 8200);
    insta::assert_snapshot!(serde_yaml::to_string(&config.live).expect("YAML"), @r#"
    requestsPerSecond: 50
    concurrency: 8
    userIds:
    - 1
    - 2
    timeout: 500ms
    loadBalancing: P2C
    outlierEjection:
      enabled: false
      consecutiveFailures: 5
      baseEjectionTime: 5s
      maxEjectionTime: 1m
      maxEjectionPercent: 50
    retries:
      enabled: true
      maxAttempts: 2
      budgetPercent: 20
    circuitBreaker:
      enabled: true
      mode: Kratos
      successRatio: 0.6
      minimumRequests: 100
      window: 3s
      probesPerSecond: 5
    log:
      level: debug
      accessLinesPerSecond: 1
    "#);
}

#[test]
fn instances_have_the_weights_of_their_places() {
    let resource = resource("{server: {weights: [3, 2]}}");
    let weight = |index| user_info(&resource, &laptop(), &ServerInstance { index, ..process(0) }).service.weight;
    assert_eq!([Some(0), Some(1), Some(2), None].map(weight), [3, 2, 100, 3]);
}

#[test]
fn faults_expire_after_their_time() {
    let resource = resource("{faultInjection: {delay: {fixedDelay: 5ms}, expireAfter: 90s}}");
    let target = Target { faults_since: SystemTime::UNIX_EPOCH + Duration::from_secs(86_400), ..laptop() };
    let faults = server(&resource, &target, &process(0)).live.fault_injection.expect("faults");
    assert_eq!(faults.expires_at.as_deref(), Some("1970-01-02T00:01:30.000Z"));
}

#[test]
fn only_what_cannot_change_live_asks_for_a_restart() {
    let hash = |spec: &str, target: &Target| restart_hash(&server(&resource(spec), target, &process(0)));
    let base = hash("{}", &laptop());

    assert_eq!(base, hash("{rateLimiter: {}, faultInjection: {abort: {}}, server: {log: {level: debug}}}", &laptop()));
    assert_eq!(base, hash("{}", &Target { generation: 99, ..laptop() }));
    assert_ne!(base, hash("{server: {workers: 2}}", &laptop()));
    assert_ne!(base, hash("{addons: {consul: {mode: Disabled}}}", &laptop()));

    let config = server(&resource("{}"), &laptop(), &process(0));
    assert_ne!(config_hash(&config), config_hash(&server(&resource("{rateLimiter: {}}"), &laptop(), &process(0))));
}

/// Hashes stand in the annotations of pods: an upgrade of the operator alone must not restart them.
#[test]
fn hashes_are_the_same_in_every_build() {
    let config = serde_json::json!({"server": {"workers": 2, "timeout": "1s"}, "live": {}, "generation": 1});
    assert_eq!(restart_hash(&config), "521e5b4c47834e24");
    assert_eq!(config_hash(&config), "2e39af15ad198971");
}
