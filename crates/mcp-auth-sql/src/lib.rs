//! The [`Store`] of mcp-auth on SQLite and PostgreSQL.
//!
//! One type, [`SqlStore`], opened by a URL. `sqlite:FILE` keeps everything in one file beside the
//! server, for one process or several on one machine. `postgres://USER:PASSWORD@HOST/DATABASE` is for
//! several machines. The tables are made at the first start.
//!
//! ```no_run
//! # async fn open() -> Result<(), mcp_auth::BuildError> {
//! use mcp_auth_sql::SqlStore;
//!
//! let store = SqlStore::open("sqlite:mcp-auth.db").await?;
//! # drop(store);
//! # Ok(())
//! # }
//! ```
//!
//! What goes wrong in deployment: a SQLite file on a network file system, where its locks do not
//! hold; a file that is restored while a server has it open; a PostgreSQL server that fails over to
//! an asynchronous replica, which forgets what was acknowledged last.

mod cause;
mod connections;
mod location;
mod postgres;
mod row;
mod schema;
mod sqlite;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use mcp_auth::{
    BuildError,
    store::{
        Capabilities, Cursor, IndexName, IndexPage, Insert, Record, RecordKey, Replace, Store,
        StoreError, Version, Versioned,
    },
};

use self::{cause::Trouble, location::Location, postgres::PostgresStore, sqlite::SqliteStore};

/// A [`Store`] in a file of SQLite or on a server of PostgreSQL.
///
/// Its connections belong to the tokio runtime that it was opened in.
///
/// A record that is replaced under fewer index names leaves the listings of the others.
///
/// # Security
///
/// Records are sealed and keys are hashed. Whoever can write to the database can still delete, and
/// bring back older states: keep it to the server's user. A file is made readable by its owner
/// alone; the connection to PostgreSQL is checked only with `sslmode=verify-full` in the URL.
pub struct SqlStore(Database);

impl SqlStore {
    /// Opens a database with the defaults of [`SqlStore::builder`].
    ///
    /// # Errors
    ///
    /// When the URL or the database cannot be used. A PostgreSQL server that is away is no error:
    /// every operation answers [`StoreError::Unavailable`] until it is back.
    pub async fn open(url: &str) -> Result<Self, BuildError> {
        Self::builder(url).open().await
    }

    /// Says how a database is opened: `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`.
    #[must_use]
    pub fn builder(url: &str) -> SqlStoreBuilder {
        SqlStoreBuilder {
            url: url.to_owned(),
            deadline: Duration::from_secs(2),
            connections: 8,
            synchronous_replica: false,
        }
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Database::Sqlite(store) => f
                .debug_struct("SqlStore")
                .field("file", &store.file().path)
                .finish_non_exhaustive(),
            Database::Postgres(store) => f
                .debug_struct("SqlStore")
                .field("server", &store.shown())
                .finish_non_exhaustive(),
        }
    }
}

/// How a database is opened.
pub struct SqlStoreBuilder {
    url: String,
    deadline: Duration,
    connections: u32,
    synchronous_replica: bool,
}

impl SqlStoreBuilder {
    /// How long an operation may take, from the wait for a connection to the answer; 2 seconds by
    /// default.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many connections are open at once to PostgreSQL; 8 by default. SQLite has its own number.
    #[must_use]
    pub const fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// States that PostgreSQL fails over only to a replica that has every acknowledged commit:
    /// `synchronous_standby_names` names one, and no other is ever promoted. Not so by default.
    ///
    /// # Security
    ///
    /// Stated wrongly, a failover brings back revoked grants and redeemed codes.
    #[must_use]
    pub const fn with_synchronous_replica(mut self) -> Self {
        self.synchronous_replica = true;
        self
    }

    /// Opens the database: tries it once, within the deadline.
    ///
    /// # Errors
    ///
    /// When an argument or the database cannot be used. A PostgreSQL server that is away is no
    /// error, nor is a file that another process has locked: every operation answers
    /// [`StoreError::Unavailable`] until that is over.
    pub async fn open(self) -> Result<SqlStore, BuildError> {
        if self.deadline.is_zero() {
            return Err(BuildError::argument(
                "store deadline",
                "must be more than nothing",
            ));
        }
        if self.connections == 0 {
            return Err(BuildError::argument(
                "store connections",
                "must be at least one",
            ));
        }
        let opened = match Location::parse(&self.url)? {
            Location::Sqlite(file) => SqliteStore::open(file, self.deadline)
                .await
                .map(|store| Database::Sqlite(Box::new(store))),
            Location::Postgres(server) => PostgresStore::open(
                *server,
                self.deadline,
                self.connections,
                self.synchronous_replica,
            )
            .await
            .map(|store| Database::Postgres(Box::new(store))),
        };
        opened.map(SqlStore).map_err(Trouble::into_mistake)
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for SqlStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStoreBuilder")
            .field("deadline", &self.deadline)
            .field("connections", &self.connections)
            .field("synchronous_replica", &self.synchronous_replica)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Database {
    Sqlite(Box<SqliteStore>),
    Postgres(Box<PostgresStore>),
}

#[async_trait]
impl Store for SqlStore {
    /// A file has no replica that a failover could lose anything to. A PostgreSQL server's is
    /// asynchronous until [`SqlStoreBuilder::with_synchronous_replica`] says otherwise.
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::durable_and_shared();
        capabilities.survives_failover = match &self.0 {
            Database::Sqlite(_) => true,
            Database::Postgres(store) => store.synchronous_replica(),
        };
        capabilities
    }

    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
        match &self.0 {
            Database::Sqlite(store) => store.insert(key, record).await,
            Database::Postgres(store) => store.insert(key, record).await,
        }
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        match &self.0 {
            Database::Sqlite(store) => store.load(key).await,
            Database::Postgres(store) => store.load(key).await,
        }
    }

    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        match &self.0 {
            Database::Sqlite(store) => store.replace(key, version, record).await,
            Database::Postgres(store) => store.replace(key, version, record).await,
        }
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        match &self.0 {
            Database::Sqlite(store) => store.remove(key).await,
            Database::Postgres(store) => store.remove(key).await,
        }
    }

    async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        match &self.0 {
            Database::Sqlite(store) => store.list(index, cursor, limit).await,
            Database::Postgres(store) => store.list(index, cursor, limit).await,
        }
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        match &self.0 {
            Database::Sqlite(store) => store.purge_expired(limit).await,
            Database::Postgres(store) => store.purge_expired(limit).await,
        }
    }
}

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
