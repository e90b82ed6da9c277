//! `user_info`: answers for users over gRPC and HTTP, through the stack of [`stack`].

mod acceptor;
mod app;
mod args;
mod capacity;
mod connection;
mod descriptors;
mod error;
pub mod grpc;
mod handler;
pub mod http;
mod listener;
mod metrics;
pub mod openapi;
mod preface;
mod request_body;
mod services;
pub mod stack;
mod worker;
mod write_timeout;

pub use app::run;
pub use args::{Args, Command};
pub use capacity::{Capacity, Reservation, ReservedBody};
pub use error::StartError;
pub use handler::handler;
pub use listener::Listeners;
pub use metrics::Metrics;
pub use stack::ServerStack;
