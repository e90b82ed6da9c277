//! Page views: counters in Redis, or those of the sample users in memory.

mod memory;
pub(super) mod redis;

use std::future::{Future, ready};

use futures_util::future::Either;
use user_info_api::config;

use self::memory::MemoryViews;
use self::redis::RedisViews;
use super::loader::{ConnectError, LoadError, Loader, StoreStatus};
use super::metrics::DataMetrics;

/// The store of the page views; cheap to clone.
#[derive(Debug, Clone)]
pub struct Views(Store);

#[derive(Debug, Clone)]
enum Store {
    Memory(MemoryViews),
    Loader(Loader<i64, i64>),
}

impl Views {
    /// Opens the store that `config` names for so many workers, of which the current runtime is the first one. A server that is unreachable is
    /// tolerated.
    ///
    /// # Errors
    /// If the first connection shows that somebody has to change something, such as a password.
    pub async fn open(config: &config::Views, workers: usize, metrics: &DataMetrics) -> Result<Self, ConnectError> {
        match &config.redis {
            Some(redis) => {
                let (backend, connections) = (RedisViews::new(redis), redis.connections(workers));
                let loader = Loader::open(backend, &redis::name(redis), connections, workers, metrics.store("redis")).await?;
                Ok(Self(Store::Loader(loader)))
            }
            None => Ok(Self(Store::Memory(MemoryViews::new()))),
        }
    }

    /// The store as the worker number `worker` reads it, on whose runtime this is called.
    #[must_use]
    pub fn join(&self, worker: usize) -> Self {
        match &self.0 {
            Store::Memory(_) => self.clone(),
            Store::Loader(loader) => Self(Store::Loader(loader.join(worker))),
        }
    }

    /// Page views of the user `id`; 0 if none are stored, or something that is not a number. Asks for them at once.
    ///
    /// # Errors
    /// If the store does not answer.
    pub fn get(&self, id: i64) -> impl Future<Output = Result<i64, LoadError>> + use<> {
        let asked = match &self.0 {
            Store::Memory(views) => Either::Left(ready(Ok(Some(views.get(id))))),
            Store::Loader(loader) => Either::Right(loader.load(id)),
        };
        async {
            match asked.await {
                Ok(visits) => Ok(visits.unwrap_or(0)),
                Err(LoadError::Malformed(_)) => Ok(0),
                Err(error) => Err(error),
            }
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
