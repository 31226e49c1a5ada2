//! Opening a file, and its tables.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, Connection, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{
    file,
    trouble::{DAMAGED, is_busy, is_unusable, trouble},
};
use crate::{cause::Trouble, schema};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Reader,
    Writer,
}

/// A connection, once no lock is in its way.
pub(super) async fn connect(path: &Path, role: Role) -> Result<SqliteConnection, Trouble> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(PATIENCE)
        // Readers never wait for a writer, nor it for them.
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL survives the end of the process; FULL survives that of the machine too. A revocation
        // that was acknowledged must not come undone by a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        // A log that grew once, beside a reader that took long, does not stay large.
        .pragma("journal_size_limit", "16777216")
        .pragma("cell_size_check", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma(
            "query_only",
            if role == Role::Reader { "ON" } else { "OFF" },
        )
        .disable_statement_logging();
    loop {
        match options.connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) if is_busy(&error) => tokio::time::sleep(PAUSE).await,
            Err(error) if is_unusable(&error) => {
                return Err(Trouble::Operator(
                    format!(
                        "the SQLite file cannot be used ({}): give the server's user the right to write it and its folder",
                        trouble(&error)
                    )
                    .into(),
                ));
            }
            Err(error) => return Err(trouble(&error)),
        }
    }
}

/// Sees to it that the file is whole and has our tables.
pub(super) async fn prepare(path: &Path) -> Result<SqliteConnection, Trouble> {
    let mut connection = connect(path, Role::Writer).await?;
    loop {
        match prepare_with(&mut connection, path).await {
            Ok(found) => return found.map(|()| connection),
            Err(error) if is_busy(&error) => {
                connection = connect(path, Role::Writer).await?;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(trouble(&error)),
        }
    }
}

/// An error of SQLite is the outer one.
async fn prepare_with(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<Result<(), Trouble>, sqlx::Error> {
    if file::is_short(path) {
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut *connection)
            .await?;
        if found != "ok" {
            return Ok(Err(Trouble::Operator(DAMAGED.into())));
        }
    }
    if let Some(oldest) = oldest(&mut *connection).await? {
        return Ok(schema::usable(oldest));
    }
    // Of several processes that start at once the first makes the tables, and the others see them.
    let mut making = connection.begin_with("BEGIN IMMEDIATE").await?;
    if let Some(oldest) = oldest(&mut making).await? {
        making.rollback().await?;
        return Ok(schema::usable(oldest));
    }
    making
        .execute(sqlx::raw_sql(include_str!("schema.sql")))
        .await?;
    making.commit().await?;
    tracing::info!(event = "store_tables_made", version = schema::VERSION);
    Ok(Ok(()))
}

/// What the tables say of themselves; none where there are none.
async fn oldest(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    let there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'mcp_auth_schema')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if !there {
        return Ok(None);
    }
    let oldest = sqlx::query_scalar("SELECT max(oldest) FROM mcp_auth_schema");
    Ok(Some(oldest.fetch_one(connection).await?))
}

/// How long SQLite itself waits for a lock, with a thread; longer waits are slept without one.
const PATIENCE: Duration = Duration::from_millis(20);
/// Between two tries for a lock that another process holds.
pub(super) const PAUSE: Duration = Duration::from_millis(2);
