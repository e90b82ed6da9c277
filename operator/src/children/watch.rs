//! The watch of one kind of child.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};

use super::Children;
use crate::kind::Kind;
use crate::resource::Watched;

/// Objects in one page of the list that a watch begins with. A page is in memory as a whole, with the many fields that managers own, and the
/// lists of all kinds come in at the same time.
const PAGE: u32 = 50;

/// Follows the objects of `kind` that `selector` selects, keeps `children` up to date, and yields the resources they belong to.
/// Begins when `known` does: before, the cluster may not have the kind.
pub fn watch(
    client: &Client,
    kind: Kind,
    selector: &str,
    namespace: Option<String>,
    children: Arc<Children>,
    known: impl Future<Output = ()> + Send + 'static,
) -> impl Stream<Item = ObjectRef<Watched>> + Send + 'static {
    let api = kind.metadata(client, namespace.as_deref());
    let config = Config::default().labels(selector).page_size(PAGE);
    let mut list = List { kind, namespace, children, names: HashSet::new(), first: true };
    stream::once(known).flat_map(move |()| watcher(api.clone(), config.clone()).default_backoff()).flat_map(move |event| {
        let owners = match event {
            Ok(event) => list.take(event),
            Err(error) => {
                tracing::warn!(kind = kind.name(), %error, "the watch broke off; it begins anew");
                Vec::new()
            }
        };
        stream::iter(owners.into_iter().map(|(namespace, name)| ObjectRef::new(&name).within(&namespace)))
    })
}

/// The list that a watch begins with, as it comes in.
struct List {
    kind: Kind,
    namespace: Option<String>,
    children: Arc<Children>,
    names: HashSet<(String, String)>,
    first: bool,
}

impl List {
    /// Namespaces and names of the resources whose children an event concerns.
    fn take(&mut self, event: Event<PartialObjectMeta<DynamicObject>>) -> Vec<(String, String)> {
        match event {
            Event::Init => {
                self.names.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.names.insert((object.namespace().unwrap_or_default(), object.name_any()));
                self.note(&object)
            }
            Event::InitDone => {
                if std::mem::take(&mut self.first) && self.kind != Kind::ServiceMonitor {
                    self.children.list_done();
                }
                self.children.retain(self.kind, self.namespace.as_deref(), &std::mem::take(&mut self.names))
            }
            Event::Apply(object) => self.note(&object),
            Event::Delete(object) => within(&object, self.children.forget(self.kind, &object.metadata)),
        }
    }

    fn note(&self, object: &PartialObjectMeta<DynamicObject>) -> Vec<(String, String)> {
        within(object, self.children.note(self.kind, &object.metadata))
    }
}

fn within(object: &PartialObjectMeta<DynamicObject>, owners: Vec<String>) -> Vec<(String, String)> {
    let namespace = object.namespace().unwrap_or_default();
    owners.into_iter().map(|owner| (namespace.clone(), owner)).collect()
}
