//! TLS towards the server, as the settings say.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use user_info_api::config::{MySql, MySqlTls, MySqlTlsMode};

use super::verifier::{Authorities, Trust, Verifier};
use super::wire::{Error, Handshake, Stream, Upgraded};
use crate::data::loader::ConnectError;
use crate::tls::{self, TlsError};

/// Whether and how TLS is used.
pub(super) enum Channel {
    Plain,
    /// TLS once the server has refused to go without.
    OnDemand(Secured),
    /// TLS if the server has it.
    IfOffered(Secured),
    Tls(Secured),
}

/// How a stream becomes a TLS stream.
pub(super) struct Secured {
    connector: TlsConnector,
    name: ServerName<'static>,
    trusts_anyone: bool,
}

impl Handshake for Secured {
    fn handshake(&self, stream: Box<dyn Stream>) -> Upgraded<'_> {
        Box::pin(async {
            let stream = self.connector.connect(self.name.clone(), stream).await?;
            Ok::<Box<dyn Stream>, Error>(Box::new(stream))
        })
    }

    fn trusts_anyone(&self) -> bool {
        self.trusts_anyone
    }
}

/// Reads the files that `config` names. `host` is that of the address; none of a Unix socket.
pub(super) fn channel(config: &MySql, host: Option<&str>) -> Result<Channel, ConnectError> {
    let (settings, section) = effective(config);
    let secured = || secured(&settings, section, host).map_err(|error| ConnectError::Configuration(error.to_string()));
    Ok(match (config.uses_tls(), settings.mode) {
        (false, _) => Channel::OnDemand(secured()?),
        (true, MySqlTlsMode::Disabled) => Channel::Plain,
        // Nobody listens on a socket of this machine.
        (true, MySqlTlsMode::Preferred) if host.is_none() => Channel::Plain,
        (true, MySqlTlsMode::Preferred) => Channel::IfOffered(secured()?),
        (true, MySqlTlsMode::Required | MySqlTlsMode::VerifyCa | MySqlTlsMode::VerifyIdentity) => Channel::Tls(secured()?),
    })
}

/// The settings in force, and where they stand: `caFile` alone is the short form of a mode.
fn effective(config: &MySql) -> (MySqlTls, &'static str) {
    match (&config.tls, &config.ca_file) {
        (Some(tls), _) => (tls.clone(), "users.mysql.tls"),
        (None, Some(ca)) => {
            (MySqlTls { mode: MySqlTlsMode::VerifyIdentity, ca_file: Some(ca.clone()), ..MySqlTls::default() }, "users.mysql")
        }
        (None, None) => (MySqlTls { mode: MySqlTlsMode::Required, ..MySqlTls::default() }, "users.mysql"),
    }
}

fn secured(settings: &MySqlTls, section: &str, host: Option<&str>) -> Result<Secured, TlsError> {
    let files = settings.files();
    let verifies_name = settings.mode == MySqlTlsMode::VerifyIdentity;
    let name = match tls::server_name(&files, section)? {
        Some(name) => name,
        None => match ServerName::try_from(host.unwrap_or("localhost").to_owned()) {
            Ok(name) => name,
            // Nobody checks it.
            Err(_) if !verifies_name => ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST)),
            Err(error) => {
                let problem = format!("the host of users.mysql.address is no name that a certificate can have: {error}; set serverName");
                return Err(TlsError::Unusable { section: section.to_owned(), problem });
            }
        },
    };
    let builder = tls::builder(section)?;
    let trust = match (settings.mode, &settings.ca_file) {
        (MySqlTlsMode::VerifyCa | MySqlTlsMode::VerifyIdentity, Some(ca)) => {
            let certificates = tls::certificates(section, "caFile", ca)?;
            let authorities = Authorities { roots: tls::authorities(section, "caFile", ca)?, certificates };
            Some(if verifies_name { Trust::Named(authorities) } else { Trust::Authorities(authorities) })
        }
        // The public authorities. Without a name to check, any certificate of theirs would do, so the settings do not allow that.
        (MySqlTlsMode::VerifyCa | MySqlTlsMode::VerifyIdentity, None) => None,
        (MySqlTlsMode::Disabled | MySqlTlsMode::Preferred | MySqlTlsMode::Required, _) => Some(Trust::Anyone),
    };
    let trusts_anyone = matches!(trust, Some(Trust::Anyone));
    let builder = match trust {
        None => builder.with_webpki_roots(),
        Some(trust) => builder.dangerous().with_custom_certificate_verifier(Arc::new(Verifier { trust, provider: tls::provider() })),
    };
    let config = tls::with_identity(builder, &files, section)?;
    Ok(Secured { connector: TlsConnector::from(Arc::new(config)), name, trusts_anyone })
}
