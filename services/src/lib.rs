//! `user_info` and `user_client`.
//!
//! Transports decode a request into a [`Call`](user_info_layers::Call), run one stack of [layers](user_info_layers) around the typed call, and
//! encode what comes back. Which layers, and in what order, [`server::stack`] and [`client::stack`] say; the layers serve other services, too.

pub mod client;
pub mod collector;
pub mod config;
pub mod data;
pub mod error;
pub mod files;
pub mod process;
pub mod protojson;
pub mod registry;
pub mod reload;
pub mod server;
pub mod settings;
pub mod signals;
mod stream;
pub mod telemetry;
pub mod tls;
