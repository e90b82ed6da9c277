//! Takes fields away from those who changed an object behind the operator's back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::Api;
use kube::api::{DynamicObject, Patch};
use serde_json::{Map, Value, json};

use super::hand_over::HOLDER;
use super::look::look;
use crate::names::OPERATOR;
use crate::writes;

/// Who sets fields that nobody wrote down: a Deployment's revision, for one.
const CONTROLLERS: &str = "kube-controller-manager";

/// Makes the operator own what others changed in an object, other than its status or scale. Whether there was any.
///
/// Elements of some lists are told apart by a field, such as ports by their number. Where someone changed that field, server-side apply sees
/// an element of theirs and adds the operator's beside it, which the API server may refuse. Owned by the operator, theirs is removed by the
/// next apply, like all that is owned but not applied.
/// Nothing is done unless the object is the one with this uid.
pub(super) async fn fields(api: &Api<DynamicObject>, name: &str, uid: &str) -> Result<bool, kube::Error> {
    let Some(live) = look(api, name).await?.filter(|live| live.uid.as_deref() == Some(uid)) else { return Ok(false) };
    let Some(entries) = merged(live.managed_fields.unwrap_or_default()) else { return Ok(false) };
    let patch = json!({"metadata": {"managedFields": entries, "resourceVersion": live.resource_version, "uid": uid}});
    api.patch_metadata(name, &writes::merge(), &Patch::Merge(&patch)).await?;
    Ok(true)
}

/// The entries, with those of others in the operator's; none if there are no others.
fn merged(entries: Vec<ManagedFieldsEntry>) -> Option<Vec<ManagedFieldsEntry>> {
    let (whole, mut parts): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.subresource.is_none());
    let into = whole.iter().find(|entry| own(entry))?.clone();
    if whole.len() == 1 {
        return None;
    }
    parts.push(united(into, whole));
    Some(parts)
}

/// The entries of an object that the operator has not applied yet, with those of whoever made it in the operator's. What the cluster's own
/// controllers and autoscalers set stays theirs, and so does what is said in the terms of another version of the API.
pub(super) fn all(entries: Vec<ManagedFieldsEntry>, api_version: &str) -> Vec<ManagedFieldsEntry> {
    let (theirs, mut others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| {
        let keeps = [CONTROLLERS, HOLDER].map(Some).contains(&entry.manager.as_deref());
        entry.subresource.is_none() && !keeps && entry.api_version.as_deref() == Some(api_version)
    });
    let into = theirs.iter().find(|entry| own(entry)).cloned().unwrap_or_else(|| ManagedFieldsEntry {
        api_version: Some(api_version.to_owned()),
        fields_type: Some("FieldsV1".to_owned()),
        manager: Some(OPERATOR.to_owned()),
        operation: Some("Apply".to_owned()),
        ..ManagedFieldsEntry::default()
    });
    others.push(united(into, theirs));
    others
}

fn own(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(OPERATOR) && entry.operation.as_deref() == Some("Apply")
}

/// `into` with the fields of `entries`.
fn united(into: ManagedFieldsEntry, entries: Vec<ManagedFieldsEntry>) -> ManagedFieldsEntry {
    let mut fields = Value::Object(Map::new());
    for theirs in entries.into_iter().filter_map(|entry| entry.fields_v1) {
        unite(&mut fields, theirs.0);
    }
    ManagedFieldsEntry { fields_v1: Some(FieldsV1(fields)), ..into }
}

/// The union of two sets of fields, which are trees without values.
fn unite(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        for (name, below) in from {
            unite(into.entry(name).or_insert_with(|| Value::Object(Map::new())), below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, subresource: Option<&str>, fields: &Value) -> ManagedFieldsEntry {
        let entry = json!({"manager": manager, "operation": operation, "subresource": subresource, "fieldsV1": fields});
        serde_json::from_value(entry).expect("an entry")
    }

    #[test]
    fn what_others_changed_becomes_the_operators() {
        let own = entry(OPERATOR, "Apply", None, &json!({"f:spec": {"f:ports": {"k:{\"port\":1}": {".": {}}}}}));
        let theirs = entry("kubectl-edit", "Update", None, &json!({"f:spec": {"f:ports": {"k:{\"port\":2}": {".": {}}}}}));
        let status = entry("controller", "Update", Some("status"), &json!({"f:status": {}}));
        let all = merged(vec![own.clone(), theirs, status.clone()]).expect("others");
        let ports = json!({"k:{\"port\":1}": {".": {}}, "k:{\"port\":2}": {".": {}}});
        assert_eq!(all, [status.clone(), entry(OPERATOR, "Apply", None, &json!({"f:spec": {"f:ports": ports}}))]);
        assert_eq!(merged(vec![own, status.clone()]), None, "nobody else");
        assert_eq!(merged(vec![status]), None, "not the operator's");
    }

    #[test]
    fn of_an_adopted_object_only_what_the_cluster_sets_stays_with_others() {
        let made = |manager: &str, subresource: Option<&str>, fields: &Value| ManagedFieldsEntry {
            api_version: Some("apps/v1".to_owned()),
            ..entry(manager, "Update", subresource, fields)
        };
        let restored = made("velero", None, &json!({"f:spec": {"f:replicas": {}}}));
        let revision = made("kube-controller-manager", None, &json!({"f:metadata": {}}));
        let status = made("velero", Some("status"), &json!({"f:status": {}}));
        let found = all(vec![restored, revision.clone(), status.clone()], "apps/v1");
        assert_eq!(found[..2], [revision, status]);
        let own = &found[2];
        assert_eq!((own.manager.as_deref(), own.operation.as_deref()), (Some(OPERATOR), Some("Apply")));
        assert_eq!(own.fields_v1.as_ref().map(|fields| &fields.0), Some(&json!({"f:spec": {"f:replicas": {}}})));
    }
}
