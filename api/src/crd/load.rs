//! Reads a `UserInfoDeployment` and says everything that is wrong with it, as an API server would and with the line in the file.

mod defaults;
mod document;
mod error;
mod path;
mod validate;

use kube::core::cel::{CompiledSchema, ValidationErrors, Validator, compile_schema};
use serde_json::Value;
use std::sync::LazyLock;

use self::document::YamlNode;
pub use self::error::{LoadError, Problem};
use self::path::Path;
use super::UserInfoDeployment;

/// Reads one resource in YAML or JSON. Defaults are filled in.
///
/// # Errors
///
/// All fields that are unknown, of the wrong type or out of range; if there are none, all rules that do not hold.
pub fn load(text: &str) -> Result<UserInfoDeployment, LoadError> {
    let document = YamlNode::parse(text)?;
    resource(document.to_value()).map_err(|error| error.locate(|path| document.line(path)))
}

impl LoadError {
    /// Finds the lines of the problems in `text`, which holds the resource.
    #[must_use]
    pub fn in_text(self, text: &str) -> Self {
        match YamlNode::parse(text) {
            Ok(document) => self.locate(|path| document.line(path)),
            Err(_) => self,
        }
    }
}

/// Reads one resource that is no text, as [`load`] does.
///
/// # Errors
///
/// As [`load`], without lines.
pub fn load_value(value: Value) -> Result<UserInfoDeployment, LoadError> {
    resource(value)
}

/// Changes `target` as `patch` says (JSON merge patch, RFC 7396): objects are merged, null removes, all else replaces.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge_patch(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

fn resource(mut value: Value) -> Result<UserInfoDeployment, LoadError> {
    identify(&value)?;
    let schema = super::schema();
    defaults::drop_nulls(schema, &mut value);
    let problems = validate::problems(schema, &value);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let value = kube::core::cel::apply_defaults(schema, &value);
    let broken = rules(&value, None);
    if !broken.is_empty() {
        return Err(broken.into());
    }
    serde_json::from_value(value).map_err(|error| Problem::new(Path::root(), error).into())
}

/// Every rule that `value` breaks, and every rule about changes if it is to take the place of `old`.
fn rules(value: &Value, old: Option<&Value>) -> Vec<Problem> {
    static RULES: LazyLock<CompiledSchema> = LazyLock::new(|| compile_schema(super::schema()));
    let broken = Validator::new().validate_compiled(&RULES, value, old).err().map(ValidationErrors::into_vec).unwrap_or_default();
    broken.into_iter().map(|error| Problem::new(Path::parse(&error.field_path), error.message)).collect()
}

/// Refuses what is not of our kind before its fields are judged, since none of them would be known.
fn identify(value: &Value) -> Result<(), LoadError> {
    use kube::Resource;

    let version = UserInfoDeployment::api_version(&());
    let kind = UserInfoDeployment::kind(&());
    let mut problems = Vec::new();
    if !value.is_object() {
        problems.push(Problem::new(Path::root(), format_args!("is not a resource; begin with apiVersion: {version} and kind: {kind}")));
        return Err(problems.into());
    }
    for (field, expected) in [("apiVersion", &*version), ("kind", &*kind)] {
        match value.get(field).and_then(Value::as_str) {
            Some(found) if found == expected => {}
            Some(found) => problems.push(Problem::new(Path::of(field), format_args!("{found:?} is not known here; write {expected}"))),
            None => problems.push(Problem::new(Path::of(field), format_args!("is missing; write {expected}"))),
        }
    }
    let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        problems.push(Problem::new(Path::of("metadata").field("name"), "is missing; give the resource a name"));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}

impl UserInfoDeployment {
    /// Every rule about changes, such as fields that cannot be changed, that `self` breaks if it takes the place of `old`.
    ///
    /// # Errors
    ///
    /// The rules that do not hold.
    pub fn check_change(&self, old: &Self) -> Result<(), LoadError> {
        let json = |resource: &Self| serde_json::to_value(resource).map_err(|error| Problem::new(Path::root(), error));
        let broken = rules(&json(self)?, Some(&json(old)?));
        if broken.is_empty() { Ok(()) } else { Err(broken.into()) }
    }
}

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
