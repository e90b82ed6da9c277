//! TLS settings that cannot be used, and certificates that are not taken.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rustls::AlertDescription;

/// TLS settings that cannot be used. Tells the field, the file and what belongs there.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or holds something else.
    #[error("{section}.{field}: {}: {problem}; give a PEM file with {expected}", path.display())]
    File {
        /// Path of the TLS settings in the config file.
        section: String,
        /// Field that names the file.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What should be in it.
        expected: &'static str,
    },
    /// The certificate has no key, or the key no certificate.
    #[error("{section}: certFile and keyFile belong together; set both or neither")]
    Lonely {
        /// Path of the TLS settings in the config file.
        section: String,
    },
    /// The key belongs to another certificate.
    #[error("{section}.keyFile: {}: the key does not match the certificate in {}; give the key it was issued for", key.display(), certificate.display())]
    Mismatch {
        /// Path of the TLS settings in the config file.
        section: String,
        /// File of the key.
        key: PathBuf,
        /// File of the certificate.
        certificate: PathBuf,
    },
    /// The settings do not fit together.
    #[error("{section}: {problem}")]
    Unusable {
        /// Path of the TLS settings in the config file.
        section: String,
        /// What is wrong.
        problem: String,
    },
}

impl TlsError {
    /// `field` of `section` names a file with a `problem`; it should hold what is `expected`.
    pub(super) fn file(section: &str, field: &'static str, path: &Path, problem: String, expected: &'static str) -> Self {
        Self::File { section: section.to_owned(), field, path: path.to_owned(), problem, expected }
    }
}

/// Whether one of both sides did not take the other's certificate, or missed it.
pub(crate) fn is_certificate_error(error: &(dyn Error + 'static)) -> bool {
    use rustls::Error::{AlertReceived, InvalidCertificate, NoCertificatesPresented};
    match tls_error(error) {
        Some(InvalidCertificate(_) | NoCertificatesPresented) => true,
        Some(AlertReceived(alert)) => is_about_certificate(*alert),
        _ => false,
    }
}

/// What TLS says, however deep in `error`; none if it is not about TLS.
pub(crate) fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref().or_else(|| inner(error).and_then(tls_error))
}

/// Whether an alert tells what is wrong with the certificate that the peer was sent (RFC 8446, section 6.2).
pub(crate) const fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription::*;
    matches!(
        alert,
        BadCertificate
            | UnsupportedCertificate
            | CertificateRevoked
            | CertificateExpired
            | CertificateUnknown
            | CertificateRequired
            | UnknownCA
    )
}

/// What `error` stems from. An I/O error that wraps another does not name it as its source, but the source of that.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn a_certificate_is_found_to_blame_however_deep_the_error_lies() {
        let expired = || rustls::Error::InvalidCertificate(CertificateError::Expired);
        assert!(is_certificate_error(&expired()));
        assert!(is_certificate_error(&io::Error::other(io::Error::new(io::ErrorKind::InvalidData, expired()))));
        assert!(is_certificate_error(&rustls::Error::AlertReceived(AlertDescription::CertificateRequired)));
        assert!(!is_certificate_error(&rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)));
        assert!(!is_certificate_error(&io::Error::other(rustls::Error::DecryptError)));
        assert!(!is_certificate_error(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }
}
