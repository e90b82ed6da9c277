//! Walks every schema to its bounds. What the schema of a config file takes, `Check` takes, and no more; what the schema of the resource
//! takes, the services take; and what a doc comment says of a bound is the bound.

use std::time::SystemTime;

use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use proptest::prelude::*;
use proptest::sample::Index;
use regex::Regex;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::AddNullable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use crate::config::{Check, UserClientConfig, UserInfoConfig};
use crate::crd::UserInfoDeploymentSpec;
use crate::render::{self, ManagedConsul, ManagedStore, Target};
use crate::{Duration, address};

/// Fields that are Kubernetes' or a chart's own, and texts of which a schema says less than the type: socket addresses and times.
const FOREIGN: [&str; 11] = [
    "affinity",
    "behavior",
    "chart",
    "env",
    "expiresAt",
    "listen",
    "resources",
    "securityContext",
    "tolerations",
    "topologySpreadConstraints",
    "values",
];

/// Texts that some pattern takes and another does not.
const TEXTS: [&str; 20] = [
    "",
    " ",
    "a",
    "A-1.b_c",
    "é",
    "db:3306",
    "db:0",
    "db:65535",
    "db:65536",
    "db:70000",
    "db:+80",
    "::1:80",
    "[::1]:80",
    "a:1,b:2",
    "/run/a.sock",
    "http://a:1",
    "http://a/ b",
    "https:///",
    "1Gi",
    "sha256:ab",
];

const SERVERS: [&str; 3] = [
    "
service: {name: a, id: a, version: a, metadata: {a: b}}
server:
  admin: {listen: '0.0.0.0:8002'}
  tls: {certFile: a, keyFile: a, clientCaFile: a}
users: {mysql: {passwordFile: a, tls: {caFile: a, certFile: a, keyFile: a, serverName: a}}}
views: {redis: {username: a, passwordFile: a}}
registry: {consul: {tokenFile: a, datacenter: a, tls: {caFile: a, certFile: a, keyFile: a, serverName: a}}}
tracing: {otlpEndpoint: 'https://a:1'}
live:
  rateLimiter: {overrides: [{client: a, requestsPerSecond: 1}]}
  faultInjection: {delay: {fixedDelay: 1s}, abort: {}}
",
    "{users: {sqlite: {path: a}}, views: {memory: true}}",
    "{users: {mysql: {caFile: a}}, views: {memory: true}}",
];

const CLIENTS: [&str; 3] = [
    "
discovery: {consul: {tls: {}}}
registry: {consul: {tls: {}}}
tls: {}
tracing: {otlpEndpoint: 'https://a:1'}
live: {outlierEjection: {baseEjectionTime: 100ms, maxEjectionTime: 1h}}
",
    "discovery: {dns: {host: a, port: 1}}",
    "discovery: {addresses: ['a:1']}",
];

const RESOURCES: [&str; 3] = [
    "
image: {tag: a, pullSecrets: [{name: a}]}
server: {metricsPort: 8002, weights: [1], tls: {secretName: a, caSecretRef: {name: a}, clientCaSecretRef: {name: a}}}
client:
  image: {digest: 'sha256:0000000000000000000000000000000000000000000000000000000000000000'}
  tls: {secretName: a}
  outlierEjection: {baseEjectionTime: 100ms, maxEjectionTime: 1h}
rateLimiter: {overrides: [{client: a, requestsPerSecond: 1}]}
faultInjection: {delay: {fixedDelay: 1s}, abort: {}, expireAfter: 1s}
autoscaling: {minReplicas: 1, maxReplicas: 1000}
data:
  mysql: {mode: External, address: 'a:1', secretRef: {name: a}, caSecretRef: {name: a}, tls: {serverName: a, secretName: a}}
  redis: {mode: External, address: 'a:1', secretRef: {name: a}}
addons:
  consul: {mode: External, external: {address: 'a:1', secretRef: {name: a}}}
  prometheus: {mode: External, external: {address: 'http://a:1'}}
  grafana: {mode: External, external: {address: 'http://a:1'}, adminSecretRef: {name: a}}
tracing: {otlpEndpoint: 'https://a:1'}
",
    "
data: {mysql: {mode: Managed, persistence: {storageClass: a}}, redis: {mode: Managed}}
addons: {consul: {valuesFrom: [{kind: ConfigMap, name: a}]}}
",
    "addons: {consul: {mode: Disabled}, prometheus: {mode: Disabled}, grafana: {mode: Disabled}}",
];

/// The schema of `T`, made as that of the resource is.
fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let settings = settings.with_transform(AddNullable::default()).with_transform(StructuralSchemaRewriter);
    let settings = settings.with_transform(OptionalEnum).with_transform(OptionalIntOrString);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Every schema below `schema` with the JSON pointer to its value, without what is below foreign fields.
fn nodes<'a>(schema: &'a Value, pointer: &str, found: &mut Vec<(String, &'a Value)>) {
    found.push((pointer.to_owned(), schema));
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if FOREIGN.contains(&name.as_str()) {
            found.push((format!("{pointer}/{name}"), inner));
        } else {
            nodes(inner, &format!("{pointer}/{name}"), found);
        }
    }
    if schema["items"].is_object() {
        nodes(&schema["items"], &format!("{pointer}/0"), found);
    }
}

fn is_foreign(pointer: &str) -> bool {
    pointer.split('/').any(|name| FOREIGN.contains(&name))
}

/// The bounds of a duration, which stand in a rule.
fn span(schema: &Value) -> Option<(Duration, Duration)> {
    let rule = schema["x-kubernetes-validations"][0]["rule"].as_str()?;
    let bounds = Regex::new(r"^duration\(self\) >= duration\('(\w+)'\) && duration\(self\) <= duration\('(\w+)'\)$").expect("a pattern");
    let found = bounds.captures(rule)?;
    Some((found[1].parse().expect("a duration"), found[2].parse().expect("a duration")))
}

/// A value for a field, and whether the schema takes it, if that is known.
type Candidate = (Value, Option<bool>);

/// Values for a field at its bounds and beyond. `element` is one that a list may have.
fn candidates(schema: &Value, element: Option<&Value>) -> Vec<Candidate> {
    let within = |value: Value| (value, Some(true));
    let beyond = |value: Value| (value, Some(false));
    let size = |what: &str| {
        let bound = |side: &str| schema[format!("{side}{what}")].as_u64().map(|n| usize::try_from(n).expect("small"));
        (bound("min"), bound("max"))
    };
    let sizes = |(min, max): (Option<usize>, Option<usize>), make: &dyn Fn(usize) -> Value| {
        let least = min.into_iter().flat_map(|min| [within(make(min)), beyond(make(min - 1))]);
        let most = max.into_iter().flat_map(|max| [within(make(max)), beyond(make(max + 1))]);
        least.chain(most).collect::<Vec<_>>()
    };
    match schema["type"].as_str() {
        Some("integer") => {
            // The definition of the resource has all bounds with a fraction.
            let whole = |bound: &Value| bound.as_f64().and_then(|bound| bound.to_string().parse::<i64>().ok());
            let least = whole(&schema["minimum"]).into_iter().flat_map(|min| [within(json!(min)), beyond(json!(min - 1))]);
            let most = whole(&schema["maximum"]).into_iter().flat_map(|max| [within(json!(max)), beyond(json!(max + 1))]);
            least.chain(most).chain([-1, 0, 1].map(|n| (json!(n), None))).collect()
        }
        Some("number") => {
            let least = schema["minimum"].as_f64().into_iter().flat_map(|min| [within(json!(min)), beyond(json!(min - 0.001))]);
            let most = schema["maximum"].as_f64().into_iter().flat_map(|max| [within(json!(max)), beyond(json!(max + 0.001))]);
            least.chain(most).collect()
        }
        Some("string") if schema["pattern"] == Duration::PATTERN => {
            const STEP: std::time::Duration = std::time::Duration::from_micros(1);
            let text = |duration: std::time::Duration| json!(Duration::from(duration).to_string());
            let bounds = span(schema).into_iter().flat_map(|(min, max)| {
                let below = min.get().checked_sub(STEP).map(|below| beyond(text(below)));
                [within(text(min.get())), within(text(max.get())), beyond(text(max.get() + STEP))].into_iter().chain(below)
            });
            bounds.chain([beyond(json!("soon"))]).collect()
        }
        Some("string") => {
            let longest = |head: &'static str, tail: &'static str| {
                move |n: usize| json!(format!("{head}{}{tail}", "a".repeat(n - head.len() - tail.len())))
            };
            let lengths = match schema["pattern"].as_str() {
                None if schema["enum"].is_null() => sizes(size("Length"), &|n| json!("é".repeat(n))),
                Some(address::HOST_PORT | address::HOST_PORTS) => sizes((None, size("Length").1), &longest("", ":80")),
                Some(address::URL) => sizes((None, size("Length").1), &longest("http://", "")),
                _ => Vec::new(),
            };
            let known = schema["enum"].as_array().into_iter().flatten().map(|value| (value.clone(), None));
            lengths.into_iter().chain(known).chain(TEXTS.map(|text| (json!(text), None))).collect()
        }
        Some("array") => element.map(|element| sizes(size("Items"), &|n| json!(vec![element; n]))).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The first of `bases` that has a value at `pointer`, else the first that has what the value would stand in.
fn base_of<'a>(bases: &'a [Value], pointer: &str) -> Option<&'a Value> {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let with = |pointer: &str| bases.iter().find(|base| base.pointer(pointer).is_some());
    with(pointer).or_else(|| with(parent).filter(|base| base.pointer(parent).is_some_and(Value::is_object)))
}

/// Sets the value at `pointer`, whose parent is there.
fn put(mut base: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("below the root");
    match base.pointer_mut(parent).expect("there") {
        Value::Array(items) => items[name.parse::<usize>().expect("an index")] = value,
        object => object[name] = value,
    }
    base
}

/// Sets each field to its candidates, and compares what the schema says with what `Check` says. Returns how many fields have bounds.
fn walk<C: Check + JsonSchema + Serialize + DeserializeOwned>(bases: &[&str]) -> usize {
    let schema = schema_of::<C>();
    let rules = compile_schema(&schema);
    let by_schema =
        |value: &Value| validate::problems(&schema, value).is_empty() && Validator::new().validate_compiled(&rules, value, None).is_ok();
    let by_check = |value: &Value| serde_json::from_value::<C>(value.clone()).is_ok_and(|config| config.violations().is_empty());
    let bases: Vec<_> =
        bases.iter().map(|text| serde_json::to_value(serde_yaml::from_str::<C>(text).expect(text)).expect("JSON")).collect();
    for base in &bases {
        assert!(by_schema(base) && by_check(base), "{base}");
    }
    let mut found = Vec::new();
    nodes(&schema, "", &mut found);
    let mut bounded = 0;
    for (pointer, node) in found.iter().filter(|(pointer, _)| !pointer.is_empty() && !is_foreign(pointer)) {
        let base = base_of(&bases, pointer).unwrap_or_else(|| panic!("no base has {pointer}"));
        let candidates = candidates(node, base.pointer(&format!("{pointer}/0")));
        bounded += usize::from(candidates.iter().any(|(_, taken)| *taken == Some(false)));
        for (candidate, taken) in candidates {
            let shown = candidate.to_string().chars().take(80).collect::<String>();
            let value = put(base.clone(), pointer, candidate);
            let (schema, check) = (by_schema(&value), by_check(&value));
            assert_eq!(schema, check, "{pointer}: {shown} is judged by the schema and by Check otherwise");
            assert_eq!(schema, taken.unwrap_or(schema), "{pointer}: {shown}");
        }
    }
    bounded
}

#[test]
fn schemas_of_config_files_and_check_have_the_same_bounds() {
    let (server, client) = (walk::<UserInfoConfig>(&SERVERS), walk::<UserClientConfig>(&CLIENTS));
    assert!(server >= 30 && client >= 25, "{server} and {client} fields with bounds");
}

/// The resources to begin with, with all defaults.
fn resources() -> Vec<Value> {
    let one = |spec: &&str| {
        let spec: Value = serde_yaml::from_str(spec).expect(spec);
        let value = json!({
            "apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": "demo"}, "spec": spec
        });
        let resource = load_value(value).unwrap_or_else(|error| panic!("{error}"));
        serde_json::to_value(resource).expect("JSON")
    };
    RESOURCES.iter().map(one).collect()
}

/// Fails unless the services take what `resource` comes to, on a laptop and in a cluster that has everything.
fn assert_rendered(resource: &UserInfoDeployment) {
    let peers = vec!["127.0.0.1:9001".to_owned()];
    let laptop = Target::local("state".as_ref(), "secrets".as_ref(), "127.0.0.1:8500", peers, 1, SystemTime::UNIX_EPOCH);
    let store = |address: &str| Some(ManagedStore { address: address.to_owned(), password: None });
    let cluster = Target {
        consul: Some(ManagedConsul { addresses: vec!["demo-consul:8500".to_owned()], token: None }),
        mysql: store("demo-mysql:3306"),
        redis: store("demo-redis:6379"),
        ..Target::cluster(resource, SystemTime::UNIX_EPOCH)
    };
    for target in [laptop, cluster] {
        let spec = || serde_json::to_string(&resource.spec).expect("JSON");
        render::check(resource, &target).unwrap_or_else(|error| panic!("{error}\n{}", spec()));
    }
}

/// The fields of the resource's spec, with their candidates.
fn fields(bases: &[Value]) -> Vec<(String, Vec<Candidate>)> {
    let mut found = Vec::new();
    nodes(&crate::crd::schema()["properties"]["spec"], "/spec", &mut found);
    let own = found.into_iter().filter(|(pointer, _)| !is_foreign(pointer));
    own.filter_map(|(pointer, node)| {
        let base = base_of(bases, &pointer)?;
        let candidates = candidates(node, base.pointer(&format!("{pointer}/0")));
        Some((pointer, candidates))
    })
    .collect()
}

#[test]
fn the_services_take_what_the_resource_may_say() {
    let bases = resources();
    for base in &bases {
        assert_rendered(&load_value(base.clone()).expect("valid"));
    }
    let mut bounded = 0;
    for (pointer, candidates) in fields(&bases) {
        bounded += usize::from(candidates.iter().any(|(_, taken)| *taken == Some(false)));
        for (candidate, taken) in candidates {
            let shown = candidate.to_string().chars().take(80).collect::<String>();
            let loaded = load_value(put(base_of(&bases, &pointer).expect("there").clone(), &pointer, candidate));
            let said = loaded.as_ref().err().map(ToString::to_string).unwrap_or_default();
            assert_eq!(loaded.is_ok(), taken.unwrap_or(loaded.is_ok()), "{pointer}: {shown}: {said}");
            if let Ok(resource) = loaded {
                assert_rendered(&resource);
            }
        }
    }
    assert!(bounded >= 60, "{bounded} fields with bounds");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_services_take_what_the_resource_may_say_in_many_fields_at_once(
        base in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), any::<Index>()), 1..8),
    ) {
        let bases = resources();
        let fields = fields(&bases);
        let mut value = base.get(&bases).clone();
        for (field, candidate) in changes {
            let (pointer, candidates) = field.get(&fields);
            let within: Vec<_> = candidates.iter().filter(|(_, taken)| *taken != Some(false)).collect();
            if !within.is_empty() && value.pointer(pointer).is_some() {
                let before = value.clone();
                value = put(value, pointer, candidate.get(&within).0.clone());
                if load_value(value.clone()).is_err() {
                    value = before;
                }
            }
        }
        assert_rendered(&load_value(value).expect("as before"));
    }
}

/// What a schema says of the range or the size of a value, as a doc comment would; and whether a doc comment has to.
fn said(schema: &Value) -> (Vec<String>, bool) {
    let numbers = |schema: &Value| Some(format!("{} to {}", schema["minimum"].as_f64()?, schema["maximum"].as_f64()?));
    let sizes = ["Length", "Items", "Properties"].into_iter().filter_map(|what| {
        let most = schema[format!("max{what}")].as_u64()?;
        Some(format!("{} to {most}", schema[format!("min{what}")].as_u64().unwrap_or(0)))
    });
    let (range, span) = (numbers(schema), span(schema).map(|(min, max)| format!("{min} to {max}")));
    let has_to = span.is_some() || range.as_deref().is_some_and(|range| !["0 to 255", "0 to 65535"].contains(&range));
    (range.into_iter().chain(span).chain(numbers(&schema["items"])).chain(sizes).collect(), has_to)
}

#[test]
fn doc_comments_repeat_the_bounds() {
    let range = Regex::new(r"([0-9](?:[0-9a-z.]*[0-9a-z])?)\s+to\s+([0-9](?:[0-9a-z.]*[0-9a-z])?)").expect("a pattern");
    let most = Regex::new(r"at most\s+([0-9]+)").expect("a pattern");
    for schema in [schema_of::<UserInfoConfig>(), schema_of::<UserClientConfig>(), schema_of::<UserInfoDeploymentSpec>()] {
        let mut found = Vec::new();
        nodes(&schema, "", &mut found);
        for (pointer, node) in found {
            let text = node["description"].as_str().unwrap_or_default();
            let (bounds, has_to) = said(node);
            let told: Vec<_> = range.captures_iter(text).map(|found| format!("{} to {}", &found[1], &found[2])).collect();
            assert!(told.iter().all(|told| bounds.contains(told)), "{pointer}: {told:?}, but it is {bounds:?}");
            for found in most.captures_iter(text) {
                assert!(bounds.iter().any(|bounds| bounds.ends_with(&format!(" to {}", &found[1]))), "{pointer}: {text}");
            }
            assert!(!has_to || !told.is_empty() || pointer.ends_with("/0"), "{pointer} does not say its range, {bounds:?}");
        }
    }
}
