use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use super::*;
use crate::config::{CircuitBreaker, LoadBalancing, RateLimiter};

/// A resource with this spec.
fn resource(spec: &Value) -> Value {
    json!({"apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": "demo"}, "spec": spec})
}

#[test]
fn an_empty_spec_is_a_whole_system_with_the_documented_defaults() {
    let spec = load_value(resource(&json!({}))).expect("valid").spec;

    assert_eq!(spec, UserInfoDeploymentSpec::default());
    assert_eq!(spec.replicas, 1);
    assert_eq!(spec.image.reference(None), concat!("user-info:", env!("CARGO_PKG_VERSION")));
    assert_eq!((spec.server.grpc_port, spec.server.http_port, spec.client.metrics_port), (9001, 8001, 8100));
    assert_eq!((spec.server.timeout.to_string(), spec.client.timeout.to_string()), ("1s".to_owned(), "2s".to_owned()));
    assert!(spec.rate_limiter.is_none() && spec.fault_injection.is_none());
    assert!(spec.client.enabled);
    assert_eq!((spec.client.concurrency, spec.client.load_balancing), (1, LoadBalancing::WeightedRoundRobin));
    assert_eq!(spec.client.circuit_breaker, CircuitBreaker::default());
    assert_eq!((spec.data.mysql.mode, spec.data.redis.mode), (StoreMode::Embedded, StoreMode::Embedded));
    assert_eq!((spec.data.mysql.database.as_str(), spec.data.mysql.username.as_str()), ("demo_a", "root"));
    let addons = &spec.addons;
    assert_eq!([addons.consul.mode, addons.prometheus.mode, addons.grafana.mode], [AddonMode::Managed; 3]);
}

#[test]
fn naming_a_part_sets_its_other_fields_to_their_defaults() {
    let spec = load_value(resource(&json!({"rateLimiter": {}, "faultInjection": {"abort": {}}}))).expect("valid").spec;

    assert_eq!(spec.rate_limiter, Some(RateLimiter::default()));
    let abort = spec.fault_injection.and_then(|f| f.abort).expect("set");
    assert_eq!((abort.percentage, abort.reason.as_str(), abort.message.as_str()), (100.0, "random error", "random error"));
}

#[test]
fn a_spec_reads_back_as_it_was_written_without_nulls() {
    let written = serde_json::to_value(load_value(resource(&json!({}))).expect("valid")).expect("JSON");

    assert!(!written.to_string().contains("null"), "a null makes has() true in rules: {written}");
    assert_eq!(serde_json::to_value(load_value(written.clone()).expect("valid")).expect("JSON"), written);
}

/// Calls `visit` with every schema and the path to it.
fn walk(schema: &JSONSchemaProps, path: &str, visit: &mut impl FnMut(&str, &JSONSchemaProps)) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaPropsOrArray, JSONSchemaPropsOrBool};

    visit(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        walk(items, &format!("{path}[]"), visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        walk(values, &format!("{path}{{}}"), visit);
    }
}

/// What an API server demands of a structural schema, and what the cost limit of rules demands of ours.
#[test]
fn the_schema_is_structural_and_bounded() {
    /// Fields whose types are Kubernetes' own.
    const FOREIGN: [&str; 7] =
        ["affinity", "tolerations[]", "env[]", "securityContext", "topologySpreadConstraints[]", "behavior", "resources"];

    let crd = definition();
    let version = &crd.spec.versions[0];
    let schema = version.schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref()).expect("a schema");
    walk(schema, "", &mut |path, schema| {
        assert!(schema.ref_path.is_none() && schema.nullable.is_none(), "{path}");
        assert!(schema.any_of.is_none() && schema.one_of.is_none() && schema.all_of.is_none() && schema.not.is_none(), "{path}");
        assert!(schema.properties.is_none() || schema.additional_properties.is_none(), "{path}");
        assert!(schema.type_.is_some() || schema.x_kubernetes_int_or_string == Some(true), "{path}");
        assert!(!schema.default.as_ref().is_some_and(|d| d.0.to_string().contains("null")), "{path}");
        let foreign = FOREIGN.iter().any(|name| path.split('.').any(|part| part == *name)) || path.starts_with(".status");
        if path.starts_with(".spec") && !foreign {
            match schema.type_.as_deref() {
                Some("array") => assert!(schema.max_items.is_some(), "{path} has no maxItems"),
                Some("string") if !path.ends_with("{}") => {
                    assert!(schema.max_length.is_some() || schema.enum_.is_some(), "{path} has no maxLength");
                }
                Some("object") if schema.additional_properties.is_some() => assert!(schema.max_properties.is_some(), "{path}"),
                _ => {}
            }
            assert!(schema.description.is_some() || path.ends_with(']') || path.ends_with('}'), "{path} is not described");
        }
    });
}

#[test]
fn every_pattern_in_the_schema_has_words_and_compiles() {
    for (pattern, words) in rules::PATTERNS {
        assert!(regex::Regex::new(pattern).is_ok(), "{pattern}");
        assert!(!words.is_empty());
    }
    let crd = definition();
    let schema = crd.spec.versions[0].schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref()).expect("a schema");
    walk(schema, "", &mut |path, schema| {
        if let Some(pattern) = &schema.pattern {
            assert!(rules::PATTERNS.iter().any(|(known, _)| known == pattern), "{path}: no words for {pattern}");
        }
    });
}

/// Rules and a spec that each refuses, beside one much alike that it accepts.
#[test]
fn rules_say_what_to_write_instead() {
    let external = json!({"address": "http://prometheus.example.com:9090"});
    let cpu = json!({"requests": {"cpu": "100m"}});
    let table = [
        (
            json!({"server": {"weights": [3, 1]}, "addons": {"consul": {"mode": "Disabled"}}}),
            "spec: server.weights reach the client through the registry; set addons.consul.mode to Managed or External",
            json!({"server": {"weights": [3, 1]}}),
        ),
        (
            json!({"autoscaling": {"mode": "Managed"}}),
            "spec: autoscaling by CPU use needs server.resources.requests.cpu",
            json!({"autoscaling": {"mode": "Managed"}, "server": {"resources": cpu}}),
        ),
        (
            json!({"autoscaling": {"minReplicas": 3, "maxReplicas": 2}}),
            "spec.autoscaling: maxReplicas must not be less than minReplicas",
            json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 2}}),
        ),
        (
            json!({"faultInjection": {}}),
            "spec.faultInjection: nothing to inject; set delay, abort or both, or enabled: false",
            json!({"faultInjection": {"enabled": false}}),
        ),
        (
            json!({"faultInjection": {"abort": {"httpStatus": 503, "grpcStatus": 14}}}),
            "spec.faultInjection.abort: set httpStatus or grpcStatus, not both",
            json!({"faultInjection": {"abort": {"httpStatus": 503}}}),
        ),
        (
            json!({"faultInjection": {"delay": {"fixedDelay": "61m"}}}),
            "spec.faultInjection.delay.fixedDelay: 61m is out of range; allowed is 0s to 1h",
            json!({"faultInjection": {"delay": {"fixedDelay": "60m"}}}),
        ),
        (
            json!({"client": {"outlierEjection": {"baseEjectionTime": "2m", "maxEjectionTime": "1m"}}}),
            "spec.client.outlierEjection: maxEjectionTime must not be shorter than baseEjectionTime",
            json!({"client": {"outlierEjection": {"baseEjectionTime": "60s", "maxEjectionTime": "1m"}}}),
        ),
        (
            json!({"client": {"circuitBreaker": {"window": "1us"}}}),
            "spec.client.circuitBreaker.window: 1us is out of range; allowed is 100ms to 10m",
            json!({"client": {"circuitBreaker": {"window": "100000us"}}}),
        ),
        (
            json!({"server": {"grpcPort": 8001}}),
            "spec.server: grpcPort and httpPort are the same; give each its own",
            json!({"server": {"grpcPort": 8002}}),
        ),
        (
            json!({"server": {"metricsPort": 8001}}),
            "spec.server: metricsPort is also grpcPort or httpPort; give it its own, or leave it out to have the metrics on httpPort",
            json!({"server": {"metricsPort": 8002}}),
        ),
        (
            json!({"disruption": {"maxUnavailable": 1, "minAvailable": "50%"}}),
            "spec.disruption: set maxUnavailable or minAvailable, not both",
            json!({"disruption": {"minAvailable": "50%"}}),
        ),
        (
            json!({"image": {"tag": "1", "digest": format!("sha256:{}", "0".repeat(64))}}),
            "spec.image: set tag or digest, not both",
            json!({"image": {"digest": format!("sha256:{}", "0".repeat(64))}}),
        ),
        (
            json!({"addons": {"consul": {"mode": "External"}}}),
            "spec.addons.consul: mode: External needs external.address",
            json!({"addons": {"consul": {"mode": "External", "external": {"address": "a:8500,b:8500"}}}}),
        ),
        (
            json!({"addons": {"prometheus": {"external": external}}}),
            "spec.addons.prometheus: external is only used with mode: External; set that, or remove external",
            json!({"addons": {"prometheus": {"mode": "External", "external": external}}}),
        ),
        (
            json!({"addons": {"grafana": {"mode": "External"}}}),
            "spec.addons.grafana: mode: External needs external.address",
            json!({"addons": {"grafana": {"mode": "Disabled"}}}),
        ),
        (
            json!({"server": {"tls": {"secretName": "cert"}}}),
            "spec.server: tls needs metricsPort, since probes and Prometheus ask without TLS; give it a port of its own, such as 8002",
            json!({"server": {"metricsPort": 8002, "tls": {"secretName": "cert"}}}),
        ),
        (
            json!({"server": {"metricsPort": 8002, "tls": {"secretName": "cert", "clientCaSecretRef": {"name": "callers"}}}}),
            "spec: server.tls.clientCaSecretRef asks callers for a certificate; name that of user_client in client.tls.secretName, or set \
             client.enabled to false",
            json!({
                "server": {"metricsPort": 8002, "tls": {"secretName": "cert", "clientCaSecretRef": {"name": "callers"}}},
                "client": {"tls": {"secretName": "own"}},
            }),
        ),
        (
            json!({"client": {"tls": {"secretName": "own"}}}),
            "spec: client.tls is shown to nobody, since user_info speaks plaintext; set server.tls, or leave client.tls out",
            json!({"client": {}}),
        ),
        (
            json!({"tracing": {"otlpEndpoint": "http://otel:4317", "caSecretRef": {"name": "otel"}}}),
            "spec.tracing: caSecretRef is for a collector that speaks TLS; set otlpEndpoint to its https:// URL",
            json!({"tracing": {"otlpEndpoint": "https://otel:4317", "caSecretRef": {"name": "otel"}}}),
        ),
        (
            json!({"data": {"mysql": {"mode": "External"}}}),
            "spec.data.mysql: mode: External needs address",
            json!({"data": {"mysql": {"mode": "External", "address": "127.0.0.1:3306"}}}),
        ),
        (
            json!({"data": {"mysql": {"tls": {"mode": "Required"}}}}),
            "spec.data.mysql: tls is only used with mode: External; set that, or remove tls",
            json!({"data": {"mysql": {"mode": "External", "address": "127.0.0.1:3306", "tls": {"mode": "Required"}}}}),
        ),
        (
            json!({"data": {"mysql": {"mode": "External", "address": "db:3306", "tls": {"mode": "VerifyCa"}}}}),
            "spec.data.mysql: tls.mode: VerifyCa needs caSecretRef: without it any public certificate would do",
            json!({"data": {"mysql": {"mode": "External", "address": "db:3306", "tls": {"mode": "VerifyCa"}, "caSecretRef": {"name": "ca"}}}}),
        ),
        (
            json!({"data": {"mysql": {"mode": "External", "address": "db:3306", "tls": {"mode": "Required"}, "caSecretRef": {"name": "ca"}}}}),
            "spec.data.mysql: caSecretRef is checked with tls.mode: VerifyCa and VerifyIdentity only; set one of them, or remove caSecretRef",
            json!({"data": {"mysql": {"mode": "External", "address": "db:3306", "tls": {}, "caSecretRef": {"name": "ca"}}}}),
        ),
        (
            json!({"data": {"mysql": {"mode": "External", "address": "db:3306", "tls": {"mode": "Disabled", "secretName": "own"}}}}),
            "spec.data.mysql: tls.mode: Disabled uses neither tls.secretName nor tls.serverName; set another mode, or remove them",
            json!({"data": {"mysql": {"mode": "External", "address": "db:3306", "tls": {"secretName": "own"}}}}),
        ),
        (
            json!({"data": {"redis": {"address": "127.0.0.1:6379"}}}),
            "spec.data.redis: address is only used with mode: External; set that, or remove address",
            json!({"data": {"redis": {"mode": "External", "address": "127.0.0.1:6379"}}}),
        ),
        (
            json!({"addons": {"consul": {"chart": {"version": "1"}}}}),
            "spec.addons.consul.chart: the Embedded chart takes no url, name, version or secretRef; remove them, or set source: Repository or OCI",
            json!({"addons": {"consul": {"chart": {"source": "OCI", "version": "1", "url": "oci://a/b"}}}}),
        ),
        (
            json!({"addons": {"consul": {"chart": {"source": "OCI"}}}}),
            "spec.addons.consul.chart: a chart from elsewhere needs url",
            json!({"addons": {"consul": {"chart": {"source": "OCI", "url": "oci://a/b"}}}}),
        ),
        (
            json!({"addons": {"consul": {"chart": {"source": "OCI", "url": "https://a/b"}}}}),
            "spec.addons.consul.chart: the url of an OCI chart begins with oci://",
            json!({"addons": {"consul": {"chart": {"source": "OCI", "url": "oci://a/b"}}}}),
        ),
        (
            json!({"addons": {"consul": {"chart": {"source": "Repository", "url": "https://a/b"}}}}),
            "spec.addons.consul.chart: a chart in a repository needs name",
            json!({"addons": {"consul": {"chart": {"source": "Repository", "url": "https://a/b", "name": "consul"}}}}),
        ),
    ];
    for (refused, message, accepted) in table {
        let error = load_value(resource(&refused)).expect_err(message);
        assert_eq!(error.to_string(), message, "{refused}");
        load_value(resource(&accepted)).unwrap_or_else(|error| panic!("{accepted}: {error}"));
    }
}

#[test]
fn names_leave_room_for_the_names_made_from_them() {
    let named = |name: &str| {
        let mut value = resource(&json!({}));
        value["metadata"]["name"] = json!(name);
        load_value(value).err().map(|error| error.to_string())
    };
    assert_eq!(named(&"a".repeat(40)), None);
    assert_eq!(
        named(&"a".repeat(41)).as_deref(),
        Some("metadata.name must have at most 40 characters; names of further objects are made from it")
    );
    for name in ["1st", "Demo", "a-", "a.b"] {
        assert!(named(name).is_some_and(|message| message.contains("must begin with a letter")), "{name}");
    }
}

#[test]
fn the_storage_class_cannot_be_changed() {
    let stored = |persistence: &Value| load_value(resource(&json!({"addons": {"consul": {"persistence": persistence}}}))).expect("valid");
    let fast = stored(&json!({"storageClass": "fast"}));
    assert_eq!(stored(&json!({"storageClass": "fast", "size": "2Gi"})).check_change(&fast), Ok(()));
    for changed in [json!({"storageClass": "slow"}), json!({})] {
        let error = stored(&changed).check_change(&fast).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "spec.addons.consul.persistence: storageClass cannot be changed; make a new resource and move the data"
        );
    }
}

#[test]
fn an_image_is_named_by_registry_repository_and_tag_or_digest() {
    let image = Image { tag: Some("2".to_owned()), ..Image::default() };
    assert_eq!(image.reference(Some("mirror.example.com/x/")), "mirror.example.com/x/user-info:2");
    let image = Image { digest: Some("sha256:ab".to_owned()), ..Image::default() };
    assert_eq!(image.reference(None), "user-info@sha256:ab");
}
