//! Connections to agents, plain or over TLS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{ConfigBuilderExt, FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use user_info_api::config::ConsulTls;

use super::SetupError;

/// Longest time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Idle time after which a peer is probed, so that one that vanished during a blocking query is noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Makes a connector for the agents of `section`; without `tls` it speaks plain HTTP.
pub(super) fn connector(tls: Option<&ConsulTls>, section: &'static str) -> Result<HttpsConnector<HttpConnector>, SetupError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new();
    let Some(tls) = tls else {
        let unused = client_config(section)?.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        return Ok(builder.with_tls_config(unused).https_or_http().enable_http1().wrap_connector(tcp));
    };
    let builder = builder.with_tls_config(tls_config(tls, section)?).https_only();
    let builder = match &tls.server_name {
        None => builder,
        Some(name) => {
            let problem = |e| SetupError::Tls { section, problem: format!("serverName: {name:?}: {e}; give a DNS name or IP address") };
            let name = ServerName::try_from(name.clone()).map_err(problem)?;
            builder.with_server_name_resolver(FixedServerNameResolver::new(name))
        }
    };
    Ok(builder.enable_http1().wrap_connector(tcp))
}

fn tls_config(tls: &ConsulTls, section: &'static str) -> Result<ClientConfig, SetupError> {
    let builder = client_config(section)?;
    let builder = match &tls.ca_file {
        None => builder.with_webpki_roots(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(section, "caFile", path)? {
                roots.add(authority).map_err(|e| SetupError::Tls { section, problem: format!("caFile: {e}") })?;
            }
            builder.with_root_certificates(roots)
        }
    };
    match (&tls.cert_file, &tls.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates(section, "certFile", cert)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| pem_error(section, "keyFile", key, &e, "a private key"))?;
            builder.with_client_auth_cert(chain, key).map_err(|e| SetupError::Tls { section, problem: e.to_string() })
        }
        _ => Err(SetupError::LonelyPem { section }),
    }
}

/// Begins a TLS configuration with ring, whatever the process's default is.
fn client_config(section: &'static str) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, SetupError> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| SetupError::Tls { section, problem: e.to_string() })
}

fn certificates(section: &'static str, field: &'static str, path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let expected = "certificates";
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let found = read().map_err(|e| pem_error(section, field, path, &e, expected))?;
    if found.is_empty() {
        return Err(SetupError::Pem { section, field, path: path.clone(), problem: "holds no certificate".to_owned(), expected });
    }
    Ok(found)
}

fn pem_error(
    section: &'static str,
    field: &'static str,
    path: &std::path::Path,
    problem: &rustls::pki_types::pem::Error,
    expected: &'static str,
) -> SetupError {
    SetupError::Pem { section, field, path: path.to_owned(), problem: problem.to_string(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(tls: &ConsulTls) -> String {
        connector(Some(tls), "registry.consul").expect_err("refused").to_string()
    }

    #[test]
    fn plain_and_public_need_no_files() {
        assert!(connector(None, "registry.consul").is_ok());
        assert!(connector(Some(&ConsulTls::default()), "registry.consul").is_ok());
    }

    #[test]
    fn names_the_field_and_what_belongs_there() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "").expect("written");
        let missing = refused(&ConsulTls { ca_file: Some(dir.path().join("missing.pem")), ..ConsulTls::default() });
        assert!(missing.starts_with("registry.consul.tls.caFile: ") && missing.ends_with("PEM file with certificates"), "{missing}");
        let empty = refused(&ConsulTls { ca_file: Some(empty), ..ConsulTls::default() });
        assert!(empty.contains("holds no certificate"), "{empty}");
        let lonely = refused(&ConsulTls { cert_file: Some("cert.pem".into()), ..ConsulTls::default() });
        assert!(lonely.contains("certFile and keyFile belong together"), "{lonely}");
        let name = refused(&ConsulTls { server_name: Some("a b".to_owned()), ..ConsulTls::default() });
        assert!(name.contains("serverName: \"a b\""), "{name}");
    }
}
