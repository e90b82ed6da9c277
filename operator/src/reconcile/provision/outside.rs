//! What a release has outside of its namespace. It outlives the namespace, with which Helm's own record of it goes.

use std::collections::BTreeMap;

use kube::Client;
use serde_json::Value;

use crate::discovery;
use crate::error::Error;
use crate::kind::Kind;

/// Objects that are named at the most: the list stands in the status.
const MOST: usize = 64;

/// An object of a manifest.
#[derive(Debug, PartialEq, Eq)]
struct Object {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

/// The objects of `manifest` that are not in `namespace`, as `Kind name`, or `Kind namespace/name` where they are in another one.
pub(super) async fn outside(client: &Client, namespace: &str, manifest: &str) -> Result<Vec<String>, Error> {
    let mut asked: BTreeMap<(String, String), bool> = BTreeMap::new();
    let mut found = Vec::new();
    for object in objects(manifest) {
        let Object { api_version, kind, namespace: elsewhere, name } = object;
        let ours = Kind::RELEASED.into_iter().map(Kind::resource).any(|known| known.kind == kind && known.api_version == api_version);
        let namespaced = if ours {
            true
        } else {
            let key = (api_version, kind.clone());
            match asked.get(&key) {
                Some(known) => *known,
                None => {
                    let namespaced = discovery::namespaced(client, &key.0, &key.1).await?;
                    *asked.entry(key).or_insert(namespaced)
                }
            }
        };
        match elsewhere.filter(|_| namespaced) {
            None if namespaced => {}
            None => found.push(format!("{kind} {name}")),
            Some(elsewhere) if elsewhere == namespace => {}
            Some(elsewhere) => found.push(format!("{kind} {elsewhere}/{name}")),
        }
    }
    found.sort();
    found.truncate(MOST);
    Ok(found)
}

/// The objects of a manifest; what is none is passed over.
fn objects(manifest: &str) -> Vec<Object> {
    let documents = serde_yaml::from_multiple::<Value>(manifest)
        .inspect_err(|error| tracing::warn!(%error, "the manifest of a release cannot be read"))
        .unwrap_or_default();
    documents.iter().flat_map(listed).filter_map(object).collect()
}

/// A document, or what it lists.
fn listed(document: &Value) -> Vec<&Value> {
    match document["items"].as_array() {
        Some(items) if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items.iter().collect(),
        _ => vec![document],
    }
}

fn object(document: &Value) -> Option<Object> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Object {
        api_version: text(&document["apiVersion"])?,
        kind: text(&document["kind"])?,
        namespace: text(&document["metadata"]["namespace"]),
        name: text(&document["metadata"]["name"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_its_objects() {
        let manifest = "---\n# Source: x/a.yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: x}\n---\n# nothing\n---\n\
                        apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: ns}}]\n";
        let one = |api_version: &str, kind: &str, namespace: Option<&str>, name: &str| Object {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        assert_eq!(
            objects(manifest),
            [one("rbac.authorization.k8s.io/v1", "ClusterRole", None, "x"), one("v1", "Secret", Some("ns"), "s")]
        );
        for nothing in ["", "7", "[1]", "kind: [", "{kind: X}", "---\n---\n"] {
            assert_eq!(objects(nothing), [], "{nothing}");
        }
    }
}
