//! The numbers of workloads.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};

/// The numbers of a workload, or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workload {
    /// Whether the numbers are those of the newest template.
    pub current: bool,
    /// Pods there are to be.
    pub desired: i32,
    /// Pods there are.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods made from the newest template.
    pub updated: i32,
    /// Pods that have been ready for a while.
    pub available: i32,
}

impl Workload {
    /// The numbers of a Deployment.
    pub fn of(deployment: &Deployment) -> Self {
        let status = deployment.status.clone().unwrap_or_default();
        Self {
            current: status.observed_generation >= deployment.metadata.generation,
            desired: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            replicas: status.replicas.unwrap_or_default(),
            ready: status.ready_replicas.unwrap_or_default(),
            updated: status.updated_replicas.unwrap_or_default(),
            available: status.available_replicas.unwrap_or_default(),
        }
    }

    /// The numbers of a `StatefulSet`.
    pub fn of_set(set: &StatefulSet) -> Self {
        let status = set.status.clone().unwrap_or_default();
        let desired = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        Self {
            current: status.observed_generation >= set.metadata.generation,
            desired,
            replicas: status.replicas,
            ready: status.ready_replicas.unwrap_or_default(),
            // While nothing is being replaced, the field is left out.
            updated: if status.current_revision == status.update_revision {
                status.replicas
            } else {
                status.updated_replicas.unwrap_or_default()
            },
            available: status.available_replicas.unwrap_or_default(),
        }
    }

    /// Adds the numbers of another workload.
    pub fn add(&mut self, other: &Self) {
        self.current = self.current && other.current;
        self.desired += other.desired;
        self.replicas += other.replicas;
        self.ready += other.ready;
        self.updated += other.updated;
        self.available += other.available;
    }

    /// Whether all pods there are to be are ready, from the newest template, and alone.
    pub fn settled(&self) -> bool {
        self.current && [self.replicas, self.ready, self.updated, self.available].iter().all(|count| *count == self.desired)
    }

    /// Whether as many pods are ready as there are to be.
    pub fn up(&self) -> bool {
        self.ready >= self.desired
    }
}
