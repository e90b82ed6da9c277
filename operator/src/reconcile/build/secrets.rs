//! The Secrets that pods need.

use user_info_api::crd::{AddonMode, SecretRef, ServerTls, StoreMode, UserInfoDeploymentSpec};
use user_info_api::render::ManagedStore;

use crate::names::Component;
use crate::reconcile::provision::managed::Managed;

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

/// Every key that a component's pods read, by name of the Secret. Those of releases are among them as far as `managed` names them.
pub fn needed(spec: &UserInfoDeploymentSpec, component: Component, managed: &Managed) -> Vec<NeededSecret> {
    let consul = spec.addons.consul.external.as_ref().filter(|_| spec.addons.consul.mode == AddonMode::External);
    let token = need(consul.and_then(|external| external.secret_ref.as_ref()), "token", "spec.addons.consul.external.secretRef");
    let own_token = need(managed.consul.as_ref().and_then(|consul| consul.token.as_ref()), "token", "spec.addons.consul.values.acl");
    let tls = spec.server.tls.as_ref();
    let mut all = match component {
        Component::Client => {
            let authorities = tls.map(ServerTls::authorities);
            let own = spec.client.tls.as_ref().filter(|_| tls.is_some()).map(|own| own.secret_name.as_str());
            let [certificate, key] = pair(own, "spec.client.tls.secretName");
            vec![token, own_token, need(authorities.as_ref(), "ca.crt", "spec.server.tls.caSecretRef"), certificate, key]
        }
        Component::Server => {
            let mysql = Some(&spec.data.mysql).filter(|mysql| mysql.mode == StoreMode::External);
            let redis = Some(&spec.data.redis).filter(|redis| redis.mode == StoreMode::External);
            let own =
                |store: &Option<ManagedStore>, field| need(store.as_ref().and_then(|store| store.password.as_ref()), "password", field);
            let [certificate, key] = pair(tls.map(|tls| tls.secret_name.as_str()), "spec.server.tls.secretName");
            vec![
                token,
                own_token,
                certificate,
                key,
                need(tls.and_then(|tls| tls.client_ca_secret_ref.as_ref()), "ca.crt", "spec.server.tls.clientCaSecretRef"),
                own(&managed.mysql, "spec.data.mysql"),
                own(&managed.redis, "spec.data.redis"),
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

/// A certificate and its key.
fn pair(secret: Option<&str>, field: &'static str) -> [Option<NeededSecret>; 2] {
    ["tls.crt", "tls.key"].map(|key| secret.map(|name| NeededSecret { name: name.to_owned(), key: key.to_owned(), field }))
}

fn need(secret: Option<&SecretRef>, usual_key: &str, field: &'static str) -> Option<NeededSecret> {
    let key = |secret: &SecretRef| secret.key.clone().unwrap_or_else(|| usual_key.to_owned());
    secret.map(|secret| NeededSecret { name: secret.name.clone(), key: key(secret), field })
}
