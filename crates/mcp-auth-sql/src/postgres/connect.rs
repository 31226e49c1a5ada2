//! Opening a connection, and the tables.

use std::time::Duration;

use sqlx::{
    ConnectOptions, Connection, Decode, Executor, PgConnection, Postgres, Row, Type,
    postgres::PgConnectOptions,
};

use super::trouble::{LACKS_RIGHTS, READ_ONLY, trouble, while_connecting};
use crate::{cause::Trouble, schema};

/// How connections are made.
pub(super) struct Settings {
    pub(super) options: PgConnectOptions,
    pub(super) shown: String,
    pub(super) deadline: Duration,
    pub(super) synchronous_replica: bool,
}

/// A connection to a server that takes writes.
pub(super) async fn connect(settings: &Settings) -> Result<PgConnection, Trouble> {
    let connection = settings.options.connect().await;
    let mut connection = connection.map_err(|error| while_connecting(&error))?;
    let read_only = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";
    let read_only: bool = first(&mut connection, read_only)
        .await
        .map_err(|error| while_connecting(&error))?;
    if read_only {
        return Err(Trouble::Away(READ_ONLY.into()));
    }
    Ok(connection)
}

/// Sees to it that there are our tables, and that we may use them.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), Trouble> {
    let found = prepare_with(connection).await;
    found.map_err(|error| trouble(&error))?
}

/// An error of PostgreSQL is the outer one.
async fn prepare_with(connection: &mut PgConnection) -> Result<Result<(), Trouble>, sqlx::Error> {
    if let Some(oldest) = oldest(connection).await? {
        if let Err(newer) = schema::usable(oldest) {
            return Ok(Err(newer));
        }
        return Ok(if may_write(connection).await? {
            Ok(())
        } else {
            Err(Trouble::Operator(LACKS_RIGHTS.into()))
        });
    }
    // Of several processes that start at once the first makes the tables, and the others see them.
    let mut making = connection.begin().await?;
    making.execute(sqlx::raw_sql(LOCK)).await?;
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
async fn oldest(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    // Asked of the catalogue: what a session remembers of a name outlives its wait for the lock.
    let there: bool = first(
        connection,
        "SELECT EXISTS (
            SELECT FROM pg_catalog.pg_class
            WHERE relname = 'mcp_auth_schema' AND pg_catalog.pg_table_is_visible(oid)
        )",
    )
    .await?;
    if !there {
        return Ok(None);
    }
    let oldest = "SELECT coalesce(max(oldest), 1)::bigint FROM mcp_auth_schema";
    first(connection, oldest).await.map(Some)
}

async fn may_write(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    first(
        connection,
        "SELECT bool_and(has_table_privilege(name, needed))
        FROM unnest(ARRAY['mcp_auth_record', 'mcp_auth_index']) AS name,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed",
    )
    .await
}

/// The first column of the only row, of a statement in one message as all are.
async fn first<T>(connection: &mut PgConnection, sql: &'static str) -> Result<T, sqlx::Error>
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
{
    sqlx::raw_sql(sql).fetch_one(connection).await?.try_get(0)
}

/// Locks a number that nobody else in the database is likely to lock: `mcpauth` in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(x'006d637061757468'::bigint)";
