//! The revisions of releases, as Helm keeps them: a Secret each, whose labels say all that decides what is to be done.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names::{BASELINE, DIGEST, OWNER};

/// How far Helm came with a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is what stands in the cluster.
    Deployed,
    /// A newer one has taken its place.
    Superseded,
    /// Helm gave up on it.
    Failed,
    /// Helm is at work on it, or was when it was killed.
    Pending,
    /// Helm is removing the release, or was when it was killed.
    Uninstalling,
    /// The release was removed and its history kept.
    Uninstalled,
    /// Anything else that a later Helm may know.
    Unknown,
}

impl From<&str> for Status {
    fn from(text: &str) -> Self {
        match text {
            "deployed" => Self::Deployed,
            "superseded" => Self::Superseded,
            "failed" => Self::Failed,
            "pending-install" | "pending-upgrade" | "pending-rollback" => Self::Pending,
            "uninstalling" => Self::Uninstalling,
            "uninstalled" => Self::Uninstalled,
            _ => Self::Unknown,
        }
    }
}

/// One revision of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number, from 1.
    pub number: u32,
    /// How far Helm came with it.
    pub status: Status,
    /// Digest of chart, values and flags that it was made from; none if the operator did not make it.
    pub digest: Option<String>,
    /// Name of the resource that it belongs to; none if the operator did not make it.
    pub owner: Option<String>,
    /// How its objects were left, see [`super::drift`].
    pub baseline: Option<String>,
    /// Name of its Secret.
    pub secret: String,
    /// Version of its Secret, to tell whether Helm is still at work.
    pub version: String,
}

impl Revision {
    /// What the metadata of a Secret say, with the release's name; none if it is not a revision's.
    pub fn of(meta: &ObjectMeta) -> Option<(String, Self)> {
        let labels = meta.labels.as_ref()?;
        let label = |key: &str| labels.get(key).map(String::as_str);
        let revision = Self {
            number: label("version")?.parse().ok()?,
            status: label("status")?.into(),
            digest: label(DIGEST).map(str::to_owned),
            owner: label(OWNER).map(str::to_owned),
            baseline: meta.annotations.as_ref().and_then(|all| all.get(BASELINE)).cloned(),
            secret: meta.name.clone()?,
            version: meta.resource_version.clone().unwrap_or_default(),
        };
        let release = label("name").filter(|_| label("owner") == Some("helm"))?;
        // Anyone can put labels on a Secret; one that is called otherwise is not what Helm would read.
        (revision.secret == format!("sh.helm.release.v1.{release}.v{}", revision.number)).then(|| (release.to_owned(), revision))
    }
}

/// The revisions of each release among the Secrets of a list, oldest first. What is no revision is passed over.
pub fn histories<'a>(secrets: impl IntoIterator<Item = &'a ObjectMeta>) -> BTreeMap<String, Vec<Revision>> {
    let mut all: BTreeMap<String, Vec<Revision>> = BTreeMap::new();
    for (release, revision) in secrets.into_iter().filter_map(Revision::of) {
        all.entry(release).or_default().push(revision);
    }
    all.values_mut().for_each(|history| history.sort_by_key(|revision| revision.number));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(labels: &serde_json::Value) -> ObjectMeta {
        let text = |key: &str| labels[key].as_str().unwrap_or_default();
        let name = format!("sh.helm.release.v1.{}.v{}", text("name"), text("version"));
        serde_json::from_value(json!({"name": name, "resourceVersion": "7", "labels": labels})).expect("metadata")
    }

    #[test]
    fn labels_say_what_a_revision_is() {
        let labels = |version: &str, status: &str| {
            secret(&json!({"owner": "helm", "name": "demo-redis", "version": version, "status": status,
                          "userinfo.bbs.dev/digest": "d", "userinfo.bbs.dev/owner": "demo"}))
        };
        let all = histories(&[labels("10", "pending-upgrade"), labels("9", "deployed"), labels("8", "superseded")]);
        let found: Vec<_> = all["demo-redis"].iter().map(|revision| (revision.number, revision.status)).collect();
        assert_eq!(found, [(8, Status::Superseded), (9, Status::Deployed), (10, Status::Pending)]);
        assert_eq!(all["demo-redis"][0].owner.as_deref(), Some("demo"));
    }

    #[test]
    fn what_is_no_revision_is_passed_over() {
        for labels in [
            json!(null),
            json!({}),
            json!({"owner": "helm", "name": "x", "status": "deployed"}),
            json!({"owner": "helm", "name": "x", "status": "deployed", "version": "-1"}),
            json!({"owner": "helm", "name": "x", "status": "deployed", "version": "99999999999999999999"}),
            json!({"owner": "someone", "name": "x", "status": "deployed", "version": "1"}),
            json!({"owner": "helm", "status": "deployed", "version": "1"}),
        ] {
            assert_eq!(histories(&[secret(&labels)]), BTreeMap::new(), "{labels}");
        }
        assert_eq!(histories(&[ObjectMeta::default()]), BTreeMap::new());
        let mut other = secret(&json!({"owner": "helm", "name": "demo-redis", "status": "pending-install", "version": "1"}));
        assert_eq!(histories(&[other.clone()]).len(), 1);
        other.name = Some("password".to_owned());
        assert_eq!(histories(&[other]), BTreeMap::new(), "a Secret that only has the labels");
        assert_eq!(Status::from("pending-purge"), Status::Unknown);
    }
}
