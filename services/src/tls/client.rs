//! The side that calls.

use std::io;
use std::path::PathBuf;

use hyper_rustls::ConfigBuilderExt;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use user_info_api::config::ClientTls;

use super::doubts::{self, Side};
use super::material::{self, Identity, unusable};
use super::reload::{Loaded, Reloading};
use super::server::H2;
use super::{TlsError, TlsMetrics, key};

/// Where the settings of `user_client` stand in its config file.
const SECTION: &str = "tls";

/// Makes TLS connections to instances.
#[derive(Debug)]
pub struct Connector {
    configs: Reloading<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl Connector {
    /// Reads the files that `tls` names.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn open(tls: &ClientTls, metrics: TlsMetrics) -> Result<Self, TlsError> {
        let server_name = server_name(tls, SECTION)?;
        let files: Vec<PathBuf> = [&tls.ca_file, &tls.cert_file, &tls.key_file].into_iter().flatten().cloned().collect();
        let tls = tls.clone();
        let load = move || {
            let mut loaded = loaded(&tls, SECTION)?;
            loaded.config.alpn_protocols = vec![H2.to_vec()];
            Ok(loaded)
        };
        Ok(Self { configs: Reloading::open(files, load, metrics)?, server_name })
    }

    /// Follows the files for ever.
    pub async fn follow(&self) {
        self.configs.follow().await;
    }

    /// Shakes hands with the instance at `host`, over `stream`.
    ///
    /// # Errors
    /// If the instance does not speak TLS, or its certificate is not trusted.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?,
        };
        TlsConnector::from(self.configs.current()).connect(name, stream).await
    }
}

/// The name that certificates must carry; none for the host of the address. `section` is where `tls` stands in the config file.
///
/// # Errors
/// If it is neither a DNS name nor an IP address.
pub(crate) fn server_name(tls: &ClientTls, section: &str) -> Result<Option<ServerName<'static>>, TlsError> {
    let parse = |name: &String| {
        let problem = |e| unusable(section, &format!("serverName: {name:?}: {e}; give a DNS name or IP address"));
        ServerName::try_from(name.clone()).map_err(problem)
    };
    tls.server_name.as_ref().map(parse).transpose()
}

/// What rustls is told. `section` is where `tls` stands in the config file.
///
/// # Errors
/// If the files cannot be used.
pub fn client_config(tls: &ClientTls, section: &str) -> Result<ClientConfig, TlsError> {
    loaded(tls, section).map(|loaded| loaded.config)
}

/// Begins what rustls is told. `section` is where the settings stand in the config file.
///
/// # Errors
/// If this build of rustls has no protocol version to offer.
pub(crate) fn builder(section: &str) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    let builder = ClientConfig::builder_with_provider(super::provider());
    builder.with_safe_default_protocol_versions().map_err(|e| unusable(section, &e))
}

/// What the start would refuse of `tls`: each field that is of no use by itself, or that they do not fit together. `section` is where it stands
/// in the config file.
pub(crate) fn client_refusals(tls: &ClientTls, section: &str) -> Vec<TlsError> {
    let found = [
        tls.ca_file.as_ref().and_then(|file| material::authorities(section, "caFile", file).err()),
        tls.cert_file.as_ref().and_then(|file| material::certificates(section, "certFile", file).err()),
        tls.key_file.as_ref().and_then(|file| key::read(section, file).err()),
        server_name(tls, section).err(),
    ];
    let found: Vec<_> = found.into_iter().flatten().collect();
    if found.is_empty() { loaded(tls, section).err().into_iter().collect() } else { found }
}

fn loaded(tls: &ClientTls, section: &str) -> Result<Loaded<ClientConfig>, TlsError> {
    let builder = builder(section)?;
    let builder = match &tls.ca_file {
        None => builder.with_webpki_roots(),
        Some(path) => builder.with_root_certificates(material::authorities(section, "caFile", path)?),
    };
    let mut validity = None;
    let config = match (&tls.cert_file, &tls.key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let identity = Identity::read(section, certificate, key)?;
            validity = identity.validity();
            doubts::warn(section, certificate, &identity.chain, Side::Client);
            let fits = builder.with_client_auth_cert(identity.chain, identity.key);
            fits.map_err(|error| material::unfit(section, certificate, key, &error))?
        }
        _ => return Err(TlsError::Lonely { section: section.to_owned() }),
    };
    Ok(Loaded { config, validity })
}
