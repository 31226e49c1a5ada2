//! Typed, sealed records on top of a [`Store`].

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{
    Cursor, IndexName, IndexPage, Insert, Record, RecordKey, Replace, Sealer, Store, StoreError,
    Version,
};
use crate::oauth::{Clock, Timestamp};

/// Seals what it writes for the record's own key and expiry and opens what it reads, so that no store
/// ever sees a content, and no record can stand in for another or outlive itself.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    store: Arc<dyn Store>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
}

/// A record as it was read.
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    pub(crate) value: T,
    pub(crate) version: Version,
    pub(crate) expires_at: Timestamp,
}

/// Before every content; another form gets another number.
const FORM: u8 = 1;

impl Records {
    pub(crate) fn new(store: Arc<dyn Store>, sealer: Sealer, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            sealer,
            clock,
        }
    }

    /// The moment that expiries are compared with.
    #[cfg(feature = "rmcp")]
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn insert<T: Serialize + Sync>(
        &self,
        key: &RecordKey,
        value: &T,
        expires_at: Timestamp,
        indexes: Vec<IndexName>,
    ) -> Result<Insert, StoreError> {
        let sealed = self.seal(key, expires_at, value)?;
        let record = Record::new(sealed, expires_at).with_indexes(indexes);
        self.store.insert(key, record).await
    }

    /// The record, unless it is expired or cannot be read: then it counts as gone.
    pub(crate) async fn load<T: DeserializeOwned>(
        &self,
        key: &RecordKey,
    ) -> Result<Option<Loaded<T>>, StoreError> {
        let Some(found) = self.store.load(key).await? else {
            return Ok(None);
        };
        if found.record.expires_at <= self.clock.now() {
            return Ok(None);
        }
        let Some(value) = self.open(key, &found.record) else {
            return Ok(None);
        };
        Ok(Some(Loaded {
            value,
            version: found.version,
            expires_at: found.record.expires_at,
        }))
    }

    /// Whether a record stands under this key, also one that cannot be read: for marks that say that
    /// something is over, which must not be undone by a key that is not known here.
    pub(crate) async fn exists(&self, key: &RecordKey) -> Result<bool, StoreError> {
        let found = self.store.load(key).await?;
        let now = self.clock.now();
        Ok(found.is_some_and(|found| now < found.record.expires_at))
    }

    pub(crate) async fn replace<T: Serialize + Sync>(
        &self,
        key: &RecordKey,
        version: Version,
        value: &T,
        expires_at: Timestamp,
        indexes: Vec<IndexName>,
    ) -> Result<Replace, StoreError> {
        let sealed = self.seal(key, expires_at, value)?;
        let record = Record::new(sealed, expires_at).with_indexes(indexes);
        self.store.replace(key, version, record).await
    }

    pub(crate) async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.store.remove(key).await
    }

    /// The keys under an index name; those of records that are gone may be among them.
    pub(crate) async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.store.list(index, cursor, limit).await
    }

    fn seal<T: Serialize>(
        &self,
        key: &RecordKey,
        expires_at: Timestamp,
        value: &T,
    ) -> Result<Vec<u8>, StoreError> {
        let mut plain = Zeroizing::new(vec![FORM]);
        serde_json::to_writer(&mut *plain, value).map_err(|e| StoreError::Failed(e.into()))?;
        Ok(self.sealer.seal(&sealed_for(key, expires_at), &plain))
    }

    fn open<T: DeserializeOwned>(&self, key: &RecordKey, record: &Record) -> Option<T> {
        let refuse = |reason: &str| {
            tracing::error!(fault = "server", reason, record = %key, "a record cannot be read and counts as gone");
        };
        let plain = self
            .sealer
            .open(&sealed_for(key, record.expires_at), &record.sealed)
            .map_err(|e| refuse(&e.to_string()))
            .ok()?;
        match plain.split_first() {
            // serde's message is not logged: it can quote the content.
            Some((&FORM, json)) => serde_json::from_slice(json)
                .map_err(|_| refuse("not the expected content"))
                .ok(),
            _ => {
                refuse("written by another version");
                None
            }
        }
    }
}

/// A record is good under its own key and until its own end: whoever can write to the store moves
/// neither.
fn sealed_for(key: &RecordKey, expires_at: Timestamp) -> [u8; 40] {
    let mut associated = [0; 40];
    let bytes = key.as_bytes().iter().copied();
    let bytes = bytes.chain(expires_at.as_seconds().to_be_bytes());
    for (to, from) in associated.iter_mut().zip(bytes) {
        *to = from;
    }
    associated
}
