//! Container images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// A container image and how it is pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[
    ("!(has(self.tag) && has(self.digest))", "set tag or digest, not both"),
])))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Image {
    /// Repository, such as `user-info` or `registry.example.com/team/user-info`.
    #[schemars(length(min = 1, max = 256), regex(pattern = rules::REPOSITORY.0))]
    pub repository: String,
    /// Tag; the product's own version if neither tag nor digest is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = rules::TAG.0))]
    pub tag: Option<String>,
    /// Digest, instead of a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = rules::DIGEST.0))]
    pub digest: Option<String>,
    /// When the node asks the registry for the image.
    pub pull_policy: PullPolicy,
    /// Secrets with credentials for the registry, at most 8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub pull_secrets: Vec<ObjectName>,
}

impl Default for Image {
    fn default() -> Self {
        Self { repository: "user-info".to_owned(), tag: None, digest: None, pull_policy: PullPolicy::default(), pull_secrets: Vec::new() }
    }
}

impl Image {
    /// The reference to pull, with `registry` put before it.
    pub fn reference(&self, registry: Option<&str>) -> String {
        let version = match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("@{digest}"),
            (None, tag) => format!(":{}", tag.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"))),
        };
        let registry = registry.map(|r| format!("{}/", r.trim_end_matches('/'))).unwrap_or_default();
        format!("{registry}{}{version}", self.repository)
    }
}

/// When a node asks the registry for an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// At each start of a container.
    Always,
    /// When it does not have it.
    #[default]
    IfNotPresent,
    /// Not at all.
    Never,
}

/// The name of an object in the resource's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ObjectName {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME.0))]
    pub name: String,
}
