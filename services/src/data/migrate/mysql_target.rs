//! What the migrator does with MySQL, over a session of ours. The table of migrations is the one that its own driver makes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration};

use crate::data::users::mysql::{Error, Session, literal};

/// A session that migrations are run in.
#[derive(Debug)]
pub(super) struct MySqlTarget(pub(super) Session);

type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, MigrateError>> + Send + 'a>>;

/// In the migrator's words.
pub(super) fn failed(error: &Error) -> MigrateError {
    MigrateError::Execute(said(error))
}

fn said(error: &Error) -> sqlx::Error {
    sqlx::Error::Io(io::Error::other(error.to_string()))
}

impl MySqlTarget {
    async fn run(&mut self, statements: &str) -> Result<Vec<Vec<Option<Vec<u8>>>>, MigrateError> {
        self.0.run(statements).await.map(|done| done.rows).map_err(|error| failed(&error))
    }
}

/// The number in the first cell.
fn number(row: &[Option<Vec<u8>>]) -> Option<i64> {
    std::str::from_utf8(row.first()?.as_ref()?).ok()?.parse().ok()
}

impl Migrate for MySqlTarget {
    fn create_schema_if_not_exists<'e>(&'e mut self, name: &'e str) -> Step<'e, ()> {
        Box::pin(async move { self.run(&format!("CREATE SCHEMA IF NOT EXISTS {name}")).await.map(drop) })
    }

    fn ensure_migrations_table<'e>(&'e mut self, table: &'e str) -> Step<'e, ()> {
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, \
             execution_time BIGINT NOT NULL)"
        );
        Box::pin(async move { self.run(&create).await.map(drop) })
    }

    fn dirty_version<'e>(&'e mut self, table: &'e str) -> Step<'e, Option<i64>> {
        Box::pin(async move {
            let rows = self.run(&format!("SELECT version FROM {table} WHERE success = false ORDER BY version LIMIT 1")).await?;
            Ok(rows.first().and_then(|row| number(row)))
        })
    }

    fn list_applied_migrations<'e>(&'e mut self, table: &'e str) -> Step<'e, Vec<AppliedMigration>> {
        Box::pin(async move {
            let rows = self.run(&format!("SELECT version, checksum FROM {table} ORDER BY version")).await?;
            let applied = rows.into_iter().filter_map(|mut row| {
                let checksum = row.get_mut(1)?.take()?;
                Some(AppliedMigration { version: number(&row)?, checksum: checksum.into() })
            });
            Ok(applied.collect())
        })
    }

    /// There is one already, around all.
    fn lock(&mut self) -> Step<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn unlock(&mut self) -> Step<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// MySQL ends a transaction where a table is made, so there is none: that a migration has begun is written first, and that it succeeded last.
    fn apply<'e>(&'e mut self, table: &'e str, migration: &'e Migration) -> Step<'e, Duration> {
        Box::pin(async move {
            let start = Instant::now();
            let version = migration.version;
            let [description, checksum] = [migration.description.as_bytes(), &migration.checksum].map(literal);
            self.run(&format!(
                "INSERT INTO {table} (version, description, success, checksum, execution_time) \
                 VALUES ({version}, _utf8mb4 {description}, FALSE, {checksum}, -1)"
            ))
            .await?;
            let script = migration.sql.as_str();
            self.0.run(script).await.map_err(|error| MigrateError::ExecuteMigration(said(&error), version))?;
            let took = start.elapsed();
            self.run(&format!("UPDATE {table} SET success = TRUE, execution_time = {} WHERE version = {version}", took.as_nanos())).await?;
            Ok(took)
        })
    }

    /// No migration of ours can be reverted.
    fn revert<'e>(&'e mut self, _table: &'e str, migration: &'e Migration) -> Step<'e, Duration> {
        Box::pin(async { Err(MigrateError::VersionMissing(migration.version)) })
    }
}
