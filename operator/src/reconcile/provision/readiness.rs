//! Whether the workloads of releases are up.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::Api;
use kube::api::ListParams;

use crate::addons::Addon;
use crate::context::Context;
use crate::error::Error;
use crate::names::{MANAGED_BY, Owner, RELEASE_NAME};
use crate::reconcile::observe::{Observed, Trouble};
use crate::workload::Workload;

/// How an addon's pods are: the sum over all workloads of its release, whoever's the chart is.
pub(super) async fn of(owner: &Owner, context: &Context) -> Result<BTreeMap<Addon, Observed>, Error> {
    let of_helm = ListParams::default().labels(&format!("{MANAGED_BY}=Helm"));
    let sets: Api<StatefulSet> = Api::namespaced(context.client.clone(), &owner.namespace);
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), &owner.namespace);
    let mut all: BTreeMap<Addon, Observed> = BTreeMap::new();
    for set in sets.list(&of_helm).await? {
        let Some(addon) = addon(&set.metadata, owner) else { continue };
        let selector = set.spec.as_ref().map(|spec| spec.selector.clone());
        add(all.entry(addon).or_insert_with(nothing), &Workload::of_set(&set), selector.as_ref(), owner, context).await?;
    }
    for deployment in deployments.list(&of_helm).await? {
        let Some(addon) = addon(&deployment.metadata, owner) else { continue };
        let selector = deployment.spec.as_ref().map(|spec| spec.selector.clone());
        add(all.entry(addon).or_insert_with(nothing), &Workload::of(&deployment), selector.as_ref(), owner, context).await?;
    }
    Ok(all)
}

/// Where nothing runs, nothing is waited for.
pub(super) fn nothing() -> Observed {
    Observed { workload: Workload { current: true, ..Workload::default() }, trouble: None }
}

fn addon(meta: &ObjectMeta, owner: &Owner) -> Option<Addon> {
    let (of, addon) = Addon::of_release(meta.annotations.as_ref()?.get(RELEASE_NAME)?)?;
    (of == owner.name).then_some(addon)
}

/// Adds a workload. Pods are looked at only while some are missing.
async fn add(
    sum: &mut Observed,
    workload: &Workload,
    selector: Option<&LabelSelector>,
    owner: &Owner,
    context: &Context,
) -> Result<(), Error> {
    if sum.trouble.is_none() && !workload.settled() {
        let labels = selector.and_then(|selector| selector.match_labels.as_ref()).into_iter().flatten();
        let text = labels.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
        let pods: Api<Pod> = Api::namespaced(context.client.clone(), &owner.namespace);
        sum.trouble = trouble(&pods.list(&ListParams::default().labels(&text)).await?.items, owner, context).await?;
    }
    sum.workload.add(workload);
    Ok(())
}

/// Why pods are missing. Where it is for want of a volume, the claim says more than the scheduler.
async fn trouble(pods: &[Pod], owner: &Owner, context: &Context) -> Result<Option<Trouble>, Error> {
    let trouble = Trouble::of_pods(pods);
    if !trouble.as_ref().is_some_and(Trouble::wants_volume) {
        return Ok(trouble);
    }
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &owner.namespace);
    for name in claimed(pods) {
        if let Some(unbound) = claims.get_opt(&name).await?.as_ref().and_then(Trouble::of_claim) {
            return Ok(Some(unbound));
        }
    }
    Ok(trouble)
}

/// Names of the claims that pods use.
pub(super) fn claimed(pods: &[Pod]) -> Vec<String> {
    let volumes = pods.iter().filter_map(|pod| pod.spec.as_ref()?.volumes.as_ref()).flatten();
    volumes.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone())).collect()
}
