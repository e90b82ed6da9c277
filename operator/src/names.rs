//! Names, labels and annotations of what the operator makes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use user_info_api::crd::UserInfoDeployment;

/// Who the operator is to server-side apply, in labels, leases and Events.
pub const OPERATOR: &str = "user-info-operator";
/// Holds a resource until what was made from it is gone or on its own.
pub const FINALIZER: &str = "userinfo.bbs.dev/cleanup";

/// Label: the resource that an object belongs to.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Label: the part of the system.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Label: who looks after an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Label of the Secret of a Helm revision: the resource that the release belongs to.
pub const OWNER: &str = "userinfo.bbs.dev/owner";
/// Label of the Secret of a Helm revision: digest of chart, values and flags that it was made from.
pub const DIGEST: &str = "userinfo.bbs.dev/digest";
/// Annotation of the Secret of a Helm revision: how its objects were left.
pub const BASELINE: &str = "userinfo.bbs.dev/baseline";
/// Who Helm is to server-side apply.
pub const HELM: &str = "helm";
/// Annotation that Helm puts on every object: the release that it belongs to.
pub const RELEASE_NAME: &str = "meta.helm.sh/release-name";
/// Account of each namespace as which Helm runs there; also the binding that the operator makes for it. The name is fixed, so that the operator's
/// right to impersonate can name it.
pub const CHARTS: &str = "user-info-charts";
/// Role of a namespace that lets a Prometheus look at pods, where that is no `ClusterRole`.
pub const PODS: &str = "user-info-pods";

/// Annotation of config maps: the managed addons that the config file uses, with commas between.
pub const USES: &str = "userinfo.bbs.dev/uses";
/// Annotation of every object: hash of it as it was last applied.
pub const APPLIED_HASH: &str = "userinfo.bbs.dev/applied-hash";
/// Annotation of config maps and pods: hash of the config file. On a pod, a change of it makes the kubelet look at once.
pub const CONFIG_HASH: &str = "userinfo.bbs.dev/config-hash";
/// Annotation of config maps: generation of the spec at which the config file last changed.
pub const CONFIG_GENERATION: &str = "userinfo.bbs.dev/config-generation";
/// Annotation of an object that stands where one of the operator's is to be: name of the resource that may have it.
pub const ADOPT: &str = "userinfo.bbs.dev/adopt";
/// Annotation of a resource: its end does not wait for its releases, which stay.
pub const ABANDON_RELEASES: &str = "userinfo.bbs.dev/abandon-releases";
/// Annotation of pod templates: hash of what pods cannot change live.
pub const RESTART_HASH: &str = "userinfo.bbs.dev/restart-hash";

/// A part of the system that the operator runs itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// `user_info`.
    Server,
    /// `user_client`.
    Client,
}

impl Component {
    /// Value of its label, and what its objects' names end in.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "user-info",
            Self::Client => "user-client",
        }
    }

    /// Its program in the image.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Server => "user_info",
            Self::Client => "user_client",
        }
    }
}

/// The resource that objects are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; none if it is not in the cluster yet.
    pub uid: Option<String>,
}

impl Owner {
    /// The owner that `meta` describes.
    pub fn of(meta: &ObjectMeta) -> Self {
        Self { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default(), uid: meta.uid.clone() }
    }

    /// Name of a component's objects.
    pub fn object(&self, component: Component) -> String {
        format!("{}-{}", self.name, component.name())
    }

    /// Name of the Service whose addresses are the instances.
    pub fn peers(&self) -> String {
        format!("{}-peers", self.object(Component::Server))
    }

    /// Labels by which a component's pods are found; they never change.
    pub fn selector(&self, component: Component) -> BTreeMap<String, String> {
        [("app.kubernetes.io/name", component.name()), (INSTANCE, &self.name), (COMPONENT, component.name())]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// The same as text, as queries and the scale subresource take it.
    pub fn selector_text(&self, component: Component) -> String {
        self.selector(component).iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }

    /// Labels of a component's objects.
    pub fn labels(&self, component: Component) -> BTreeMap<String, String> {
        let mut labels = self.selector(component);
        labels.insert("app.kubernetes.io/part-of".to_owned(), "user-info".to_owned());
        labels.insert(MANAGED_BY.to_owned(), OPERATOR.to_owned());
        labels
    }

    /// Metadata of an object of a component.
    pub fn meta(&self, name: String, component: Component) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels(component)),
            owner_references: self.uid.as_ref().map(|uid| vec![self.reference(uid)]),
            ..ObjectMeta::default()
        }
    }

    /// Deletion is not blocked by what is owned: the finalizer waits for it.
    pub fn reference(&self, uid: &str) -> OwnerReference {
        OwnerReference {
            api_version: UserInfoDeployment::api_version(&()).into_owned(),
            kind: UserInfoDeployment::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }
}
