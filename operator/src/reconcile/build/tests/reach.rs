//! Who reaches which listener, worked out from the `NetworkPolicy` objects as a cluster that enforces them would: a small evaluator of their
//! meaning (Kubernetes' API reference, networking.k8s.io/v1).

use super::*;

const OWN: &str = "ns";

/// Someone who opens a connection: the namespace, and the labels of the pod.
struct Peer(&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Everybody who might. The node itself, where the kubelet's probes come from, is let in by definition.
const PEERS: [Peer; 13] = [
    Peer("the client", OWN, &[("instance", "demo"), ("component", "user-client"), ("name", "user-client")]),
    Peer("the service", OWN, &[("instance", "demo"), ("component", "user-info"), ("name", "user-info")]),
    Peer("its migration", OWN, &[("instance", "demo"), ("component", "migration"), ("name", "user-info")]),
    Peer("its Consul", OWN, &[("instance", "demo"), ("component", "consul"), ("name", "consul")]),
    Peer("its Prometheus", OWN, &[("instance", "demo"), ("component", "prometheus"), ("name", "prometheus")]),
    Peer("its Grafana", OWN, &[("instance", "demo"), ("component", "grafana"), ("name", "grafana")]),
    Peer("its MySQL", OWN, &[("instance", "demo"), ("component", "mysql"), ("name", "mysql")]),
    Peer("another Prometheus of the namespace", OWN, &[("name", "prometheus")]),
    Peer("the client of another system", OWN, &[("instance", "other"), ("component", "user-client"), ("name", "user-client")]),
    Peer("a namesake of the client elsewhere", "elsewhere", &[("instance", "demo"), ("component", "user-client")]),
    Peer("a Prometheus elsewhere", "elsewhere", &[("name", "prometheus")]),
    Peer("the operator", "operators", &[("name", "user-info-operator")]),
    Peer("a pod without labels", OWN, &[]),
];

fn labels(peer: &Peer) -> Value {
    peer.2.iter().map(|(key, value)| (format!("app.kubernetes.io/{key}"), Value::from(*value))).collect()
}

/// Whether a label selector fits; an empty one fits all.
fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| labels[key] == *value);
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().all(|expression| {
        assert_eq!(expression["operator"], "In", "no other operator is in use");
        let value = &labels[expression["key"].as_str().expect("a key")];
        expression["values"].as_array().expect("values").contains(value)
    });
    equal && expressions
}

/// Whether an entry of `from` means `peer`. Without a namespace selector only pods of the policy's own namespace are meant.
fn means(from: &Value, peer: &Peer) -> bool {
    assert!(from.get("ipBlock").is_none(), "no blocks of addresses are in use");
    let namespace = match from.get("namespaceSelector") {
        None => peer.1 == OWN,
        Some(selector) => {
            assert_eq!(*selector, serde_json::json!({}), "any namespace, or the own one");
            true
        }
    };
    namespace && selects(&from["podSelector"], &labels(peer))
}

/// Whether the policies let `peer` in at a port of a pod with these labels.
fn reaches(policies: &[Value], pod: &Value, port: &Value, peer: &Peer) -> bool {
    let ingress = |policy: &&Value| policy["spec"]["policyTypes"].as_array().is_some_and(|types| types.contains(&"Ingress".into()));
    let mut about = policies.iter().filter(ingress).filter(|policy| selects(&policy["spec"]["podSelector"], pod)).peekable();
    if about.peek().is_none() {
        return true;
    }
    // An absent or empty list of either kind stands for all.
    let any = |list: &Value, fits: &dyn Fn(&Value) -> bool| list.as_array().is_none_or(|l| l.is_empty() || l.iter().any(fits));
    let opens = |rule: &Value| {
        any(&rule["from"], &|from| means(from, peer))
            && any(&rule["ports"], &|open| {
                open["protocol"] == port["protocol"] && (open["port"] == port["name"] || open["port"] == port["containerPort"])
            })
    };
    about.any(|policy| policy["spec"]["ingress"].as_array().into_iter().flatten().any(opens))
}

/// Each listener of each pod with those who reach it.
fn reach(spec: &str) -> BTreeMap<String, Vec<&'static str>> {
    let all = children(spec);
    let policies: Vec<_> = all.iter().filter(|child| child.kind == Kind::NetworkPolicy).map(|child| child.manifest.clone()).collect();
    let mut found = BTreeMap::new();
    for child in all.iter().filter(|child| matches!(child.kind, Kind::Deployment | Kind::Job)) {
        let template = &child.manifest["spec"]["template"];
        let containers = ["containers", "initContainers"].into_iter().flat_map(|list| template["spec"][list].as_array()).flatten();
        for port in containers.flat_map(|container| container["ports"].as_array()).flatten() {
            let listener = format!("{}:{}", child.name, port["name"].as_str().expect("a name"));
            let who = PEERS.iter().filter(|peer| reaches(&policies, &template["metadata"]["labels"], port, peer)).map(|peer| peer.0);
            found.insert(listener, who.collect());
        }
    }
    found
}

const ADMIN: [&str; 3] = ["its Prometheus", "another Prometheus of the namespace", "the operator"];

#[test]
fn every_listener_lets_in_only_who_must() {
    let found = reach("{networkPolicy: {enabled: true}, server: {metricsPort: 9100}, data: {mysql: {mode: Managed}}}");
    let expected = BTreeMap::from([
        ("demo-user-info:grpc".to_owned(), vec!["the client", "its Consul"]),
        ("demo-user-info:http".to_owned(), vec!["the client", "its Consul"]),
        ("demo-user-info:metrics".to_owned(), ADMIN.to_vec()),
        ("demo-user-client:metrics".to_owned(), vec!["its Consul", ADMIN[0], ADMIN[1], ADMIN[2]]),
    ]);
    assert_eq!(found, expected);
}

#[test]
fn admin_endpoints_on_the_http_port_are_reached_by_both_kinds() {
    let found = reach("{networkPolicy: {enabled: true}}");
    assert_eq!(found["demo-user-info:http"], ["the client", "its Consul", ADMIN[0], ADMIN[1], ADMIN[2]]);
    assert_eq!(found["demo-user-info:grpc"], ["the client", "its Consul"]);
}

#[test]
fn without_policies_everybody_reaches_everything() {
    assert!(reach("{}").values().all(|who| who.len() == PEERS.len()));
}
