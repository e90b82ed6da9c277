use super::*;
use crate::reconcile::validate::tests::resource;

fn values(spec: &str) -> BTreeMap<Addon, Value> {
    all(&resource(spec), Some("op-metrics.ops:8080"), &BTreeMap::new())
}

#[test]
fn objects_are_united_and_all_else_is_replaced() {
    let mut base = json!({"a": {"b": 1, "c": [1, 2]}, "d": "x"});
    merge(&mut base, &json!({"a": {"c": [3], "e": null}, "d": {"f": 1}}));
    assert_eq!(base, json!({"a": {"b": 1, "c": [3], "e": null}, "d": {"f": 1}}));
}

#[test]
fn the_users_values_win_over_all_others() {
    let resource = resource(
        "{addons: {consul: {values: {replicas: 3, resources: {limits: null}}}, prometheus: {mode: Disabled}, grafana: {mode: Disabled}}}",
    );
    let given = BTreeMap::from([(Addon::Consul, vec![json!({"replicas": 1, "datacenter": "a"}), json!({"datacenter": "b"})])]);
    let all = all(&resource, None, &given);
    assert_eq!(all[&Addon::Consul], json!({"instance": "demo", "replicas": 3, "datacenter": "b", "resources": {"limits": null}}));
    assert_eq!(all.len(), 1, "only what is installed");
}

#[test]
fn prometheus_finds_instances_through_a_managed_consul_else_through_kubernetes() {
    let managed =
        &values("{server: {metricsPort: 9100}, addons: {consul: {values: {port: 8600, acl: {enabled: true, existingSecret: acl}}}}}")
            [&Addon::Prometheus];
    assert_eq!(
        managed["discovery"],
        json!({"mode": "Consul", "metricsPort": 9100,
               "consul": {"address": "demo-consul:8600", "tokenSecret": "acl", "tokenKey": "token"}})
    );
    assert_eq!(
        managed["targets"],
        json!({"consul": "demo-consul-peers:8600", "grafana": "demo-grafana:3000", "operator": "op-metrics.ops:8080"})
    );
    let external =
        "{addons: {consul: {mode: External, external: {address: 'c:8500'}}, grafana: {mode: Disabled}, prometheus: {rules: false}}}";
    let other = &values(external)[&Addon::Prometheus];
    assert_eq!((&other["discovery"]["mode"], &other["rules"]["enabled"]), (&json!("Kubernetes"), &json!(false)));
    assert_eq!((&other["targets"]["consul"], &other["targets"]["grafana"]), (&json!(""), &json!("")));
}

#[test]
fn grafana_looks_at_the_prometheus_there_is() {
    let url = |spec: &str| values(spec)[&Addon::Grafana]["prometheus"].clone();
    assert_eq!(url("{}")["url"], "http://demo-prometheus:9090");
    assert_eq!(url("{addons: {prometheus: {mode: Disabled}}}")["url"], "");
    let external = "{addons: {prometheus: {mode: External, external: {address: 'https://p', secretRef: {name: s, key: token}}}}}";
    assert_eq!(url(external), json!({"url": "https://p", "credentialsSecret": "s", "credentialsType": "Bearer"}));
}

#[test]
fn stores_get_names_password_volume_and_registry() {
    let spec = "{imageRegistry: mirror, image: {pullSecrets: [{name: pull}]}, data: {
        mysql: {mode: Managed, database: d, username: u, secretRef: {name: s}, persistence: {size: 2Gi}, retainData: true},
        redis: {mode: Managed, secretRef: {name: r, key: k}}}}";
    let all = values(spec);
    assert_eq!(
        all[&Addon::MySql],
        json!({"instance": "demo", "imageRegistry": "mirror", "imagePullSecrets": [{"name": "pull"}], "database": "d", "username": "u",
               "auth": {"existingSecret": "s", "key": "password"},
               "persistence": {"enabled": true, "size": "2Gi", "storageClass": "", "retain": true}})
    );
    assert_eq!(all[&Addon::Redis]["auth"], json!({"existingSecret": "r", "key": "k"}));
}

#[test]
fn a_chart_from_elsewhere_gets_what_the_user_gives_and_no_more() {
    let spec = "{addons: {grafana: {chart: {source: OCI, url: 'oci://r/grafana'}, values: {x: 1}}}}";
    assert_eq!(values(spec)[&Addon::Grafana], json!({"x": 1}));
}
