//! The JSON of the part of Consul's HTTP API that is spoken here, field for field.
//!
//! The services write registrations and read health answers; the embedded registry of `user-info-local` reads the same registrations. Both
//! use these types. As in Go, a field that is left out is empty or zero, and an empty list or map may be `null`.

mod agent;
mod check;
mod duration;
mod health;
mod read;
mod registration;

pub use agent::{AgentConfig, AgentSelf, CatalogDeregistration};
pub use check::{CheckDefinition, CheckStatus, CheckUpdate};
pub use duration::GoDuration;
pub use health::{HealthEntry, HealthNode, HealthService};
pub use registration::{Registration, TaggedAddress, Weights};
