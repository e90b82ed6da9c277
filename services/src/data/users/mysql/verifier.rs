//! Which certificates of servers are taken.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// What is asked of a certificate.
#[derive(Debug)]
pub(super) enum Trust {
    /// Nothing: whoever answers is taken for the server.
    Anyone,
    /// One of the authorities vouches for it.
    Authorities(Authorities),
    /// The same, and it names the server.
    Named(Authorities),
}

/// Who is trusted.
#[derive(Debug)]
pub(super) struct Authorities {
    /// Those that vouch for others.
    pub(super) roots: RootCertStore,
    /// The same. One of them that is the server's own needs nobody to vouch for it, as with other clients; authorities otherwise may not be servers.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// Takes the certificates that are trusted.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) provider: Arc<CryptoProvider>,
}

impl Authorities {
    fn check(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<(), Error> {
        if self.certificates.iter().any(|trusted| trusted == own) {
            return in_time(own, now);
        }
        let algorithms = provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&ParsedCertificate::try_from(own)?, &self.roots, others, now, algorithms)
    }
}

fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let parsed = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate.validity;
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration() { Err(CertificateError::Expired.into()) } else { Ok(()) }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trust {
            Trust::Anyone => {}
            Trust::Authorities(authorities) => authorities.check(own, others, now, &self.provider)?,
            Trust::Named(authorities) => {
                authorities.check(own, others, now, &self.provider)?;
                verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.trust {
            // It would prove that the server has the key of a certificate that anyone may have made, and not be possible for old ones.
            Trust::Anyone => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls12_signature(message, own, signed, &self.provider.signature_verification_algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.trust {
            Trust::Anyone => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls13_signature(message, own, signed, &self.provider.signature_verification_algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
