//! Takes fields away from those who changed an object behind the operator's back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Map, Value, json};

use crate::names::OPERATOR;

/// Makes the operator own what others changed in an object, other than its status or scale. Whether there was any.
///
/// Elements of some lists are told apart by a field, such as ports by their number. Where someone changed that field, server-side apply sees
/// an element of theirs and adds the operator's beside it, which the API server may refuse. Owned by the operator, theirs is removed by the
/// next apply, like all that is owned but not applied.
pub(super) async fn fields(api: &Api<DynamicObject>, name: &str) -> Result<bool, kube::Error> {
    let Some(live) = api.get_opt(name).await? else { return Ok(false) };
    let entries = live.metadata.managed_fields.unwrap_or_default();
    let Some(entries) = merged(entries) else { return Ok(false) };
    let patch = json!({"metadata": {"managedFields": entries, "resourceVersion": live.metadata.resource_version}});
    let parameters = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    api.patch_metadata(name, &parameters, &Patch::Merge(&patch)).await?;
    Ok(true)
}

/// The entries, with those of others in the operator's; none if there are no others.
fn merged(entries: Vec<ManagedFieldsEntry>) -> Option<Vec<ManagedFieldsEntry>> {
    let (whole, mut parts): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.subresource.is_none());
    let own = |entry: &ManagedFieldsEntry| entry.manager.as_deref() == Some(OPERATOR) && entry.operation.as_deref() == Some("Apply");
    let mut into = whole.iter().find(|entry| own(entry))?.clone();
    if whole.len() == 1 {
        return None;
    }
    let mut fields = Value::Object(Map::new());
    for entry in whole {
        if let Some(theirs) = entry.fields_v1 {
            unite(&mut fields, theirs.0);
        }
    }
    into.fields_v1.as_mut()?.0 = fields;
    parts.push(into);
    Some(parts)
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
}
