//! TLS settings that cannot be used.

use std::path::PathBuf;

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
