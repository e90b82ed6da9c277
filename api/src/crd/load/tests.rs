use serde_json::json;

use super::*;

const HEAD: &str = "apiVersion: userinfo.bbs.dev/v1alpha1\nkind: UserInfoDeployment\nmetadata:\n  name: demo\n";

/// What is said of a file with this spec, whose first line is line 5 of the file.
fn said(spec: &str) -> Vec<String> {
    match load(&format!("{HEAD}{spec}")) {
        Ok(_) => Vec::new(),
        Err(error) => error.in_file("demo.yaml").lines().map(str::to_owned).collect(),
    }
}

#[test]
fn every_mistake_is_told_with_its_line_and_what_is_allowed() {
    let found = said(
        r#"spec:
  replicas: "3"
  server:
    env:
      - name: A
        value: 1
    weights: [3, 0]
  client:
    timeot: 1s
    timeout: soon
    loadBalancing: RoundRobin
    userIds: []
  tuning: {}
  rateLimiter:
    requestsPerSecond: 0
    burst: 1.5
  data:
    mysql:
      secretRef: {}
  addons:
    consul: yes please
"#,
    );
    insta::assert_snapshot!(found.join("\n"), @r#"
    demo.yaml:6: spec.replicas: is "3", not a whole number; remove the quotes
    demo.yaml:10: spec.server.env[0].value: is 1, not a text; put it in quotes
    demo.yaml:11: spec.server.weights[1]: 0 is out of range; allowed is 1 to 10000
    demo.yaml:13: spec.client.timeot: is no field; did you mean timeout?
    demo.yaml:14: spec.client.timeout: "soon" is not a duration; write a number with a unit, such as 500us, 20ms, 2s or 1m30s
    demo.yaml:15: spec.client.loadBalancing: "RoundRobin" is not known; allowed is WeightedRoundRobin, P2C, Random
    demo.yaml:16: spec.client.userIds: has 0 elements; allowed is 1 to 1000
    demo.yaml:17: spec.tuning: is no field; there are addons, autoscaling, client, data, deletionPolicy, disruption, driftDetection, faultInjection, image, imageRegistry, networkPolicy, operation, podTemplate, rateLimiter, replicas, scheduling, server, tracing
    demo.yaml:19: spec.rateLimiter.requestsPerSecond: 0 is out of range; allowed is 1 to 10000000
    demo.yaml:20: spec.rateLimiter.burst: is 1.5, not a whole number
    demo.yaml:23: spec.data.mysql.secretRef.name: is missing
    demo.yaml:25: spec.addons.consul: is "yes please", not an object with fields
    "#);
}

#[test]
fn rules_are_told_with_the_line_of_what_breaks_them() {
    let found =
        said("spec:\n  replicas: 2\n  autoscaling:\n    minReplicas: 3\n    maxReplicas: 2\n  faultInjection:\n    enabled: true\n");
    assert_eq!(
        found,
        [
            "demo.yaml:7: spec.autoscaling: maxReplicas must not be less than minReplicas",
            "demo.yaml:10: spec.faultInjection: nothing to inject; set delay, abort or both, or enabled: false",
        ]
    );
}

#[test]
fn addresses_have_a_port_that_there_is() {
    let mysql = |address: &str| said(&format!("spec:\n  data: {{mysql: {{mode: External, address: '{address}'}}}}\n"));
    for address in ["db:3306", "db:65535", "[::1]:3306"] {
        assert_eq!(mysql(address), Vec::<String>::new());
    }
    for address in ["db:70000", "db:0", "db", "::1:3306"] {
        let expected = format!("demo.yaml:6: spec.data.mysql.address: {address:?} is not host:port, such as db.example.com:3306");
        assert_eq!(mysql(address), [expected]);
    }
    let agents = said("spec:\n  addons: {consul: {mode: External, external: {address: 'a:8500,b:70000'}}}\n");
    let expected = "demo.yaml:6: spec.addons.consul.external.address: \"a:8500,b:70000\" is not host:port, or up to 16 of them with commas \
                    between, such as 10.0.0.1:8500,10.0.0.2:8500";
    assert_eq!(agents, [expected]);
}

#[test]
fn text_that_is_no_yaml_is_told_with_line_and_column() {
    for (text, place) in [("a: [1\nb: 2", "demo.yaml:2:"), ("a: 1\na: 2", "demo.yaml:2:"), ("a: *b", "demo.yaml:1:")] {
        let error = load(text).expect_err(text).in_file("demo.yaml");
        assert!(error.starts_with(place) && error.contains("is not YAML"), "{error}");
    }
}

#[test]
fn what_is_not_our_kind_is_told_so_alone() {
    let error = |text: &str| load(text).expect_err(text).in_file("demo.yaml");
    assert_eq!(
        error("apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {x: 1}"),
        "demo.yaml:1: apiVersion: \"v1\" is not known here; write userinfo.bbs.dev/v1alpha1\n\
         demo.yaml:2: kind: \"Pod\" is not known here; write UserInfoDeployment\n\
         demo.yaml:3: metadata.name: is missing; give the resource a name"
    );
    let remedy = "is not a resource; begin with apiVersion: userinfo.bbs.dev/v1alpha1 and kind: UserInfoDeployment";
    assert_eq!(error("3"), format!("demo.yaml:1: {remedy}"));
    assert!(error("").contains(remedy));
    assert_eq!(said("").join(""), "demo.yaml:1: spec: is missing");
}

#[test]
fn a_field_with_nothing_behind_it_counts_as_absent() {
    assert_eq!(said("spec:\n  replicas:\n  rateLimiter:\n  client:\n    retries:\n"), Vec::<String>::new());
}

#[test]
fn a_number_or_a_text_may_stand_where_kubernetes_takes_both() {
    let spec = "spec:\n  disruption: {maxUnavailable: 1}\n  server:\n    resources:\n      limits: {cpu: 2, memory: 64Mi}\n";
    assert_eq!(said(spec), Vec::<String>::new());
    assert_eq!(
        said("spec:\n  disruption: {maxUnavailable: true}\n"),
        ["demo.yaml:6: spec.disruption.maxUnavailable: is true; write a whole number or a text"]
    );
}

#[test]
fn anchors_and_json_are_read_too() {
    assert_eq!(said("spec:\n  server: {log: &log {level: debug}}\n  client: {log: *log}\n"), Vec::<String>::new());
    let resource = load_value(json!({
        "apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": "demo"}, "spec": {"replicas": 2}
    }));
    let resource = resource.expect("valid");
    assert_eq!(load(&serde_json::to_string(&resource).expect("JSON")), Ok(resource));
}

/// The examples of RFC 7396, appendix A, that differ in kind.
#[test]
fn merge_patches_follow_rfc_7396() {
    for (target, patch, expected) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!(["a"]), json!({"a": {"b": null}}), json!({"a": {}})),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
    ] {
        let mut merged = target.clone();
        merge_patch(&mut merged, &patch);
        assert_eq!(merged, expected, "{target} + {patch}");
    }
}
