//! Users: a table in MySQL or SQLite, or the sample users in memory.

mod memory;
pub(super) mod mysql;
mod room;
mod sql;
pub(super) mod sqlite;

use std::future::{Future, ready};

use futures_util::future::Either;
use user_info_api::config;

use self::memory::MemoryUsers;
use self::mysql::MySqlUsers;
use self::sqlite::SqliteUsers;
use super::loader::{ConnectError, LoadError, Loader, StoreStatus};
use super::metrics::DataMetrics;

/// A user, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: i64,
    /// The user's name; empty if the column is NULL.
    pub name: String,
    /// The user's e-mail address; empty if the column is NULL.
    pub email: String,
}

/// The store of the users; cheap to clone.
#[derive(Debug, Clone)]
pub struct Users(Store);

#[derive(Debug, Clone)]
enum Store {
    Memory(MemoryUsers),
    Loader(Loader<i64, User>),
}

impl Users {
    /// Opens the store that `config` names for so many workers, of which the current runtime is the first one. A server that is unreachable is
    /// tolerated.
    ///
    /// # Errors
    /// If the first connection shows that somebody has to change something, such as a password, or that the table is missing.
    pub async fn open(config: &config::Users, workers: usize, metrics: &DataMetrics) -> Result<Self, ConnectError> {
        if let Some(mysql) = &config.mysql {
            let (backend, connections) = (MySqlUsers::new(mysql), mysql.connections(workers));
            let loader = Loader::open(backend, &mysql::name(mysql), connections, workers, metrics.store("mysql")).await?;
            return Ok(Self(Store::Loader(loader)));
        }
        if let Some(sqlite) = &config.sqlite {
            let backend = SqliteUsers::new(sqlite);
            let loader =
                Loader::open(backend, &sqlite::name(sqlite), sqlite.connections(workers), workers, metrics.store("sqlite")).await?;
            return Ok(Self(Store::Loader(loader)));
        }
        Ok(Self(Store::Memory(MemoryUsers::new())))
    }

    /// The store as the worker number `worker` reads it, on whose runtime this is called.
    #[must_use]
    pub fn join(&self, worker: usize) -> Self {
        match &self.0 {
            Store::Memory(_) => self.clone(),
            Store::Loader(loader) => Self(Store::Loader(loader.join(worker))),
        }
    }

    /// The user called `id`, if there is one. Asks for it at once.
    ///
    /// # Errors
    /// If the store does not answer, or holds something that is no user.
    pub fn get(&self, id: i64) -> impl Future<Output = Result<Option<User>, LoadError>> + use<> {
        match &self.0 {
            Store::Memory(users) => Either::Left(ready(Ok(users.get(id)))),
            Store::Loader(loader) => Either::Right(loader.load(id)),
        }
    }

    /// How the store is doing.
    pub fn status(&self) -> StoreStatus {
        match &self.0 {
            Store::Memory(_) => StoreStatus::memory(),
            Store::Loader(loader) => loader.status(),
        }
    }
}
