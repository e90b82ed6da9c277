//! Words for people who have to change something.

use rustls::CertificateError;
use user_info_api::config::{MySql, MySqlTlsMode};

use super::connect::UNKNOWN_DATABASE;
use super::name;
use super::wire::Error;
use crate::data::loader::ConnectError;
use crate::tls::{is_about_certificate, tls_error};

/// Says what a person can do about an error while connecting. Numbers: MySQL's server error reference.
pub(super) fn explain(config: &MySql, error: &Error) -> ConnectError {
    let store = name(config);
    if let Error::Io(error) = error
        && let Some(error) = tls_error(error)
    {
        return ConnectError::Configuration(format!("{store}: {}", of_tls(config, error)));
    }
    let remedy: &str = match error {
        Error::NoTls => "switch TLS on there, or set users.mysql.tls.mode to Preferred or Disabled",
        Error::NeedsTls => "set users.mysql.tls.mode to Required or stricter, or give the user the method mysql_native_password",
        Error::NeedsTrust => "it gets it only if users.mysql.tls.mode is VerifyCa or VerifyIdentity",
        Error::Method(_) => "give the user caching_sha2_password, sha256_password or mysql_native_password",
        Error::Protocol(_) => "check users.mysql.address",
        Error::Id(_) => "the table user_info needs whole numbers there",
        _ => match error.number() {
            Some(1045 | 1698) if shows_certificate(config) => {
                "check users.mysql.username, the password file and whether users.mysql.tls.certFile is the user's"
            }
            // Some say no more where they insist on TLS.
            Some(1045 | 1698) if config.tls.as_ref().is_some_and(|tls| tls.mode == MySqlTlsMode::Disabled) => {
                "check users.mysql.username, the password file and whether the server insists on TLS, which users.mysql.tls.mode disables"
            }
            Some(1045 | 1698) => {
                "check users.mysql.username and the password file; a user who has to show a certificate needs users.mysql.tls.certFile"
            }
            Some(1044 | 1142 | 1143) => "grant the user SELECT on the table user_info",
            Some(UNKNOWN_DATABASE | 1146) => "run `user_info migrate`",
            Some(1054) => "the table user_info needs the columns id, name and email; `user_info migrate` makes it where there is none",
            Some(3159) => "set users.mysql.tls.mode to Required or stricter",
            Some(1040 | 1203 | 1226) => {
                return ConnectError::Unreachable(format!("{store}: {error} (lower users.mysql.connections, or raise the server's limit)"));
            }
            _ => return ConnectError::Unreachable(format!("{store}: {error}")),
        },
    };
    ConnectError::Configuration(format!("{store}: {error} ({remedy})"))
}

fn shows_certificate(config: &MySql) -> bool {
    config.tls.as_ref().is_some_and(|tls| tls.cert_file.is_some())
}

/// What is wrong with the secure channel, and what to do.
fn of_tls(config: &MySql, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(config, error),
        rustls::Error::AlertReceived(alert) if is_about_certificate(*alert) && shows_certificate(config) => {
            format!("the server does not take the client's certificate: {alert:?} (check users.mysql.tls.certFile)")
        }
        rustls::Error::AlertReceived(alert) if is_about_certificate(*alert) => {
            format!("the server asks for a client's certificate: {alert:?} (set users.mysql.tls.certFile and keyFile)")
        }
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => {
            format!("no common version of TLS: {error} (the server needs TLS 1.2 or 1.3; users.mysql.tls.mode: Disabled goes without)")
        }
        error => format!("the TLS handshake failed: {error} (check that users.mysql.address is a MySQL server)"),
    }
}

fn of_certificate(config: &MySql, error: &CertificateError) -> String {
    let ca = match (&config.tls, &config.ca_file) {
        (None, Some(_)) => Some("users.mysql.caFile"),
        (Some(tls), _) if tls.ca_file.is_some() => Some("users.mysql.tls.caFile"),
        _ => None,
    };
    // The short form has neither a mode nor a server name.
    let instead = if config.tls.is_none() { ", with users.mysql.tls in the place of users.mysql.caFile" } else { "" };
    let ca_only = format!("set users.mysql.tls.mode to VerifyCa{}", if ca.is_none() { " and caFile to its authority" } else { instead });
    let (problem, remedy) = match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => match ca {
            Some(ca) => ("is of an authority that is not trusted".to_owned(), format!("put its authority into {ca}")),
            None => ("is of no public authority".to_owned(), "set users.mysql.tls.caFile to its authority".to_owned()),
        },
        CertificateError::NotValidForNameContext { expected, presented } if !presented.is_empty() => {
            let presented = presented.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
            let expected = expected.to_str();
            let remedy = format!("set users.mysql.tls.serverName to a name that it has{instead}, or {ca_only}");
            (format!("is not for {expected} but for {presented}"), remedy)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let problem = "names no host: it has no subjectAltName, and a common name does not count".to_owned();
            (problem, format!("{ca_only}, or have one issued that names the host"))
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => ("has expired".to_owned(), RENEW.to_owned()),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet".to_owned(), "check the clocks of both machines".to_owned())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ("is not for servers (extendedKeyUsage)".to_owned(), RENEW.to_owned())
        }
        CertificateError::Other(other) => match other.to_string().as_str() {
            "UnsupportedCertVersion" => {
                let problem = "is of X.509 version 1, which cannot be checked".to_owned();
                (
                    problem,
                    "have one of version 3 issued, or set users.mysql.tls.mode to Required, which encrypts and checks nothing".to_owned(),
                )
            }
            "CaUsedAsEndEntity" => {
                let ca = ca.unwrap_or("users.mysql.tls.caFile");
                ("is an authority's own".to_owned(), format!("put that very certificate into {ca}, or have one issued for the server"))
            }
            other => (format!("cannot be used: {other}"), RENEW.to_owned()),
        },
        error => (format!("cannot be used: {error}"), RENEW.to_owned()),
    };
    format!("the server's certificate {problem} ({remedy})")
}

/// A name as people write it: rustls has `DnsName("localhost")` and `IpAddress(127.0.0.1)`.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

const RENEW: &str = "have another one issued for the server";

#[cfg(test)]
mod tests {
    use std::io;

    use user_info_api::config::MySqlTls;

    use super::*;

    fn said(config: &MySql, error: rustls::Error) -> String {
        let error = Error::Io(io::Error::new(io::ErrorKind::InvalidData, error));
        match explain(config, &error) {
            ConnectError::Configuration(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn d8_only_settings_are_named_that_are_there_or_help() {
        let config = |tls, ca_file| MySql { tls, ca_file, ..MySql::default() };
        let verified = MySqlTls { mode: MySqlTlsMode::VerifyIdentity, ca_file: Some("ca.pem".into()), ..MySqlTls::default() };
        let public = MySqlTls { ca_file: None, ..verified.clone() };
        let [short, verified, public] = [config(None, Some("ca.pem".into())), config(Some(verified), None), config(Some(public), None)];
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(said(&short, unknown()).ends_with("not trusted (put its authority into users.mysql.caFile)"));
        assert!(said(&verified, unknown()).ends_with("not trusted (put its authority into users.mysql.tls.caFile)"));
        assert!(said(&public, unknown()).ends_with("is of no public authority (set users.mysql.tls.caFile to its authority)"));
        let nameless = || rustls::Error::InvalidCertificate(CertificateError::NotValidForName);
        assert!(
            said(&short, nameless())
                .contains("(set users.mysql.tls.mode to VerifyCa, with users.mysql.tls in the place of users.mysql.caFile, or ")
        );
        assert!(said(&verified, nameless()).contains("(set users.mysql.tls.mode to VerifyCa, or "));
        assert!(said(&public, nameless()).contains("(set users.mysql.tls.mode to VerifyCa and caFile to its authority, or "));
    }
}
