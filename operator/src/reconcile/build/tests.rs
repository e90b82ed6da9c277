use std::collections::BTreeMap;

use super::*;
use crate::kind::Kind;
use crate::reconcile::dereference::Found;
use crate::reconcile::validate::{tests as input, validate};
use serde_json::Value;

mod confinement;
mod reach;
mod secrets;

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
fn a_prometheus_that_looks_at_pods_is_bound_to_the_role_for_that() {
    let all = children("{addons: {consul: {mode: Disabled}}}");
    let binding = all.iter().find(|child| child.kind == Kind::RoleBinding).expect("a binding").manifest.clone();
    assert_eq!(binding["roleRef"]["name"], "ops:operator-pods");
    assert_eq!(binding["subjects"][0]["name"], "demo-prometheus");
    assert_eq!(binding["metadata"]["labels"]["app.kubernetes.io/component"], "prometheus");
    assert!(children("{}").iter().all(|child| child.kind != Kind::RoleBinding), "it asks Consul");
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
fn without_consul_the_client_finds_instances_by_dns() {
    let config = one(&children("{addons: {consul: {mode: Disabled}}}"), "ConfigMap demo-user-client")["data"]["user_client.yaml"].clone();
    assert!(config.as_str().is_some_and(|text| text.contains("host: demo-user-info-peers")), "{config}");
}

#[test]
fn managed_stores_are_reached_with_their_passwords_and_migrated_once_for_their_data() {
    let spec = "{data: {mysql: {mode: Managed}, redis: {mode: Managed}}}";
    let all = children(spec);
    let pods = &one(&all, "Deployment demo-user-info")["spec"]["template"]["spec"];
    assert_eq!(pods["initContainers"], Value::Null, "a pod does not migrate");
    let mounted: Vec<_> = pods["volumes"].as_array().expect("volumes").iter().filter_map(|v| v["secret"]["secretName"].as_str()).collect();
    assert_eq!(mounted, ["demo-mysql", "demo-redis"]);
    assert_eq!(one(&all, "ConfigMap demo-user-info")["metadata"]["annotations"]["userinfo.bbs.dev/uses"], "mysql,redis,consul");

    let job = |spec: &str, data: &str| {
        let resource = input::resource(spec);
        let found = Found { data: Some(data.to_owned()), ..input::found(&resource) };
        let all = build(&validate(&resource, found).expect("valid"));
        all.into_iter().find(|child| child.kind == Kind::Job).expect("a job")
    };
    let first = job(spec, "a");
    let pod = &first.manifest["spec"]["template"];
    let steps: Vec<_> = ["initContainers", "containers"].map(|list| pod["spec"][list][0]["args"][0].clone()).into();
    assert_eq!(steps, ["migrate", "seed"]);
    assert_eq!(pod["metadata"]["labels"]["app.kubernetes.io/component"], "migration", "no calls are led to it");
    assert_eq!(job("{rateLimiter: {}, replicas: 7, data: {mysql: {mode: Managed}, redis: {mode: Managed}}}", "a").name, first.name);
    assert_ne!(job(spec, "b").name, first.name, "other data");
    assert_ne!(
        job("{image: {tag: next}, data: {mysql: {mode: Managed}, redis: {mode: Managed}}}", "a").name,
        first.name,
        "another version"
    );
    let external = job("{data: {mysql: {mode: Managed}, redis: {mode: External, address: 'r:6379'}}}", "a");
    assert_eq!(
        external.manifest["spec"]["template"]["spec"]["containers"][0]["args"][0], "migrate",
        "page views of someone else are not touched"
    );
}

#[test]
fn a_pod_with_users_of_its_own_does_not_need_the_store_of_the_page_views_to_begin() {
    let seed = |redis: &str| {
        let all = children(&format!("{{data: {{redis: {redis}}}}}"));
        one(&all, "Deployment demo-user-info")["spec"]["template"]["spec"]["initContainers"][1]["args"].clone()
    };
    let config = "--config";
    let file = "/etc/user-info/config/user_info.yaml";
    assert_eq!(seed("{mode: Embedded}"), serde_json::json!(["seed", config, file]));
    assert_eq!(seed("{mode: Managed}"), serde_json::json!(["seed", "--views=optional", config, file]));
    let external = seed("{mode: External, address: 'r:6379'}");
    assert_eq!(external, serde_json::json!(["seed", "--views=omitted", config, file]), "page views of someone else are not touched");
}
