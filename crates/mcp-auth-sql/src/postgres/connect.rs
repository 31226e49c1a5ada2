//! Opening a connection, and the tables.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};

use super::trouble::{LACKS_RIGHTS, READ_ONLY, trouble};
use crate::{cause::Trouble, schema};

/// How connections are made.
pub(super) struct Settings {
    pub(super) options: PgConnectOptions,
    pub(super) shown: String,
    pub(super) deadline: Duration,
    pub(super) synchronous_replica: bool,
}

/// A connection to a server that takes writes and keeps what it acknowledges.
pub(super) async fn connect(settings: &Settings) -> Result<PgConnection, Trouble> {
    let mut connection = settings
        .options
        .connect()
        .await
        .map_err(|error| trouble(&error))?;
    // A standby answers loads with yesterday's state: "no such record" for one that there is.
    //
    // A statement that waits for a foreign lock ends by itself, so that those that were given up do
    // not heap up on the server. Single statements are written for READ COMMITTED. And a server that
    // acknowledges before it has written would make `durable` a lie.
    //
    // Settings, not startup parameters, which pgbouncer refuses. In its transaction mode they stay on
    // a connection that others of the same role and database get as well.
    let ready: (bool, String, String, String) = sqlx::query_as(
        "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
            set_config('statement_timeout', $1, false),
            set_config('default_transaction_isolation', 'read committed', false),
            set_config('synchronous_commit', CASE
                WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
                WHEN current_setting('synchronous_commit') = 'local' AND $2 THEN 'on'
                ELSE current_setting('synchronous_commit') END, false)",
    )
    .bind(
        settings
            .deadline
            .as_millis()
            .clamp(1, 3_600_000)
            .to_string(),
    )
    .bind(settings.synchronous_replica)
    .persistent(false)
    .fetch_one(&mut connection)
    .await
    .map_err(|error| trouble(&error))?;
    if ready.0 {
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
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .persistent(false)
        .execute(&mut *making)
        .await?;
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
    let there: bool = sqlx::query_scalar(
        "SELECT EXISTS (
            SELECT FROM pg_catalog.pg_class
            WHERE relname = 'mcp_auth_schema' AND pg_catalog.pg_table_is_visible(oid)
        )",
    )
    .persistent(false)
    .fetch_one(&mut *connection)
    .await?;
    if !there {
        return Ok(None);
    }
    let oldest = sqlx::query_scalar("SELECT coalesce(max(oldest), 1)::bigint FROM mcp_auth_schema");
    Ok(Some(oldest.persistent(false).fetch_one(connection).await?))
}

async fn may_write(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT bool_and(has_table_privilege(name, needed))
        FROM unnest(ARRAY['mcp_auth_record', 'mcp_auth_index']) AS name,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed",
    )
    .persistent(false)
    .fetch_one(connection)
    .await
}

/// A number that nobody else in the database is likely to lock: `mcpauth` in ASCII.
const LOCK: i64 = 0x6d_6370_6175_7468;
