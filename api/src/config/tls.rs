//! Certificates, keys and authorities. Their files are read again when they change.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// TLS for callers. The files are read again when they change, for the connections that come after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerTls {
    /// PEM file with the certificate, and after it those that lead to its authority.
    pub cert_file: PathBuf,
    /// PEM file with the certificate's key.
    pub key_file: PathBuf,
    /// PEM file with the authorities of callers' certificates. Set, a caller without such a certificate is refused (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
}

/// TLS towards a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ClientTls {
    /// PEM file with the authorities of the server's certificate; default is the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// PEM file with the certificate to show to the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// PEM file with the key of that certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Name that the server's certificate must carry; default is the host of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}
