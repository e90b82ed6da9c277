//! What is wanted of releases, with what the resource refers to for that.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use serde_json::Value;
use user_info_api::crd::{ChartSource, UserInfoDeployment, ValuesFrom, ValuesKind};

use crate::addons::values;
use crate::addons::{Addon, Managed};
use crate::error::Error;
use crate::helm::chart::{Chart, Credentials, Embedded};
use crate::helm::complaint::Complaint;
use crate::helm::desired::Desired;
use crate::names::Owner;
use crate::reason::Reason;

/// What is wanted of releases.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Those that are wanted and have all that they need.
    pub desired: BTreeMap<Addon, Desired>,
    /// What the others lack.
    pub complaints: BTreeMap<Addon, Complaint>,
    /// The values of all that are wanted.
    pub values: BTreeMap<Addon, Value>,
    /// How the services reach them.
    pub managed: Managed,
}

impl Wanted {
    /// Digest of an addon's release; empty if it cannot be installed, or is not wanted.
    pub fn digest(&self, addon: Addon) -> &str {
        self.desired.get(&addon).map_or("", |desired| desired.digest.as_str())
    }
}

/// Looks up what is wanted of the releases of `resource`. Charts from elsewhere are taken only if `foreign`.
pub async fn wanted(
    client: &Client,
    resource: &UserInfoDeployment,
    charts: &Embedded,
    foreign: bool,
    operator: Option<&str>,
) -> Result<Wanted, Error> {
    let owner = Owner::of(&resource.metadata);
    let (mut given, mut complaints, mut credentials) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for addon in Addon::ALL.into_iter().filter(|addon| addon.managed(&resource.spec)) {
        let settings = addon.settings(&resource.spec);
        for (i, from) in settings.values_from.iter().enumerate() {
            match values_from(client, &owner, from).await? {
                Ok(values) => given.entry(addon).or_insert_with(Vec::new).extend(values),
                Err(why) => {
                    let message = format!("{}.valuesFrom[{i}]: {why}", addon.field());
                    complaints.insert(addon, Complaint { reason: Reason::ValuesMissing, message });
                }
            }
        }
        if settings.chart.source != ChartSource::Embedded && !foreign {
            complaints.insert(addon, switched_off(addon));
        } else if let Some(secret) = &settings.chart.secret_ref {
            match who(client, &owner, &secret.name).await? {
                Ok(who) => drop(credentials.insert(addon, who)),
                Err(why) => {
                    let message = format!("{}.chart.secretRef: {why}", addon.field());
                    complaints.insert(addon, Complaint { reason: Reason::SecretMissing, message });
                }
            }
        }
    }
    let values = values::all(resource, operator, &given);
    let mut desired = BTreeMap::new();
    for (addon, values) in values.iter().filter(|(addon, _)| !complaints.contains_key(addon)) {
        let settings = addon.settings(&resource.spec);
        let chart = Chart::new(*addon, &settings.chart, credentials.remove(addon), charts);
        desired.insert(*addon, Desired::new(*addon, chart, values.clone(), settings.timeout.get()));
    }
    Ok(Wanted { managed: Managed::new(&owner.name, &resource.spec, &values), desired, complaints, values })
}

fn switched_off(addon: Addon) -> Complaint {
    let field = addon.field();
    let message = format!(
        "{field}.chart: charts from elsewhere are switched off; leave {field}.chart out, or set charts.foreign: true in the values of the \
         operator's chart (--foreign-charts=true of the program). A release that is there stays as it is"
    );
    Complaint { reason: Reason::ChartForeign, message }
}

/// The values that an object holds; none if it may be missing and is. Else why there are none.
async fn values_from(client: &Client, owner: &Owner, from: &ValuesFrom) -> Result<Result<Option<Value>, String>, Error> {
    let (kind, name, key) = (format!("{:?}", from.kind), &from.name, &from.key);
    let text = match from.kind {
        ValuesKind::ConfigMap => {
            let objects: Api<ConfigMap> = Api::namespaced(client.clone(), &owner.namespace);
            objects.get_opt(name).await?.map(|object| object.data.unwrap_or_default().remove(key))
        }
        ValuesKind::Secret => {
            let objects: Api<Secret> = Api::namespaced(client.clone(), &owner.namespace);
            let object = objects.get_opt(name).await?;
            object.map(|object| Some(String::from_utf8_lossy(&object.data.unwrap_or_default().remove(key)?.0).into_owned()))
        }
    };
    Ok(match text {
        None | Some(None) if from.optional => Ok(None),
        None => Err(format!("{kind} {name} does not exist")),
        Some(None) => Err(format!("{kind} {name} has no key {key}")),
        Some(Some(text)) => parse(&text).map(Some).map_err(|why| format!("{kind} {name}, key {key}: {why}")),
    })
}

/// Values as YAML; nothing at all is no values.
fn parse(text: &str) -> Result<Value, String> {
    match serde_yaml::from_str::<Value>(text) {
        Ok(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
        Ok(values @ Value::Object(_)) => Ok(values),
        Ok(_) => Err("not a map of values".to_owned()),
        // A Secret's text is not to show up in a message.
        Err(_) => Err("not YAML".to_owned()),
    }
}

/// Who a Secret says one is; else what it lacks.
async fn who(client: &Client, owner: &Owner, name: &str) -> Result<Result<Credentials, String>, Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &owner.namespace);
    let Some(secret) = secrets.get_opt(name).await? else { return Ok(Err(format!("Secret {name} does not exist"))) };
    let data = secret.data.unwrap_or_default();
    let text = |key: &str| {
        let value = data.get(key).ok_or_else(|| format!("Secret {name} has no key {key}"))?;
        String::from_utf8(value.0.clone()).map_err(|_| format!("Secret {name}, key {key} is not text"))
    };
    Ok(text("username").and_then(|username| Ok(Credentials { username, password: text("password")? })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_a_map_in_yaml() {
        assert_eq!(parse("a: {b: 1}"), Ok(json!({"a": {"b": 1}})));
        assert_eq!(parse("# nothing\n"), Ok(json!({})));
        assert_eq!(parse("[1]"), Err("not a map of values".to_owned()));
        assert_eq!(parse("a: [secret"), Err("not YAML".to_owned()));
    }
}
