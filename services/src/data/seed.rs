//! Writes the sample users and their page views. Only ever on request, and never over what is there.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use user_info_api::config::{Users, Views};

use super::loader::ConnectError;
use super::sample::SAMPLES;
use super::users::{mysql, sqlite};
use super::views::redis;

/// How long a store of the page views may take that need not be there.
const PATIENCE: Duration = Duration::from_secs(5);

/// What becomes of the page views of the samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PageViews {
    /// They are written, and without their store it fails
    #[default]
    Required,
    /// They are written if their store answers
    Optional,
    /// Their store is left alone
    Omitted,
}

/// Why the samples could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// No connection to a store.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The store of the users refused.
    #[error("{0}: {1} (run `user_info migrate` first)")]
    Users(String, sqlx::Error),
    /// The store of the page views refused.
    #[error("{0}: {1}")]
    Views(String, ::redis::RedisError),
    /// The store of the page views does not answer.
    #[error("the store of the page views does not answer within {} s", PATIENCE.as_secs())]
    Silent,
}

impl SeedError {
    /// Whether somebody has to change the configuration.
    pub const fn is_config(&self) -> bool {
        matches!(self, Self::Connect(ConnectError::Configuration(_)))
    }
}

/// What [`seed`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeded {
    /// Users that were not there before.
    pub users: u64,
    /// Page views that were not there before.
    pub views: u64,
}

impl fmt::Display for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote {} users and the page views of {}; the other samples were there", self.users, self.views)
    }
}

/// Writes the samples to the stores that the configuration names, except those that are there. Memory stores hold them anyway.
///
/// # Errors
/// If a store that is needed is not there or refuses; `page_views` says whether that of the page views is needed.
pub async fn seed(users: &Users, views: &Views, page_views: PageViews) -> Result<Seeded, SeedError> {
    let users = seed_users(users).await?;
    let views = match page_views {
        PageViews::Required => seed_views(views).await?,
        PageViews::Optional => match tokio::time::timeout(PATIENCE, seed_views(views)).await.unwrap_or(Err(SeedError::Silent)) {
            Err(error) if !error.is_config() => {
                tracing::warn!(%error, "the page views of the samples are left out");
                0
            }
            done => done?,
        },
        PageViews::Omitted => 0,
    };
    Ok(Seeded { users, views })
}

async fn seed_users(users: &Users) -> Result<u64, SeedError> {
    if let Some(config) = &users.mysql {
        let mut connection = mysql::connect(config, Some(&config.database)).await?;
        let failed = |error| SeedError::Users(mysql::name(config), error);
        let insert = || sqlx::query("INSERT IGNORE INTO user_info (id, name, email) VALUES (?, ?, ?)");
        let mut written = 0;
        for s in &SAMPLES {
            let done = insert().bind(s.id).bind(s.name).bind(s.email).execute(&mut connection).await.map_err(failed)?;
            written += done.rows_affected();
        }
        return Ok(written);
    }
    if let Some(config) = &users.sqlite {
        let failed = |error| SeedError::Users(sqlite::name(config), error);
        let options = SqliteConnectOptions::new().filename(&config.path).disable_statement_logging();
        let mut connection = options.connect().await.map_err(failed)?;
        let insert = || sqlx::query("INSERT OR IGNORE INTO user_info (id, name, email) VALUES (?, ?, ?)");
        let mut written = 0;
        for s in &SAMPLES {
            let done = insert().bind(s.id).bind(s.name).bind(s.email).execute(&mut connection).await.map_err(failed)?;
            written += done.rows_affected();
        }
        return Ok(written);
    }
    Ok(0)
}

async fn seed_views(views: &Views) -> Result<u64, SeedError> {
    let Some(config) = &views.redis else { return Ok(0) };
    let mut connection = redis::connect(config).await?;
    let mut written = 0;
    for sample in &SAMPLES {
        let done = connection.write_if_absent(sample.id, sample.visits).await;
        written += u64::from(done.map_err(|error| SeedError::Views(redis::name(config), error))?);
    }
    Ok(written)
}
