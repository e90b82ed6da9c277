//! What is asked of the API server about releases, and written to them beside Helm.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, Patch};
use kube::core::request::Request;
use kube::{Api, Client, Resource};
use serde_json::{Value, json};

use super::account;
use crate::addons::Addon;
use crate::children::Seen;
use crate::context::Context;
use crate::error::Error;
use crate::helm::drift::{self, Marks};
use crate::helm::payload::Payload;
use crate::helm::revision::{Revision, histories as told};
use crate::kind::Kind;
use crate::names::{BASELINE, HELM, INSTANCE, MANAGED_BY, Owner};
use crate::writes;

/// Labels of the objects that charts which come with the operator make.
pub(crate) const RELEASED: &str = "app.kubernetes.io/managed-by=Helm,app.kubernetes.io/part-of=user-info";

/// The revisions of all releases that may be the resource's, by one list.
pub(crate) async fn histories(client: &Client, owner: &Owner) -> Result<BTreeMap<Addon, Vec<Revision>>, Error> {
    let names: Vec<_> = Addon::ALL.iter().map(|addon| addon.release(&owner.name)).collect();
    let selector = format!("owner=helm,name in ({})", names.join(","));
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &owner.namespace);
    let list = secrets.list_metadata(&ListParams::default().labels(&selector)).await?;
    let all = told(list.items.iter().map(|secret| &secret.metadata));
    Ok(all.into_iter().filter_map(|(release, history)| Some((Addon::of_release(&release)?.1, history))).collect())
}

/// The fingerprints of the objects of a release, as they are now.
pub(super) async fn marks(owner: &Owner, addon: Addon, context: &Context) -> Result<Marks, Error> {
    let selector = format!("{MANAGED_BY}=Helm,{INSTANCE}={}", owner.name);
    let mut seen = BTreeMap::new();
    for kind in Kind::RELEASED {
        let list = kind.api(&context.client, &owner.namespace).list_metadata(&ListParams::default().labels(&selector)).await?;
        for object in list {
            let name = object.metadata.name.clone().unwrap_or_default();
            seen.extend(Seen::of(&object.metadata, HELM).filter(|seen| seen.belongs_to(owner)).map(|seen| ((kind, name), seen)));
        }
    }
    Ok(drift::marks(&seen, addon))
}

/// Writes a baseline into the Secret of a revision, as the account that Helm is.
pub(super) async fn annotate(owner: &Owner, secret: &str, baseline: &str, context: &Context) -> Result<(), Error> {
    let patch = json!({"metadata": {"annotations": {BASELINE: baseline}}});
    let request = secrets(owner).patch_metadata(secret, &writes::merge(), &Patch::Merge(&patch));
    match account::acting::<PartialObjectMeta<Secret>>(&owner.namespace, request, context).await {
        // Another revision has taken its place.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Ok(_) => {
            context.metrics.writes.with_label_values(&["Secret", "patch"]).inc();
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes the Secret of a revision that a Helm which was killed left pending, as the account that Helm is.
pub(super) async fn unlock(owner: &Owner, secret: &str, context: &Context) -> Result<(), Error> {
    tracing::warn!(secret, "a revision was left pending; it is removed, and the release is tried again");
    let request = secrets(owner).delete(secret, &DeleteParams::default());
    match account::acting::<Value>(&owner.namespace, request, context).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Ok(_) => {
            context.metrics.writes.with_label_values(&["Secret", "delete"]).inc();
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn secrets(owner: &Owner) -> Request {
    Request::new(Secret::url_path(&(), Some(&owner.namespace)))
}

/// What Helm has written down of a revision; none if it is gone or cannot be read.
pub(crate) async fn payload(client: &Client, owner: &Owner, secret: &str) -> Result<Option<Payload>, Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &owner.namespace);
    let data = secrets.get_opt(secret).await?.and_then(|secret| secret.data?.remove("release"));
    Ok(data.and_then(|data| Payload::decode(&data.0).inspect_err(|error| tracing::warn!(secret, %error, "a revision cannot be read")).ok()))
}
