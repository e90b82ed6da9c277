//! Configuration of `user_info` and `user_client`: what their config files hold.
//!
//! One struct a subsystem. What stands under `live` may change while the service runs; all else takes a restart.

mod balancer;
mod breaker;
mod check;
mod data;
mod fault;
mod limiter;
mod live;
mod log;
mod mysql_tls;
mod registry;
mod server;
mod tls;
mod user_client;
mod user_info;

pub use balancer::{LoadBalancing, OutlierEjection, Retries};
pub use breaker::{BreakerMode, CircuitBreaker};
pub use check::{Check, Violation, Violations};
pub use data::{MySql, Redis, Sqlite, Users, Views};
pub use fault::{Abort, Delay, FaultInjection, rfc3339};
pub use limiter::{Algorithm, ClientLimit, RateLimiter, Scope};
pub use live::{Config, split};
pub use log::{Log, LogFormat, LogLevel};
pub use mysql_tls::{MySqlTls, MySqlTlsMode};
pub use registry::{Consul, Registry};
pub use server::{Listener, Server, Service, Tracing};
pub use tls::{ClientTls, ServerTls};
pub use user_client::{Discovery, Dns, UserClientConfig, UserClientLive};
pub use user_info::{UserInfoConfig, UserInfoLive};
