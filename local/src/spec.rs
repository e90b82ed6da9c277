//! The running spec: read from the file, edited on the page, checked either way before it counts.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use user_info_api::crd::{self, UserInfoDeployment};
use user_info_api::render::{self, Target};

use crate::ports::loopback;

/// The spec in force, and how it came about.
#[derive(Debug)]
pub struct RunningSpec {
    file: PathBuf,
    resource: UserInfoDeployment,
    generation: i64,
    faults_since: SystemTime,
    text: String,
    differs_from_file: bool,
    problem: Option<String>,
}

/// One field that an edit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Dotted path below the object, as in `spec.replicas`.
    pub field: String,
    /// The value before, as JSON; empty if there was none.
    pub from: String,
    /// The value now; empty if it is gone.
    pub to: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |text: &str| if text.is_empty() { "unset".to_owned() } else { text.to_owned() };
        write!(f, "{}: {} -> {}", self.field, shown(&self.from), shown(&self.to))
    }
}

/// The changes in one line.
pub fn summary(changes: &[Change]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl RunningSpec {
    /// Reads and checks `file`.
    ///
    /// # Errors
    /// A line for each thing that is wrong with it.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = read(file)?;
        let resource = parse(file, &text)?;
        Ok(Self {
            file: file.to_owned(),
            resource,
            generation: 1,
            faults_since: SystemTime::now(),
            text,
            differs_from_file: false,
            problem: None,
        })
    }

    /// Reads the file again. A file that cannot be used changes nothing, and is reported until it is mended.
    ///
    /// # Errors
    /// What is wrong with the file, if it has changed since the last look.
    pub fn reread(&mut self) -> Result<Vec<Change>, String> {
        let text = read(&self.file);
        if text.as_ref().is_ok_and(|t| *t == self.text) || text.as_ref().is_err_and(|e| Some(e) == self.problem.as_ref()) {
            return Ok(Vec::new());
        }
        let checked = text.and_then(|text| {
            let resource = parse(&self.file, &text);
            self.text = text;
            resource.and_then(|new| new.check_change(&self.resource).map(|()| new).map_err(|e| e.in_file(&self.file.display().to_string())))
        });
        match checked {
            Ok(resource) => {
                self.problem = None;
                self.differs_from_file = false;
                Ok(self.replace(resource))
            }
            Err(problem) => {
                self.problem = Some(problem.clone());
                Err(problem)
            }
        }
    }

    /// Merges `patch` (RFC 7396) into the spec.
    ///
    /// # Errors
    /// A line for each thing that would be wrong with it; then nothing changes.
    pub fn edit(&mut self, patch: &Value) -> Result<Vec<Change>, Vec<String>> {
        let messages = |e: crd::LoadError| e.problems().iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut object = serde_json::to_value(&self.resource).map_err(|e| vec![e.to_string()])?;
        crd::merge_patch(&mut object, &serde_json::json!({ "spec": patch }));
        let new = crd::load_value(object).map_err(messages)?;
        check(&new).map_err(messages)?;
        new.check_change(&self.resource).map_err(messages)?;
        let changes = self.replace(new);
        self.differs_from_file |= !changes.is_empty();
        Ok(changes)
    }

    fn replace(&mut self, new: UserInfoDeployment) -> Vec<Change> {
        let changes = differences(&self.resource, &new);
        if !changes.is_empty() {
            self.generation += 1;
        }
        if new.spec.fault_injection != self.resource.spec.fault_injection {
            self.faults_since = SystemTime::now();
        }
        self.resource = new;
        changes
    }

    /// The object in force.
    pub const fn resource(&self) -> &UserInfoDeployment {
        &self.resource
    }

    /// Rises with each change.
    pub const fn generation(&self) -> i64 {
        self.generation
    }

    /// When the faults in force were set.
    pub const fn faults_since(&self) -> SystemTime {
        self.faults_since
    }

    /// Whether an edit on the page has changed what the file says.
    pub const fn differs_from_file(&self) -> bool {
        self.differs_from_file
    }

    /// What is wrong with the file as it is now.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("{}: cannot be read: {e}", file.display()))
}

fn parse(file: &Path, text: &str) -> Result<UserInfoDeployment, String> {
    let resource = crd::load(text).map_err(|e| e.in_file(&file.display().to_string()))?;
    check(&resource).map_err(|e| e.in_text(text).in_file(&file.display().to_string()))?;
    Ok(resource)
}

/// Whether the services take what `resource` comes to on a laptop; ports and folders of the run make no difference.
fn check(resource: &UserInfoDeployment) -> Result<(), crd::LoadError> {
    let spec = &resource.spec;
    let peers = (0..spec.replicas).map(|_| loopback(spec.server.grpc_port).to_string()).collect();
    let target = Target::local(Path::new("."), Path::new("secrets"), "127.0.0.1:8500", peers, 0, SystemTime::now());
    render::check(resource, &target)
}

/// The leaves in which two objects differ.
fn differences(old: &UserInfoDeployment, new: &UserInfoDeployment) -> Vec<Change> {
    let value = |object: &UserInfoDeployment| serde_json::to_value(&object.spec).unwrap_or_default();
    let mut changes = Vec::new();
    compare("spec".to_owned(), &value(old), &value(new), &mut changes);
    changes
}

fn compare(path: String, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    if let (Value::Object(a), Value::Object(b)) = (old, new) {
        let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let get = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
            compare(format!("{path}.{key}"), &get(a), &get(b), changes);
        }
    } else if old != new {
        let shown = |v: &Value| if v.is_null() { String::new() } else { v.to_string() };
        changes.push(Change { field: path, from: shown(old), to: shown(new) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "apiVersion: userinfo.bbs.dev/v1alpha1\nkind: UserInfoDeployment\nmetadata: {name: demo}\n";

    fn spec(text: &str) -> (tempfile::TempDir, RunningSpec) {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("demo.yaml");
        std::fs::write(&file, format!("{OBJECT}spec: {text}\n")).expect("written");
        let spec = RunningSpec::read(&file).expect("valid");
        (dir, spec)
    }

    fn save(spec: &RunningSpec, text: &str) {
        std::fs::write(spec.file(), format!("{OBJECT}spec: {text}\n")).expect("written");
    }

    #[test]
    fn an_edit_of_the_file_says_what_changed() {
        let (_dir, mut spec) = spec("{replicas: 3, rateLimiter: {burst: 1}}");
        assert_eq!(spec.reread(), Ok(vec![]));
        save(&spec, "{replicas: 5, rateLimiter: {burst: 2}}");
        let changes: Vec<_> = spec.reread().expect("valid").iter().map(ToString::to_string).collect();
        assert_eq!(changes, ["spec.rateLimiter.burst: 1 -> 2", "spec.replicas: 3 -> 5"]);
        assert_eq!(spec.generation(), 2);
    }

    #[test]
    fn a_broken_edit_keeps_the_last_good_spec_until_it_is_mended() {
        let (_dir, mut spec) = spec("{replicas: 3}");
        save(&spec, "{replicas: many}");
        let problem = spec.reread().expect_err("refused");
        assert!(problem.contains("demo.yaml:4: spec.replicas"), "{problem}");
        assert_eq!((spec.resource().spec.replicas, spec.generation(), spec.problem()), (3, 1, Some(&*problem)));
        assert_eq!(spec.reread(), Ok(vec![]), "reported once");
        assert!(spec.problem().is_some());
        save(&spec, "{replicas: 4}");
        assert_eq!(spec.reread().expect("valid").len(), 1);
        assert_eq!(spec.problem(), None);
    }

    #[test]
    fn what_the_services_would_refuse_is_a_mistake_of_the_file() {
        let (_dir, mut spec) = spec("{replicas: 1, addons: {consul: {mode: Disabled}}}");
        save(&spec, "{replicas: 0, addons: {consul: {mode: Disabled}}}");
        let problem = spec.reread().expect_err("refused");
        assert!(problem.contains("demo.yaml:4: spec.replicas: 0 leaves user_client nobody to call; "), "{problem}");
        let refused = spec.edit(&serde_json::json!({"replicas": 0})).expect_err("refused");
        assert!(refused[0].starts_with("spec.replicas: 0 leaves user_client nobody to call; "), "{refused:?}");
        assert_eq!((spec.resource().spec.replicas, spec.generation()), (1, 1));
        spec.edit(&serde_json::json!({"replicas": 0, "client": {"enabled": false}})).expect("no client, no problem");
    }

    #[test]
    fn an_edit_on_the_page_goes_through_the_same_checks() {
        let (_dir, mut spec) = spec("{replicas: 3}");
        let refused = spec.edit(&serde_json::json!({"rateLimiter": {"requestsPerSecond": 0}})).expect_err("refused");
        assert!(refused[0].contains("spec.rateLimiter.requestsPerSecond"), "{refused:?}");
        assert!(!spec.differs_from_file());
        spec.edit(&serde_json::json!({"replicas": 2})).expect("valid");
        assert!(spec.differs_from_file());
        assert_eq!((spec.resource().spec.replicas, spec.generation()), (2, 2));
        save(&spec, "{replicas: 7}");
        spec.reread().expect("valid");
        assert!(!spec.differs_from_file(), "the file wins");
    }
}
