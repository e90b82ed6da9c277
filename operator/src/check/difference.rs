//! What differs between two forms of an object.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::names::{APPLIED_HASH, CONFIG_GENERATION, CONFIG_HASH};

/// What the API server keeps for itself, and what merely follows from the rest.
const IGNORED: [&str; 6] =
    ["status", "metadata.managedFields", "metadata.resourceVersion", "metadata.generation", "metadata.uid", "metadata.creationTimestamp"];

/// A line for each field that differs: `PATH: BEFORE -> AFTER`; texts of several lines are compared line by line.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk("", before, after, &mut lines);
    lines
}

fn walk(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    let follows = [APPLIED_HASH, CONFIG_HASH, CONFIG_GENERATION].iter().any(|key| path.ends_with(key));
    if before == after || follows || IGNORED.contains(&path) {
        return;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            names.into_iter().for_each(|name| walk(&below(name), &before[name], &after[name], lines));
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter().zip(new).enumerate().for_each(|(i, (old, new))| walk(&format!("{path}[{i}]"), old, new, lines));
        }
        (Value::String(old), Value::String(new)) if old.contains('\n') || new.contains('\n') => {
            let gone = old.lines().filter(|line| !new.lines().any(|other| other == *line)).map(|line| format!("{path}: - {}", line.trim()));
            let come = new.lines().filter(|line| !old.lines().any(|other| other == *line)).map(|line| format!("{path}: + {}", line.trim()));
            lines.extend(gone.chain(come));
        }
        (Value::Null, new) => lines.push(format!("{path}: + {new}")),
        (old, Value::Null) => lines.push(format!("{path}: - {old}")),
        (old, new) => lines.push(format!("{path}: {old} -> {new}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_field_that_differs_has_a_line() {
        let before = json!({"spec": {"replicas": 1, "old": true}, "data": {"a.yaml": "x: 1\ny: 2\n"}, "status": {"ready": 0}});
        let after = json!({"spec": {"replicas": 2, "ports": [1]}, "data": {"a.yaml": "x: 1\ny: 3\n"}, "status": {"ready": 1}});
        assert_eq!(
            differences(&before, &after),
            ["data.a.yaml: - y: 2", "data.a.yaml: + y: 3", "spec.old: - true", "spec.ports: + [1]", "spec.replicas: 1 -> 2"]
        );
        assert!(differences(&before, &before).is_empty());
    }
}
