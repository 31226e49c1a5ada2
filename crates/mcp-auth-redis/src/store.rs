//! The store's operations.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

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
use redis::Value;

use crate::{
    address::Address,
    asking::{Question, Write},
    builder::RedisStoreBuilder,
    dial::{Dialler, load},
    failure::Failure,
    link::Link,
    packed::{head, pack, unpack},
    script::{Call, ENTER, LIST, REMOVE, Script, WRITE},
};

/// A [`Store`] on Redis or Valkey, shared by all processes that use the same database and prefix.
///
/// It is not durable unless [the operator says so](RedisStoreBuilder::durable), and an acknowledged
/// record may be lost in a failover: replication is asynchronous.
///
/// Records and index entries expire by the server's own clock, an hour after their expiry;
/// [`Store::purge_expired`] finds nothing to do. Index entries of a record that was replaced under
/// fewer names stay until then; in a cluster also those of one that was removed, and those that were
/// entered for a write that lost to another, for ten years at most. Whoever lists loads the record and
/// looks whose it is. A record whose life is extended while it is being listed may be listed twice.
///
/// # Security
///
/// Whoever can write to the database can sign users out, and can bring back an older state of a
/// record. Give the store a user and a database, or at least a prefix, of its own.
pub struct RedisStore {
    pub(crate) link: Arc<Link>,
    prefix: String,
    pub(crate) deadline: Duration,
    durable: bool,
    pub(crate) enter: Script,
    pub(crate) write: Script,
    pub(crate) remove: Script,
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
            patience: deadline.clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE),
            turn: AtomicUsize::new(0),
        };
        Self {
            link: Link::new(dialler),
            prefix,
            deadline,
            durable,
            enter: Script::new(ENTER),
            write: Script::new(WRITE),
            remove: Script::new(REMOVE),
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
        let key = self.record_key(key);
        let question = Question::Command(load(&key), key);
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
        let indexes = [self.prefix.as_bytes(), b"i"].concat();
        let call = Call {
            keys: vec![self.record_key(key)],
            arguments: vec![&indexes, key.as_bytes()],
        };
        self.ask(&Question::Remove(call)).await.map(drop)
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
        let question = Question::Script(&self.list, Call { keys, arguments });
        let answer = self.ask(&question).await?;
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
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);
/// A host that takes longer is tried anew.
const LONGEST_PATIENCE: Duration = Duration::from_secs(10);
