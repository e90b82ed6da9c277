//! The Secrets that pods need.

use user_info_api::crd::{AddonMode, SecretRef, StoreMode, UserInfoDeploymentSpec};

use crate::names::Component;

/// A key of a Secret without which pods cannot start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededSecret {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// The field that names it, such as `spec.data.mysql.secretRef`.
    pub field: &'static str,
}

/// Every key that a component's pods read, by name of the Secret.
pub fn needed(spec: &UserInfoDeploymentSpec, component: Component) -> Vec<NeededSecret> {
    let consul = spec.addons.consul.external.as_ref().filter(|_| spec.addons.consul.mode == AddonMode::External);
    let token = need(consul.and_then(|external| external.secret_ref.as_ref()), "token", "spec.addons.consul.external.secretRef");
    let mut all = match component {
        Component::Client => vec![token],
        Component::Server => {
            let mysql = Some(&spec.data.mysql).filter(|mysql| mysql.mode == StoreMode::External);
            let redis = Some(&spec.data.redis).filter(|redis| redis.mode == StoreMode::External);
            vec![
                token,
                need(mysql.and_then(|mysql| mysql.secret_ref.as_ref()), "password", "spec.data.mysql.secretRef"),
                need(mysql.and_then(|mysql| mysql.ca_secret_ref.as_ref()), "ca.crt", "spec.data.mysql.caSecretRef"),
                need(redis.and_then(|redis| redis.secret_ref.as_ref()), "password", "spec.data.redis.secretRef"),
            ]
        }
    };
    let mut all: Vec<_> = all.drain(..).flatten().collect();
    all.sort();
    all
}

fn need(secret: Option<&SecretRef>, usual_key: &str, field: &'static str) -> Option<NeededSecret> {
    let key = |secret: &SecretRef| secret.key.clone().unwrap_or_else(|| usual_key.to_owned());
    secret.map(|secret| NeededSecret { name: secret.name.clone(), key: key(secret), field })
}
