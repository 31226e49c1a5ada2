//! A store together with what it lies on.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_auth::store::{
    Capabilities, Cursor, IndexName, IndexPage, Insert, MemoryStore, Record, RecordKey, Replace,
    Store, StoreError, Version, Versioned,
};
use mcp_auth_testkit::services::Scratch;

/// A store, and the folder that goes with it.
#[derive(Debug)]
pub(crate) struct Held {
    store: Arc<dyn Store>,
    _folder: Option<Scratch>,
}

impl Held {
    pub(crate) fn new(store: impl Store + 'static, folder: Option<Scratch>) -> Self {
        Self {
            store: Arc::new(store),
            _folder: folder,
        }
    }

    /// In place of a store whose server is not installed, which was said aloud.
    pub(crate) fn skipped() -> Self {
        Self::new(MemoryStore::new(), None)
    }
}

#[async_trait]
impl Store for Held {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
        self.store.insert(key, record).await
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        self.store.load(key).await
    }

    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        self.store.replace(key, version, record).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.store.remove(key).await
    }

    async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.store.list(index, cursor, limit).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        self.store.purge_expired(limit).await
    }
}
