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
pub(crate) use client::{builder, server_name, with_identity};
pub use error::TlsError;
pub(crate) use error::{is_about_certificate, is_certificate_error, tls_error};
pub(crate) use material::{authorities, certificates};
pub use metrics::TlsMetrics;
pub(crate) use server::H2;
pub use server::{TlsAcceptor, TlsAcceptorMetrics};

/// Ring, whatever the process's default is.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
