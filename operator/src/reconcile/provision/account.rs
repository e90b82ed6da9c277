//! The account of a namespace as which Helm runs there. Helm gets no other: what is missing is told, and Helm is not called.

use std::time::Duration;

use http::HeaderValue;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::core::request::{self, Request};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use user_info_api::crd::UserInfoDeployment;

use crate::context::Context;
use crate::error::Error;
use crate::helm::complaint::Complaint;
use crate::helm::kubeconfig::{account, may};
use crate::names::{CHARTS, COMPONENT, FINALIZER, MANAGED_BY, OPERATOR};
use crate::reason::Reason;
use crate::writes;

/// How long it may take until a binding that was just made is in force.
const FRESH: Duration = Duration::from_secs(5);
/// Time between two looks at whether it is.
const LOOK: Duration = Duration::from_millis(200);
/// Value of the label of the part of the system.
const PART: &str = "charts";

/// Whether Helm can be called.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// It can.
    Ready,
    /// It can be soon: what the account may do is not in force yet. It is to be looked again after this.
    Soon(Duration),
    /// It cannot.
    Lacking(Complaint),
}

/// Makes the account of a namespace and its binding where that is the operator's business, and looks whether it may do what Helm needs first.
pub(super) async fn ready(namespace: &str, context: &Context) -> Result<Account, Error> {
    let made = {
        let _turn = context.accounts.lock().await;
        make(namespace, context).await
    };
    let bound = match made {
        Ok(Some(bound)) => bound,
        Ok(None) => {
            let remedy = context.roles.remedy(namespace);
            return Ok(lacking(format!("namespace {namespace} has no ServiceAccount {CHARTS}, as which Helm runs; {remedy}")));
        }
        Err(error) => return refused(error, namespace),
    };
    match may_store(namespace, context).await {
        Ok(true) => Ok(Account::Ready),
        Ok(false) if bound.is_some_and(|since| Timestamp::now().duration_since(since).unsigned_abs() < FRESH) => Ok(Account::Soon(LOOK)),
        Ok(false) => {
            let remedy = context.roles.remedy(namespace);
            let message = format!(
                "ServiceAccount {CHARTS} of namespace {namespace}, as which Helm runs, may not make Secrets: its RoleBinding or role is missing"
            );
            Ok(lacking(format!("{message}; {remedy}; {}", may(namespace))))
        }
        Err(error) => refused(error, namespace),
    }
}

/// Removes the account and its binding, if the operator made them, from a namespace in which no other resource than `name` is held.
///
/// Whoever takes the finalizer of a resource away does that while `context.accounts` is locked, so that of several the last one comes here alone.
pub async fn remove_unless_needed(namespace: &str, name: &str, context: &Context) -> Result<(), Error> {
    let resources: Api<UserInfoDeployment> = Api::namespaced(context.client.clone(), namespace);
    let others = resources.list_metadata(&ListParams::default()).await?;
    if others.iter().any(|other| other.name_any() != name && other.finalizers().iter().any(|finalizer| finalizer == FINALIZER)) {
        return Ok(());
    }
    let bindings: Api<RoleBinding> = Api::namespaced(context.client.clone(), namespace);
    if let Some(found) = bindings.get_opt(CHARTS).await?.filter(|found| ours(&found.metadata)) {
        remove(&bindings, &found.metadata, context).await?;
    }
    if context.roles.charts().is_none() {
        // The operator's chart counts on it, whoever made it.
        return Ok(());
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(context.client.clone(), namespace);
    if let Some(found) = accounts.get_opt(CHARTS).await?.filter(|found| ours(&found.metadata)) {
        remove(&accounts, &found.metadata, context).await?;
    }
    Ok(())
}

/// Makes what is missing. Since when the account is bound, if it is; none if there is none and none is to be made.
async fn make(namespace: &str, context: &Context) -> Result<Option<Option<Timestamp>>, kube::Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(context.client.clone(), namespace);
    let there = accounts.get_opt(CHARTS).await?.is_some();
    let Some(role) = context.roles.charts() else { return Ok(there.then_some(None)) };
    if !there {
        let account = ServiceAccount { metadata: meta(), automount_service_account_token: Some(false), ..ServiceAccount::default() };
        create(&accounts, &account, context).await?;
    }
    let bindings: Api<RoleBinding> = Api::namespaced(context.client.clone(), namespace);
    let wanted = binding(namespace, role);
    let mut found = bindings.get_opt(CHARTS).await?;
    // What a binding binds cannot be changed.
    let other = |found: &RoleBinding| (&found.role_ref, &found.subjects) != (&wanted.role_ref, &wanted.subjects);
    if let Some(stale) = found.take_if(|found| ours(&found.metadata) && other(found)) {
        remove(&bindings, &stale.metadata, context).await?;
    }
    if found.is_none() {
        create(&bindings, &wanted, context).await?;
        return Ok(Some(Some(Timestamp::now())));
    }
    Ok(Some(found.and_then(|found| Some(found.metadata.creation_timestamp?.0))))
}

fn binding(namespace: &str, role_ref: RoleRef) -> RoleBinding {
    let subject =
        Subject { kind: "ServiceAccount".to_owned(), name: CHARTS.to_owned(), namespace: Some(namespace.to_owned()), ..Subject::default() };
    RoleBinding { metadata: meta(), role_ref, subjects: Some(vec![subject]) }
}

/// It belongs to no resource, but to the namespace.
fn meta() -> ObjectMeta {
    let labels =
        [("app.kubernetes.io/name", CHARTS), (COMPONENT, PART), ("app.kubernetes.io/part-of", "user-info"), (MANAGED_BY, OPERATOR)];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    ObjectMeta { name: Some(CHARTS.to_owned()), labels: Some(labels), ..ObjectMeta::default() }
}

/// Whether the operator made an object; someone else's of this name is used and left alone.
fn ours(meta: &ObjectMeta) -> bool {
    let label = |key: &str, value: &str| meta.labels.as_ref().and_then(|labels| labels.get(key)).is_some_and(|found| found == value);
    label(MANAGED_BY, OPERATOR) && label(COMPONENT, PART)
}

async fn create<K>(api: &Api<K>, object: &K, context: &Context) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + serde::Serialize + DeserializeOwned + std::fmt::Debug,
{
    match api.create(&writes::create(), object).await {
        // Someone else was faster; that will do.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        result => {
            result?;
            context.metrics.writes.with_label_values(&[&*K::kind(&()), "create"]).inc();
            Ok(())
        }
    }
}

async fn remove<K>(api: &Api<K>, meta: &ObjectMeta, context: &Context) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let same = Preconditions { uid: meta.uid.clone(), resource_version: None };
    match api.delete(meta.name.as_deref().unwrap_or_default(), &DeleteParams::default().preconditions(same)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        result => {
            result?;
            context.metrics.writes.with_label_values(&[&*K::kind(&()), "delete"]).inc();
            Ok(())
        }
    }
}

/// Whether the account may make Secrets, in which Helm keeps its releases: asked as the account, who may ask that of itself.
async fn may_store(namespace: &str, context: &Context) -> Result<bool, kube::Error> {
    let attributes = json!({"namespace": namespace, "verb": "create", "resource": "secrets"});
    let review =
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}});
    let request =
        Request::new(SelfSubjectAccessReview::url_path(&(), None)).create(&PostParams::default(), review.to_string().into_bytes());
    let review: SelfSubjectAccessReview = acting(namespace, request, context).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

/// The answer to a request that is made as the account of a namespace.
pub(super) async fn acting<T: DeserializeOwned>(
    namespace: &str,
    request: Result<http::Request<Vec<u8>>, request::Error>,
    context: &Context,
) -> Result<T, kube::Error> {
    let mut request = request.map_err(kube::Error::BuildRequest)?;
    let who = HeaderValue::from_str(&account(namespace)).map_err(|error| kube::Error::HttpError(error.into()))?;
    request.headers_mut().insert("Impersonate-User", who);
    context.client.request(request).await
}

/// A refusal is told in a condition, as long as it is one: all else fails the reconcile, which is tried again.
fn refused(error: kube::Error, namespace: &str) -> Result<Account, Error> {
    let error = Error::from(error);
    if error.reason() != Reason::Forbidden {
        return Err(error);
    }
    let see = format!("kubectl get serviceaccount,rolebinding {CHARTS} --namespace={namespace}");
    Ok(lacking(format!("ServiceAccount {CHARTS} of namespace {namespace}, as which Helm runs, cannot be used: {error}; see: {see}")))
}

fn lacking(message: String) -> Account {
    Account::Lacking(Complaint { reason: Reason::AccountMissing, message })
}
