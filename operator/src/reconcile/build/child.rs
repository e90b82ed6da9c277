//! One object to be applied.

use serde::Serialize;
use serde_json::Value;
use user_info_api::render::config_hash;

use crate::kind::Kind;
use crate::names::APPLIED_HASH;

/// One object to be applied: only the fields that the operator cares for.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Hash of `manifest` without the annotation that holds this hash.
    pub hash: String,
    /// The object, with `apiVersion` and `kind`.
    pub manifest: Value,
}

impl Child {
    /// An object of `kind` from its typed form.
    pub(super) fn new(kind: Kind, object: &impl Serialize) -> Self {
        let mut manifest = serde_json::to_value(object).expect("objects are plain data with texts for keys, which always have a JSON form");
        let resource = kind.resource();
        manifest["apiVersion"] = resource.api_version.into();
        manifest["kind"] = resource.kind.into();
        let hash = config_hash(&manifest);
        manifest["metadata"]["annotations"][APPLIED_HASH] = hash.as_str().into();
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        Self { kind, name, hash, manifest }
    }
}
