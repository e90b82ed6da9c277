//! From the spec to the services' config files: pure functions, the same for a laptop and a cluster.
//!
//! A file that its service would refuse is an error that names the field of the resource.

mod check;
mod hash;
mod origins;
mod target;
mod user_client;
mod user_info;

pub use check::check;
pub use hash::{config_hash, restart_hash};
pub use target::{ClientInstance, ManagedConsul, ManagedStore, Peers, ServerInstance, Target};
pub use user_client::user_client;
pub use user_info::user_info;

#[cfg(test)]
mod tests;
