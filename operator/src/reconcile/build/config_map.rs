//! Config files, where pods find them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{Child, Plan};
use crate::kind::Kind;
use crate::names::{CONFIG_GENERATION, CONFIG_HASH, Component, USES};

/// The key that a component's file stands under.
pub(super) fn key(component: Component) -> String {
    format!("{}.yaml", component.program())
}

/// The config file of a component.
pub(super) fn build(plan: &Plan, component: Component) -> Child {
    let config = plan.config(component);
    let mut metadata = plan.owner.meta(plan.owner.object(component), component);
    let mut annotations = BTreeMap::from([
        (CONFIG_HASH.to_owned(), config.version.hash.clone()),
        (CONFIG_GENERATION.to_owned(), config.version.generation.to_string()),
    ]);
    let uses = plan.managed.names();
    if !uses.is_empty() {
        annotations.insert(USES.to_owned(), uses.join(","));
    }
    metadata.annotations = Some(annotations);
    let data = BTreeMap::from([(key(component), config.text.clone())]);
    Child::new(Kind::ConfigMap, &ConfigMap { metadata, data: Some(data), ..ConfigMap::default() })
}
