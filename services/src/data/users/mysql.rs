//! Users in MySQL or MariaDB.

mod connect;
mod dial;
mod explain;
mod reader;
mod tls;
mod verifier;
mod wire;

use std::sync::Once;
use std::time::Duration;

use user_info_api::config::MySql;

pub(in crate::data) use self::connect::{connect, connect_if_there};
use self::explain::explain;
use self::reader::Reader;
pub(in crate::data) use self::wire::{Error, Session, literal};
use super::User;
use crate::data::loader::{Answer, Backend, ConnectError, ReadError};

/// Kind and address, for people.
pub(in crate::data) fn name(config: &MySql) -> String {
    format!("mysql {}", config.address)
}

/// The table `user_info` behind a connection of our own: a pool would ping before and after each query.
#[derive(Debug)]
pub(super) struct MySqlUsers {
    config: MySql,
    /// Says once that statements are not prepared.
    unprepared: Once,
}

impl MySqlUsers {
    pub(super) fn new(config: &MySql) -> Self {
        Self { config: config.clone(), unprepared: Once::new() }
    }

    /// Goes on without prepared statements, for `reason`.
    fn say_unprepared(&self, reason: &Error) {
        self.unprepared.call_once(|| {
            tracing::info!(store = name(&self.config), %reason, "the server prepares no statements, which is lived without");
        });
    }
}

impl Backend for MySqlUsers {
    type Key = i64;
    type Value = User;
    type Connection = Reader;

    const BATCH_BOUND: Duration = Duration::from_secs(1);

    async fn connect(&self) -> Result<Reader, ConnectError> {
        let connect = || connect(&self.config, Some(&self.config.database));
        let failed = |error: Error| explain(&self.config, &error);
        match Reader::open(connect().await?).await {
            Ok((reader, None)) => Ok(reader),
            Ok((reader, Some(refused))) => {
                self.say_unprepared(&refused);
                Ok(reader)
            }
            // Some proxies end the connection when a statement is prepared.
            Err(broken @ (Error::Io(_) | Error::Protocol(_))) => {
                let reader = Reader::open_plain(connect().await?).await.map_err(failed)?;
                self.say_unprepared(&broken);
                Ok(reader)
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn read(&self, connection: &mut Reader, ids: &[i64], answers: &mut [Answer<User>]) -> Result<(), ReadError> {
        connection.read(ids, answers).await.map_err(|error| {
            let message = format!("{}: {error}", name(&self.config));
            if error.keeps_connection() { ReadError::Refused(message) } else { ReadError::ConnectionLost(message) }
        })
    }
}
