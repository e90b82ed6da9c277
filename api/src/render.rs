//! From the spec to the services' config files: pure functions, the same for a laptop and a cluster.

mod hash;
mod target;
mod user_client;
mod user_info;

pub use hash::{config_hash, restart_hash};
pub use target::{ClientInstance, ManagedConsul, ManagedStore, Peers, ServerInstance, Target};
pub use user_client::user_client;
pub use user_info::user_info;

#[cfg(test)]
mod tests;
