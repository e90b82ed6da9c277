//! Why `user_client` cannot start.

use crate::collector::CollectorError;
use crate::config::{EXIT_CONFIG, EXIT_UNAVAILABLE};
use crate::process::BindError;
use crate::registry::SetupError;
use crate::tls::TlsError;

/// Why a client cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings of discovery or of the registry cannot be used.
    #[error(transparent)]
    Registry(#[from] SetupError),
    /// The TLS settings cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Traces cannot be exported as the configuration asks.
    #[error(transparent)]
    Collector(#[from] CollectorError),
    /// The admin listener cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Two metrics have the same name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The system refuses something.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

impl StartError {
    /// Exit code: 64 if the configuration has to be changed, 69 (`EX_UNAVAILABLE`) if something is missing that may come.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Registry(_) | Self::Tls(_) | Self::Collector(_) => EXIT_CONFIG,
            Self::Bind(_) | Self::Metrics(_) | Self::System(_) => EXIT_UNAVAILABLE,
        }
    }
}
