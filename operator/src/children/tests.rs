use super::*;
use crate::names::{MANAGED_BY, OPERATOR};
use serde_json::json;

fn object(uid: &str, version: &str, fields: &serde_json::Value) -> ObjectMeta {
    serde_json::from_value(json!({
        "name": "demo-user-info", "namespace": "ns", "uid": uid, "resourceVersion": version,
        "labels": {INSTANCE: "demo", MANAGED_BY: OPERATOR},
        "annotations": {APPLIED_HASH: "h", CONFIG_HASH: "c", CONFIG_GENERATION: "7"},
        "ownerReferences": [{"apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "name": "demo", "uid": "o"}],
        "managedFields": [
            {"manager": OPERATOR, "operation": "Apply", "fieldsV1": fields},
            {"manager": "someone", "operation": "Update", "fieldsV1": {"f:status": {}}},
        ],
    }))
    .expect("metadata")
}

fn demo(uid: &str) -> Owner {
    Owner { namespace: "ns".to_owned(), name: "demo".to_owned(), uid: Some(uid.to_owned()) }
}

#[test]
fn the_fingerprint_changes_with_what_the_operator_owns_and_with_nothing_else() {
    let of = |meta: &ObjectMeta| Seen::of(meta, OPERATOR).expect("owned").fingerprint;
    let own = object("u", "1", &json!({"f:spec": {"f:replicas": {}}}));
    let mut other = own.clone();
    other.resource_version = Some("2".to_owned());
    other.managed_fields.as_mut().expect("fields").truncate(1);
    assert_eq!(of(&own), of(&other), "someone else's fields");
    assert_ne!(of(&own), of(&object("u", "1", &json!({"f:spec": {}}))), "a field lost");
    assert_ne!(of(&own), of(&object("v", "1", &json!({"f:spec": {"f:replicas": {}}}))), "another object of that name");
}

#[test]
fn an_object_belongs_to_its_owner_or_to_whom_its_label_names() {
    let mut meta = object("u", "1", &json!({}));
    assert_eq!(Seen::of(&meta, OPERATOR).map(|seen| seen.owner), Some("demo".to_owned()));
    meta.owner_references = None;
    let seen = Seen::of(&meta, OPERATOR).expect("labelled");
    assert_eq!((seen.owner.as_str(), seen.config), ("demo", Some(ConfigVersion { hash: "c".to_owned(), generation: 7 })));
    meta.labels = None;
    assert_eq!(Seen::of(&meta, OPERATOR), None);
}

#[test]
fn older_news_do_not_replace_newer_ones() {
    let children = Children::new(OPERATOR, 0);
    let new = object("u", "9", &json!({"f:spec": {}}));
    children.note(Kind::ConfigMap, &new);
    assert_eq!(children.note(Kind::ConfigMap, &object("u", "8", &json!({}))), Vec::<String>::new());
    let key = (Kind::ConfigMap, "demo-user-info".to_owned());
    assert_eq!(children.of(&demo("o")).get(&key), Seen::of(&new, OPERATOR).as_ref());
    assert_eq!(children.forget(Kind::ConfigMap, &object("other", "10", &json!({}))), Vec::<String>::new(), "a namesake that went before");
    assert_eq!(children.forget(Kind::ConfigMap, &new), ["demo"]);
    assert!(children.of(&demo("o")).is_empty());
}

#[test]
fn what_someone_else_controls_is_no_child() {
    let children = Children::new(OPERATOR, 0);
    let mut copied = object("u", "1", &json!({}));
    copied.owner_references.as_mut().expect("owners")[0].controller = Some(true);
    children.note(Kind::ConfigMap, &copied);
    assert_eq!(children.of(&demo("o")).len(), 1);
    assert!(children.of(&demo("another")).is_empty(), "a namesake that came after");
    let reference = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "demo", "uid": "r", "controller": true});
    copied.owner_references = Some(vec![serde_json::from_value(reference).expect("a reference")]);
    copied.resource_version = Some("2".to_owned());
    children.note(Kind::ConfigMap, &copied);
    assert!(children.of(&demo("o")).is_empty(), "copied labels");
}

#[test]
fn what_was_created_and_not_applied_yet_is_told() {
    let mut meta = object("u", "1", &json!({}));
    assert!(!Seen::of(&meta, OPERATOR).expect("owned").unsettled);
    meta.managed_fields.as_mut().expect("fields")[0].operation = Some("Update".to_owned());
    assert!(Seen::of(&meta, OPERATOR).expect("owned").unsettled);
}

#[test]
fn what_a_complete_list_does_not_hold_is_gone() {
    let children = Children::new(OPERATOR, 1);
    children.note(Kind::ConfigMap, &object("u", "1", &json!({})));
    assert!(children.retain(Kind::Service, None, &HashSet::new()).is_empty(), "another kind");
    assert!(children.retain(Kind::ConfigMap, Some("elsewhere"), &HashSet::new()).is_empty(), "another namespace");
    let gone = children.retain(Kind::ConfigMap, Some("ns"), &HashSet::new());
    assert_eq!(gone, [("ns".to_owned(), "demo".to_owned())]);
}

#[tokio::test]
async fn it_is_complete_when_all_lists_have_come() {
    let children = Children::new(OPERATOR, 2);
    children.list_done();
    assert!(futures_util::FutureExt::now_or_never(children.complete()).is_none());
    children.list_done();
    children.complete().await;
}

#[test]
fn what_helm_made_belongs_to_an_addon_of_the_resource_that_its_label_names() {
    let made = |release: &str, instance: &str| {
        let fields = json!([{"manager": "helm", "operation": "Apply", "fieldsV1": {"f:data": {}}}]);
        let meta = json!({"name": release, "uid": "u", "labels": {INSTANCE: instance}, "annotations": {RELEASE_NAME: release}, "managedFields": fields});
        Seen::of(&serde_json::from_value(meta).expect("metadata"), HELM).map(|seen| (seen.owner, seen.addon))
    };
    assert_eq!(made("demo-consul", "demo"), Some(("demo".to_owned(), Some(Addon::Consul))));
    assert_eq!(made("other-consul", "demo"), None, "someone else's label");
    assert_eq!(made("user-info-operator", "user-info-operator"), None, "the operator's own release");
}
