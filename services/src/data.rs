//! Where users and page views come from.
//!
//! A worker opens [`Data`] on its own runtime and owns its connections. Both stores are read at once; a user without page views is better
//! than none, so page views that cannot be read count as 0.

mod address;
mod files;
pub mod loader;
pub mod metrics;
mod migrate;
mod password;
mod sample;
mod seed;
mod users;
mod views;

use futures_util::future::join;
use prometheus::IntCounter;
use user_info_api::config;
use user_info_layers::Error;
use user_info_layers::error::reason;

pub(crate) use self::files::refusals;
pub use self::loader::{ConnectError, LoadError, StoreStatus};
pub use self::metrics::DataMetrics;
pub use self::migrate::{MigrateError, Migrated, migrate};
pub use self::sample::{SAMPLES, Sample};
pub use self::seed::{PageViews, SeedError, Seeded, seed};
pub use self::users::{User, Users};
pub use self::views::Views;
use crate::error::{STORE_OVERLOADED, STORE_UNAVAILABLE};

/// The stores of one worker; cheap to clone.
#[derive(Debug, Clone)]
pub struct Data {
    users: Users,
    views: Views,
    views_unavailable: IntCounter,
}

impl Data {
    /// Opens both stores on the current runtime. A server that is unreachable is tolerated, and connected to when it is there.
    ///
    /// # Errors
    /// If a first connection shows that somebody has to change something: a refused password, a missing table. The message says what.
    pub async fn open(users: &config::Users, views: &config::Views, metrics: &DataMetrics) -> Result<Self, ConnectError> {
        let (users, views) = join(Users::open(users, metrics), Views::open(views, metrics)).await;
        Ok(Self { users: users?, views: views?, views_unavailable: metrics.views_unavailable.clone() })
    }

    /// The user `id` and the user's page views, if there is such a user.
    pub async fn get(&self, id: i64) -> Result<Option<(User, i64)>, LoadError> {
        let (user, visits) = (self.users.get(id), self.views.get(id));
        // One after the other: page views that come first, as they mostly do, wake nobody who then has to wait for the user.
        let Some(user) = user.await? else { return Ok(None) };
        let visits = visits.await.unwrap_or_else(|_| {
            self.views_unavailable.inc();
            0
        });
        Ok(Some((user, visits)))
    }

    /// How the stores are doing: of the users, and of the page views.
    pub fn status(&self) -> [StoreStatus; 2] {
        [self.users.status(), self.views.status()]
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Overloaded => STORE_OVERLOADED,
            LoadError::Unavailable => STORE_UNAVAILABLE,
            LoadError::Malformed(why) => Self::new(500, reason::UNKNOWN, "").with_message(why.to_string()),
        }
    }
}
