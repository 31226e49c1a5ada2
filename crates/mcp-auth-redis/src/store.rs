//! The store's operations.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::rand;
use mcp_auth::{
    BuildError,
    oauth::Timestamp,
    store::{
        Capabilities, Cursor, IndexName, IndexPage, Insert, Record, RecordKey, Replace, Store,
        StoreError, Version, Versioned,
    },
};
use redis::{Cmd, ErrorKind, RedisError, Value};

use crate::{
    address::Address,
    builder::RedisStoreBuilder,
    connection::Connection,
    dial::{Dialler, load},
    failure::{Failure, Verdict},
    link::{Generation, Link},
    packed::{head, pack, unpack},
    script::{Call, ENTER, LIST, Script, WRITE},
};

/// A [`Store`] on Redis or Valkey, shared by all processes that use the same database and prefix.
///
/// It is not durable unless [the operator says so](RedisStoreBuilder::durable), and an acknowledged
/// record may be lost in a failover: replication is asynchronous.
///
/// Records and index entries expire by the server's own clock, an hour after their expiry;
/// [`Store::purge_expired`] finds nothing to do. Index entries of a record that was removed early, or
/// that was replaced under fewer names, stay until then. A record whose life is extended while it is
/// being listed may be listed twice.
///
/// # Security
///
/// Whoever can write to the database can sign users out, and can bring back an older state of a
/// record. Give the store a user and a database, or at least a prefix, of its own.
pub struct RedisStore {
    link: Arc<Link>,
    prefix: String,
    deadline: Duration,
    durable: bool,
    enter: Script,
    write: Script,
    list: Script,
}

impl RedisStore {
    /// Opens the store at this URL, with everything else by default.
    ///
    /// | URL | servers |
    /// |---|---|
    /// | `redis://[user:password@]host[:port][/database]` | one |
    /// | `redis-sentinel://[user:password@]host[:port],…/SERVICE[/database]` | a primary, found by these sentinels |
    /// | `redis-cluster://[user:password@]host[:port],…` | a cluster, found by these nodes |
    ///
    /// With `rediss` in place of `redis`, in all three, over TLS.
    ///
    /// # Errors
    ///
    /// As [`RedisStoreBuilder::open`].
    pub async fn open(url: &str) -> Result<Self, BuildError> {
        Self::builder(url).open().await
    }

    /// For opening the store with another prefix, deadline or durability.
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }

    pub(crate) fn new(address: Address, prefix: String, deadline: Duration, durable: bool) -> Self {
        let dialler = Dialler {
            address,
            probe: format!("{prefix}probe").into_bytes(),
            // TLS to a server far away takes longer than one command.
            patience: deadline.max(SHORTEST_PATIENCE),
        };
        Self {
            link: Link::new(dialler),
            prefix,
            deadline,
            durable,
            enter: Script::new(ENTER),
            write: Script::new(WRITE),
            list: Script::new(LIST),
        }
    }

    pub(crate) async fn first_try(&self) -> Result<(), BuildError> {
        let tried = tokio::time::timeout(self.deadline, self.link.open()).await;
        tried.unwrap_or(Ok(()))
    }

    fn record_key(&self, key: &RecordKey) -> Vec<u8> {
        [self.prefix.as_bytes(), b"r", key.as_bytes()].concat()
    }

    fn index_key(&self, name: &IndexName) -> Vec<u8> {
        [self.prefix.as_bytes(), b"i", name.as_bytes()].concat()
    }

    /// Writes a record in place of one with this head, or of none; whether it stands.
    async fn put(
        &self,
        key: &RecordKey,
        stands: &[u8],
        record: &Record,
    ) -> Result<bool, StoreError> {
        // At random each time, so that a version is never given twice and no two writes have the
        // same: one that was sent again after its connection was lost knows itself.
        let version = Version(u64::from_be_bytes(drawn()?));
        let packed = pack(record, version).ok_or_else(|| {
            Failure::new("the record has more names than there is room for").failed()
        })?;
        let score = score(record.expires_at);
        let kept_until = (score.saturating_add(KEPT_AFTER_EXPIRY) * 1_000).to_string();
        let score = score.to_string();
        let write = Write {
            record: self.record_key(key),
            indexes: record.indexes.iter().map(|n| self.index_key(n)).collect(),
            arguments: [
                stands,
                &packed,
                kept_until.as_bytes(),
                key.as_bytes(),
                score.as_bytes(),
            ],
        };
        let answer = self.ask(&Question::Write(&write)).await?;
        let stands = answer.value == Value::Int(1);
        if !stands && answer.second_try {
            // The first may have come through, and another write on top of it.
            let lost = Failure::new("the connection was lost, and with it the outcome");
            return Err(lost.unavailable());
        }
        Ok(stands)
    }

    /// Asks within the deadline; again, on a new connection, where the first was lost: a network in
    /// between that cut a quiet connection is nobody's outage.
    async fn ask(&self, question: &Question<'_>) -> Result<Answer, StoreError> {
        let mut used = None;
        let asked = tokio::time::timeout(self.deadline, self.ask_again(question, &mut used)).await;
        asked.unwrap_or_else(|_| {
            let late = Failure::new("the server did not answer within the deadline");
            if let Some(generation) = used {
                self.link.lost(generation, &late);
            }
            Err(late.unavailable())
        })
    }

    async fn ask_again(
        &self,
        question: &Question<'_>,
        used: &mut Option<Generation>,
    ) -> Result<Answer, StoreError> {
        let (mut second_try, mut tries) = (false, 0);
        loop {
            let connected = self.link.connection().await;
            let (mut connection, generation) =
                connected.map_err(|away| Failure::new(&away.to_string()).unavailable())?;
            // A cluster's connection mends itself, node by node.
            *used = Some(generation).filter(|_| !connection.is_cluster());
            let error = match self.send(question, &mut connection).await {
                Ok(value) => return Ok(Answer { value, second_try }),
                Err(error) => error,
            };
            let (verdict, failure) = (Verdict::of(&error), Failure::of(&error));
            if connection.is_gone_with(verdict, &error) {
                self.link.lost(generation, &failure);
            }
            // What was never sent leaves no doubt about its outcome.
            let never_sent = error.kind() == ErrorKind::ClusterConnectionNotFound;
            second_try |= !never_sent;
            tries += 1;
            if verdict != Verdict::Dropped || tries >= connection.tries() {
                return Err(verdict.to_error(failure));
            }
            if tries > 1 {
                tokio::time::sleep(BEFORE_ANOTHER_TRY).await;
            }
        }
    }

    async fn send(
        &self,
        question: &Question<'_>,
        connection: &mut Connection,
    ) -> Result<Value, RedisError> {
        match question {
            Question::Command(command) => connection.query(command).await,
            Question::List(call) => self.list.run(connection, call).await,
            Question::Write(write) => self.send_write(write, connection).await,
        }
    }

    /// One step for all of it where one server has it all; on a cluster first the indexes, each on
    /// its own node, so that none ever misses a live record.
    async fn send_write(
        &self,
        write: &Write<'_>,
        connection: &mut Connection,
    ) -> Result<Value, RedisError> {
        let [_, _, _, key, score] = write.arguments;
        let mut keys = vec![write.record.clone()];
        if connection.is_cluster() {
            for index in &write.indexes {
                let enter = Call {
                    keys: vec![index.clone()],
                    arguments: vec![key, score],
                };
                self.enter.run(connection, &enter).await?;
            }
        } else {
            keys.extend(write.indexes.iter().cloned());
        }
        let arguments = write.arguments.to_vec();
        self.write.run(connection, &Call { keys, arguments }).await
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("servers", self.link.address())
            .field("prefix", &self.prefix)
            .field("deadline", &self.deadline)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedisStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::volatile();
        capabilities.shared = true;
        capabilities.durable = self.durable;
        capabilities
    }

    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
        Ok(match self.put(key, b"", &record).await? {
            true => Insert::Inserted,
            false => Insert::Exists,
        })
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        let question = Question::Command(load(&self.record_key(key)));
        match self.ask(&question).await?.value {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => match unpack(&bytes) {
                Some(found) => Ok(Some(found)),
                None => Err(not_ours()),
            },
            _ => Err(not_ours()),
        }
    }

    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        Ok(match self.put(key, &head(version), &record).await? {
            true => Replace::Replaced,
            false => Replace::Conflict,
        })
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.record_key(key));
        self.ask(&Question::Command(command)).await.map(drop)
    }

    async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let after = cursor.map(position).transpose()?;
        let limit = limit.min(LONGEST_PAGE);
        if limit == 0 {
            return Ok(IndexPage::new(Vec::new(), None));
        }
        let one_more = (limit + 1).to_string();
        let mut arguments = vec![one_more.as_bytes()];
        if let Some((score, key)) = &after {
            arguments.extend([score.as_bytes(), key.as_bytes()]);
        }
        let keys = vec![self.index_key(index)];
        let answer = self.ask(&Question::List(Call { keys, arguments })).await?;
        let mut entries = entries(answer.value).ok_or_else(not_ours)?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries
            .last()
            .filter(|_| more)
            .map(|(key, score)| Cursor([score.to_be_bytes().as_slice(), key.as_bytes()].concat()));
        let keys = entries.into_iter().map(|(key, _)| key).collect();
        Ok(IndexPage::new(keys, next))
    }

    /// Nothing to do, and no reason to ask: the server drops what has expired.
    async fn purge_expired(&self, _limit: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
}

enum Question<'a> {
    Command(Cmd),
    List(Call<'a>),
    Write(&'a Write<'a>),
}

struct Write<'a> {
    record: Vec<u8>,
    indexes: Vec<Vec<u8>>,
    /// Of [`WRITE`].
    arguments: [&'a [u8]; 5],
}

struct Answer {
    value: Value,
    /// Whether the question was asked before, and may have been carried out then.
    second_try: bool,
}

/// The score of what expires then. Doubles count seconds exactly for far longer than this.
fn score(expires_at: Timestamp) -> u64 {
    expires_at.as_seconds().min(END_OF_TIME)
}

/// Keys and their scores, as a script lists them.
fn entries(answer: Value) -> Option<Vec<(RecordKey, u64)>> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let entries = parts.chunks_exact(2).map(|entry| {
        let [Value::BulkString(key), Value::BulkString(score)] = entry else {
            return None;
        };
        let key = RecordKey::from_bytes(key.as_slice().try_into().ok()?);
        Some((key, std::str::from_utf8(score).ok()?.parse().ok()?))
    });
    entries.collect()
}

/// A position in a listing is the entry that was listed last: expiry and key.
fn position(cursor: &Cursor) -> Result<(String, RecordKey), StoreError> {
    let (score, key) = cursor.0.split_first_chunk().ok_or_else(foreign)?;
    let key = key.try_into().map_err(|_| foreign())?;
    let score = u64::from_be_bytes(*score).min(END_OF_TIME);
    Ok((score.to_string(), RecordKey::from_bytes(key)))
}

fn foreign() -> StoreError {
    Failure::new("the cursor is not one of this store").failed()
}

fn not_ours() -> StoreError {
    Failure::new("what stands under this key is not of this store").failed()
}

fn drawn() -> Result<[u8; 8], StoreError> {
    let mut bytes = [0; 8];
    let drawn = rand::fill(&mut bytes);
    drawn.map_err(|_| Failure::new("the system gave no random bytes").failed())?;
    Ok(bytes)
}

/// Seconds that the contract keeps what has expired.
const KEPT_AFTER_EXPIRY: u64 = 60 * 60;
/// The end of the year 9999; who lives longer does not expire.
const END_OF_TIME: u64 = 253_402_300_799;
/// A server serves nobody else while it lists.
const LONGEST_PAGE: usize = 1_000;
/// For a cluster's client to notice what it lost.
const BEFORE_ANOTHER_TRY: Duration = Duration::from_millis(20);
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);
