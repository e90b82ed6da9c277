//! What stands in the files.

use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::{TlsError, key};

/// A certificate with what leads to its authority, and its key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads the files that `certFile` and `keyFile` of `section` name.
    pub(super) fn read(section: &str, certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(section, "certFile", certificate)?;
        Ok(Self { chain, key: key::read(section, key)? })
    }

    /// From when to when the certificate is valid; none if it does not say so in a way that can be read.
    pub(super) fn validity(&self) -> Option<Range<SystemTime>> {
        let validity = Certificate::from_der(self.chain.first()?).ok()?.tbs_certificate.validity;
        let at = |since_epoch| SystemTime::UNIX_EPOCH.checked_add(since_epoch);
        Some(at(validity.not_before.to_unix_duration())?..at(validity.not_after.to_unix_duration())?)
    }
}

/// The authorities in the file that `field` of `section` names.
pub(crate) fn authorities(section: &str, field: &'static str, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(section, field, path)? {
        roots.add(authority).map_err(|e| unusable(section, &format!("{field}: {}: {e}", path.display())))?;
    }
    Ok(roots)
}

/// Says what is wrong with a certificate and its key, of which rustls says `error`.
pub(super) fn unfit(section: &str, certificate: &Path, key: &Path, error: &rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { section: section.to_owned(), key: key.to_owned(), certificate: certificate.to_owned() }
        }
        error => unusable(section, &format!("certFile: {}: {error}", certificate.display())),
    }
}

pub(super) fn unusable(section: &str, problem: &dyn Display) -> TlsError {
    TlsError::Unusable { section: section.to_owned(), problem: problem.to_string() }
}

/// The certificates in the file that `field` of `section` names; at least one.
pub(super) fn certificates(section: &str, field: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let expected = "certificates";
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let found = read().map_err(|e| unreadable(section, field, path, &e, expected))?;
    if found.is_empty() {
        return Err(TlsError::file(section, field, path, "holds no certificate".to_owned(), expected));
    }
    Ok(found)
}

fn unreadable(section: &str, field: &'static str, path: &Path, error: &pem::Error, expected: &'static str) -> TlsError {
    let problem = match error {
        pem::Error::Io(error) => format!("cannot be read: {error}"),
        error => error.to_string(),
    };
    TlsError::file(section, field, path, problem, expected)
}
