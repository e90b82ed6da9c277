//! What shows metrics.

use serde_json::{Value, json};
use user_info_api::crd::{AddonMode, UserInfoDeploymentSpec};

use super::Addon;
use super::profile::{Inputs, Profile};

pub(super) const PROFILE: Profile = Profile {
    name: "grafana",
    field: "spec.addons.grafana",
    port: 3000,
    http: true,
    serves_calls: false,
    mode: |spec| spec.addons.grafana.mode,
    release: |spec| &spec.addons.grafana.release,
    external: |spec| spec.addons.grafana.external.as_ref().map(|external| external.address.as_str()),
    values,
};

/// It looks at the managed Prometheus, else at the one of someone else, with the Secret for that.
fn values(inputs: &Inputs<'_>) -> Value {
    let addons = &inputs.resource.spec.addons;
    let grafana = &addons.grafana;
    let external = addons.prometheus.external.as_ref().filter(|_| addons.prometheus.mode == AddonMode::External);
    let url = inputs
        .address(Addon::Prometheus)
        .map(|address| format!("http://{address}"))
        .or_else(|| external.map(|external| external.address.clone()));
    let secret = external.and_then(|external| external.secret_ref.as_ref());
    let bearer = secret.is_some_and(|secret| secret.key.as_deref() == Some("token"));
    json!({
        "admin": {"existingSecret": grafana.admin_secret_ref.as_ref().map(|secret| secret.name.as_str()).unwrap_or_default()},
        "prometheus": {
            "url": url.unwrap_or_default(),
            "credentialsSecret": secret.map(|secret| secret.name.as_str()).unwrap_or_default(),
            "credentialsType": if bearer { "Bearer" } else { "Basic" },
        },
        "dashboards": {"enabled": grafana.dashboards.enabled, "folder": grafana.dashboards.folder},
    })
}

/// `host:port` for Prometheus, if it is installed. It comes after Prometheus, so only its own values can be looked at.
pub(super) fn address(owner: &str, spec: &UserInfoDeploymentSpec) -> Option<String> {
    let values = || Value::Object(spec.addons.grafana.release.values.clone());
    Addon::Grafana.managed(spec).then(|| Addon::Grafana.address(owner, &values()))
}
