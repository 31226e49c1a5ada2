//! Names that no other rule uses, and the records put under them.

use std::time::Duration;

use mcp_auth::{
    oauth::{Clock, SystemClock, Timestamp},
    store::{IndexName, Insert, Record, RecordKey, Store, Versioned},
};

use super::{Outcome, Why, ensure};

/// A corner of the key space of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Corner([u8; 16]);

impl Corner {
    pub(super) fn new() -> Result<Self, Why> {
        let mut drawn = [0; 16];
        aws_lc_rs::rand::fill(&mut drawn).map_err(|_| "the system gave no random bytes")?;
        Ok(Self(drawn))
    }

    pub(super) fn key(&self, n: u32) -> RecordKey {
        RecordKey::new("store contract", &self.name(n))
    }

    pub(super) fn index(&self, n: u32) -> IndexName {
        IndexName::new("store contract", &self.name(n))
    }

    fn name(self, n: u32) -> Vec<u8> {
        [self.0.as_slice(), &n.to_be_bytes()].concat()
    }
}

/// A record that lives for an hour from now.
pub(super) fn live(content: impl Into<Vec<u8>>) -> Record {
    Record::new(content.into(), in_an_hour())
}

pub(super) fn in_an_hour() -> Timestamp {
    now().plus(HOUR)
}

pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

/// Inserts where nothing may be.
pub(super) async fn put(store: &dyn Store, key: &RecordKey, record: Record) -> Outcome {
    let inserted = store.insert(key, record).await? == Insert::Inserted;
    ensure(inserted, "a record was found under a key that had none")
}

/// Loads what must be there.
pub(super) async fn get(store: &dyn Store, key: &RecordKey) -> Result<Versioned, Why> {
    let found = store.load(key).await?;
    found.ok_or_else(|| "a record that was written is not there".into())
}

/// Every key under an index name.
pub(super) async fn listed(store: &dyn Store, index: &IndexName) -> Result<Vec<RecordKey>, Why> {
    listed_by(store, index, 100).await
}

/// Every key under an index name, in pages of this size.
pub(super) async fn listed_by(
    store: &dyn Store,
    index: &IndexName,
    limit: usize,
) -> Result<Vec<RecordKey>, Why> {
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.list(index, cursor.as_ref(), limit).await?;
        ensure(page.keys.len() <= limit, "a page is longer than its limit")?;
        keys.extend(page.keys);
        let Some(next) = page.next else {
            return Ok(keys);
        };
        ensure(keys.len() < ENDLESS, "a listing does not end")?;
        ensure(cursor.as_ref() != Some(&next), "a listing stands still")?;
        cursor = Some(next);
    }
}

/// Purges until nothing is left to purge.
pub(super) async fn purge(store: &dyn Store) -> Outcome {
    for _ in 0..ENDLESS {
        if store.purge_expired(1_000).await? == 0 {
            return Ok(());
        }
    }
    Err("a purge does not come to an end".into())
}

/// More than any rule writes.
const ENDLESS: usize = 100_000;
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
