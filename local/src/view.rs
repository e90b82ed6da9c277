//! What the page and scripts are told of the system, as JSON: a snapshot whenever something changes.

use serde::Serialize;

use crate::spec::RunningSpec;
use crate::supervisor::Process;

/// What runs, and from which spec.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Generation of the running spec; each edit in force adds one.
    pub generation: i64,
    /// Name of the `UserInfoDeployment`.
    pub name: String,
    /// The running spec, defaults filled in.
    pub spec: serde_json::Value,
    /// The whole object as YAML, as `user-info-local` and `kubectl apply` take it.
    pub yaml: String,
    /// The file that the object was read from, as the person named it.
    pub file: String,
    /// Whether the running spec differs from the file, as it does after an edit on the page.
    pub differs_from_file: bool,
    /// Why the last edit of the file was refused; the running spec stays in force until the file is mended.
    pub problem: Option<String>,
    /// Every process, in the order in which to show them.
    pub processes: Vec<Process>,
}

impl Snapshot {
    /// The view of `spec` and of the processes that carry it out.
    pub fn of(spec: &RunningSpec, processes: Vec<Process>) -> Self {
        Self {
            generation: spec.generation(),
            name: spec.resource().metadata.name.clone().unwrap_or_default(),
            spec: serde_json::to_value(&spec.resource().spec).unwrap_or_default(),
            yaml: serde_yaml::to_string(spec.resource()).unwrap_or_default(),
            file: spec.file().display().to_string(),
            differs_from_file: spec.differs_from_file(),
            problem: spec.problem().map(str::to_owned),
            processes,
        }
    }
}
