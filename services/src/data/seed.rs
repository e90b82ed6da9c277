//! Writes the sample users and their page views. Only ever on request, and never over what is there.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use sqlx::Connection;
use user_info_api::config::{Sqlite, Users, Views};

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
    #[error("{0}: {1} ({2})")]
    Users(String, String, &'static str),
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
        let mut session = mysql::connect(config, Some(&config.database)).await?;
        let mut written = 0;
        for s in &SAMPLES {
            let [name, email] = [s.name, s.email].map(|text| mysql::literal(text.as_bytes()));
            let insert = format!("INSERT IGNORE INTO user_info (id, name, email) VALUES ({}, _utf8mb4 {name}, _utf8mb4 {email})", s.id);
            let done = session
                .run(&insert)
                .await
                .map_err(|error| SeedError::Users(mysql::name(config), error.to_string(), mysql_remedy(&error)))?;
            written += done.changed;
        }
        session.close().await;
        return Ok(written);
    }
    if let Some(config) = &users.sqlite {
        return seed_sqlite(config).await.map_err(|error| SeedError::Users(sqlite::name(config), error.to_string(), sqlite_remedy(&error)));
    }
    Ok(0)
}

/// Numbers: MySQL's server error reference.
const fn mysql_remedy(error: &mysql::Error) -> &'static str {
    match error.number() {
        Some(1142 | 1143) => "grant the user INSERT on the table user_info",
        Some(1290 | 1792 | 1836) => "the server is read-only; name the one that is written",
        Some(1146) => MIGRATE,
        _ => "check the table user_info, which `user_info migrate` makes",
    }
}

fn sqlite_remedy(error: &sqlx::Error) -> &'static str {
    let message = error.to_string();
    if message.contains("readonly") { "the file and its folder have to be writable" } else { MIGRATE }
}

const MIGRATE: &str = "run `user_info migrate` first";

async fn seed_sqlite(config: &Sqlite) -> Result<u64, sqlx::Error> {
    let mut connection = sqlite::write(config, false).await?;
    let mut all = connection.begin().await?;
    let mut written = 0;
    for s in &SAMPLES {
        let insert = sqlx::query("INSERT OR IGNORE INTO user_info (id, name, email) VALUES (?, ?, ?)");
        written += insert.bind(s.id).bind(s.name).bind(s.email).execute(&mut *all).await?.rows_affected();
    }
    all.commit().await?;
    sqlite::close_whole(config, connection).await?;
    Ok(written)
}

async fn seed_views(views: &Views) -> Result<u64, SeedError> {
    let Some(config) = &views.redis else { return Ok(0) };
    let mut connection = redis::connect(config).await?;
    let mut key = Vec::new();
    let mut written = 0;
    for sample in &SAMPLES {
        redis::write_key(&mut key, sample.id);
        let set = ::redis::cmd("SET").arg(&key[..]).arg(sample.visits).arg("NX").query_async::<Option<String>>(&mut connection).await;
        written += u64::from(set.map_err(|error| SeedError::Views(redis::name(config), error))?.is_some());
    }
    Ok(written)
}
