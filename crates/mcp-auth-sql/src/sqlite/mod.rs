//! The store in one file.

mod connect;
mod file;
mod trouble;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use mcp_auth::{
    oauth::{Clock, SystemClock},
    store::{
        Cursor, IndexName, IndexPage, Insert, Record, RecordKey, Replace, StoreError, Version,
        Versioned,
    },
};
use sqlx::{Row, SqliteConnection};
use tokio::sync::OnceCell;

use self::{
    connect::{PAUSE, Role, connect},
    file::{Held, Identity},
    trouble::{is_busy, trouble},
};
use crate::{
    cause::{Trouble, within},
    connections::{Connections, Lent},
    location::File,
    row::{self, Columns, KEPT_AFTER_EXPIRY},
};

/// One writer and some readers.
///
/// SQLite lets one connection write at a time. Within a process the writers queue for the one
/// connection, in order; between processes they try again until the lock is free.
pub(crate) struct SqliteStore {
    file: File,
    deadline: Duration,
    writer: Connections<SqliteConnection>,
    readers: Connections<SqliteConnection>,
    /// Done once the tables were found.
    ready: OnceCell<()>,
    opened: OnceLock<Opened>,
}

/// The files that were found at the start.
struct Opened {
    identity: Identity,
    /// Open as long as the store is, so that the log beside the file stays the same one.
    _anchor: Mutex<SqliteConnection>,
    // After it: the file is held until it is closed.
    _held: Held,
}

impl SqliteStore {
    /// Opens the file; one that another process has locked is opened by the first operation that
    /// finds it free.
    pub(crate) async fn open(file: File, deadline: Duration) -> Result<Self, Trouble> {
        file::prepare(&file)?;
        let store = Self {
            file,
            deadline,
            writer: Connections::new(1),
            readers: Connections::new(READERS),
            ready: OnceCell::new(),
            opened: OnceLock::new(),
        };
        match within(deadline, store.ready()).await {
            Ok(()) => Ok(store),
            Err(Trouble::Away(reason)) => {
                tracing::warn!(event = "store_unavailable", fault = "server", %reason, "the SQLite file is tried again with each operation");
                Ok(store)
            }
            Err(trouble) => Err(trouble),
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) async fn insert(
        &self,
        key: &RecordKey,
        record: Record,
    ) -> Result<Insert, StoreError> {
        let columns = Columns::of(record);
        let work = async {
            let mut writing = self.begin().await?;
            let inserted = sqlx::query(INSERT)
                .bind(key.as_bytes().as_slice())
                .bind(row::new_version())
                .bind(columns.expires_at)
                .bind(&columns.sealed)
                .bind(&columns.names);
            if writing.execute(inserted).await? == 0 {
                writing.undo().await?;
                return Ok(Insert::Exists);
            }
            writing.list_under(key, &columns).await?;
            writing.commit().await?;
            Ok(Insert::Inserted)
        };
        Ok(within(self.deadline, work).await?)
    }

    pub(crate) async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        let work = async {
            let found = self
                .read(|| sqlx::query(LOAD).bind(key.as_bytes().as_slice()))
                .await?;
            let Some(found) = found.first() else {
                return Ok(None);
            };
            let read = |error: sqlx::Error| trouble(&error);
            let names: Vec<u8> = found.try_get(3).map_err(read)?;
            row::versioned(
                found.try_get(0).map_err(read)?,
                found.try_get(1).map_err(read)?,
                found.try_get(2).map_err(read)?,
                &names,
            )
            .map(Some)
        };
        Ok(within(self.deadline, work).await?)
    }

    pub(crate) async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        let columns = Columns::of(record);
        let work = async {
            let mut writing = self.begin().await?;
            // First, while the record still says where it is listed.
            let dropped = sqlx::query(UNLIST_OTHERS)
                .bind(key.as_bytes().as_slice())
                .bind(version.0.cast_signed())
                .bind(&columns.names);
            writing.execute(dropped).await?;
            let replaced = sqlx::query(REPLACE)
                .bind(key.as_bytes().as_slice())
                .bind(version.0.cast_signed())
                .bind(row::new_version())
                .bind(columns.expires_at)
                .bind(&columns.sealed)
                .bind(&columns.names);
            if writing.execute(replaced).await? == 0 {
                writing.undo().await?;
                return Ok(Replace::Conflict);
            }
            writing.list_under(key, &columns).await?;
            writing.commit().await?;
            Ok(Replace::Replaced)
        };
        Ok(within(self.deadline, work).await?)
    }

    pub(crate) async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        let work = async {
            let mut writing = self.begin().await?;
            // First, while the record still says where it is listed.
            writing
                .execute(sqlx::query(UNLIST).bind(key.as_bytes().as_slice()))
                .await?;
            writing
                .execute(sqlx::query(REMOVE).bind(key.as_bytes().as_slice()))
                .await?;
            writing.commit().await
        };
        Ok(within(self.deadline, work).await?)
    }

    pub(crate) async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let work = async {
            let after = row::position(cursor)?;
            let found = self.read(|| {
                sqlx::query(LIST)
                    .bind(index.as_bytes().as_slice())
                    .bind(after.clone())
                    .bind(row::one_more_than(limit))
            });
            let keys = found
                .await?
                .iter()
                .map(|row| row.try_get(0))
                .collect::<Result<_, _>>();
            row::page(keys.map_err(|error| trouble(&error))?, limit)
        };
        Ok(within(self.deadline, work).await?)
    }

    pub(crate) async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        let before = SystemClock
            .now()
            .as_seconds()
            .saturating_sub(KEPT_AFTER_EXPIRY);
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let work = async {
            let mut writing = self.begin().await?;
            let mut purged = 0;
            for sql in [PURGE_RECORDS, PURGE_INDEX] {
                let left = row::stride(limit.saturating_sub(purged));
                let gone = writing
                    .execute(sqlx::query(sql).bind(before).bind(left))
                    .await?;
                purged = purged.saturating_add(usize::try_from(gone).unwrap_or(usize::MAX));
            }
            writing.commit().await?;
            Ok(purged)
        };
        Ok(within(self.deadline, work).await?)
    }

    /// Goes on once the tables are there and the file is the one that was opened.
    async fn ready(&self) -> Result<(), Trouble> {
        self.ready
            .get_or_try_init(|| async {
                let connection = connect::prepare(&self.file.path).await?;
                let identity = file::identity(&self.file.path)?;
                self.opened.get_or_init(|| Opened {
                    identity,
                    _anchor: Mutex::new(connection),
                    _held: Held::of(&identity),
                });
                Ok::<_, Trouble>(())
            })
            .await?;
        self.in_place()
    }

    /// An open file is written to even when it has no name any longer: what is acknowledged then is
    /// lost with the process.
    fn in_place(&self) -> Result<(), Trouble> {
        let now = file::identity(&self.file.path)?;
        let opened = self.opened.get();
        if opened.is_some_and(|opened| opened.identity == now) {
            return Ok(());
        }
        Err(Trouble::Away(file::MOVED.into()))
    }

    /// The rows of a query, read by one of the readers.
    async fn read<'q>(
        &self,
        query: impl Fn() -> Query<'q>,
    ) -> Result<Vec<sqlx::sqlite::SqliteRow>, Trouble> {
        self.ready().await?;
        let mut lent = self.readers.lend().await?;
        let mut connection = match lent.reuse() {
            Some((connection, _)) => connection,
            None => {
                lent.renew();
                connect(&self.file.path, Role::Reader).await?
            }
        };
        loop {
            match query().fetch_all(&mut connection).await {
                Ok(rows) => {
                    lent.give_back(connection);
                    return Ok(rows);
                }
                Err(error) if is_busy(&error) => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(trouble(&error)),
            }
        }
    }

    /// A transaction that holds the write lock from its begin: two that read first and write then
    /// would wait for each other.
    async fn begin(&self) -> Result<Writing<'_>, Trouble> {
        self.ready().await?;
        let mut lent = self.writer.lend().await?;
        let mut connection = match lent.reuse() {
            Some((connection, _)) => connection,
            None => {
                lent.renew();
                connect(&self.file.path, Role::Writer).await?
            }
        };
        loop {
            match sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut connection)
                .await
            {
                Ok(_) => {
                    return Ok(Writing {
                        store: self,
                        lent,
                        connection,
                    });
                }
                Err(error) if is_busy(&error) => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(trouble(&error)),
            }
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// A transaction under way. Dropped before its end it takes the connection with it, and SQLite
/// undoes it.
struct Writing<'a> {
    store: &'a SqliteStore,
    lent: Lent<SqliteConnection>,
    connection: SqliteConnection,
}

impl Writing<'_> {
    /// How many rows a statement changed.
    async fn execute(&mut self, query: Query<'_>) -> Result<u64, Trouble> {
        let done = query.execute(&mut self.connection).await;
        Ok(done.map_err(|error| trouble(&error))?.rows_affected())
    }

    async fn list_under(&mut self, key: &RecordKey, columns: &Columns) -> Result<(), Trouble> {
        if columns.names.is_empty() {
            return Ok(());
        }
        let listed = sqlx::query(LIST_UNDER)
            .bind(&columns.names)
            .bind(key.as_bytes().as_slice())
            .bind(columns.listed_until);
        self.execute(listed).await?;
        Ok(())
    }

    async fn commit(self) -> Result<(), Trouble> {
        let store = self.store;
        self.end("COMMIT").await?;
        // Again, after it: the files may have gone meanwhile.
        store.in_place()
    }

    async fn undo(self) -> Result<(), Trouble> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &'static str) -> Result<(), Trouble> {
        self.execute(sqlx::query(how)).await?;
        self.lent.give_back(self.connection);
        Ok(())
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

const INSERT: &str = "
    INSERT INTO mcp_auth_record (key, version, expires_at, sealed, indexes)
    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key) DO NOTHING";
const LOAD: &str = "
    SELECT version, expires_at, sealed, indexes FROM mcp_auth_record WHERE key = ?1";
const REPLACE: &str = "
    UPDATE mcp_auth_record SET version = ?3, expires_at = ?4, sealed = ?5, indexes = ?6
    WHERE key = ?1 AND version = ?2";
const REMOVE: &str = "DELETE FROM mcp_auth_record WHERE key = ?1";
/// An entry's expiry only ever grows: it lasts as long as any state of the record that it was
/// written for.
const LIST_UNDER: &str = "
    WITH RECURSIVE names (at) AS (
        SELECT 1 UNION ALL SELECT at + 32 FROM names WHERE at + 32 <= length(?1)
    )
    INSERT INTO mcp_auth_index (name, key, expires_at)
    SELECT substr(?1, at, 32), ?2, ?3 FROM names WHERE true
    ON CONFLICT (name, key) DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)";
const UNLIST: &str = "
    WITH RECURSIVE names (at, indexes) AS (
        SELECT 1, indexes FROM mcp_auth_record WHERE key = ?1
        UNION ALL SELECT at + 32, indexes FROM names WHERE at + 32 <= length(indexes)
    )
    DELETE FROM mcp_auth_index
    WHERE (name, key) IN (SELECT substr(indexes, at, 32), ?1 FROM names)";
/// The same for the names that the record has and its next state has not.
const UNLIST_OTHERS: &str = "
    WITH RECURSIVE names (at, indexes) AS (
        SELECT 1, indexes FROM mcp_auth_record WHERE key = ?1 AND version = ?2 AND indexes <> ?3
        UNION ALL SELECT at + 32, indexes FROM names WHERE at + 32 <= length(indexes)
    ), kept (at) AS (
        SELECT 1 WHERE length(?3) > 0
        UNION ALL SELECT at + 32 FROM kept WHERE at + 32 <= length(?3)
    )
    DELETE FROM mcp_auth_index
    WHERE (name, key) IN (
        SELECT substr(indexes, at, 32), ?1 FROM names
        WHERE substr(indexes, at, 32) NOT IN (SELECT substr(?3, at, 32) FROM kept)
    )";
const LIST: &str = "
    SELECT key FROM mcp_auth_index WHERE name = ?1 AND key > ?2 ORDER BY key LIMIT ?3";
const PURGE_RECORDS: &str = "
    DELETE FROM mcp_auth_record WHERE key IN (
        SELECT key FROM mcp_auth_record WHERE expires_at >= 0 AND expires_at < ?1
        ORDER BY expires_at LIMIT ?2
    )";
const PURGE_INDEX: &str = "
    DELETE FROM mcp_auth_index WHERE (name, key) IN (
        SELECT name, key FROM mcp_auth_index WHERE expires_at < ?1
        ORDER BY expires_at LIMIT ?2
    )";

/// A read is over in a fraction of a millisecond; each connection is a thread.
const READERS: u32 = 4;
