//! Makes the table of the users, and the database around it.

use std::fmt;
use std::sync::LazyLock;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::mysql::MySqlConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, SqlSafeStr};
use user_info_api::config::{MySql, Sqlite, Users};

use super::loader::ConnectError;
use super::users::{mysql, sqlite};

/// The migrations from a folder below `migrations`. sqlx's macro for this compiles sqlx a second time.
macro_rules! migrations {
    ($folder:literal) => {
        LazyLock::new(|| {
            let user_info = include_str!(concat!("../../migrations/", $folder, "/0001_user_info.sql"));
            Migrator::with_migrations(vec![Migration::new(1, "user info".into(), MigrationType::Simple, user_info.into_sql_str(), false)])
        })
    };
}

static MYSQL: LazyLock<Migrator> = migrations!("mysql");
static SQLITE: LazyLock<Migrator> = migrations!("sqlite");

/// How long a migration waits for another, in seconds.
const LOCK_SECONDS: u8 = 60;

/// Why the table could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No connection to the store.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The database is missing and may not be created.
    #[error("{store}: cannot create the database {database}: {cause} (create it, or grant the user CREATE)")]
    CreateDatabase {
        /// Kind and address.
        store: String,
        /// The database's name.
        database: String,
        /// What the server says.
        cause: sqlx::Error,
    },
    /// Another migration does not end.
    #[error("{store}: another migration has been running for {LOCK_SECONDS} s (try again when it is done)")]
    Locked {
        /// Kind and address.
        store: String,
    },
    /// A migration failed.
    #[error("{store}: {cause}")]
    Migrate {
        /// Kind and address.
        store: String,
        /// What the server or the migrator says.
        cause: sqlx::migrate::MigrateError,
    },
}

impl MigrateError {
    /// Whether somebody has to change the configuration.
    pub const fn is_config(&self) -> bool {
        matches!(self, Self::Connect(ConnectError::Configuration(_)))
    }
}

/// What [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Kind and address.
    pub store: String,
    /// Whether the database was not there before.
    pub created_database: bool,
    /// Migrations carried out, as `<version> <description>`.
    pub applied: Vec<String>,
}

impl fmt::Display for Migrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.store)?;
        if self.created_database {
            f.write_str("created the database, ")?;
        }
        if self.applied.is_empty() { f.write_str("up to date") } else { write!(f, "applied {}", self.applied.join(", ")) }
    }
}

/// Creates the table `user_info` in the store that `users` names, and before it the database or file, where they are missing. Does nothing
/// the second time; two at a time wait for each other.
pub async fn migrate(users: &Users) -> Result<Migrated, MigrateError> {
    if let Some(config) = &users.mysql {
        return migrate_mysql(config).await;
    }
    if let Some(config) = &users.sqlite {
        return migrate_sqlite(config).await;
    }
    Ok(Migrated { store: "memory".to_owned(), created_database: false, applied: Vec::new() })
}

async fn migrate_mysql(config: &MySql) -> Result<Migrated, MigrateError> {
    let store = format!("{}/{}", mysql::name(config), config.database);
    let (mut connection, created_database) = match mysql::connect_if_there(config).await? {
        Some(connection) => (connection, false),
        None => (create_database(config).await?, true),
    };
    // The migrator's own lock does not wait on MariaDB. This one goes with the connection.
    let lock = sqlx::query_scalar(AssertSqlSafe(format!("SELECT GET_LOCK('user_info migrate', {LOCK_SECONDS})")));
    let locked: Option<i64> =
        lock.fetch_one(&mut connection).await.map_err(|error| MigrateError::Migrate { store: store.clone(), cause: error.into() })?;
    if locked != Some(1) {
        return Err(MigrateError::Locked { store });
    }
    let applied = run(&MYSQL, &mut connection).await.map_err(|cause| MigrateError::Migrate { store: store.clone(), cause })?;
    Ok(Migrated { store, created_database, applied })
}

/// Creates the database, and gives a connection to it.
async fn create_database(config: &MySql) -> Result<MySqlConnection, MigrateError> {
    let mut connection = mysql::connect(config, None).await?;
    let name = config.database.replace('`', "``");
    let create = AssertSqlSafe(format!("CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4"));
    connection.execute(create).await.map_err(|cause| MigrateError::CreateDatabase {
        store: mysql::name(config),
        database: config.database.clone(),
        cause,
    })?;
    Ok(mysql::connect(config, Some(&config.database)).await?)
}

async fn migrate_sqlite(config: &Sqlite) -> Result<Migrated, MigrateError> {
    let store = sqlite::name(config);
    let failed = |cause| MigrateError::Migrate { store: store.clone(), cause };
    let created_database = !config.path.exists();
    // With a write-ahead log, readers do not wait for writers.
    let options = SqliteConnectOptions::new().filename(&config.path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let mut connection = options.disable_statement_logging().connect().await.map_err(|error| failed(error.into()))?;
    // The migrator has no lock for SQLite.
    let mut locked = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| failed(error.into()))?;
    let applied = run(&SQLITE, &mut *locked).await.map_err(failed)?;
    locked.commit().await.map_err(|error| failed(error.into()))?;
    Ok(Migrated { store, created_database, applied })
}

/// Runs what is missing, and tells what that was.
async fn run<C>(migrator: &Migrator, connection: &mut C) -> Result<Vec<String>, sqlx::migrate::MigrateError>
where
    C: sqlx::migrate::Migrate,
{
    connection.ensure_migrations_table(&migrator.table_name).await?;
    let before = connection.list_applied_migrations(&migrator.table_name).await?;
    migrator.run_direct(None, connection, false).await?;
    let new = migrator.iter().filter(|m| before.iter().all(|b| b.version != m.version));
    Ok(new.map(|m| format!("{:04} {}", m.version, m.description)).collect())
}
