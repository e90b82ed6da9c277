//! How what is installed is reached: pure functions.

use std::collections::BTreeMap;

use serde_json::Value;
use user_info_api::crd::{ChartSource, SecretRef, UserInfoDeploymentSpec};
use user_info_api::render::{ManagedConsul, ManagedStore, Target};

use crate::helm::addon::Addon;
use crate::helm::values::{port, token};

/// How what is installed is reached by the services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managed {
    /// The registry.
    pub consul: Option<ManagedConsul>,
    /// The store of the users.
    pub mysql: Option<ManagedStore>,
    /// The store of the page views.
    pub redis: Option<ManagedStore>,
    /// Whether the operator's chart of Prometheus finds instances through Kubernetes.
    pub watches_pods: bool,
}

impl Managed {
    /// What the releases with these values come to.
    pub fn new(owner: &str, spec: &UserInfoDeploymentSpec, values: &BTreeMap<Addon, Value>) -> Self {
        let store = |addon: Addon, secret: Option<&SecretRef>| {
            let values = values.get(&addon)?;
            let own = SecretRef { name: addon.release(owner), key: None };
            let existing = values["auth"]["existingSecret"]
                .as_str()
                .filter(|name| !name.is_empty())
                .map(|name| SecretRef { name: name.to_owned(), key: values["auth"]["key"].as_str().map(str::to_owned) });
            let password = (values["auth"]["enabled"] != false).then(|| existing.or_else(|| secret.cloned()).unwrap_or(own));
            Some(ManagedStore { address: format!("{}:{}", addon.release(owner), port(addon, values)), password })
        };
        Self {
            consul: values.get(&Addon::Consul).map(|values| ManagedConsul { addresses: servers(owner, values), token: token(values) }),
            mysql: store(Addon::MySql, spec.data.mysql.secret_ref.as_ref()),
            redis: store(Addon::Redis, spec.data.redis.secret_ref.as_ref()),
            watches_pods: Addon::Prometheus.settings(spec).chart.source == ChartSource::Embedded
                && values.get(&Addon::Prometheus).is_some_and(|values| values["discovery"]["mode"] == "Kubernetes"),
        }
    }

    /// Puts it into `target`.
    pub fn into_target(self, target: Target) -> Target {
        Target { consul: self.consul, mysql: self.mysql, redis: self.redis, ..target }
    }

    /// The addons that are used, as the annotation of a config file names them.
    pub fn names(&self) -> Vec<&'static str> {
        let used = [(Addon::MySql, self.mysql.is_some()), (Addon::Redis, self.redis.is_some()), (Addon::Consul, self.consul.is_some())];
        used.into_iter().filter(|(_, used)| *used).map(|(addon, _)| addon.name()).collect()
    }
}

/// Addresses of the servers of Consul, at most 16: a service registers with one of them and goes to another when that fails. One alone is reached by
/// its Service, whose address outlives the pod.
fn servers(owner: &str, values: &Value) -> Vec<String> {
    let (release, port) = (Addon::Consul.release(owner), port(Addon::Consul, values));
    match values["replicas"].as_u64().unwrap_or(1) {
        0 | 1 => vec![format!("{release}:{port}")],
        count => (0..count.min(16)).map(|n| format!("{release}-{n}.{release}-peers:{port}")).collect(),
    }
}

/// Where an addon is reached within its namespace.
pub(super) fn endpoint(addon: Addon, owner: &str, values: &Value) -> String {
    let address = format!("{}:{}", addon.release(owner), port(addon, values));
    match addon {
        Addon::MySql | Addon::Redis => address,
        Addon::Consul | Addon::Prometheus | Addon::Grafana => format!("http://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::values;
    use crate::reconcile::validate::tests::resource;

    fn managed(spec: &str) -> Managed {
        let resource = resource(spec);
        Managed::new("demo", &resource.spec, &values::all(&resource, None, &BTreeMap::new()))
    }

    #[test]
    fn one_server_is_reached_by_its_service_and_more_by_name() {
        let addresses = |spec: &str| managed(spec).consul.map(|consul| consul.addresses).unwrap_or_default();
        assert_eq!(addresses("{}"), ["demo-consul:8500"]);
        assert_eq!(
            addresses("{addons: {consul: {values: {replicas: 3, port: 8600}}}}"),
            ["demo-consul-0.demo-consul-peers:8600", "demo-consul-1.demo-consul-peers:8600", "demo-consul-2.demo-consul-peers:8600"]
        );
        assert_eq!(addresses("{addons: {consul: {mode: Disabled}}}"), Vec::<String>::new());
    }

    #[test]
    fn passwords_come_from_the_release_or_from_whom_the_user_names() {
        let password = |spec: &str| managed(&format!("{{data: {{redis: {{mode: Managed, {spec}}}}}}}")).redis.expect("managed").password;
        let secret = |name: &str, key: Option<&str>| Some(SecretRef { name: name.to_owned(), key: key.map(str::to_owned) });
        assert_eq!(password(""), secret("demo-redis", None));
        assert_eq!(password("secretRef: {name: s}"), secret("s", Some("password")));
        assert_eq!(password("values: {auth: {existingSecret: t, key: k}}"), secret("t", Some("k")));
        assert_eq!(password("values: {auth: {enabled: false}}"), None);
    }

    #[test]
    fn a_consul_with_an_acl_has_a_token() {
        let token = |values: &str| managed(&format!("{{addons: {{consul: {{values: {values}}}}}}}")).consul.and_then(|consul| consul.token);
        assert_eq!(token("{acl: {enabled: true, existingSecret: acl}}").map(|secret| secret.name).as_deref(), Some("acl"));
        assert_eq!(token("{acl: {enabled: false, existingSecret: acl}}"), None);
    }

    #[test]
    fn what_is_not_managed_is_not_used() {
        assert_eq!(managed("{data: {mysql: {mode: Managed}}}").names(), ["mysql", "consul"]);
        let none = "consul: {mode: Disabled}, prometheus: {mode: Disabled}";
        assert_eq!(managed(&format!("{{addons: {{{none}}}}}")), Managed::default());
    }

    #[test]
    fn a_prometheus_of_the_operators_looks_at_pods_where_there_is_no_registry() {
        let looks = |prometheus: &str, consul: &str| {
            managed(&format!("{{addons: {{prometheus: {{{prometheus}}}, consul: {{mode: {consul}}}}}}}")).watches_pods
        };
        assert!(looks("", "Disabled"));
        assert!(!looks("", "Managed"));
        assert!(looks("values: {discovery: {mode: Kubernetes}}", "Managed"), "as its values say");
        assert!(!looks("mode: Disabled", "Disabled"));
        let elsewhere = "chart: {source: OCI, url: 'oci://r/c'}, values: {discovery: {mode: Kubernetes}}";
        assert!(!looks(elsewhere, "Disabled"), "what another chart needs is given to Helm's account");
    }
}
