//! The values that releases are installed with: pure functions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use user_info_api::crd::{AddonMode, ChartSource, SecretRef, UserInfoDeployment};

use super::addon::Addon;

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
    let spec = &resource.spec;
    let owner = resource.metadata.name.as_deref().unwrap_or_default();
    let settings = addon.settings(spec);
    let address = |other: Addon| before.get(&other).map(|values| format!("{}:{}", other.release(owner), port(other, values)));
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
    let own = match addon {
        Addon::MySql => {
            let mysql = &spec.data.mysql;
            json!({"database": mysql.database, "username": mysql.username, "auth": auth(mysql.secret_ref.as_ref())})
        }
        Addon::Redis => json!({"auth": auth(spec.data.redis.secret_ref.as_ref())}),
        Addon::Consul => json!({}),
        Addon::Prometheus => {
            let consul = before.get(&Addon::Consul);
            let token = consul.and_then(token);
            let discovery = consul.map_or_else(
                || json!({"mode": "Kubernetes"}),
                |_| json!({"mode": "Consul", "consul": {"address": address(Addon::Consul)}}),
            );
            let peers = consul.map(|values| format!("{}-peers:{}", Addon::Consul.release(owner), port(Addon::Consul, values)));
            let grafana = Addon::Grafana.managed(spec).then(|| format!("{}:{}", Addon::Grafana.release(owner), grafana_port(resource)));
            let mut own = json!({
                "discovery": discovery,
                "rules": {"enabled": spec.addons.prometheus.rules},
                "targets": {"consul": peers.unwrap_or_default(), "grafana": grafana.unwrap_or_default(), "operator": operator.unwrap_or_default()},
            });
            own["discovery"]["metricsPort"] = spec.server.metrics_port.unwrap_or_default().into();
            if let Some(token) = token {
                own["discovery"]["consul"]["tokenSecret"] = token.name.into();
                own["discovery"]["consul"]["tokenKey"] = token.key.unwrap_or_else(|| "token".to_owned()).into();
            }
            own
        }
        Addon::Grafana => {
            let grafana = &spec.addons.grafana;
            let external = spec.addons.prometheus.external.as_ref().filter(|_| spec.addons.prometheus.mode == AddonMode::External);
            let url = address(Addon::Prometheus)
                .map(|address| format!("http://{address}"))
                .or_else(|| external.map(|external| external.address.clone()));
            let secret = external.and_then(|external| external.secret_ref.as_ref());
            let bearer = secret.is_some_and(|secret| secret.key.as_deref() == Some("token"));
            json!({
                "admin": {"existingSecret": grafana.admin_secret_ref.as_ref().map(|secret| secret.name.as_str()).unwrap_or_default()},
                "prometheus": {
                    "url": url.unwrap_or_default(),
                    "credentialsSecret": secret.map(|secret| secret.name.as_str()).unwrap_or_default(),
                    "credentialsType": if bearer { "Bearer" } else { "Basic" },
                },
                "dashboards": {"enabled": grafana.dashboards.enabled, "folder": grafana.dashboards.folder},
            })
        }
    };
    merge(&mut values, &own);
    values
}

/// Whose password a store's chart takes; its own if the resource names none.
fn auth(secret: Option<&SecretRef>) -> Value {
    secret.map_or_else(|| json!({}), |secret| json!({"existingSecret": secret.name, "key": secret.key.as_deref().unwrap_or("password")}))
}

/// The port that values name, else the usual one.
pub fn port(addon: Addon, values: &Value) -> u16 {
    values["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(addon.default_port())
}

/// Grafana comes after Prometheus, so only its own values can be looked at.
fn grafana_port(resource: &UserInfoDeployment) -> u16 {
    port(Addon::Grafana, &Value::Object(resource.spec.addons.grafana.release.values.clone()))
}

/// The token that a Consul with these values asks for.
pub fn token(values: &Value) -> Option<SecretRef> {
    let acl = &values["acl"];
    let name = acl["existingSecret"].as_str().filter(|name| !name.is_empty())?;
    let key = acl["key"].as_str().map(str::to_owned);
    (acl["enabled"] == true).then(|| SecretRef { name: name.to_owned(), key })
}

#[cfg(test)]
mod tests;
