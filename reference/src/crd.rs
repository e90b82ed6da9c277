//! `crd.md`: every field of `UserInfoDeployment`.

use serde_json::Value;
use user_info_api::crd::schema;

use crate::markdown::{code, head};
use crate::schema::{as_table, fields};

const ABOUT: &str = "\
The resource that both `user-info-local` and `user-info-operator` carry out. API group `userinfo.bbs.dev`, version
`v1alpha1`, short name `uinfo`. `user-info-operator check FILE` says what is wrong with a file, and where. Durations are
written as `500us`, `20ms`, `2s` or `1m30s`. Types that begin with a capital letter are Kubernetes' own.";

/// The page.
pub(crate) fn page() -> String {
    let schema = schema();
    let mut text = head("UserInfoDeployment", ABOUT);
    for part in ["spec", "status"] {
        let all = fields(schema, &schema["properties"][part], part);
        let depth = part.len() + 1;
        let top = |path: &str| path[depth..].split(['.', '[']).next().unwrap_or_default().to_owned();
        let (single, grouped): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|field| all.iter().filter(|other| top(&other.path) == top(&field.path)).count() == 1);
        text += &format!("\n## {part}\n");
        text += &as_table(single);
        let mut groups: Vec<String> = grouped.iter().map(|field| top(&field.path)).collect();
        groups.dedup();
        for group in groups {
            text += &format!("\n### {part}.{group}\n");
            text += &as_table(grouped.iter().filter(|field| top(&field.path) == group).cloned());
            text += &rules(&schema["properties"][part]["properties"][&group], &format!("{part}.{group}"));
        }
    }
    text + "\n## Rules across fields\n" + &own_rules(&schema["properties"]["spec"], "spec").join("")
}

/// What the API server refuses beyond types and ranges, in the words it uses.
fn rules(schema: &Value, path: &str) -> String {
    let all = below(schema, path);
    if all.is_empty() { String::new() } else { format!("\nRefused besides:\n\n{}", all.join("")) }
}

fn below(schema: &Value, path: &str) -> Vec<String> {
    let inner = schema["properties"].as_object().into_iter().flatten();
    let inner = inner.flat_map(|(name, field)| below(field, &format!("{path}.{name}")));
    own_rules(schema, path).into_iter().chain(inner).collect()
}

fn own_rules(schema: &Value, path: &str) -> Vec<String> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let said = rules.filter(|rule| rule["messageExpression"].is_null()).filter_map(|rule| rule["message"].as_str());
    said.map(|message| format!("- {}: {message}\n", code(path))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn has_fields_of_every_depth_and_the_rules() {
        let page = super::page();
        for line in [
            "| `spec.replicas` | integer, 0 to 1000 | `1` |",
            "| `spec.rateLimiter.algorithm` | `TokenBucket`, `BBR` | `\"TokenBucket\"` |",
            "| `spec.rateLimiter.overrides[].client` | string | required |",
            "- `spec.faultInjection.abort`: set httpStatus or grpcStatus, not both",
            "| `status.readyReplicas` |",
        ] {
            assert!(page.contains(line), "{line}");
        }
        let bare: Vec<_> = page.lines().filter(|line| line.starts_with("| `spec") && line.ends_with("|  |")).collect();
        assert!(bare.is_empty(), "fields without a meaning: {bare:#?}");
    }
}
