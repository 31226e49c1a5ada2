//! The memory store: records of this process, gone when it ends.
//!
//! Records lie in shards by their key, index entries in shards by their index name. Whoever writes
//! a record holds its shard and, within that, takes one index shard after the other; nobody takes
//! them in the other order, so nobody waits in a circle.

mod index;
mod shard;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use self::{
    index::Index,
    shard::{Entry, Mark, Shard},
};
use super::{
    Capabilities, Cursor, IndexName, IndexPage, Insert, Record, RecordKey, Replace, Store,
    StoreError, Version, Versioned,
};
use crate::oauth::{Clock, SystemClock, Timestamp};

/// A [`Store`] in the memory of this process.
///
/// It is exact and fast, and it forgets everything when the process ends: after a restart every
/// user signs in again. Two processes do not see each other's records.
///
/// A record is dropped once its expiry lies more than an hour back, a few with every write and the
/// rest by [`Store::purge_expired`]; its index entries go with it. Until then it stays where it is,
/// and its key stays taken. A clock that jumps ahead by more than that hour, and back, takes the
/// records with it that would have expired within the jump less the hour.
///
/// # Security
///
/// It has no limit of its own on how many live records there are: that is set by what the endpoints
/// admit.
pub struct MemoryStore {
    records: Box<[Mutex<Shard>]>,
    indexes: Box<[Mutex<Index>]>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// An empty store on the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store on this clock.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            records: (0..SHARDS).map(|_| Mutex::default()).collect(),
            indexes: (0..SHARDS).map(|_| Mutex::default()).collect(),
            clock,
        }
    }

    /// How many records it holds, the expired ones that are not yet dropped among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &RecordKey) -> Result<MutexGuard<'_, Shard>, StoreError> {
        pick(&self.records, key.as_bytes())
    }

    fn index(&self, name: &IndexName) -> Result<MutexGuard<'_, Index>, StoreError> {
        pick(&self.indexes, name.as_bytes())
    }

    fn list_under(&self, names: &[IndexName], key: RecordKey) -> Result<(), StoreError> {
        for name in names {
            self.index(name)?.add(name, &key);
        }
        Ok(())
    }

    fn unlist(&self, names: &[IndexName], key: RecordKey) -> Result<(), StoreError> {
        for name in names {
            self.index(name)?.remove(name, &key);
        }
        Ok(())
    }

    /// Drops at most `limit` long-expired records of a shard; says how many.
    fn sweep(&self, shard: &mut Shard, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        for swept in 0..limit {
            let Some((key, expired)) = shard.take_expired_before(now.minus(KEPT_AFTER_EXPIRY))
            else {
                return Ok(swept);
            };
            self.unlist(&expired.indexes(), key)?;
        }
        Ok(limit)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::volatile()
    }

    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
        let now = self.clock.now();
        let mut shard = self.shard(key)?;
        self.sweep(&mut shard, now, SWEPT_PER_WRITE)?;
        if shard.get(key).is_some() {
            return Ok(Insert::Exists);
        }
        let entry = Entry::new(&record, next_version()).ok_or(StoreError::Full)?;
        self.list_under(&record.indexes, *key)?;
        shard.put(*key, entry);
        Ok(Insert::Inserted)
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        Ok(self.shard(key)?.get(key).map(Entry::to_versioned))
    }

    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        let now = self.clock.now();
        let mut shard = self.shard(key)?;
        if shard.get(key).map(Entry::version) != Some(version) {
            return Ok(Replace::Conflict);
        }
        let entry = Entry::new(&record, next_version()).ok_or(StoreError::Full)?;
        self.list_under(&record.indexes, *key)?;
        if let Some(old) = shard.put(*key, entry) {
            let mut gone = old.indexes();
            gone.retain(|name| !record.indexes.contains(name));
            self.unlist(&gone, *key)?;
        }
        self.sweep(&mut shard, now, SWEPT_PER_WRITE)?;
        Ok(Replace::Replaced)
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        let mut shard = self.shard(key)?;
        match shard.take(key) {
            Some(old) => self.unlist(&old.indexes(), *key),
            None => Ok(()),
        }
    }

    async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        let after = cursor.map(position).transpose()?;
        let (marks, more) = self.index(index)?.page(index, after, limit);
        let last = marks.last().filter(|_| more);
        let next = last.map(|mark| Cursor(mark.as_bytes().to_vec()));
        let mut keys = Vec::with_capacity(marks.len());
        for mark in marks {
            // The index is let go of by now: a record that went in between is not listed.
            let shard = pick(&self.records, mark.as_bytes())?;
            keys.extend(shard.marked(mark).map(|(key, _)| key));
        }
        Ok(IndexPage::new(keys, next))
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let mut purged = 0;
        for records in &self.records {
            while purged < limit {
                // In strides, so that no writer waits for a whole purge.
                let stride = PURGED_PER_LOCK.min(limit - purged);
                let swept = self.sweep(&mut lock(records), now, stride)?;
                purged += swept;
                if swept < stride {
                    break;
                }
            }
        }
        Ok(purged)
    }
}

/// A position in a listing is the mark of the last key that was listed: it stays right whatever comes and goes.
fn position(cursor: &Cursor) -> Result<Mark, StoreError> {
    let bytes = cursor.0.as_slice().try_into();
    bytes
        .map(Mark::from_bytes)
        .map_err(|_| StoreError::Failed("the cursor is not one of this store".into()))
}

/// The hash's first byte spreads evenly as it is.
fn pick<'a, T, const N: usize>(
    shards: &'a [Mutex<T>],
    hash: &[u8; N],
) -> Result<MutexGuard<'a, T>, StoreError> {
    let first = hash.first().copied().unwrap_or(0);
    let shard = shards.get(usize::from(first) % SHARDS);
    shard
        .map(lock)
        .ok_or_else(|| StoreError::Failed("a shard is missing".into()))
}

/// Nothing here panics halfway through a change, so what a poisoned lock guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One counter for the process: no key ever sees a version again, whatever happened in between.
fn next_version() -> Version {
    static LAST: AtomicU64 = AtomicU64::new(0);
    Version(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

const SHARDS: usize = 16;
/// The contract's hour: a clock that is set right again has swept nothing away.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(60 * 60);
/// More than one, so that what has expired shrinks while records come in.
const SWEPT_PER_WRITE: usize = 4;
const PURGED_PER_LOCK: usize = 128;
