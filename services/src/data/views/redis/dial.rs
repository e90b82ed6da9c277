//! How a server is reached: TCP, TLS on it, or a Unix socket.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use user_info_api::config::{ClientTls, Redis};

use crate::data::address::Address;
use crate::data::loader::ConnectError;
use crate::stream::Stream;
use crate::tls;

/// Where the settings of TLS stand in the config file.
const TLS: &str = "views.redis.tls";
/// How long a server that hung up is looked at again.
const LOOK: Duration = Duration::from_millis(250);

/// Opens a stream of bytes to `address`. Certificates are read again each time, so that they can be rotated.
pub(super) async fn dial(config: &Redis, address: &str) -> Result<Box<dyn Stream>, ConnectError> {
    let away = |error: &io::Error| ConnectError::Unreachable(format!("redis {address}: {error}"));
    match Address::parse(address) {
        Some(Address::Tcp(host, port)) => match &config.tls {
            None => Ok(Box::new(tcp(host, port).await.map_err(|e| away(&e))?)),
            Some(settings) => {
                let (connector, name) = secure(settings, host)?;
                let stream = tcp(host, port).await.map_err(|e| away(&e))?;
                let secured = connector.connect(name, stream).await;
                Ok(Box::new(secured.map_err(|error| explain(address, &error).unwrap_or_else(|| away(&error)))?))
            }
        },
        Some(Address::Unix(path)) => Ok(Box::new(unix(path).await.map_err(|e| away(&e))?)),
        None => {
            let wrong = format!("views.redis.address: {address:?} is neither host:port nor an absolute path of a socket");
            Err(ConnectError::Configuration(wrong))
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn unix(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// What shakes hands, and the name that the certificate of the server at `host` must carry.
fn secure(settings: &ClientTls, host: &str) -> Result<(TlsConnector, ServerName<'static>), ConnectError> {
    let wrong = |error: &dyn std::fmt::Display| ConnectError::Configuration(error.to_string());
    let config: ClientConfig = tls::client_config(settings, TLS).map_err(|e| wrong(&e))?;
    let name = match tls::server_name(settings, TLS).map_err(|e| wrong(&e))? {
        Some(name) => name,
        None => ServerName::try_from(host.to_owned())
            .map_err(|error| wrong(&format!("redis: {host:?} is no name that a certificate carries: {error}; set {TLS}.serverName")))?,
    };
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// Says what a person can do about a handshake that failed; none if the server was just away.
fn explain(address: &str, error: &io::Error) -> Option<ConnectError> {
    use CertificateError::{NotValidForName, NotValidForNameContext, UnknownIssuer};
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage};
    let remedy = match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            format!("connect to a name of the certificate, or set {TLS}.serverName to one")
        }
        InvalidCertificate(UnknownIssuer) => format!("set {TLS}.caFile to the authorities of the server's certificate"),
        InvalidCertificate(_) => format!("check the server's certificate and {TLS}.caFile"),
        AlertReceived(_) if tls::is_certificate_error(error) => {
            format!("the server wants a certificate that it trusts: check {TLS}.certFile and keyFile")
        }
        AlertReceived(_) => format!("check the server's versions and ciphers of TLS, and whether it wants a certificate ({TLS}.certFile)"),
        InvalidMessage(_) => format!("the server does not speak TLS here: give its port for TLS, or remove {TLS}"),
        _ => return None,
    };
    Some(ConnectError::Configuration(format!("redis {address}: {error} ({remedy})")))
}

/// Looks again at a server that hung up at the first command: whether it wants TLS, or a certificate. Those who do say so only to who
/// shakes hands and waits.
pub(super) async fn why_it_hung_up(config: &Redis, address: &str) -> Option<ConnectError> {
    let look = async {
        let Some(Address::Tcp(host, port)) = Address::parse(address) else { return None };
        if config.tls.is_some() {
            let mut stream = match dial(config, address).await {
                Ok(stream) => stream,
                Err(error) => return Some(error).filter(|error| matches!(error, ConnectError::Configuration(_))),
            };
            return explain(address, &stream.read_u8().await.err()?);
        }
        let (connector, name) = secure(&ClientTls::default(), host).ok()?;
        let speaks_tls = match connector.connect(name, tcp(host, port).await.ok()?).await {
            Ok(_) => true,
            Err(error) => tls::is_certificate_error(&error),
        };
        let message = || format!("redis {address}: the server hung up, and speaks TLS (set {TLS}; `{{}}` trusts the public authorities)");
        speaks_tls.then(|| ConnectError::Configuration(message()))
    };
    tokio::time::timeout(LOOK, look).await.ok().flatten()
}
