//! The layers, a file each. They are generic over request and reply, and refuse in `call`, never in `poll_ready`: an error there would tell
//! tower that the service is gone for good.

pub mod access_log;
pub mod breaker;
pub mod deadline;
pub mod fault;
pub mod metrics;
pub mod rate_limit;
pub mod receive;
pub mod recovery;
#[cfg(feature = "otlp")]
pub mod spans;
pub mod trace;
