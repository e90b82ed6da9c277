//! A caller with a TLS stack set up by itself, not by the product.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use user_info_proto::GetUserInfoRequest;
use user_info_proto::user_info_client::UserInfoClient;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::running::UserInfo;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Trusts one authority, and shows a certificate of its own if it has one.
pub(crate) struct Caller(ClientConfig);

impl Caller {
    /// Trusts `ca.crt` in `dir`; the own certificate and its key are in the folder `own`.
    pub(crate) fn new(dir: &Path, own: Option<PathBuf>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(dir.join("ca.crt")).expect("a certificate")).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let builder = builder.with_root_certificates(roots);
        Self(match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = vec![CertificateDer::from_pem_file(own.join("tls.crt")).expect("a certificate")];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(own.join("tls.key")).expect("a key")).expect("a pair")
            }
        })
    }

    async fn connect(&self, at: SocketAddr, alpn: &[u8]) -> Result<TlsStream<TcpStream>, Failure> {
        let mut config = self.0.clone();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(at).await?;
        let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?, stream).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn), "the server speaks what it was asked for");
        Ok(stream)
    }

    /// Status and body of the answer to a GET over HTTP/1.1 or HTTP/2, as `alpn` says.
    pub(crate) async fn http(&self, service: &UserInfo, alpn: &[u8], path: &str) -> Result<(u16, String), Failure> {
        let stream = TokioIo::new(self.connect(service.http, alpn).await?);
        let request = Request::get(format!("https://localhost{path}")).header("host", "localhost").body(Body::empty())?;
        let response = if alpn == b"h2" {
            let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        };
        let status = response.status().as_u16();
        Ok((status, String::from_utf8(response.into_body().collect().await?.to_bytes().to_vec())?))
    }

    /// Name of the first user, asked for over gRPC on a connection of its own.
    pub(crate) async fn grpc(&self, service: &UserInfo) -> Result<String, Failure> {
        self.grpc_at(service.grpc).await
    }

    /// The same at an address.
    pub(crate) async fn grpc_at(&self, at: SocketAddr) -> Result<String, Failure> {
        let stream = TokioIo::new(self.connect(at, b"h2").await?);
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        let send = tower::service_fn(move |request| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let mut client = UserInfoClient::with_origin(send, "https://localhost".parse()?);
        let reply = client.get_user_info(GetUserInfoRequest { user_id: 1 }).await?.into_inner();
        Ok(reply.user.ok_or("no user")?.name)
    }

    /// Serial number of the certificate that a new connection is shown.
    pub(crate) async fn serial(&self, at: SocketAddr) -> u64 {
        let stream = self.connect(at, b"http/1.1").await.expect("served");
        let certificate = stream.get_ref().1.peer_certificates().expect("shown")[0].clone();
        let certificate = Certificate::from_der(&certificate).expect("a certificate");
        certificate.tbs_certificate.serial_number.as_bytes().iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// What a server answers to a request in plaintext; none if it ends the connection without an HTTP answer.
pub(crate) async fn plaintext(at: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(at).await.expect("accepted");
    stream.write_all(b"GET /user_info/1 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("ended in time");
    Some(String::from_utf8_lossy(&answer).into_owned()).filter(|answer| answer.starts_with("HTTP/"))
}
