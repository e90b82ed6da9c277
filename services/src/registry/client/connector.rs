//! Connections to agents, plain or over TLS.

use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::RootCertStore;
use user_info_api::config::ClientTls;

use super::SetupError;
use crate::tls;

/// What opens connections to agents.
pub(super) type Connector = HttpsConnector<HttpConnector>;

/// Longest time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Idle time after which a peer is probed, so that one that vanished during a blocking query is noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Makes a connector for the agents of `section`; without `tls` it speaks plain HTTP.
pub(super) fn connector(tls: Option<&ClientTls>, section: &str) -> Result<Connector, SetupError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new();
    let section = format!("{section}.tls");
    let Some(tls) = tls else {
        let unused = tls::builder(&section)?.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        return Ok(builder.with_tls_config(unused).https_or_http().enable_http1().wrap_connector(tcp));
    };
    let builder = builder.with_tls_config(tls::client_config(tls, &section)?).https_only();
    let builder = match tls::server_name(tls, &section)? {
        None => builder,
        Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name)),
    };
    Ok(builder.enable_http1().wrap_connector(tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(tls: &ClientTls) -> String {
        connector(Some(tls), "registry.consul").expect_err("refused").to_string()
    }

    #[test]
    fn plain_and_public_need_no_files() {
        assert!(connector(None, "registry.consul").is_ok());
        assert!(connector(Some(&ClientTls::default()), "registry.consul").is_ok());
    }

    #[test]
    fn names_the_field_and_what_belongs_there() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "").expect("written");
        let missing = refused(&ClientTls { ca_file: Some(dir.path().join("missing.pem")), ..ClientTls::default() });
        assert!(missing.starts_with("registry.consul.tls.caFile: ") && missing.ends_with("PEM file with certificates"), "{missing}");
        let empty = refused(&ClientTls { ca_file: Some(empty), ..ClientTls::default() });
        assert!(empty.contains("holds no certificate"), "{empty}");
        let lonely = refused(&ClientTls { cert_file: Some("cert.pem".into()), ..ClientTls::default() });
        assert!(lonely.contains("certFile and keyFile belong together"), "{lonely}");
        let name = refused(&ClientTls { server_name: Some("a b".to_owned()), ..ClientTls::default() });
        assert!(name.contains("serverName: \"a b\""), "{name}");
    }
}
