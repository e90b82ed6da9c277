//! The Secrets that pods need.

use user_info_api::crd::{ServerTls, UserInfoDeploymentSpec};

use crate::addons::Managed;
use crate::names::Component;
use crate::needed_secret::{NeededSecret, need, pair};

/// Every key that a component's pods read, by name of the Secret. Those of releases are among them as far as `managed` names them.
pub fn needed(spec: &UserInfoDeploymentSpec, component: Component, managed: &Managed) -> Vec<NeededSecret> {
    let tls = spec.server.tls.as_ref();
    let mut all = managed.secrets(spec, component);
    all.extend(need(spec.tracing.authorities(), "ca.crt", "spec.tracing.caSecretRef"));
    match component {
        Component::Client => {
            let authorities = tls.map(ServerTls::authorities);
            let own = spec.client.tls.as_ref().filter(|_| tls.is_some()).map(|own| own.secret_name.as_str());
            all.extend(pair(own, "spec.client.tls.secretName").into_iter().flatten());
            all.extend(need(authorities.as_ref(), "ca.crt", "spec.server.tls.caSecretRef"));
        }
        Component::Server => {
            all.extend(pair(tls.map(|tls| tls.secret_name.as_str()), "spec.server.tls.secretName").into_iter().flatten());
            all.extend(need(tls.and_then(|tls| tls.client_ca_secret_ref.as_ref()), "ca.crt", "spec.server.tls.clientCaSecretRef"));
        }
    }
    all.sort();
    all
}
