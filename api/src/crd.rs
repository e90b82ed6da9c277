//! The `UserInfoDeployment` resource: what a person writes to run the whole system.
//!
//! The types here are the one source of the custom resource definition: its defaults, limits and rules, in a cluster and offline alike.

mod addons;
mod autoscaling;
mod client;
mod data;
mod definition;
mod faults;
mod image;
mod load;
mod release;
pub(crate) mod rules;
mod scheduling;
mod server;
mod spec;
mod status;
mod tls;
mod tracing;

pub use addons::{AddonMode, Addons, Consul, Dashboards, External, ExternalConsul, Grafana, Prometheus, ServiceMonitor};
pub use autoscaling::{Autoscaling, AutoscalingMode};
pub use client::Client;
pub use data::{Data, MySql, MySqlTls, Redis, StoreMode};
pub use definition::{definition, schema};
pub use faults::FaultInjection;
pub use image::{Image, ObjectName, PullPolicy};
pub use load::{LoadError, Problem, load, load_value, merge_patch};
pub use release::{Chart, ChartSource, Persistence, Release, SecretRef, ValuesFrom, ValuesKind};
pub use scheduling::{Disruption, NetworkPolicy, PodTemplate, Scheduling};
pub use server::Server;
pub use spec::{DeletionPolicy, DriftDetection, Operation, UserInfoDeployment, UserInfoDeploymentSpec};
pub use status::{AddonPhase, AddonStatus, Applied, Endpoints, Faults, UserInfoDeploymentStatus};
pub use tls::{ClientTls, ServerTls};
pub use tracing::Tracing;

#[cfg(test)]
mod tests;
