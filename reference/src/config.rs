//! `config.md`: every setting of `user_info` and `user_client`.

use schemars::JsonSchema;
use user_info_api::config::{UserClientConfig, UserInfoConfig};

use crate::markdown::head;
use crate::schema::{as_table, fields};

const ABOUT: &str = "\
The files that `user_info --config FILE` and `user_client --config FILE` read. Under `user-info-local` and the operator
they are rendered from the `UserInfoDeployment`; write them yourself to run a service on its own. What stands under
`live` changes while the service runs, within a moment after the file is saved; all else takes a restart. Files are
YAML; an unknown field is an error. `user_info check --config FILE` says what is wrong with one, and with the files that
it names; `user_client check` the same. Durations are written as `500us`, `20ms`, `2s` or `1m30s`.";

/// The page.
pub(crate) fn page() -> String {
    head("Configuration of the services", ABOUT) + &file::<UserInfoConfig>("user_info") + &file::<UserClientConfig>("user_client")
}

fn file<T: JsonSchema>(program: &str) -> String {
    let schema = schemars::schema_for!(T).to_value();
    let all = fields(&schema, &schema, "");
    let (live, fixed): (Vec<_>, Vec<_>) = all.into_iter().partition(|field| field.path.starts_with("live"));
    format!("\n## {program}\n{}\n### Live settings of {program}\n{}", as_table(fixed), as_table(live))
}

#[cfg(test)]
mod tests {
    #[test]
    fn has_the_settings_of_both_programs() {
        let page = super::page();
        for line in [
            "| `server.timeout` | string | `\"1s\"` | Longest time a call may take, 1ms to 1h; a caller's shorter deadline wins. |",
            "| `users.mysql.address` |",
            "| `live.circuitBreaker.mode` | `Bounded`, `Kratos` |",
            "| `live.requestsPerSecond` |",
            "| `discovery` | object | required |",
        ] {
            assert!(page.contains(line), "{line}");
        }
        let bare: Vec<_> = page.lines().filter(|line| line.starts_with("| `") && line.ends_with("|  |")).collect();
        assert!(bare.is_empty(), "settings without a meaning: {bare:#?}");
    }
}
