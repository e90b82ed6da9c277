//! `user_info` and `user_client`, and the tower layers they are made of.
//!
//! The unit is the RPC: transports decode a request into a [`Call`], run one stack of layers around the typed call, and encode what comes
//! back. The layers are generic over request and reply, so other services can use them.

pub mod balance;
pub mod call;
pub mod client;
pub mod config;
pub mod data;
pub mod error;
pub mod middleware;
pub mod protojson;
pub mod registry;
pub mod reload;
pub mod server;
pub mod signals;
pub mod telemetry;

pub use call::{Call, Kind};
pub use error::Error;
