//! The way to the cluster that Helm is given: as the account of the release's namespace, and as nobody else.
//!
//! It is a kubeconfig. In a pod, the option `--kube-as-user` would have Helm look for a cluster at localhost.

use kube::config::{AuthInfo, Context, Kubeconfig, KubeconfigError, NamedAuthInfo};
use serde_json::json;

use crate::cluster::ClusterArgs;
use crate::names::CHARTS;

/// Where a pod finds who it is. Both files are replaced from time to time, so that they are named rather than read.
const SECRETS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Name of a user that a kubeconfig does not have.
const NOBODY: &str = "nobody";

/// How this process itself reaches the cluster.
#[derive(Debug, Clone)]
pub enum Way {
    /// As a pod, by the API server at this URL.
    Pod(String),
    /// By a kubeconfig, which is read anew each time.
    Kubeconfig(ClusterArgs),
}

/// Why there is no way to the cluster for Helm.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// The kubeconfig cannot be read.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// It does not have the context.
    #[error("the kubeconfig has no context {0:?}; name one with --context")]
    Context(String),
    /// It cannot be written.
    #[error("the kubeconfig cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// The user name of the account that Helm is in a namespace.
pub fn account(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:{CHARTS}")
}

/// How to find out what the account of a namespace may do.
pub fn may(namespace: &str) -> String {
    format!("what Helm may do is shown by: kubectl auth can-i --list --namespace={namespace} --as={}", account(namespace))
}

impl Way {
    /// A kubeconfig by which Helm is the account of `namespace`. It may hold keys.
    ///
    /// # Errors
    /// If the process's own kubeconfig cannot be read.
    pub fn kubeconfig(&self, namespace: &str) -> Result<String, WayError> {
        match self {
            Self::Pod(server) => Ok(pod(server, namespace)),
            Self::Kubeconfig(args) => {
                let all = args.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from)?;
                Ok(serde_json::to_string(&impersonating(all, args.context.as_deref(), namespace)?)?)
            }
        }
    }
}

fn pod(server: &str, namespace: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod", "namespace": namespace}}],
        "clusters": [{"name": "pod", "cluster": {"server": server, "certificate-authority": format!("{SECRETS}/ca.crt")}}],
        "users": [{"name": "pod", "user": {"tokenFile": format!("{SECRETS}/token"), "as": account(namespace)}}],
    })
    .to_string()
}

/// What of a kubeconfig leads to the cluster of `context`, as the account of `namespace`. Whom its user acts as, with which groups, is left out:
/// the account has none but its own.
fn impersonating(all: Kubeconfig, context: Option<&str>, namespace: &str) -> Result<Kubeconfig, WayError> {
    let wanted = context.map(str::to_owned).or(all.current_context).unwrap_or_default();
    let named = all.contexts.into_iter().find(|context| context.name == wanted).ok_or(WayError::Context(wanted.clone()))?;
    let Context { cluster, user, .. } = named.context.clone().unwrap_or_default();
    let user = user.unwrap_or_else(|| NOBODY.to_owned());
    let own = all.auth_infos.into_iter().find(|info| info.name == user).and_then(|info| info.auth_info).unwrap_or_default();
    let acting = AuthInfo {
        impersonate: Some(account(namespace)),
        impersonate_uid: None,
        impersonate_groups: None,
        impersonate_user_extra: None,
        ..own
    };
    let context = Context { user: Some(user.clone()), namespace: Some(namespace.to_owned()), ..named.context.clone().unwrap_or_default() };
    Ok(Kubeconfig {
        current_context: Some(wanted),
        contexts: vec![kube::config::NamedContext { context: Some(context), ..named }],
        clusters: all.clusters.into_iter().filter(|named| named.name == cluster).collect(),
        auth_infos: vec![NamedAuthInfo { name: user, auth_info: Some(acting), ..NamedAuthInfo::default() }],
        ..Kubeconfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const GIVEN: &str = "
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: c1, user: u1, namespace: mine}}
- {name: two, context: {cluster: c2}}
clusters:
- {name: c1, cluster: {server: 'https://one', certificate-authority-data: YQ==}}
- {name: c2, cluster: {server: 'https://two'}}
users:
- {name: u1, user: {client-certificate-data: Yg==, client-key-data: Yw==, as: root, as-uid: '0', as-groups: ['system:masters'], as-user-extra: {a: [b]}}}
- {name: u2, user: {token: hidden}}
";

    fn made(context: Option<&str>) -> Result<Value, WayError> {
        let given = Kubeconfig::from_yaml(GIVEN).expect("a kubeconfig");
        Ok(serde_json::to_value(impersonating(given, context, "demo")?)?)
    }

    #[test]
    fn helm_is_the_account_and_in_no_group_of_the_users() {
        let made = made(None).expect("made");
        let user =
            json!({"client-certificate-data": "Yg==", "client-key-data": "Yw==", "as": "system:serviceaccount:demo:user-info-charts"});
        assert_eq!(made["users"], json!([{"name": "u1", "user": user}]));
        assert_eq!(made["contexts"][0]["context"], json!({"cluster": "c1", "user": "u1", "namespace": "demo"}));
        assert_eq!((&made["current-context"], made["clusters"].as_array().map(Vec::len)), (&json!("one"), Some(1)));
    }

    #[test]
    fn another_context_is_another_cluster_and_a_missing_one_is_named() {
        let two = made(Some("two")).expect("made");
        assert_eq!(two["clusters"], json!([{"name": "c2", "cluster": {"server": "https://two"}}]));
        assert_eq!(two["users"], json!([{"name": "nobody", "user": {"as": "system:serviceaccount:demo:user-info-charts"}}]));
        let error = made(Some("three")).expect_err("missing").to_string();
        assert_eq!(error, "the kubeconfig has no context \"three\"; name one with --context");
    }

    #[test]
    fn in_a_pod_token_and_authority_are_named_and_not_read() {
        let text = Way::Pod("https://10.0.0.1:443".to_owned()).kubeconfig("demo").expect("made");
        let made = Kubeconfig::from_yaml(&text).expect("a kubeconfig");
        let user = made.auth_infos[0].auth_info.clone().expect("a user");
        assert_eq!(user.token_file.as_deref(), Some("/var/run/secrets/kubernetes.io/serviceaccount/token"));
        assert_eq!(user.impersonate.as_deref(), Some("system:serviceaccount:demo:user-info-charts"));
        assert!(user.token.is_none());
    }
}
