//! The store on a PostgreSQL server.

mod connect;
mod statements;
mod trouble;
mod unanswered;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use mcp_auth::store::{
    Cursor, IndexName, IndexPage, Insert, Record, RecordKey, Replace, StoreError, Version,
    Versioned,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgRow};
use tokio::sync::OnceCell;

use self::{
    connect::{Settings, connect},
    trouble::{READ_ONLY, is_worth_another_try, keeps_the_connection, trouble},
    unanswered::Unanswered,
};
use crate::{
    cause::{Trouble, within},
    connections::{Connections, Lent},
    location::Server,
    row::{self, Columns},
};

/// Every operation is one message of one statement, and with that one transaction.
///
/// Whatever writes locks the record before its index entries, so that nobody waits in a circle, and
/// a purge passes by what another one has locked.
pub(crate) struct PostgresStore {
    settings: Settings,
    connections: Connections<PgConnection>,
    unanswered: Arc<Unanswered>,
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
            unanswered: Unanswered::new(connections),
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
        let statement = statements::insert(key, row::new_version(), &Columns::of(record));
        let written = self.ask(Repeat::Never, statement).await?;
        self.unanswered.written();
        Ok(if written.is_empty() {
            Insert::Exists
        } else {
            Insert::Inserted
        })
    }

    pub(crate) async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        let found = self
            .ask(Repeat::OnADeadConnection, statements::load(key))
            .await?;
        let found = found
            .first()
            .ok_or_else(|| Trouble::Failed(NOTHING.into()))?;
        Ok(versioned(found)?)
    }

    pub(crate) async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        let statement = statements::replace(key, version, &Columns::of(record));
        let written = self.ask(Repeat::Never, statement).await?;
        self.unanswered.written();
        Ok(if written.is_empty() {
            Replace::Conflict
        } else {
            Replace::Replaced
        })
    }

    pub(crate) async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        // A second removal finds nothing, which is no error.
        self.ask(Repeat::OnADeadConnection, statements::remove(key))
            .await?;
        Ok(())
    }

    pub(crate) async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let statement = statements::list(index, &row::position(cursor)?, limit);
        let found = self.ask(Repeat::OnADeadConnection, statement).await?;
        if found.is_empty() {
            return Err(Trouble::Failed(NOTHING.into()).into());
        }
        let mut keys = Vec::with_capacity(found.len());
        for row in &found {
            refuse_a_standby(row)?;
            keys.extend(
                row.try_get::<Option<Vec<u8>>, _>(1)
                    .map_err(|error| trouble(&error))?,
            );
        }
        Ok(row::page(keys, limit)?)
    }

    pub(crate) async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        let purge = within(self.settings.deadline, async {
            let again = Repeat::OnADeadConnection;
            let records = self
                .ask(again, statements::purge_records(limit))
                .await?
                .len();
            let rest = limit.saturating_sub(records);
            let entries = self.ask(again, statements::purge_index(rest)).await?.len();
            Ok(records + entries)
        });
        Ok(purge.await?)
    }

    /// What a statement gives, within the deadline.
    async fn ask(&self, repeat: Repeat, statement: String) -> Result<Vec<PgRow>, Trouble> {
        let deadline = self.settings.deadline;
        let message: Arc<str> = format!("{} {statement}", statements::settings(deadline)).into();
        within(deadline, async {
            self.ready().await?;
            let mut repeat = repeat;
            loop {
                let lent = self.connections.lend().await?;
                match self.ask_once(lent, &message).await? {
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

    async fn ask_once(
        &self,
        mut lent: Lent<PgConnection>,
        message: &Arc<str>,
    ) -> Result<Answer, Trouble> {
        let (connection, reused) = match self.reuse(&mut lent).await {
            Some(connection) => (connection, true),
            None => {
                lent.renew();
                (connect(&self.settings).await?, false)
            }
        };
        let exchange = exchange(lent, connection, message.clone());
        match self.unanswered.to_its_end(exchange).await {
            Ok(rows) => Ok(Answer::Rows(rows)),
            Err(Refused {
                died: true,
                trouble: trouble @ Trouble::Away(_),
            }) => Ok(Answer::Dead { reused, trouble }),
            Err(Refused { trouble, .. }) => Err(trouble),
        }
    }

    /// The connection that was used last, if it still answers.
    async fn reuse(&self, lent: &mut Lent<PgConnection>) -> Option<PgConnection> {
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
                lent.renew();
                let preparation = async move {
                    connect::prepare(&mut connection).await?;
                    lent.give_back(connection);
                    Ok(())
                };
                self.unanswered.to_its_end(preparation).await
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

/// One message, and the answer read to its end. The connection goes back if it still stands.
async fn exchange(
    lent: Lent<PgConnection>,
    mut connection: PgConnection,
    message: Arc<str>,
) -> Result<Vec<PgRow>, Refused> {
    let mut tries = 1;
    loop {
        let message = sqlx::raw_sql(AssertSqlSafe(message.clone()));
        match message.fetch_all(&mut connection).await {
            Ok(rows) => {
                lent.give_back(connection);
                return Ok(rows);
            }
            Err(error) if is_worth_another_try(&error) && tries < TRIES => tries += 1,
            Err(error) => {
                let died = !keeps_the_connection(&error);
                if !died {
                    lent.give_back(connection);
                }
                return Err(Refused {
                    died,
                    trouble: trouble(&error),
                });
            }
        }
    }
}

struct Refused {
    died: bool,
    trouble: Trouble,
}

enum Answer {
    Rows(Vec<PgRow>),
    Dead { reused: bool, trouble: Trouble },
}

fn versioned(found: &PgRow) -> Result<Option<Versioned>, Trouble> {
    refuse_a_standby(found)?;
    let read = |error: sqlx::Error| trouble(&error);
    let Some(version) = found.try_get(1).map_err(read)? else {
        return Ok(None);
    };
    let names: Vec<u8> = found.try_get(4).map_err(read)?;
    let (expires_at, sealed) = (
        found.try_get(2).map_err(read)?,
        found.try_get(3).map_err(read)?,
    );
    row::versioned(version, expires_at, sealed, &names).map(Some)
}

/// A standby answers with yesterday's state: "no such record" for one that there is.
fn refuse_a_standby(found: &PgRow) -> Result<(), Trouble> {
    if found.try_get(0).map_err(|error| trouble(&error))? {
        return Err(Trouble::Away(READ_ONLY.into()));
    }
    Ok(())
}

const NOTHING: &str = "PostgreSQL gave no row where there always is one";
/// Statements that lost against others at the same moment are sent again so often.
const TRIES: u32 = 5;
/// A connection that was used this lately is not asked first whether it still stands.
const FRESH: Duration = Duration::from_secs(5);
