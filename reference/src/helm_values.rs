//! `helm-values.md`: the values of every chart. Its `values.schema.json` says what they mean and may be, its `values.yaml` what they are by
//! default.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::markdown::{code, head, table};
use crate::schema::{Field, fields};

const ABOUT: &str = "\
What `helm install --set` takes, a section a chart. `values.schema.json` of each chart refuses everything else.
Defaults are in JSON, as `--set-json` takes them.";

/// What Helm itself gives to charts within another chart. Charts take it, have no default for it and do not use it.
const GLOBAL: &str = "global";

/// The page, for the charts below `charts`.
pub(crate) fn page(charts: &Path) -> Result<String, String> {
    let entries = fs::read_dir(charts).map_err(|error| format!("{}: {error}", charts.display()))?;
    let mut names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| charts.join(name).join("Chart.yaml").is_file());
    names.sort_by_key(|name| (name != "user-info-operator", name.clone()));
    let mut text = head("Helm values", ABOUT);
    for name in names {
        let rows = chart(&charts.join(&name))?.into_iter().map(|value| [code(&value.path), value.kind, value.default, value.about]);
        text += &format!("\n## {name}\n{}", table(["value", "type", "default", "meaning"], rows));
    }
    Ok(text)
}

/// The values of the chart in the folder `dir`.
fn chart(dir: &Path) -> Result<Vec<Field>, String> {
    let about = |error: &dyn std::fmt::Display| format!("{}: {error}", dir.display());
    let read = |name: &str| fs::read_to_string(dir.join(name)).map_err(|error| about(&error));
    let schema = serde_json::from_str(&read("values.schema.json")?).map_err(|error| about(&error))?;
    let defaults = serde_yaml::from_str(&read("values.yaml")?).map_err(|error| about(&error))?;
    values(&schema, &defaults).map_err(|error| about(&error))
}

/// What `schema` says of the values, with their defaults.
///
/// # Errors
/// If a value has no description or no default, or a default is of no value.
fn values(schema: &Value, defaults: &Value) -> Result<Vec<Field>, String> {
    let mut all = fields(schema, schema, "");
    all.retain(|value| value.path != GLOBAL);
    if let Some(path) = unknown(&all, defaults, "") {
        return Err(format!("`{path}` is in values.yaml, but not in values.schema.json"));
    }
    let parents: Vec<_> = all.iter().map(|value| has_parts(&all, &value.path)).collect();
    for (value, is_parent) in all.iter_mut().zip(parents) {
        let path = &value.path;
        if value.about.is_empty() {
            return Err(format!("`{path}` has no description in values.schema.json"));
        }
        match defaults.pointer(&format!("/{}", path.replace('.', "/"))) {
            // Its parts' defaults say it.
            Some(_) if is_parent => {}
            Some(default) => value.default = code(&default.to_string()),
            // A part of each item of a list, of which there need not be one.
            None if path.contains("[]") => {}
            None => return Err(format!("`{path}` is in values.schema.json, but not in values.yaml")),
        }
    }
    Ok(all)
}

/// The path of the first of the `defaults` below `path` that is none of the values.
fn unknown(values: &[Field], defaults: &Value, path: &str) -> Option<String> {
    defaults.as_object()?.iter().find_map(|(name, default)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if values.iter().all(|value| value.path != path) {
            return Some(path);
        }
        // What is below another one, such as labels, is free.
        has_parts(values, &path).then(|| unknown(values, default, &path)).flatten()
    })
}

/// Whether some of the values are parts of the one at `path`.
fn has_parts(values: &[Field], path: &str) -> bool {
    values.iter().any(|value| value.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "properties": {
                "global": {"type": "object"},
                "image": {
                    "description": "Where it comes from.",
                    "properties": {"tag": {"description": "Its tag.", "type": "string"}},
                },
                "labels": {"$ref": "#/definitions/labels", "description": "Labels of pods."},
                "pullSecrets": {
                    "description": "Secrets.",
                    "type": "array",
                    "items": {"type": "object", "properties": {"name": {"description": "Its name.", "type": "string"}}, "required": ["name"]},
                },
            },
            "definitions": {"labels": {"description": "Labels.", "type": "object", "additionalProperties": {"type": "string"}}},
        })
    }

    fn defaults() -> Value {
        json!({"image": {"tag": ""}, "labels": {"a": "b"}, "pullSecrets": []})
    }

    #[test]
    fn a_value_has_what_the_schema_says_and_its_default() {
        let found = values(&schema(), &defaults()).expect("sound");
        let rows: Vec<_> = found.into_iter().map(|v| [v.path, v.kind, v.default, v.about].join(" | ")).collect();
        assert_eq!(
            rows,
            [
                "image |  |  | Where it comes from.",
                "image.tag | string | `\"\"` | Its tag.",
                "labels | object | `{\"a\":\"b\"}` | Labels of pods.",
                "pullSecrets | list of object | `[]` | Secrets.",
                "pullSecrets[].name | string | required | Its name.",
            ]
        );
    }

    #[test]
    fn a_value_that_is_not_in_both_files_is_named() {
        let refused = |schema: &Value, defaults: &Value| values(schema, defaults).expect_err("refused");
        let mut more = defaults();
        more["image"]["digest"] = json!("");
        assert_eq!(refused(&schema(), &more), "`image.digest` is in values.yaml, but not in values.schema.json");
        let mut less = defaults();
        less["image"] = json!({});
        assert_eq!(refused(&schema(), &less), "`image.tag` is in values.schema.json, but not in values.yaml");
        let mut silent = schema();
        silent["properties"]["image"]["properties"]["tag"] = json!({"type": "string"});
        assert_eq!(refused(&silent, &defaults()), "`image.tag` has no description in values.schema.json");
    }

    #[test]
    fn every_chart_is_there_with_types() {
        let page = page(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts")).expect("a page");
        for line in ["## user-info-operator", "## consul", "## redis", "| `replicas` | integer, 0 to 16 | `2` |"] {
            assert!(page.contains(line), "{line}");
        }
    }
}
