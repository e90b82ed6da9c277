//! One connection to one server: dialled, logged in, and gone with its handle.

use std::path::Path;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, Value};
use tokio::task::JoinHandle;
use user_info_api::config::{Redis, Sentinel};

use super::{dial, explain};
use crate::data::loader::ConnectError;
use crate::data::password;

/// Who connects, and where that is configured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    /// Path of the settings in the config file.
    pub(super) section: &'static str,
    username: Option<&'a str>,
    password_file: Option<&'a Path>,
    database: u8,
}

impl<'a> Login<'a> {
    /// Towards servers.
    pub(super) fn of_server(config: &'a Redis) -> Self {
        Self {
            section: "views.redis",
            username: config.username.as_deref(),
            password_file: config.password_file.as_deref(),
            database: config.database,
        }
    }

    /// Towards Sentinels, which have no databases.
    pub(super) fn of_sentinel(sentinel: &'a Sentinel) -> Self {
        Self {
            section: "views.redis.sentinel",
            username: sentinel.username.as_deref(),
            password_file: sentinel.password_file.as_deref(),
            database: 0,
        }
    }

    /// What the server is sent as the password, if any. The file is read again for each connection, so that it can be rotated. A user who
    /// has none is sent with an empty one, which a user with `nopass` in the ACL may have.
    fn password(&self) -> Result<Option<String>, ConnectError> {
        let field = format!("{}.passwordFile", self.section);
        let password = password::read(self.password_file, &field)?;
        Ok(password.or_else(|| self.username.map(|_| String::new())))
    }
}

/// An open connection. Its commands have no timeout of their own, which would be a timer each: who sends them bounds them.
pub(super) struct Link {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Link {
    /// Closes it at once, whatever is on its way: a server that hangs never answers that.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// Opens a connection to the server at `address`. Sends nothing but what is needed to log in, as proxies know few commands: no AUTH
    /// without a password, no SELECT of database 0, and neither HELLO nor CLIENT.
    pub(super) async fn open(config: &Redis, login: &Login<'_>, address: &str) -> Result<Self, ConnectError> {
        let password = login.password()?;
        let stream = dial::dial(config, address).await?;
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let unbounded = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let opened = MultiplexedConnection::new_with_config(&info, stream, unbounded).await;
        let (connection, driver) = opened.map_err(|error| explain::refused(&format!("redis {address}"), login, &error))?;
        let mut link = Self { connection, driver: tokio::spawn(driver) };
        match link.log_in(login, password.as_deref()).await {
            Ok(()) => Ok(link),
            Err(error) => Err(explain::failed(config, address, login, &error).await),
        }
    }

    async fn log_in(&mut self, login: &Login<'_>, password: Option<&str>) -> Result<(), RedisError> {
        if let Some(password) = password {
            let auth = |username: Option<&str>| {
                let mut auth = ::redis::cmd("AUTH");
                auth.arg(username).arg(password);
                auth
            };
            match self.send(&auth(login.username)).await {
                // Servers before Redis 6 have no users.
                Err(error) if login.username.is_some() && error.to_string().contains("wrong number of arguments") => {
                    self.send(&auth(None)).await?;
                }
                outcome => drop(outcome?),
            }
        }
        if login.database != 0 {
            self.send(::redis::cmd("SELECT").arg(login.database)).await?;
        }
        Ok(())
    }

    /// Sends a command. An error may be the server's answer, or that there is none.
    pub(super) async fn send(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        self.connection.send_packed_command(command).await?.extract_error()
    }

    /// Sends commands at once. An error is that there is no answer; errors of single commands are among the values.
    pub(super) async fn send_all(&mut self, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        self.connection.send_packed_commands(commands, 0, commands.len()).await
    }
}
