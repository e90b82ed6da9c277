//! The values that releases are installed with: pure functions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use user_info_api::crd::{ChartSource, UserInfoDeployment};

use super::Addon;
use super::profile::Inputs;

/// Puts `over` into `base`: objects are united, all else is replaced. A null stays, since Helm takes it as "without the chart's default".
pub fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// The values of all addons that are installed.
///
/// What the resource says in its own fields, then `given` (those of `valuesFrom`), then `values`, each winning over what came before. A chart from
/// elsewhere gets the latter two alone, since it has values of its own.
pub fn all(resource: &UserInfoDeployment, operator: Option<&str>, given: &BTreeMap<Addon, Vec<Value>>) -> BTreeMap<Addon, Value> {
    let mut all = BTreeMap::new();
    for addon in Addon::ALL.into_iter().filter(|addon| addon.managed(&resource.spec)) {
        let settings = addon.settings(&resource.spec);
        let mut values = match settings.chart.source {
            ChartSource::Embedded => base(addon, resource, operator, &all),
            ChartSource::Repository | ChartSource::Oci => Value::Object(Map::new()),
        };
        given.get(&addon).into_iter().flatten().for_each(|over| merge(&mut values, over));
        merge(&mut values, &Value::Object(settings.values.clone()));
        all.insert(addon, values);
    }
    all
}

/// What the resource's own fields make of the values of a chart that comes with the operator. `before` holds those of the addons that come
/// before it in their order.
fn base(addon: Addon, resource: &UserInfoDeployment, operator: Option<&str>, before: &BTreeMap<Addon, Value>) -> Value {
    let owner = resource.metadata.name.as_deref().unwrap_or_default();
    let mut values = common(addon, resource, owner);
    merge(&mut values, &(addon.profile().values)(&Inputs { resource, owner, operator, before }));
    values
}

/// The values that all charts have.
fn common(addon: Addon, resource: &UserInfoDeployment, owner: &str) -> Value {
    let spec = &resource.spec;
    let settings = addon.settings(spec);
    let mut values = json!({"instance": owner});
    if let Some(registry) = &spec.image_registry {
        values["imageRegistry"] = registry.as_str().into();
    }
    if !spec.image.pull_secrets.is_empty() {
        values["imagePullSecrets"] = spec.image.pull_secrets.iter().map(|secret| json!({"name": secret.name})).collect();
    }
    if let Some(persistence) = &settings.persistence {
        values["persistence"] = json!({
            "enabled": true,
            "size": persistence.size,
            "storageClass": persistence.storage_class.as_deref().unwrap_or_default(),
            "retain": settings.retain_data,
        });
    }
    values
}

#[cfg(test)]
mod tests;
