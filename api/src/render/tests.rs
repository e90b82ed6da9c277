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
    let config = user_info(resource, target, instance).expect("the service takes it");
    assert_eq!(config.violations(), []);
    let text = serde_yaml::to_string(&config).expect("YAML");
    assert_eq!(serde_yaml::from_str::<UserInfoConfig>(&text).expect(&text), config);
    config
}

fn client(resource: &UserInfoDeployment, target: &Target) -> UserClientConfig {
    let config = user_client(resource, target, &ClientInstance::pod(resource)).expect("the client takes it");
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
fn d4_the_tls_of_mysql_comes_from_the_spec() {
    let with = |more: &str| resource(&format!("{{data: {{mysql: {{mode: External, address: 'db:3306', {more}}}}}}}"));
    let full = with("caSecretRef: {name: ca}, tls: {mode: VerifyIdentity, serverName: db.example.com, secretName: own}");
    let mysql = server(&full, &cluster(&full), &process(0)).users.mysql.expect("MySQL");
    assert_eq!(mysql.ca_file, None);
    insta::assert_snapshot!(serde_yaml::to_string(&mysql.tls.expect("TLS")).expect("YAML"), @r"
    mode: VerifyIdentity
    caFile: /etc/user-info/secrets/ca/ca.crt
    certFile: /etc/user-info/secrets/own/tls.crt
    keyFile: /etc/user-info/secrets/own/tls.key
    serverName: db.example.com
    ");
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
    let weight = |index| server(&resource, &laptop(), &ServerInstance { index, ..process(0) }).service.weight;
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

/// What an older definition, or the values of a chart, let through.
#[test]
fn what_a_service_would_refuse_is_said_of_the_field_that_it_comes_from() {
    let table = [
        (
            "{data: {mysql: {mode: External, address: 'db:70000'}}}",
            "spec.data.mysql.address: \"db:70000\" is not host:port, such as 127.0.0.1:3306, nor an absolute path of a socket",
        ),
        (
            "{data: {redis: {mode: External, address: cache}}}",
            "spec.data.redis.address: \"cache\" is not host:port, such as 127.0.0.1:6379, nor an absolute path of a socket",
        ),
        (
            "{addons: {consul: {mode: External, external: {address: 'a:8500,b:0'}}}}",
            "spec.addons.consul.external.address: \"b:0\" is not host:port, such as 127.0.0.1:8500",
        ),
        ("{server: {timeout: 2h}}", "spec.server.timeout: 2h is out of range; allowed is 1ms to 1h"),
        ("{server: {weights: [0]}}", "spec.server.weights: 0 is out of range; allowed is 1 to 10000"),
        (
            "{tracing: {otlpEndpoint: nowhere}}",
            "spec.tracing.otlpEndpoint: \"nowhere\" is not the URL of a collector for OTLP over gRPC, without a path, such as http://127.0.0.1:4317",
        ),
        (
            "{rateLimiter: {overrides: [{client: '', requestsPerSecond: 1}]}}",
            "spec.rateLimiter.overrides.client: has 0 characters; allowed is 1 to 253",
        ),
        ("{faultInjection: {abort: {reason: ''}}}", "spec.faultInjection.abort.reason: has 0 characters; allowed is 1 to 64"),
        ("{client: {userIds: []}}", "spec.client.userIds: has 0 elements; allowed is 1 to 100000"),
        (
            "{client: {outlierEjection: {maxEjectionTime: 1s}}}",
            "spec.client.outlierEjection: maxEjectionTime must not be shorter than baseEjectionTime",
        ),
        (
            "{server: {workers: 257}, client: {concurrency: 10001}}",
            "spec.server.workers: 257 is out of range; allowed is 0 to 256\n\
             spec.client.concurrency: 10001 is out of range; allowed is 0 to 10000",
        ),
    ];
    for (spec, said) in table {
        let mut resource = resource("{}");
        let spec: serde_json::Value = serde_yaml::from_str(spec).expect(spec);
        resource.spec = serde_json::from_value(spec.clone()).expect("of the right shape");
        assert_eq!(check(&resource, &cluster(&resource)).map_err(|error| error.to_string()), Err(said.to_owned()), "{spec}");
    }

    let resource = resource("{data: {mysql: {mode: Managed}}}");
    let target = Target {
        consul: Some(ManagedConsul { addresses: vec!["demo-consul:0".to_owned()], token: None }),
        mysql: Some(ManagedStore { address: "demo-mysql:0".to_owned(), password: None }),
        ..cluster(&resource)
    };
    let said = "spec.data.mysql.values: \"demo-mysql:0\" is not host:port, such as 127.0.0.1:3306, nor an absolute path of a socket\n\
                spec.addons.consul.values: \"demo-consul:0\" is not host:port, such as 127.0.0.1:8500";
    assert_eq!(check(&resource, &target).map_err(|error| error.to_string()), Err(said.to_owned()));
}

#[test]
fn a_client_without_anybody_to_call_is_a_mistake_on_a_laptop() {
    let without = resource("{replicas: 0, addons: {consul: {mode: Disabled}}}");
    let said =
        "spec.replicas: 0 leaves user_client nobody to call; set 1 or more, or addons.consul.mode: Managed, or client.enabled: false";
    let target = Target { peers: Peers::Addresses(Vec::new()), ..laptop() };
    assert_eq!(check(&without, &target).map_err(|error| error.to_string()), Err(said.to_owned()));
    assert_eq!(check(&without, &cluster(&without)), Ok(()));
    let silent = resource("{replicas: 0, addons: {consul: {mode: Disabled}}, client: {enabled: false}}");
    assert_eq!(check(&silent, &target), Ok(()));
}

#[test]
fn problems_of_rendering_are_found_in_the_text_too() {
    let head = "apiVersion: userinfo.bbs.dev/v1alpha1\nkind: UserInfoDeployment\nmetadata: {name: demo}\n";
    let text = format!("{head}spec:\n  client: {{}}\n  replicas: 0\n  addons: {{consul: {{mode: Disabled}}}}\n");
    let target = Target { peers: Peers::Addresses(Vec::new()), ..laptop() };
    let error = check(&load(&text).expect("valid"), &target).expect_err("nobody to call").in_text(&text);
    assert!(error.in_file("demo.yaml").starts_with("demo.yaml:6: spec.replicas: 0 leaves "), "{error}");
}

/// Fields of the config file of `user_info` that no field of the resource has a say in.
const OWN_OF_SERVER: &[&str] = &[
    "generation",
    "service.name",
    "server.maxConcurrentStreams",
    "registry.consul.interval",
    "registry.consul.deregisterAfter",
    "registry.consul.tcpChecks",
];

/// Fields of the config file of `user_client` that no field of the resource has a say in.
const OWN_OF_CLIENT: &[&str] = &[
    "generation",
    "service.name",
    "service.version",
    "service.weight",
    "discovery.service",
    "discovery.consul.interval",
    "discovery.consul.deregisterAfter",
    "discovery.consul.tcpChecks",
    "registry.consul.interval",
    "registry.consul.deregisterAfter",
    "registry.consul.tcpChecks",
];

/// Paths of all values below `value`; a list is one value.
fn leaves(path: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                leaves(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn every_field_has_an_origin_or_is_the_targets_own() {
    let exists = |path: &str| {
        let step = |schema: Option<&'static serde_json::Value>, name: &str| schema?["properties"].get(name);
        path.split('.').fold(Some(crate::crd::schema()), step).is_some()
    };
    let resource = resource(
        "{server: {metricsPort: 8002, maxInFlight: 1, maxBufferedBytes: 4194304, version: v,
                   tls: {secretName: a, serverName: a, clientCaSecretRef: {name: a}}},
          client: {version: v, tls: {secretName: a}},
          rateLimiter: {overrides: [{client: a, requestsPerSecond: 1}]},
          faultInjection: {delay: {fixedDelay: 1s}, abort: {httpStatus: 500}, expireAfter: 1s},
          data: {mysql: {mode: External, address: 'a:1', secretRef: {name: a}, caSecretRef: {name: a},
                         tls: {serverName: a, secretName: a}},
                 redis: {mode: External, address: 'a:1', username: a, secretRef: {name: a}}},
          addons: {consul: {mode: External, external: {address: 'a:1', secretRef: {name: a}}}},
          tracing: {otlpEndpoint: 'http://a:1'}}",
    );
    let (target, instance) = (cluster(&resource), ServerInstance::pod(&resource));
    let files = [
        (user_info::ORIGINS, OWN_OF_SERVER, serde_json::to_value(server(&resource, &target, &instance)).expect("JSON")),
        (user_client::ORIGINS, OWN_OF_CLIENT, serde_json::to_value(client(&resource, &target)).expect("JSON")),
    ];
    for (table, own, config) in files {
        let mut found = Vec::new();
        leaves("", &config, &mut found);
        let origins = origins::Origins::new(table)
            .and("registry.consul.addresses", "spec.addons.consul.external.address")
            .and("discovery.consul.addresses", "spec.addons.consul.external.address");
        for field in found {
            let origin = origins.of(&field);
            let known = origin.as_deref().is_some_and(exists);
            assert_ne!(known, own.contains(&field.as_str()), "{field} comes from {origin:?}");
        }
        for (field, origin) in table {
            assert!(exists(origin), "{field} comes from {origin}");
        }
    }
}

/// Hashes stand in the annotations of pods: an upgrade of the operator alone must not restart them.
#[test]
fn hashes_are_the_same_in_every_build() {
    let config = serde_json::json!({"server": {"workers": 2, "timeout": "1s"}, "live": {}, "generation": 1});
    assert_eq!(restart_hash(&config), "521e5b4c47834e24");
    assert_eq!(config_hash(&config), "2e39af15ad198971");
}
