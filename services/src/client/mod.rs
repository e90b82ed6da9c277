//! `user_client`: calls the service over and over, through the stack of [`stack`], and says how it goes.

mod app;
mod connection;
mod metrics;
mod options;
mod pacer;
pub mod report;
pub mod runner;
pub mod stack;
mod transport;

pub use app::{ClientError, once, run};
pub use connection::{Channel, Connection};
pub use metrics::register_metrics;
pub use options::Options;
pub use runner::Runner;
pub use stack::ClientStack;
pub use transport::{GetUserInfo, UNREACHABLE};

#[cfg(test)]
mod tests;
