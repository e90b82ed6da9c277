//! What a process has whichever service it runs: listeners, admin endpoints, readiness, a place in the registry.

pub mod admin;
mod bind;
pub mod readiness;
pub mod running_registrar;

pub use bind::{BindError, bind};
