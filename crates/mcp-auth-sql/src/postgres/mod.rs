//! The store on a PostgreSQL server.

mod connect;
mod trouble;

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use mcp_auth::store::{
    Cursor, IndexName, IndexPage, Insert, Record, RecordKey, Replace, StoreError, Version,
    Versioned,
};
use sqlx::{Connection, PgConnection, Row, postgres::PgRow};
use tokio::sync::OnceCell;

use self::{
    connect::{Settings, connect},
    trouble::{is_worth_another_try, keeps_the_connection, trouble},
};
use crate::{
    cause::{Trouble, within},
    connections::{Connections, Lent},
    location::Server,
    row::{self, Columns, KEPT_AFTER_EXPIRY},
};

/// Every operation is one statement, and with that one transaction.
///
/// Whatever writes locks the record before its index entries, so that nobody waits in a circle, and
/// a purge passes by what another one has locked.
pub(crate) struct PostgresStore {
    settings: Settings,
    connections: Connections<PgConnection>,
    /// Done once the tables were found.
    ready: OnceCell<()>,
}

impl PostgresStore {
    /// Tries the server once; one that is away is tried again by each operation.
    pub(crate) async fn open(
        server: Server,
        deadline: Duration,
        connections: u32,
        synchronous_replica: bool,
    ) -> Result<Self, Trouble> {
        let store = Self {
            settings: Settings {
                options: server.options,
                shown: server.shown,
                deadline,
                synchronous_replica,
            },
            connections: Connections::new(connections),
            ready: OnceCell::new(),
        };
        match within(deadline, store.ready()).await {
            Ok(()) => Ok(store),
            Err(Trouble::Away(reason)) => {
                tracing::warn!(event = "store_unavailable", fault = "server", server = store.shown(), %reason, "PostgreSQL is tried again with each operation");
                Ok(store)
            }
            Err(trouble) => Err(trouble),
        }
    }

    pub(crate) const fn synchronous_replica(&self) -> bool {
        self.settings.synchronous_replica
    }

    pub(crate) fn shown(&self) -> &str {
        &self.settings.shown
    }

    pub(crate) async fn insert(
        &self,
        key: &RecordKey,
        record: Record,
    ) -> Result<Insert, StoreError> {
        let columns = Columns::of(record);
        let version = row::first_version();
        let done = self.ask(Repeat::Never, || {
            sqlx::query(INSERT)
                .bind(key.as_bytes().as_slice())
                .bind(version)
                .bind(columns.expires_at)
                .bind(&columns.sealed)
                .bind(&columns.names)
                .bind(columns.listed_until)
        });
        Ok(if done.await?.is_empty() {
            Insert::Exists
        } else {
            Insert::Inserted
        })
    }

    pub(crate) async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        let found = self.ask(Repeat::OnADeadConnection, || {
            sqlx::query(LOAD).bind(key.as_bytes().as_slice())
        });
        let found = found.await?;
        let found = found.first().map(versioned).transpose()?;
        Ok(found)
    }

    pub(crate) async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        let columns = Columns::of(record);
        let done = self.ask(Repeat::Never, || {
            sqlx::query(REPLACE)
                .bind(key.as_bytes().as_slice())
                .bind(version.0.cast_signed())
                .bind(row::next_version(version))
                .bind(columns.expires_at)
                .bind(&columns.sealed)
                .bind(&columns.names)
                .bind(columns.listed_until)
        });
        Ok(if done.await?.is_empty() {
            Replace::Conflict
        } else {
            Replace::Replaced
        })
    }

    pub(crate) async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        // A second removal finds nothing, which is no error.
        let done = self.ask(Repeat::OnADeadConnection, || {
            sqlx::query(REMOVE).bind(key.as_bytes().as_slice())
        });
        done.await?;
        Ok(())
    }

    pub(crate) async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let after = row::position(cursor)?;
        let found = self.ask(Repeat::OnADeadConnection, || {
            sqlx::query(LIST)
                .bind(index.as_bytes().as_slice())
                .bind(&after)
                .bind(row::one_more_than(limit))
        });
        let found = found.await?;
        let keys = found
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>();
        Ok(row::page(keys.map_err(|error| trouble(&error))?, limit)?)
    }

    pub(crate) async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        let purge = within(self.settings.deadline, async {
            let mut purged = 0;
            for sql in [PURGE_RECORDS, PURGE_INDEX] {
                let left = row::stride(limit.saturating_sub(purged));
                let age = i64::try_from(KEPT_AFTER_EXPIRY).unwrap_or(i64::MAX);
                let gone = self.ask(Repeat::OnADeadConnection, || {
                    sqlx::query(sql).bind(age).bind(left)
                });
                purged = purged.saturating_add(gone.await?.len());
            }
            Ok(purged)
        });
        Ok(purge.await?)
    }

    /// What a statement gives, within the deadline.
    async fn ask<'q>(
        &self,
        repeat: Repeat,
        query: impl Fn() -> Query<'q>,
    ) -> Result<Vec<PgRow>, Trouble> {
        let deadline = self.settings.deadline;
        within(deadline, async {
            self.ready().await?;
            let mut repeat = repeat;
            loop {
                let lent = self.connections.lend().await?;
                match self.ask_once(lent, &query).await? {
                    Answer::Rows(rows) => return Ok(rows),
                    Answer::Dead { reused, trouble } => {
                        // The others are of the same server, and as old.
                        self.connections.close_idle();
                        if !reused || repeat == Repeat::Never {
                            return Err(trouble);
                        }
                    }
                }
                repeat = Repeat::Never;
            }
        })
        .await
    }

    async fn ask_once<'q>(
        &self,
        mut lent: Lent<'_, PgConnection>,
        query: &impl Fn() -> Query<'q>,
    ) -> Result<Answer, Trouble> {
        let (mut connection, reused) = match self.reuse(&mut lent).await {
            Some(connection) => (connection, true),
            None => {
                lent.renew();
                (connect(&self.settings).await?, false)
            }
        };
        let mut tries = 1;
        loop {
            match query().fetch_all(&mut connection).await {
                Ok(rows) => {
                    lent.give_back(connection);
                    return Ok(Answer::Rows(rows));
                }
                Err(error) if is_worth_another_try(&error) && tries < TRIES => tries += 1,
                Err(error) if keeps_the_connection(&error) => {
                    lent.give_back(connection);
                    return Err(trouble(&error));
                }
                Err(error)
                    if error.as_database_error().is_some()
                        && !matches!(trouble(&error), Trouble::Away(_)) =>
                {
                    return Err(trouble(&error));
                }
                Err(error) => {
                    let trouble = trouble(&error);
                    return Ok(Answer::Dead { reused, trouble });
                }
            }
        }
    }

    /// The connection that was used last, if it still answers.
    async fn reuse(&self, lent: &mut Lent<'_, PgConnection>) -> Option<PgConnection> {
        let (mut connection, idle_for) = lent.reuse()?;
        if idle_for < FRESH {
            return Some(connection);
        }
        // A quarter of the deadline leaves time for another one.
        let asked = tokio::time::timeout(self.settings.deadline / 4, connection.ping()).await;
        if matches!(asked, Ok(Ok(()))) {
            return Some(connection);
        }
        self.connections.close_idle();
        None
    }

    /// Goes on once the tables are there.
    async fn ready(&self) -> Result<(), Trouble> {
        self.ready
            .get_or_try_init(|| async {
                let mut lent = self.connections.lend().await?;
                let mut connection = connect(&self.settings).await?;
                connect::prepare(&mut connection).await?;
                lent.renew();
                lent.give_back(connection);
                Ok(())
            })
            .await
            .copied()
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("server", &self.settings.shown)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// Whether a statement may be sent again when its connection died before the answer came.
///
/// The server may have carried it out: an insertion that is sent again would find itself, and say
/// that somebody else was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Never,
    OnADeadConnection,
}

enum Answer {
    Rows(Vec<PgRow>),
    Dead { reused: bool, trouble: Trouble },
}

fn versioned(found: &PgRow) -> Result<Versioned, Trouble> {
    let read = |error: sqlx::Error| trouble(&error);
    let names: Vec<u8> = found.try_get(3).map_err(read)?;
    row::versioned(
        found.try_get(0).map_err(read)?,
        found.try_get(1).map_err(read)?,
        found.try_get(2).map_err(read)?,
        &names,
    )
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// The entries name the record's CTE, so they are written only if it is, and after it.
const INSERT: &str = "
    WITH record AS (
        INSERT INTO mcp_auth_record (key, version, expires_at, sealed, indexes)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (key) DO NOTHING
        RETURNING indexes
    ), entries AS (
        INSERT INTO mcp_auth_index AS old (name, key, expires_at)
        SELECT DISTINCT substring(indexes FROM at + 1 FOR 32), $1, $6
        FROM record, generate_series(0, octet_length(indexes) - 1, 32) AS at
        ON CONFLICT (name, key) DO UPDATE SET expires_at = greatest(old.expires_at, excluded.expires_at)
    )
    SELECT 1 FROM record";
const LOAD: &str = "
    SELECT version, expires_at, sealed, indexes FROM mcp_auth_record WHERE key = $1";
const REPLACE: &str = "
    WITH record AS (
        UPDATE mcp_auth_record SET version = $3, expires_at = $4, sealed = $5, indexes = $6
        WHERE key = $1 AND version = $2
        RETURNING indexes
    ), entries AS (
        INSERT INTO mcp_auth_index AS old (name, key, expires_at)
        SELECT DISTINCT substring(indexes FROM at + 1 FOR 32), $1, $7
        FROM record, generate_series(0, octet_length(indexes) - 1, 32) AS at
        ON CONFLICT (name, key) DO UPDATE SET expires_at = greatest(old.expires_at, excluded.expires_at)
    )
    SELECT 1 FROM record";
const REMOVE: &str = "
    WITH record AS (
        DELETE FROM mcp_auth_record WHERE key = $1 RETURNING indexes
    )
    DELETE FROM mcp_auth_index
    USING record, generate_series(0, octet_length(indexes) - 1, 32) AS at
    WHERE name = substring(indexes FROM at + 1 FOR 32) AND mcp_auth_index.key = $1";
const LIST: &str = "
    SELECT key FROM mcp_auth_index WHERE name = $1 AND key > $2 ORDER BY key LIMIT $3";
/// The expiry is looked at again by the deletion: a record whose life was extended meanwhile stays.
const PURGE_RECORDS: &str = "
    DELETE FROM mcp_auth_record
    WHERE expires_at >= 0 AND expires_at < extract(epoch FROM now())::bigint - $1
        AND key = ANY (ARRAY (
            SELECT key FROM mcp_auth_record
            WHERE expires_at >= 0 AND expires_at < extract(epoch FROM now())::bigint - $1
            ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ))
    RETURNING 1";
const PURGE_INDEX: &str = "
    WITH old AS (
        SELECT name, key FROM mcp_auth_index
        WHERE expires_at < extract(epoch FROM now())::bigint - $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM mcp_auth_index AS entry USING old
    WHERE entry.name = old.name AND entry.key = old.key
        AND entry.expires_at < extract(epoch FROM now())::bigint - $1
    RETURNING 1";

/// Statements that lost against others at the same moment are sent again so often.
const TRIES: u32 = 5;
/// A connection that was used this lately is not asked first whether it still stands.
const FRESH: Duration = Duration::from_secs(5);
