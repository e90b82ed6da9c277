//! `user_info`: answers for users over gRPC and HTTP, through the stack of [`stack`].

mod acceptor;
mod app;
mod args;
pub(crate) mod connection;
mod descriptors;
mod error;
pub mod grpc;
mod handler;
pub mod http;
mod incoming;
mod listener;
mod metrics;
pub mod openapi;
mod preface;
mod room;
mod services;
pub mod stack;
mod taken;
pub(crate) mod worker;

pub use app::run;
pub use args::{Args, Command};
pub use error::StartError;
pub use handler::handler;
pub use listener::Listeners;
pub use metrics::Metrics;
pub use room::{Held, Holding, Room};
pub use stack::ServerStack;
