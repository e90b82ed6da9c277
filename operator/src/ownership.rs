//! Whose an object is: pure functions of its metadata.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use user_info_api::crd::UserInfoDeployment;

use crate::names::{ADOPT, HELM, INSTANCE, MANAGED_BY, OPERATOR, Owner};

/// What decides whose an object is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// uids of all owners.
    owners: Vec<String>,
    /// Whether one of them controls it.
    controlled: bool,
    /// Name of the resource that the labels of its maker name.
    labelled: Option<String>,
}

impl Holders {
    /// What `meta` says of an object that `maker` is to have made.
    pub fn of(meta: &ObjectMeta, maker: &str) -> Self {
        let label = |key: &str| meta.labels.as_ref().and_then(|labels| labels.get(key));
        // Helm's name is another in labels than to server-side apply.
        let made = label(MANAGED_BY).is_some_and(|by| if maker == HELM { by == "Helm" } else { by == maker });
        Self {
            owners: meta.owner_references.iter().flatten().map(|owner| owner.uid.clone()).collect(),
            controlled: controller(meta).is_some(),
            labelled: label(INSTANCE).filter(|_| made).cloned(),
        }
    }

    /// Whether it belongs to `owner`: it refers to its uid, or has its labels and nobody controls it.
    pub fn include(&self, owner: &Owner) -> bool {
        let referred = owner.uid.as_ref().is_some_and(|uid| self.owners.contains(uid));
        referred || (!self.controlled && self.labelled.as_ref() == Some(&owner.name))
    }
}

/// Whose an object is to a resource that is to have one of its kind and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// The resource's.
    Own,
    /// Someone else's, who lets the resource have it.
    Offered,
    /// Someone else's, with what controls it if anything does, as `Kind name`.
    Foreign(Option<String>),
}

/// Whose the object with this metadata is to `owner`.
pub fn ownership(meta: &ObjectMeta, owner: &Owner) -> Ownership {
    if Holders::of(meta, OPERATOR).include(owner) {
        return Ownership::Own;
    }
    let offered = meta.annotations.as_ref().and_then(|all| all.get(ADOPT)) == Some(&owner.name);
    match controller(meta).filter(|controller| !(is_resource(controller) && controller.name == owner.name)) {
        Some(controller) => Ownership::Foreign(Some(format!("{} {}", controller.kind, controller.name))),
        None if offered => Ownership::Offered,
        None => Ownership::Foreign(None),
    }
}

/// An object of someone else, as `Kind name`, with what controls it.
pub fn title(kind: &str, name: &str, controller: Option<&str>) -> String {
    match controller {
        Some(controller) => format!("{kind} {name} (controlled by {controller})"),
        None => format!("{kind} {name}"),
    }
}

/// Whether a reference is to a resource of the operator's kind.
pub fn is_resource(reference: &OwnerReference) -> bool {
    let group = reference.api_version.split_once('/').map(|(group, _)| group);
    reference.kind == UserInfoDeployment::kind(&()) && group == Some(&*UserInfoDeployment::group(&()))
}

fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(labels: &Value, owners: &Value, annotations: &Value) -> ObjectMeta {
        let meta = json!({"name": "demo-user-info", "labels": labels, "ownerReferences": owners, "annotations": annotations});
        serde_json::from_value(meta).expect("metadata")
    }

    fn reference(kind: &str, name: &str, uid: &str) -> Value {
        let group = if kind == "UserInfoDeployment" { "userinfo.bbs.dev/v1alpha1" } else { "apps/v1" };
        json!([{"apiVersion": group, "kind": kind, "name": name, "uid": uid, "controller": true}])
    }

    fn judged(labels: &Value, owners: &Value, annotations: &Value) -> &'static str {
        let owner = Owner { namespace: "ns".to_owned(), name: "demo".to_owned(), uid: Some("u".to_owned()) };
        match ownership(&object(labels, owners, annotations), &owner) {
            Ownership::Own => "own",
            Ownership::Offered => "offered",
            Ownership::Foreign(_) => "foreign",
        }
    }

    #[test]
    fn ours_is_what_refers_to_our_uid_or_has_our_labels_and_no_other_controller() {
        let none = json!(null);
        let ours = json!({INSTANCE: "demo", MANAGED_BY: OPERATOR});
        assert_eq!(judged(&none, &reference("UserInfoDeployment", "demo", "u"), &none), "own");
        assert_eq!(judged(&ours, &none, &none), "own", "its reference was taken away");
        assert_eq!(judged(&ours, &reference("UserInfoDeployment", "demo", "other"), &none), "foreign", "of a namesake");
        assert_eq!(judged(&ours, &reference("ReplicaSet", "x", "r"), &none), "foreign", "copied labels");
        assert_eq!(judged(&json!({INSTANCE: "demo", MANAGED_BY: "Helm"}), &none, &none), "foreign");
        assert_eq!(judged(&json!({INSTANCE: "other", MANAGED_BY: OPERATOR}), &none, &none), "foreign");
        assert_eq!(judged(&none, &none, &none), "foreign");
    }

    #[test]
    fn what_is_offered_is_taken_unless_someone_else_controls_it() {
        let (none, demo) = (json!(null), json!({ADOPT: "demo"}));
        assert_eq!(judged(&none, &none, &demo), "offered");
        assert_eq!(judged(&none, &reference("UserInfoDeployment", "demo", "before"), &demo), "offered", "restored from a backup");
        assert_eq!(judged(&none, &reference("UserInfoDeployment", "other", "o"), &demo), "foreign");
        assert_eq!(judged(&none, &reference("ReplicaSet", "x", "r"), &demo), "foreign");
        assert_eq!(judged(&none, &none, &json!({ADOPT: "other"})), "foreign");
    }
}
