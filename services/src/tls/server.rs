//! The side that is called.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use user_info_api::config::ServerTls;
use user_info_layers::metrics::Register;

use super::doubts::{self, Side};
use super::material::{self, Identity, unusable};
use super::reload::{Loaded, Reloading};
use super::{TlsError, TlsMetrics, key};

/// Longest time a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Where the settings stand in the config file.
const SECTION: &str = "server.tls";
/// HTTP/2, in the words of ALPN.
pub(crate) const H2: &[u8] = b"h2";
/// HTTP/1.1, in the words of ALPN.
const HTTP_1_1: &[u8] = b"http/1.1";

/// What is counted of handshakes and certificates.
#[derive(Debug, Clone)]
pub struct TlsAcceptorMetrics {
    certificates: TlsMetrics,
    failures: IntCounter,
}

impl TlsAcceptorMetrics {
    /// Registers the metrics, their names beginning with `prefix`.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        let failures = "Connections refused in the TLS handshake: plaintext, no certificate that is trusted, or too slow.";
        let failures = registry.counter(format!("{prefix}_tls_handshake_failures_total"), failures)?;
        Ok(Self { certificates: TlsMetrics::new(registry, prefix)?, failures })
    }
}

/// Makes TLS connections of those accepted.
#[derive(Debug)]
pub struct TlsAcceptor {
    configs: Reloading<Configs>,
    failures: IntCounter,
}

/// The same certificate for both protocols.
struct Configs {
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
}

impl TlsAcceptor {
    /// Reads the files that `tls` names.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn open(tls: &ServerTls, metrics: TlsAcceptorMetrics) -> Result<Self, TlsError> {
        let files: Vec<PathBuf> = [&tls.cert_file, &tls.key_file].into_iter().chain(&tls.client_ca_file).cloned().collect();
        let tls = tls.clone();
        let configs = Reloading::open(files, move || load(&tls), metrics.certificates)?;
        Ok(Self { configs, failures: metrics.failures })
    }

    /// Follows the files for ever.
    pub async fn follow(&self) {
        self.configs.follow().await;
    }

    /// Shakes hands with a caller of gRPC.
    ///
    /// # Errors
    /// If the caller does not speak TLS, shows no certificate that is trusted where one is asked for, or takes too long.
    pub async fn grpc(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.accept(Arc::clone(&self.configs.current().grpc), stream).await
    }

    /// Shakes hands with a caller of HTTP.
    ///
    /// # Errors
    /// As for [gRPC](Self::grpc).
    pub async fn http(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.accept(Arc::clone(&self.configs.current().http), stream).await
    }

    async fn accept(&self, config: Arc<ServerConfig>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let accepted = tokio::time::timeout(HANDSHAKE, tokio_rustls::TlsAcceptor::from(config).accept(stream)).await;
        let accepted = accepted.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time")));
        accepted.inspect_err(|_| self.failures.inc())
    }
}

/// What the start would refuse of `tls`: each file that is of no use by itself, or that they do not fit together.
pub(crate) fn server_refusals(tls: &ServerTls) -> Vec<TlsError> {
    let client_ca = tls.client_ca_file.as_ref().and_then(|file| material::authorities(SECTION, "clientCaFile", file).err());
    let certificate = material::certificates(SECTION, "certFile", &tls.cert_file).err();
    let found: Vec<_> = [certificate, key::read(SECTION, &tls.key_file).err(), client_ca].into_iter().flatten().collect();
    if found.is_empty() { load(tls).err().into_iter().collect() } else { found }
}

fn load(tls: &ServerTls) -> Result<Loaded<Configs>, TlsError> {
    let identity = Identity::read(SECTION, &tls.cert_file, &tls.key_file)?;
    let validity = identity.validity();
    doubts::warn(SECTION, &tls.cert_file, &identity.chain, Side::Server);
    let provider = super::provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(SECTION, &e))?;
    let builder = match &tls.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(material::authorities(SECTION, "clientCaFile", path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| unusable(SECTION, &format!("clientCaFile: {e}")))?)
        }
    };
    let mut http = builder
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| material::unfit(SECTION, &tls.cert_file, &tls.key_file, &error))?;
    http.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    let mut grpc = http.clone();
    grpc.alpn_protocols = vec![H2.to_vec()];
    Ok(Loaded { config: Configs { grpc: Arc::new(grpc), http: Arc::new(http) }, validity })
}
