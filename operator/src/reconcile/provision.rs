//! What of the managed addons and stores exists, and what stands in for the rest.
//!
//! The one place that knows which of them the operator installs: at present none. Without a Consul of its own, `user_client` finds instances
//! by the DNS of the headless Service, as with `mode: Disabled`, so that calls flow. Metrics and dashboards are merely missing. All three are
//! reported as not ready. Stores are not replaced: data would seem to be kept that is not.

use user_info_api::crd::{AddonMode, AddonPhase, AddonStatus, StoreMode, UserInfoDeploymentSpec};
use user_info_api::render::Target;

use crate::error::Error;

/// Takes out of `target` what is not installed.
pub fn provisioned(target: Target) -> Target {
    Target { consul: None, mysql: None, redis: None, ..target }
}

/// Refuses what is not installed and cannot be done without.
pub fn require(spec: &UserInfoDeploymentSpec) -> Result<(), Error> {
    for (field, mode) in [("spec.data.mysql.mode", spec.data.mysql.mode), ("spec.data.redis.mode", spec.data.redis.mode)] {
        if mode == StoreMode::Managed {
            return Err(Error::NotProvisioned { field });
        }
    }
    Ok(())
}

/// How far each addon is.
pub fn addons(spec: &UserInfoDeploymentSpec) -> Vec<AddonStatus> {
    let consul = spec.addons.consul.external.as_ref().map(|external| external.address.clone());
    let prometheus = spec.addons.prometheus.external.as_ref().map(|external| external.address.clone());
    let grafana = spec.addons.grafana.external.as_ref().map(|external| external.address.clone());
    [
        ("consul", spec.addons.consul.mode, consul, "not provisioned; user_client finds instances by DNS meanwhile"),
        ("prometheus", spec.addons.prometheus.mode, prometheus, "not provisioned"),
        ("grafana", spec.addons.grafana.mode, grafana, "not provisioned"),
    ]
    .into_iter()
    .filter(|(_, mode, ..)| *mode != AddonMode::Disabled)
    .map(|(name, mode, endpoint, missing)| {
        let managed = mode == AddonMode::Managed;
        AddonStatus {
            name: name.to_owned(),
            mode,
            release: None,
            revision: None,
            chart: None,
            version: None,
            digest: None,
            phase: if managed { AddonPhase::Pending } else { AddonPhase::Ready },
            failures: 0,
            endpoint,
            message: managed.then(|| missing.to_owned()),
        }
    })
    .collect()
}
