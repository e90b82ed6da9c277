//! `user_client`: calls the service over and over, through the stack of [`stack`], and says how it goes.

mod app;
mod args;
mod connection;
mod error;
mod metrics;
mod pacer;
pub mod report;
pub mod runner;
pub mod stack;
mod transport;

pub use app::{once, run};
pub use args::{Args, Command};
pub use connection::{Channel, InstanceConnection};
pub use error::StartError;
pub use metrics::Metrics;
pub use runner::Runner;
pub use stack::{ClientStack, StackMetrics};
pub use transport::GetUserInfo;

#[cfg(test)]
mod tests;
