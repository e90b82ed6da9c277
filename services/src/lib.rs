//! `user_info` and `user_client`, and the tower layers they are made of.
//!
//! The unit is the RPC: transports decode a request into a [`Call`], run one stack of layers around the typed call, and encode what comes
//! back. The layers are generic over request and reply, so other services can use them: `examples/health.rs` puts some in front of
//! another tonic service.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt};
//! use user_info_services::middleware::{recovery::RecoveryLayer, rate_limit::RateLimitLayer};
//! use user_info_services::{Call, Error, Kind};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = prometheus::Registry::new();
//! let service = ServiceBuilder::new()
//!     .layer(RateLimitLayer::new(&registry, "greeter", Default::default())?)
//!     .layer(RecoveryLayer::new(&registry, "greeter")?)
//!     .service_fn(async |call: Call<String>| Ok::<_, Error>(format!("hello {}", call.message)));
//! assert_eq!(service.oneshot(Call::new(Kind::Grpc, "/greeter.Greeter/Greet", "world".to_owned())).await?, "hello world");
//! # Ok(())
//! # }
//! ```

pub mod balance;
pub mod call;
pub mod client;
pub mod config;
pub mod data;
pub mod error;
pub mod metrics;
pub mod middleware;
mod nanos;
pub mod process;
pub mod protojson;
pub mod registry;
pub mod reload;
pub mod server;
mod shared;
pub mod signals;
mod stream;
pub mod telemetry;
pub mod tls;

pub use call::{Call, Kind};
pub use error::Error;
