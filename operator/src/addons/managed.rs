//! How what is installed is reached: pure functions.

use std::collections::BTreeMap;

use serde_json::Value;
use user_info_api::crd::UserInfoDeploymentSpec;
use user_info_api::render::{ManagedConsul, ManagedStore, Target};

use super::{Addon, consul, mysql, prometheus, redis};
use crate::names::Component;
use crate::needed_secret::NeededSecret;

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
    /// Whether the store of the users keeps its data on a volume.
    pub persistent_users: bool,
}

impl Managed {
    /// What the releases with these values come to.
    pub fn new(owner: &str, spec: &UserInfoDeploymentSpec, values: &BTreeMap<Addon, Value>) -> Self {
        Self {
            consul: values.get(&Addon::Consul).map(|values| consul::managed(owner, values)),
            mysql: values.get(&Addon::MySql).map(|values| mysql::managed(owner, spec, values)),
            redis: values.get(&Addon::Redis).map(|values| redis::managed(owner, spec, values)),
            watches_pods: values.get(&Addon::Prometheus).is_some_and(|values| prometheus::watches_pods(spec, values)),
            persistent_users: values.get(&Addon::MySql).is_some_and(mysql::persistent),
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

    /// What pods of a component read of Secrets to reach registry and stores, these and those of someone else.
    pub fn secrets(&self, spec: &UserInfoDeploymentSpec, component: Component) -> Vec<NeededSecret> {
        let mut all: Vec<_> = consul::secrets(spec, self.consul.as_ref()).into_iter().flatten().collect();
        if component == Component::Server {
            all.extend(mysql::secrets(spec, self.mysql.as_ref()).into_iter().flatten());
            all.extend(redis::secrets(spec, self.redis.as_ref()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::values;
    use crate::reconcile::validate::tests::resource;
    use user_info_api::crd::SecretRef;

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
