//! The custom resource definition, made from the types.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::core::crd::CustomResourceExt;
use serde_json::Value;

use super::UserInfoDeployment;

/// The definition that a cluster is given, with what only other readers of JSON Schema know taken out.
///
/// Number formats that Kubernetes does not know would make it warn. `nullable` would let `field: null` stand, so that rules see a field
/// that is there but empty; without it a null counts as absent. Long descriptions, those of Kubernetes' own types, are cut to their first
/// sentence: `kubectl apply` copies the definition into an annotation, which has room for 256 KiB.
pub fn definition() -> CustomResourceDefinition {
    let mut crd = UserInfoDeployment::crd();
    for version in &mut crd.spec.versions {
        let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) else { continue };
        tidy(schema);
        let properties = schema.properties.get_or_insert_default();
        // Statuses are written by the operator alone; it sets every field.
        if let Some(status) = properties.get_mut("status") {
            drop_defaults(status);
        }
        for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            properties.insert(name.to_owned(), JSONSchemaProps { type_: Some(kind.to_owned()), ..Default::default() });
        }
    }
    crd
}

/// The schema of the resource as JSON, made once.
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let crd = definition();
        let schema = crd.spec.versions.first().and_then(|v| v.schema.as_ref()).and_then(|s| s.open_api_v3_schema.as_ref());
        serde_json::to_value(schema).expect("a schema is plain data, which always has a JSON form")
    });
    &SCHEMA
}

/// Length in bytes from which on a description is cut; ours are shorter.
const LONG: usize = 300;

fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    if let Some(text) = schema.description.as_mut().filter(|text| text.len() > LONG) {
        let sentence = text.split(". ").next().unwrap_or_default();
        *text = format!("{}.", sentence.lines().next().unwrap_or_default().trim_end_matches('.'));
    }
    each(schema, tidy);
}

fn drop_defaults(schema: &mut JSONSchemaProps) {
    schema.default = None;
    each(schema, drop_defaults);
}

/// Calls `visit` with every schema right below `schema`.
fn each(schema: &mut JSONSchemaProps, visit: fn(&mut JSONSchemaProps)) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrBool;

    schema.properties.iter_mut().flat_map(|p| p.values_mut()).for_each(visit);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        visit(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        visit(values);
    }
}
