//! Certificates of `user_info` and `user_client`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretRef, rules};

/// TLS on the gRPC and the HTTP port of `user_info`. What the Secrets hold may be replaced at any time, without a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServerTls {
    /// Secret with the certificate in `tls.crt` and its key in `tls.key`, as cert-manager writes them; on a laptop the folder
    /// `<secrets>/<secretName>`.
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME.0))]
    pub secret_name: String,
    /// Authorities of that certificate, which `user_client` trusts, under `ca.crt` unless it names another key; absent, `ca.crt` of
    /// `secretName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
    /// Name that the certificate carries; absent, `<name>-user-info`, the name of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME.0))]
    pub server_name: Option<String>,
    /// Authorities of callers' certificates, under `ca.crt` unless it names another key; set, a caller without such a certificate is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_secret_ref: Option<SecretRef>,
}

impl ServerTls {
    /// The authorities that `user_client` trusts.
    pub fn authorities(&self) -> SecretRef {
        self.ca_secret_ref.clone().unwrap_or_else(|| SecretRef { name: self.secret_name.clone(), key: None })
    }
}

/// The certificate that `user_client` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientTls {
    /// Secret with the certificate in `tls.crt` and its key in `tls.key`; on a laptop the folder `<secrets>/<secretName>`.
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME.0))]
    pub secret_name: String,
}
