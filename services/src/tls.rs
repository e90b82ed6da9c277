//! TLS with certificates that are replaced while the services run.
//!
//! Certificates, keys and authorities come from files. Whenever one of them changes, all are read again: what fits together is used by the
//! next connection, what does not leaves the last good ones in use and says so. Connections that stand keep what they began with.

mod client;
mod doubts;
mod error;
mod key;
mod material;
mod metrics;
mod reload;
mod server;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use client::{Connector, client_config};
pub(crate) use client::{builder, client_refusals, server_name};
pub use error::TlsError;
pub(crate) use error::is_certificate_error;
pub(crate) use material::authorities;
pub use metrics::TlsMetrics;
pub(crate) use server::{H2, server_refusals};
pub use server::{TlsAcceptor, TlsAcceptorMetrics};

/// Ring, whatever the process's default is.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
