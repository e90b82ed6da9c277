//! What collects metrics.

use serde_json::{Value, json};
use user_info_api::crd::{ChartSource, UserInfoDeploymentSpec};

use super::profile::{Inputs, Profile};
use super::{Addon, consul, grafana};

pub(super) const PROFILE: Profile = Profile {
    name: "prometheus",
    field: "spec.addons.prometheus",
    port: 9090,
    http: true,
    serves_calls: false,
    mode: |spec| spec.addons.prometheus.mode,
    release: |spec| &spec.addons.prometheus.release,
    external: |spec| spec.addons.prometheus.external.as_ref().map(|external| external.address.as_str()),
    values,
};

/// It finds instances through a managed Consul, else through Kubernetes.
fn values(inputs: &Inputs<'_>) -> Value {
    let spec = &inputs.resource.spec;
    let consul = inputs.before.get(&Addon::Consul);
    let mut discovery = match inputs.address(Addon::Consul) {
        Some(address) => json!({"mode": "Consul", "consul": {"address": address}}),
        None => json!({"mode": "Kubernetes"}),
    };
    discovery["metricsPort"] = spec.server.metrics_port.unwrap_or_default().into();
    if let Some(token) = consul.and_then(consul::token) {
        discovery["consul"]["tokenSecret"] = token.name.into();
        discovery["consul"]["tokenKey"] = token.key.unwrap_or_else(|| "token".to_owned()).into();
    }
    json!({
        "discovery": discovery,
        "rules": {"enabled": spec.addons.prometheus.rules},
        "targets": {
            "consul": consul.map(|values| consul::peers(inputs.owner, values)).unwrap_or_default(),
            "grafana": grafana::address(inputs.owner, spec).unwrap_or_default(),
            "operator": inputs.operator.unwrap_or_default(),
        },
    })
}

/// Whether it is one of the operator's chart that finds instances through Kubernetes. These are its values.
pub(super) fn watches_pods(spec: &UserInfoDeploymentSpec, values: &Value) -> bool {
    Addon::Prometheus.settings(spec).chart.source == ChartSource::Embedded && values["discovery"]["mode"] == "Kubernetes"
}
