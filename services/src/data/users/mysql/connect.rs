//! From the settings to a session.

use tokio::net::UnixStream;
use user_info_api::config::MySql;

use super::dial::dial;
use super::explain::explain;
use super::tls::{Channel, channel};
use super::wire::{Account, Error, Session, Stream, Upgrade};
use crate::data::address::Address;
use crate::data::loader::ConnectError;
use crate::data::password;

/// What the server says if it has no such database.
pub(super) const UNKNOWN_DATABASE: u16 = 1049;

/// Opens a session with `database`, or with none.
pub(in crate::data) async fn connect(config: &MySql, database: Option<&str>) -> Result<Session, ConnectError> {
    let settings = Settings::read(config)?;
    settings.open(config, database).await.map_err(|error| explain(config, &error))
}

/// Opens a session with the configured database; there is none if the server has no such database.
pub(in crate::data) async fn connect_if_there(config: &MySql) -> Result<Option<Session>, ConnectError> {
    match Settings::read(config)?.open(config, Some(&config.database)).await {
        Ok(session) => Ok(Some(session)),
        Err(error) if error.number() == Some(UNKNOWN_DATABASE) => Ok(None),
        Err(error) => Err(explain(config, &error)),
    }
}

/// What is read for each connection anew, so that passwords and certificates can be rotated.
struct Settings<'a> {
    address: Address<'a>,
    password: String,
    channel: Channel,
}

impl<'a> Settings<'a> {
    fn read(config: &'a MySql) -> Result<Self, ConnectError> {
        let Some(address) = Address::parse(&config.address) else {
            let wrong = format!("users.mysql.address: {:?} is neither host:port nor an absolute path of a socket", config.address);
            return Err(ConnectError::Configuration(wrong));
        };
        let host = match address {
            Address::Tcp(host, _) => Some(host),
            Address::Unix(_) => None,
        };
        let password = password::read(config.password_file.as_deref(), "users.mysql.passwordFile")?.unwrap_or_default();
        Ok(Self { address, password, channel: channel(config, host)? })
    }

    /// Opens a session.
    ///
    /// Where nothing is said of TLS it is not used, unless the server insists: since it requires a secure transport for all or for this user
    /// (MariaDB then says no more than "access denied"), or to learn a password that its `caching_sha2_password` cache does not hold yet.
    async fn open(&self, config: &MySql, database: Option<&str>) -> Result<Session, Error> {
        match &self.channel {
            Channel::Plain => self.open_by(config, database, Upgrade::Never).await,
            Channel::IfOffered(tls) => self.open_by(config, database, Upgrade::IfOffered(tls)).await,
            Channel::Tls(tls) => self.open_by(config, database, Upgrade::Always(tls)).await,
            Channel::OnDemand(tls) => match self.open_by(config, database, Upgrade::Never).await {
                Err(refused) if may_want_tls(&refused) => match self.open_by(config, database, Upgrade::Always(tls)).await {
                    // So that was not the reason.
                    Err(Error::NoTls) => Err(refused),
                    outcome => outcome,
                },
                outcome => outcome,
            },
        }
    }

    async fn open_by(&self, config: &MySql, database: Option<&str>, upgrade: Upgrade<'_>) -> Result<Session, Error> {
        let (stream, local): (Box<dyn Stream>, _) = match self.address {
            Address::Tcp(host, port) => (Box::new(dial(host, port).await?), false),
            Address::Unix(path) => (Box::new(UnixStream::connect(path).await?), true),
        };
        let account = Account { username: &config.username, password: &self.password, database, local };
        Session::open(stream, &account, upgrade).await
    }
}

fn may_want_tls(error: &Error) -> bool {
    matches!(error, Error::NeedsTls) || matches!(error.number(), Some(1045 | 3159))
}
