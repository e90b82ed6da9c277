//! The collector that spans are sent to, and in whose name.

use std::time::Duration;

use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use user_info_api::config::{Service, Tracing};
use user_info_layers::middleware::spans::{Export, SpanError};

use crate::dial::HttpDialer;
use crate::tls::{self, TlsError};

/// Longest time to find an address of the collector that takes a connection, and to shake hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time that the collector may take for a batch. One that takes it and never answers would hold up the export for good.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is gone without a word is noticed so much later at most. Servers of grpc-go end connections that ask more often.
const KEEP_ALIVE: Duration = Duration::from_secs(300);

/// Where the settings stand in the config file.
const SECTION: &str = "tracing";

/// Traces cannot be exported as the configuration asks.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// Nobody can be reached at such an address.
    #[error("tracing.otlpEndpoint: {address:?}: {problem}; give a URL, such as http://127.0.0.1:4317")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        problem: tonic::transport::Error,
    },
    /// The authorities cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The environment asks for what there is not.
    #[error("tracing: {0}")]
    Spans(#[from] SpanError),
}

/// A connection to the collector that `tracing` names, made when it is needed; none if it names none.
///
/// With `https://` the collector has to show a certificate of the authorities in `caFile`, by default of a public one.
///
/// # Errors
/// If the settings cannot be used.
///
/// # Panics
/// Outside a tokio runtime.
pub fn channel(tracing: &Tracing) -> Result<Option<Channel>, CollectorError> {
    let Some(address) = &tracing.otlp_endpoint else { return Ok(None) };
    let unusable = |problem| CollectorError::Address { address: address.clone(), problem };
    let endpoint = Endpoint::from_shared(address.clone()).map_err(unusable)?;
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).http2_keep_alive_interval(KEEP_ALIVE);
    let endpoint = if endpoint.uri().scheme_str() == Some("https") {
        let tls = match &tracing.ca_file {
            None => ClientTlsConfig::new().with_webpki_roots(),
            Some(file) => ClientTlsConfig::new().trust_anchors(tls::authorities(SECTION, "caFile", file)?.roots),
        };
        endpoint.tls_config(tls).map_err(unusable)?
    } else {
        endpoint
    };
    Ok(Some(endpoint.connect_with_connector_lazy(HttpDialer::new(CONNECT_TIMEOUT))))
}

/// What is sent to the `collector`, if there is one: a share of the calls, in the name of this `instance` of the service. A service whose
/// version is not configured has the program's.
pub fn export(collector: Option<Channel>, tracing: &Tracing, service: &Service, instance: &str) -> Option<Export> {
    let version = if service.version.is_empty() { env!("CARGO_PKG_VERSION") } else { &service.version };
    collector.map(|collector| Export {
        collector,
        percentage: tracing.percentage,
        service: service.name.clone(),
        version: version.to_owned(),
        instance: instance.to_owned(),
    })
}
