//! Tower layers around calls: they count, log, limit, refuse, retry and balance them, and know nothing of what is called.
//!
//! The unit is the RPC. A transport makes a [`Call`] of a request, runs it through a stack of layers, and encodes what comes back: a reply, or
//! an [`Error`], which has the form of Go-Kratos on the wire. The layers are generic over request and reply, and may be used one by one.
//!
//! This puts a limiter, a breaker and a balancer before a service of tonic, here gRPC's health:
//!
//! ```
//! use std::sync::Arc;
//! use tokio::time::Instant;
//! use tonic::transport::Channel;
//! use tonic_health::pb::{HealthCheckRequest as Ask, HealthCheckResponse as Answer, health_client::HealthClient};
//! use tower::{Service, ServiceBuilder};
//! use user_info_layers::middleware::{breaker, breaker::BreakerLayer, rate_limit::RateLimitLayer, rate_limit::TokenBucket};
//! use user_info_layers::{Call, Error, Kind, balance::*, ticker::Ticker};
//!
//! /// A connection that tonic makes when it is needed.
//! struct Lazy(HealthClient<Channel>);
//!
//! impl Connection for Lazy {
//!     fn state(&self) -> ConnectionState {
//!         ConnectionState::Up
//!     }
//!     fn suspect(&self) {}
//! }
//!
//! struct Check;
//!
//! impl Transport<Ask> for Check {
//!     type Connection = Lazy;
//!     type Reply = Answer;
//!     async fn send(&self, to: &Lazy, call: &Call<Ask>) -> Result<Answer, Failure> {
//!         let reply = to.0.clone().check(call.to_grpc(Instant::now())).await;
//!         reply.map(tonic::Response::into_inner).map_err(|status| Failure::answered(Error::from(&status)))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?.to_string();
//! # let server = tonic::transport::Server::builder().add_service(tonic_health::server::health_reporter().1);
//! # tokio::spawn(server.serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)));
//! let registry = prometheus::Registry::new();
//! let limit = RateLimitLayer::new(&registry, "health", Default::default())?;
//! limit.configure(Some(TokenBucket { requests_per_second: 1, ..TokenBucket::default() }.into()));
//! let breaker = BreakerLayer::new(breaker::BreakerSettings::default(), breaker::BreakerMetrics::new(&registry, "health")?);
//! let connect = |address: &str| Lazy(HealthClient::new(Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy()));
//! let metrics = InstanceMetrics::new(&registry, "health")?;
//! let nodes = Arc::new(NodeSet::new(OutlierEjection::default(), metrics, Staleness::default(), connect));
//! nodes.update(&[Endpoint { address, weight: 100 }], Instant::now()); // whenever discovery has news
//! let ticker = Ticker::default();
//! tokio::spawn(ticker.clone().run()); // ends calls that outlive their deadline
//! let balance = Balance::new(nodes, Check, LoadBalancing::P2C, Retries::default(), ticker);
//!
//! let mut check = ServiceBuilder::new().layer(limit).layer(breaker).service(balance);
//! let ask = || Call::new(Kind::Grpc, "/grpc.health.v1.Health/Check", Ask::default());
//! assert_eq!(check.call(ask()).await?.status, 1);
//! assert_eq!(check.call(ask()).await, Err(Error::RATELIMIT));
//! # Ok(())
//! # }
//! ```
//!
//! In a server the same layers go around a handler, and [`Call::from_grpc`] makes the call in the method of tonic's trait: see
//! `examples/health.rs`.

pub mod balance;
pub mod call;
pub mod error;
pub mod guard;
pub mod middleware;
pub mod room;
pub mod shared;
mod sync;
pub mod ticker;
mod time;

pub use call::{Call, Kind};
pub use error::Error;
pub use user_info_metrics as metrics;
