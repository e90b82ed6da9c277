//! Why `user_info` cannot start.

use crate::collector::CollectorError;
use crate::config::{EXIT_CONFIG, EXIT_UNAVAILABLE};
use crate::data::ConnectError;
use crate::process::BindError;
use crate::registry::SetupError;
use crate::tls::TlsError;

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A store refuses what the configuration says of it.
    #[error(transparent)]
    Store(#[from] ConnectError),
    /// The TLS settings cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The registry's settings cannot be used.
    #[error(transparent)]
    Registry(#[from] SetupError),
    /// Traces cannot be exported as the configuration asks.
    #[error(transparent)]
    Collector(#[from] CollectorError),
    /// Two metrics of the same name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The protocol's descriptors cannot be read.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The system refuses a thread or a socket.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// A worker ended before it served.
    #[error("a worker ended before it served; its panic stands in the log")]
    Worker,
}

impl StartError {
    /// Exit code: 64 if the configuration has to be changed, 69 if something is missing that may come.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Store(ConnectError::Configuration(_)) | Self::Registry(_) | Self::Collector(_) | Self::Tls(_) => EXIT_CONFIG,
            _ => EXIT_UNAVAILABLE,
        }
    }
}
