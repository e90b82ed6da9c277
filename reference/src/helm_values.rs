//! `helm-values.md`: the values of every chart, with the comments of its `values.yaml` and the types of its schema.

use std::path::Path;

use serde_json::Value;

use crate::markdown::{code, head, table};
use crate::schema::kind;

const ABOUT: &str = "\
What `helm install --set` takes, a section a chart. `values.schema.json` of each chart refuses everything else.";

/// The page, for the charts below `charts`.
pub(crate) fn page(charts: &Path) -> Result<String, String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let entries = std::fs::read_dir(charts).map_err(|error| format!("{}: {error}", charts.display()))?;
    let mut names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| charts.join(name).join("Chart.yaml").is_file());
    names.sort_by_key(|name| (name != "user-info-operator", name.clone()));
    let mut text = head("Helm values", ABOUT);
    for name in names {
        let dir = charts.join(&name);
        let schema: Value = serde_json::from_str(&read(&dir.join("values.schema.json"))?).map_err(|error| format!("{name}: {error}"))?;
        let rows = values(&read(&dir.join("values.yaml"))?).into_iter().map(|value| {
            let kind = find(&schema, &value.path).map_or_else(String::new, |field| kind(&schema, field));
            [code(&value.path), kind, value.default, value.about]
        });
        text += &format!("\n## {name}\n{}", table(["value", "type", "default", "meaning"], rows));
    }
    Ok(text)
}

/// One value of a chart.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    path: String,
    default: String,
    about: String,
}

/// The values in the text of a `values.yaml`: keys by their indentation, the comment right above a key as its meaning.
fn values(text: &str) -> Vec<Entry> {
    let (mut found, mut path, mut comment): (Vec<Entry>, Vec<(usize, String)>, Vec<&str>) = Default::default();
    for line in text.lines() {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        if let Some(words) = body.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        let key = body.split_once(':').filter(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !key.is_empty());
        if let Some((key, rest)) = key {
            path.retain(|(depth, _)| *depth < indent);
            path.push((indent, key.to_owned()));
            let (rest, beside) = rest.split_once(" #").unwrap_or((rest, ""));
            comment.extend((!beside.is_empty()).then_some(beside.trim()));
            let name = path.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join(".");
            found.push(Entry { path: name, default: code(rest.trim()), about: comment.join(" ") });
        }
        comment.clear();
    }
    found
}

/// The part of a schema that speaks of the value at `path`.
fn find<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    let step = |schema: &'a Value, key: &str| {
        let target = schema["$ref"].as_str().and_then(|place| schema.pointer(place.trim_start_matches('#'))).unwrap_or(schema);
        target["properties"].get(key)
    };
    path.split('.').try_fold(schema, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_the_comment_above_it() {
        let text = "# About the file.\n\nimage:\n  # Where it comes from.\n  repository: x\n  tag: \"\"\n# How many.\n# Or none.\nreplicas: 2 # at most 16\n";
        let found: Vec<_> = values(text).into_iter().map(|v| [v.path, v.default, v.about].join(" | ")).collect();
        assert_eq!(
            found,
            [
                "image |  | ",
                "image.repository | `x` | Where it comes from.",
                "image.tag | `\"\"` | ",
                "replicas | `2` | How many. Or none. at most 16"
            ]
        );
    }

    #[test]
    fn every_chart_is_there_with_types() {
        let page = page(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts")).expect("a page");
        for line in ["## user-info-operator", "## consul", "## redis", "| `replicas` | integer, 0 to 16 | `2` |"] {
            assert!(page.contains(line), "{line}");
        }
    }
}
