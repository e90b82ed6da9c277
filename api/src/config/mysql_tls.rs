//! TLS towards MySQL, in the words of its own client.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Check, ClientTls, Violations};

/// How much TLS is asked of MySQL; the modes of its own client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum MySqlTlsMode {
    /// None.
    Disabled,
    /// TLS if the server offers it, whoever it is.
    Preferred,
    /// TLS, whoever the server is.
    Required,
    /// TLS with a server that one of the authorities in `caFile` vouches for, whatever its name.
    VerifyCa,
    /// The same, and its certificate names the host of the address, or `serverName`.
    #[default]
    VerifyIdentity,
}

/// TLS towards MySQL. The files are read again at each connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "crd",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-validations" = [
        {"rule": "!has(self.caFile) || !has(self.mode) || self.mode in ['VerifyCa', 'VerifyIdentity']", "message": CA_UNUSED},
        {"rule": "has(self.caFile) || !has(self.mode) || self.mode != 'VerifyCa'", "message": CA_NEEDED},
        {"rule": "!has(self.mode) || self.mode != 'Disabled' || !(has(self.certFile) || has(self.keyFile) || has(self.serverName))",
         "message": UNUSED},
        {"rule": "has(self.certFile) == has(self.keyFile)", "message": PAIR},
    ]))
)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct MySqlTls {
    /// How much TLS is asked of the server.
    pub mode: MySqlTlsMode,
    /// PEM file with the authorities of the server's certificate, or with that very certificate; absent with `VerifyIdentity`, the public ones.
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

impl MySqlTls {
    /// The files and the name, as of any TLS client.
    pub fn files(&self) -> ClientTls {
        let Self { mode: _, ca_file, cert_file, key_file, server_name } = self.clone();
        ClientTls { ca_file, cert_file, key_file, server_name }
    }
}

impl Check for MySqlTls {
    fn check(&self, v: &mut Violations) {
        use MySqlTlsMode::{Disabled, VerifyCa, VerifyIdentity};
        let verifies = matches!(self.mode, VerifyCa | VerifyIdentity);
        let enabled = self.mode != Disabled;
        v.require(verifies || self.ca_file.is_none(), "caFile", CA_UNUSED);
        v.require(self.mode != VerifyCa || self.ca_file.is_some(), "caFile", CA_NEEDED);
        v.require(enabled || self.cert_file.is_none(), "certFile", UNUSED);
        v.require(enabled || self.key_file.is_none(), "keyFile", UNUSED);
        v.require(enabled || self.server_name.is_none(), "serverName", UNUSED);
        v.require(self.cert_file.is_some() == self.key_file.is_some(), "", PAIR);
    }
}

const CA_UNUSED: &str = "is checked with mode VerifyCa and VerifyIdentity only; set one of them, or remove caFile";
const CA_NEEDED: &str = "is needed with mode VerifyCa: without it any public certificate would do";
const PAIR: &str = "certFile and keyFile belong together; set both or neither";
const UNUSED: &str = "is not used with mode Disabled; set another mode, or remove it";

#[cfg(test)]
mod tests {
    use super::*;

    fn said(yaml: &str) -> Vec<String> {
        let tls: MySqlTls = serde_yaml::from_str(yaml).expect("known fields");
        tls.violations().iter().map(|violation| violation.field.clone()).collect()
    }

    #[test]
    fn d4_what_would_not_be_used_is_refused() {
        for good in [
            "{}",
            "{mode: Disabled}",
            "{mode: Preferred, certFile: a, keyFile: a}",
            "{mode: Required, serverName: a}",
            "{mode: VerifyCa, caFile: a}",
            "{mode: VerifyIdentity, caFile: a, serverName: b, certFile: c, keyFile: d}",
        ] {
            assert_eq!(said(good), Vec::<String>::new(), "{good}");
        }
        for (bad, fields) in [
            ("{mode: Required, caFile: a}", vec!["caFile"]),
            ("{mode: Preferred, caFile: a}", vec!["caFile"]),
            ("{mode: VerifyCa}", vec!["caFile"]),
            ("{mode: Disabled, certFile: a, keyFile: a, serverName: a}", vec!["certFile", "keyFile", "serverName"]),
            ("{certFile: a}", vec![""]),
            ("{keyFile: a}", vec![""]),
        ] {
            assert_eq!(said(bad), fields, "{bad}");
        }
    }
}
