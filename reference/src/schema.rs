//! A JSON schema as rows of a table: one a field, with its path, type, default and description.

use serde_json::Value;

use crate::markdown::{code, table};

/// Fields whose types are Kubernetes' own: named, not spelled out.
const KUBERNETES: [(&str, &str); 9] = [
    ("affinity", "Affinity"),
    ("behavior", "HorizontalPodAutoscalerBehavior"),
    ("conditions", "[]Condition"),
    ("env", "[]EnvVar"),
    ("resources", "ResourceRequirements"),
    ("securityContext", "PodSecurityContext"),
    ("tolerations", "[]Toleration"),
    ("topologySpreadConstraints", "[]TopologySpreadConstraint"),
    ("valuesFrom", "list"),
];

/// One field.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) default: String,
    pub(crate) about: String,
}

/// The fields below `schema`, whose own path is `path`, in the order of their names. `root` holds `$defs`, if there are any.
pub(crate) fn fields(root: &Value, schema: &Value, path: &str) -> Vec<Field> {
    let schema = resolve(root, schema);
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|field| field == name));
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.flat_map(|(name, field)| one(root, field, &join(path, name), name, required(name))).collect()
}

/// Table of fields.
pub(crate) fn as_table(fields: impl IntoIterator<Item = Field>) -> String {
    let rows = fields.into_iter().map(|f| [code(&f.path), f.kind, f.default, f.about]);
    table(["field", "type", "default", "meaning"], rows)
}

fn one(root: &Value, field: &Value, path: &str, name: &str, required: bool) -> Vec<Field> {
    let target = resolve(root, field);
    let about = [field, target].iter().find_map(|schema| schema["description"].as_str()).unwrap_or_default();
    let kubernetes = KUBERNETES.iter().find(|(known, _)| *known == name && is_structure(target)).map(|(_, kind)| *kind);
    let default = match field.get("default").or_else(|| target.get("default")) {
        _ if required => "required".to_owned(),
        // The parts' own defaults say it.
        None | Some(Value::Object(_) | Value::Null) => String::new(),
        Some(value) => code(&value.to_string()),
    };
    let row = Field {
        path: path.to_owned(),
        kind: kubernetes.map_or_else(|| kind(root, target), str::to_owned),
        default,
        about: about.to_owned(),
    };
    let mut rows = vec![row];
    if kubernetes.is_none() {
        rows.extend(fields(root, target, path));
        for (inner, suffix) in [(&target["items"], "[]"), (&target["additionalProperties"], ".*")] {
            if inner.is_object() {
                rows.extend(fields(root, inner, &format!("{path}{suffix}")));
            }
        }
    }
    rows
}

/// What a value may be, in a few words.
pub(crate) fn kind(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    let values = schema["enum"].as_array().cloned().or_else(|| constants(root, schema));
    if let Some(values) = values {
        return values.iter().filter_map(Value::as_str).map(code).collect::<Vec<_>>().join(", ");
    }
    let name = match &schema["type"] {
        Value::String(name) => name.as_str(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or_default(),
        _ if schema["x-kubernetes-int-or-string"] == true || schema["anyOf"].is_array() => "integer or string",
        _ => "",
    };
    match (name, &schema["items"]) {
        ("array", items) if items.is_object() => format!("list of {}", kind(root, items)),
        (name, _) => format!("{name}{}", bounds(schema)),
    }
}

/// The values of an enumeration that schemars writes as one schema a value, for the sake of their descriptions.
fn constants(root: &Value, schema: &Value) -> Option<Vec<Value>> {
    let variants = schema["oneOf"].as_array()?;
    let values = variants.iter().flat_map(|variant| {
        let variant = resolve(root, variant);
        variant.get("const").cloned().into_iter().chain(variant["enum"].as_array().cloned().unwrap_or_default())
    });
    Some(values.collect())
}

fn bounds(schema: &Value) -> String {
    let whole = |value: &Value| value.as_f64().map(|n| n.to_string());
    match (whole(&schema["minimum"]), whole(&schema["maximum"])) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        _ => String::new(),
    }
}

fn is_structure(schema: &Value) -> bool {
    schema["properties"].is_object() || schema["items"].is_object()
}

/// Follows a reference, and looks through the wrapping of what may be absent.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(target) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')).and_then(|path| root.pointer(path)) {
        return resolve(root, target);
    }
    let some = schema["anyOf"].as_array().filter(|all| all.iter().any(|one| one["type"] == "null"));
    match some.and_then(|all| all.iter().find(|one| one["type"] != "null")) {
        Some(inner) => resolve(root, inner),
        None => schema,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_path_type_default_and_meaning() {
        let schema = json!({
            "required": ["a"],
            "properties": {
                "a": {"type": "integer", "minimum": 1, "maximum": 9, "description": "A number."},
                "b": {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}], "description": "Perhaps."},
                "c": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "string", "default": "x"}}}},
                "resources": {"type": "object", "properties": {"limits": {"type": "object"}}},
            },
            "$defs": {"B": {"oneOf": [{"const": "On"}, {"const": "Off"}]}},
        });
        let rows: Vec<_> = fields(&schema, &schema, "spec").iter().map(|f| [&*f.path, &*f.kind, &*f.default].join(" | ")).collect();
        assert_eq!(
            rows,
            [
                "spec.a | integer, 1 to 9 | required",
                "spec.b | `On`, `Off` | ",
                "spec.c | list of object | ",
                "spec.c[].d | string | `\"x\"`",
                "spec.resources | ResourceRequirements | ",
            ]
        );
    }
}
