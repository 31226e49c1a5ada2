//! The memory store, with a switch for its outages and an eye on everything it gets.

#![allow(dead_code)] // each test binary uses its own part

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mcp_auth::store::{
    Capabilities, Cursor, IndexName, IndexPage, Insert, MemoryStore, Record, RecordKey, Replace,
    Store, StoreError, Version, Versioned,
};
use mcp_auth_testkit::MovingClock;

/// How the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    Down,
    /// Takes no new grant; nothing else has index names.
    DownForGrants,
    /// Answers, each time this much later.
    Slow(Duration),
}

/// A [`MemoryStore`] behind a switch.
#[derive(Debug)]
pub struct SwitchedStore {
    memory: MemoryStore,
    state: Mutex<State>,
    written: Mutex<Vec<(RecordKey, Record)>>,
    swaps: AtomicUsize,
    reads: AtomicUsize,
}

impl SwitchedStore {
    pub fn new(clock: MovingClock) -> Self {
        Self {
            memory: MemoryStore::with_clock(std::sync::Arc::new(clock)),
            state: Mutex::new(State::Up),
            written: Mutex::default(),
            swaps: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
        }
    }

    pub fn set(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// How many swaps succeeded so far.
    pub fn swaps(&self) -> usize {
        self.swaps.load(Ordering::SeqCst)
    }

    /// How many records and pages of listings were read so far.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    /// Everything that was ever written, in order.
    pub fn written(&self) -> Vec<(RecordKey, Record)> {
        self.written.lock().unwrap().clone()
    }

    /// The key of the latest grant: nothing else has index names.
    pub fn latest_grant(&self) -> RecordKey {
        let written = self.written.lock().unwrap();
        let latest = written
            .iter()
            .rev()
            .find(|(_, record)| !record.indexes.is_empty());
        latest.unwrap().0
    }

    /// What lies under a key.
    pub async fn read(&self, key: &RecordKey) -> Option<Record> {
        Some(self.memory.load(key).await.unwrap()?.record)
    }

    /// Changes what lies under a key, past everything.
    pub async fn edit(&self, key: &RecordKey, change: impl FnOnce(&mut Record)) {
        let found = self.memory.load(key).await.unwrap().unwrap();
        let mut record = found.record;
        change(&mut record);
        let swapped = self.memory.replace(key, found.version, record).await;
        assert_eq!(swapped.unwrap(), Replace::Replaced);
    }

    async fn reached(&self) -> Result<(), StoreError> {
        let state = *self.state.lock().unwrap();
        match state {
            State::Up | State::DownForGrants => Ok(()),
            State::Down => Err(StoreError::Unavailable(Some("switched off".into()))),
            State::Slow(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
        }
    }

    fn note(&self, key: &RecordKey, record: &Record) {
        self.written.lock().unwrap().push((*key, record.clone()));
    }
}

#[async_trait]
impl Store for SwitchedStore {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
        self.reached().await?;
        if *self.state.lock().unwrap() == State::DownForGrants && !record.indexes.is_empty() {
            return Err(StoreError::Unavailable(Some("no grants".into())));
        }
        self.note(key, &record);
        self.memory.insert(key, record).await
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        self.reached().await?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.memory.load(key).await
    }

    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        self.reached().await?;
        self.note(key, &record);
        let swapped = self.memory.replace(key, version, record).await?;
        if swapped == Replace::Replaced {
            self.swaps.fetch_add(1, Ordering::SeqCst);
        }
        Ok(swapped)
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.reached().await?;
        self.memory.remove(key).await
    }

    async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.reached().await?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.memory.list(index, cursor, limit).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        self.reached().await?;
        self.memory.purge_expired(limit).await
    }
}
