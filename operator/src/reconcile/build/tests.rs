use super::*;
use crate::reconcile::dereference::Found;
use crate::reconcile::validate::{tests as input, validate};
use serde_json::Value;

fn children(spec: &str) -> Vec<Child> {
    let resource = input::resource(spec);
    let found = Found { service_monitors: true, ..input::found(&resource) };
    build(&validate(&resource, found).expect("valid"))
}

fn one(children: &[Child], title: &str) -> Value {
    let found = children.iter().find(|child| format!("{} {}", child.kind.name(), child.name) == title);
    found.unwrap_or_else(|| panic!("no {title}")).manifest.clone()
}

fn titles(children: &[Child]) -> Vec<String> {
    children.iter().map(|child| format!("{} {}", child.kind.name(), child.name)).collect()
}

#[test]
fn the_smallest_resource() {
    let all: Vec<_> = children("{}").into_iter().map(|child| serde_yaml::to_string(&child.manifest).expect("YAML")).collect();
    insta::assert_snapshot!(all.join("---\n"));
}

#[test]
fn a_resource_with_everything() {
    let spec = "
  replicas: 3
  image: {repository: a/b, tag: v1, pullSecrets: [{name: pull}]}
  imageRegistry: registry.example.com
  server: {metricsPort: 9100, drainDelay: 1500ms, resources: {requests: {cpu: 100m}}, env: [{name: A, value: b}]}
  client: {image: {repository: c}}
  autoscaling: {mode: Managed, minReplicas: 2, maxReplicas: 5}
  disruption: {maxUnavailable: 1}
  networkPolicy: {enabled: true}
  podTemplate: {labels: {team: x, app.kubernetes.io/instance: not-this}, annotations: {note: hello}}
  scheduling: {nodeSelector: {disk: ssd}, priorityClassName: high}
  data:
    mysql: {mode: External, address: 'db:3306', secretRef: {name: db}, caSecretRef: {name: ca}}
    redis: {mode: External, address: 'cache:6379', secretRef: {name: db, key: redis}}
  addons: {consul: {mode: External, external: {address: 'consul:8500', secretRef: {name: consul}}}}
";
    let all: Vec<_> = children(spec).into_iter().map(|child| serde_yaml::to_string(&child.manifest).expect("YAML")).collect();
    insta::assert_snapshot!(all.join("---\n"));
}

#[test]
fn without_a_client_there_is_nothing_of_it() {
    assert!(titles(&children("{client: {enabled: false}}")).iter().all(|title| !title.contains("client")));
}

#[test]
fn replicas_are_owned_unless_someone_else_sets_them() {
    let replicas = |spec: &str| one(&children(spec), "Deployment demo-user-info")["spec"].get("replicas").cloned();
    assert_eq!(replicas("{replicas: 3}"), Some(3.into()));
    assert_eq!(replicas("{replicas: 3, operation: {stopped: true}}"), Some(0.into()));
    assert_eq!(replicas("{replicas: 3, autoscaling: {mode: External}}"), None);
}

#[test]
fn a_stopped_system_is_not_scaled() {
    let spec = "autoscaling: {mode: Managed}, server: {resources: {requests: {cpu: 50m}}}";
    let scaled = |more: &str| titles(&children(&format!("{{{spec}{more}}}"))).iter().any(|title| title.starts_with("Horizontal"));
    assert!(scaled(""));
    assert!(!scaled(", operation: {stopped: true}"));
}

#[test]
fn live_settings_change_no_template() {
    let template = |spec: &str| one(&children(spec), "Deployment demo-user-info")["spec"]["template"].clone();
    let live =
        "{rateLimiter: {requestsPerSecond: 5}, faultInjection: {abort: {percentage: 3}}, server: {log: {level: debug}}, replicas: 7}";
    assert_eq!(template("{}"), template(live));
    assert_ne!(template("{}"), template("{server: {timeout: 3s}}"));
}

#[test]
fn the_client_finds_instances_by_dns_while_consul_is_not_provisioned() {
    let config = one(&children("{}"), "ConfigMap demo-user-client")["data"]["user_client.yaml"].clone();
    assert!(config.as_str().is_some_and(|text| text.contains("host: demo-user-info-peers")), "{config}");
}
