//! What a resource would change of its Helm releases.

use std::collections::{BTreeMap, BTreeSet};

use kube::Client;
use serde_json::Value;
use user_info_api::crd::UserInfoDeployment;

use super::difference::differences;
use crate::addons::Addon;
use crate::error::Error;
use crate::helm::payload::Payload;
use crate::helm::revision::{Revision, Status};
use crate::names::Owner;
use crate::reconcile::provision::{Wanted, histories, payload};

/// The newest revision of a release, with what Helm has written down of it if that can be read.
#[derive(Debug, Clone)]
pub(super) struct StandingRelease {
    newest: Revision,
    payload: Option<Payload>,
}

/// The releases that stand under the names of those of `owner`.
pub(super) async fn standing(client: &Client, owner: &Owner) -> Result<BTreeMap<Addon, StandingRelease>, Error> {
    let mut all = BTreeMap::new();
    for (addon, mut history) in histories(client, owner).await? {
        if let Some(newest) = history.pop() {
            let payload = payload(client, owner, &newest.secret).await?;
            all.insert(addon, StandingRelease { newest, payload });
        }
    }
    Ok(all)
}

/// Where the operator in the cluster has itself scraped, as the values of Prometheus say: this process cannot know it otherwise.
pub(super) fn operator(standing: &BTreeMap<Addon, StandingRelease>) -> Option<&str> {
    standing.get(&Addon::Prometheus)?.payload.as_ref()?.config["targets"]["operator"].as_str().filter(|address| !address.is_empty())
}

/// A line for each release that would be installed, upgraded or removed, in the order in which that would be done.
pub(super) fn changes(
    live: Option<&UserInfoDeployment>,
    resource: &UserInfoDeployment,
    standing: &BTreeMap<Addon, StandingRelease>,
    wanted: &Wanted,
) -> Vec<String> {
    let owner = resource.metadata.name.as_deref().unwrap_or_default();
    let upgraded = Addon::ALL.into_iter().filter(|addon| addon.managed(&resource.spec)).filter_map(|addon| {
        let release = addon.release(owner);
        if let Some(lack) = wanted.complaints.get(&addon) {
            return Some(format!("would not install Helm release {release}: {}", lack.message));
        }
        let Some(found) = standing.get(&addon) else { return Some(format!("would install Helm release {release}")) };
        if found.newest.owner.as_deref() != Some(owner) {
            return Some(format!("would not install Helm release {release}: one of someone else stands in its place"));
        }
        let why = reasons(live, resource, addon, found, wanted);
        (!why.is_empty()).then(|| format!("would upgrade Helm release {release}: {}", why.join(", ")))
    });
    let removed = standing
        .iter()
        .rev()
        .filter(|(addon, found)| !addon.managed(&resource.spec) && found.newest.owner.as_deref() == Some(owner))
        .map(|(addon, _)| format!("would remove Helm release {}", addon.release(owner)));
    upgraded.chain(removed).collect()
}

/// What differs between a release and what is wanted of it. Values are named, not shown: they may come from a Secret.
fn reasons(
    live: Option<&UserInfoDeployment>,
    resource: &UserInfoDeployment,
    addon: Addon,
    found: &StandingRelease,
    wanted: &Wanted,
) -> Vec<String> {
    if found.newest.status != Status::Deployed {
        return vec!["its newest revision is not deployed".to_owned()];
    }
    let before = found.payload.as_ref().map_or(&Value::Null, |payload| &payload.config);
    let after = wanted.values.get(&addon).unwrap_or(&Value::Null);
    let paths: BTreeSet<_> =
        differences(before, after).iter().filter_map(|line| Some(format!("values.{}", line.split_once(": ")?.0))).collect();
    let elsewhere = live.is_some_and(|live| addon.settings(&live.spec).chart != addon.settings(&resource.spec).chart);
    elsewhere.then(|| "chart".to_owned()).into_iter().chain(paths).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::complaint::Complaint;
    use crate::reason::Reason;
    use crate::reconcile::validate::tests::resource;
    use serde_json::json;

    fn release(owner: &str, status: Status, config: Value) -> StandingRelease {
        let newest = Revision {
            number: 1,
            status,
            digest: None,
            owner: Some(owner.to_owned()),
            baseline: None,
            secret: String::new(),
            version: String::new(),
        };
        StandingRelease { newest, payload: Some(Payload { config, ..Payload::default() }) }
    }

    fn wanted(values: Value) -> Wanted {
        Wanted { values: BTreeMap::from([(Addon::Redis, values)]), ..Wanted::default() }
    }

    const NONE: &str = "consul: {mode: Disabled}, prometheus: {mode: Disabled}, grafana: {mode: Disabled}";

    #[test]
    fn each_release_that_would_change_has_a_line_without_its_values() {
        let redis = |more: &str| resource(&format!("{{addons: {{{NONE}}}, data: {{redis: {{mode: Managed{more}}}}}}}"));
        let (now, values) = (redis(""), json!({"maxMemory": "64mb", "auth": {"password": "hidden"}}));
        let stands = |status, config| BTreeMap::from([(Addon::Redis, release("demo", status, config))]);
        let deployed = stands(Status::Deployed, values.clone());
        assert_eq!(changes(None, &now, &BTreeMap::new(), &wanted(values.clone())), ["would install Helm release demo-redis"]);
        assert!(changes(Some(&now), &now, &deployed, &wanted(values.clone())).is_empty());
        let more = json!({"maxMemory": "65mb", "auth": {"password": "other"}});
        assert_eq!(
            changes(Some(&now), &now, &deployed, &wanted(more)),
            ["would upgrade Helm release demo-redis: values.auth.password, values.maxMemory"]
        );
        let elsewhere = redis(", chart: {source: OCI, url: 'oci://r/redis'}");
        assert_eq!(changes(Some(&now), &elsewhere, &deployed, &wanted(values.clone())), ["would upgrade Helm release demo-redis: chart"]);
        assert_eq!(
            changes(Some(&now), &now, &stands(Status::Failed, values.clone()), &wanted(values.clone())),
            ["would upgrade Helm release demo-redis: its newest revision is not deployed"]
        );
        let none = resource(&format!("{{addons: {{{NONE}}}}}"));
        assert_eq!(changes(Some(&now), &none, &deployed, &Wanted::default()), ["would remove Helm release demo-redis"]);
    }

    #[test]
    fn what_would_not_be_done_is_told_with_the_reason() {
        let redis = resource(&format!("{{addons: {{{NONE}}}, data: {{redis: {{mode: Managed}}}}}}"));
        let others = BTreeMap::from([(Addon::Redis, release("other", Status::Deployed, json!({})))]);
        assert_eq!(
            changes(None, &redis, &others, &wanted(json!({}))),
            ["would not install Helm release demo-redis: one of someone else stands in its place"]
        );
        let lack = Complaint { reason: Reason::SecretMissing, message: "Secret who does not exist".to_owned() };
        let lacking = Wanted { complaints: BTreeMap::from([(Addon::Redis, lack)]), ..Wanted::default() };
        assert_eq!(
            changes(None, &redis, &BTreeMap::new(), &lacking),
            ["would not install Helm release demo-redis: Secret who does not exist"]
        );
    }
}
