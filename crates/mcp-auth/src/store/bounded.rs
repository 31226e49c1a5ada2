//! A store that is given a limited time, and whose outage holds nobody up.

use crate::metering;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    Capabilities, Cursor, IndexName, IndexPage, Insert, Record, RecordKey, Replace, Store,
    StoreError, Version, Versioned, housekeeping::Housekeeping,
};
use crate::oauth::Clock;

/// Any store behind a deadline for each operation.
///
/// A backend has deadlines of its own by contract; this holds for one that forgot them, too. Once an
/// operation was not answered in time, one at a time goes through to see whether the store is back;
/// whoever else comes is told at once that it is away, so that requests do not pile up behind it.
#[derive(Debug)]
pub(crate) struct BoundedStore {
    store: Arc<dyn Store>,
    deadline: Duration,
    under_way: AtomicUsize,
    hangs: AtomicBool,
    probing: AtomicBool,
    housekeeping: Housekeeping,
}

impl BoundedStore {
    pub(crate) fn new(store: Arc<dyn Store>, deadline: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            housekeeping: Housekeeping::new(Arc::clone(&store), clock),
            store,
            deadline,
            under_way: AtomicUsize::new(0),
            hangs: AtomicBool::new(false),
            probing: AtomicBool::new(false),
        }
    }

    async fn in_time<T>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        metering::timed(metering::STORE, name, self.within_deadline(operation)).await
    }

    async fn within_deadline<T>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let _turn = self.turn()?;
        if tokio::runtime::Handle::try_current().is_err() {
            return operation.await;
        }
        let began = Instant::now();
        let answer = tokio::time::timeout(self.deadline, operation).await;
        let answer = answer.unwrap_or_else(|_| Err(away("no answer in time")));
        let is_away = matches!(answer, Err(StoreError::Unavailable(_)));
        // A backend whose own deadline is the shorter one hangs as well.
        let hangs = is_away && began.elapsed() >= self.deadline / 2;
        match (self.hangs.swap(hangs, Ordering::Relaxed), hangs) {
            (false, true) => {
                tracing::error!(fault = "server", reason = "store_hangs", deadline = ?self.deadline, "the store does not answer");
            }
            (true, false) if !is_away => {
                tracing::info!(reason = "store_answers", "the store answers again");
            }
            _ => {}
        }
        answer
    }

    /// Leave to ask the store something; it is given back when dropped.
    fn turn(&self) -> Result<Turn<'_>, StoreError> {
        let probes = self.hangs.load(Ordering::Relaxed);
        if probes && self.probing.swap(true, Ordering::Acquire) {
            return Err(away("it did not answer, and somebody is trying"));
        }
        let turn = Turn {
            store: self,
            probes,
        };
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= MAX_UNDER_WAY {
            return Err(away("too many operations wait for it"));
        }
        Ok(turn)
    }
}

struct Turn<'a> {
    store: &'a BoundedStore,
    probes: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.store.under_way.fetch_sub(1, Ordering::Relaxed);
        if self.probes {
            self.store.probing.store(false, Ordering::Release);
        }
    }
}

#[async_trait]
impl Store for BoundedStore {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
        let inserted = self.in_time("insert", self.store.insert(key, record)).await;
        self.housekeeping.look();
        inserted
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        self.in_time("load", self.store.load(key)).await
    }

    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        let replacing = self.store.replace(key, version, record);
        self.in_time("replace", replacing).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.in_time("remove", self.store.remove(key)).await
    }

    async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.in_time("list", self.store.list(index, cursor, limit))
            .await
    }

    /// As long as it takes: nobody waits for it.
    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        self.store.purge_expired(limit).await
    }
}

fn away(reason: &'static str) -> StoreError {
    StoreError::Unavailable(Some(reason.into()))
}

/// A store that is this far behind has stopped.
const MAX_UNDER_WAY: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::{
        oauth::{SystemClock, Timestamp},
        store::MemoryStore,
    };

    /// Hangs while it is told to; counts who asks.
    #[derive(Debug, Default)]
    struct Hanging {
        memory: MemoryStore,
        hangs: AtomicBool,
        asked: AtomicU32,
        purged: AtomicU32,
    }

    #[async_trait]
    impl Store for Hanging {
        fn capabilities(&self) -> Capabilities {
            self.memory.capabilities()
        }

        async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
            self.memory.insert(key, record).await
        }

        async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            self.memory.load(key).await
        }

        async fn replace(
            &self,
            key: &RecordKey,
            version: Version,
            record: Record,
        ) -> Result<Replace, StoreError> {
            self.memory.replace(key, version, record).await
        }

        async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
            self.memory.remove(key).await
        }

        async fn list(
            &self,
            index: &IndexName,
            cursor: Option<&Cursor>,
            limit: usize,
        ) -> Result<IndexPage, StoreError> {
            self.memory.list(index, cursor, limit).await
        }

        async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
            self.purged.fetch_add(1, Ordering::SeqCst);
            self.memory.purge_expired(limit).await
        }
    }

    const DEADLINE: Duration = Duration::from_secs(2);

    fn bounded() -> (Arc<Hanging>, Arc<BoundedStore>) {
        let hanging = Arc::new(Hanging::default());
        let bounded = BoundedStore::new(hanging.clone(), DEADLINE, Arc::new(SystemClock));
        (hanging, Arc::new(bounded))
    }

    fn key() -> RecordKey {
        RecordKey::new("test", b"key")
    }

    /// FLT-04.
    #[tokio::test(start_paused = true)]
    async fn answers_within_the_deadline_that_a_hanging_store_is_away() {
        let (hanging, bounded) = bounded();
        hanging.hangs.store(true, Ordering::SeqCst);
        let began = Instant::now();
        let answer = bounded.load(&key()).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(Some(_)))));
        assert_eq!(began.elapsed().as_secs(), DEADLINE.as_secs());
    }

    /// FLT-04. A backend that gives up by itself, at its own deadline, hangs all the same.
    #[tokio::test(start_paused = true)]
    async fn knows_a_store_that_hangs_by_how_late_it_says_that_it_is_away() {
        let (hanging, bounded) = bounded();
        let gives_up = async {
            tokio::time::sleep(DEADLINE * 3 / 4).await;
            Err::<(), _>(away("its own deadline"))
        };
        assert!(bounded.in_time("load", gives_up).await.is_err());
        assert!(bounded.hangs.load(Ordering::SeqCst));
        assert!(bounded.load(&key()).await.is_ok());
        // One that says so at once is asked by everybody: nobody waits.
        let refused = std::future::ready(Err::<(), _>(away("refused")));
        assert!(bounded.in_time("load", refused).await.is_err());
        assert!(!bounded.hangs.load(Ordering::SeqCst));
        drop(hanging);
    }

    /// FLT-04, FLT-36.
    #[tokio::test(start_paused = true)]
    async fn lets_one_at_a_time_find_out_whether_it_is_back() {
        let (hanging, bounded) = bounded();
        hanging.hangs.store(true, Ordering::SeqCst);
        assert!(bounded.load(&key()).await.is_err());
        let asked = hanging.asked.load(Ordering::SeqCst);
        let began = Instant::now();
        let probe = tokio::spawn({
            let bounded = bounded.clone();
            async move { bounded.load(&key()).await }
        });
        tokio::task::yield_now().await;
        for _ in 0..1000 {
            assert!(bounded.load(&key()).await.is_err());
        }
        assert_eq!(began.elapsed(), Duration::ZERO, "nobody else waits");
        assert!(probe.await.unwrap().is_err());
        assert_eq!(hanging.asked.load(Ordering::SeqCst), asked + 1);

        hanging.hangs.store(false, Ordering::SeqCst);
        for _ in 0..10 {
            assert!(bounded.load(&key()).await.unwrap().is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_makes_room_for_the_next_one_to_find_out() {
        let (hanging, bounded) = bounded();
        hanging.hangs.store(true, Ordering::SeqCst);
        assert!(bounded.load(&key()).await.is_err());
        // A caller that hangs up drops its operation.
        let gone = tokio::time::timeout(Duration::from_millis(10), bounded.load(&key())).await;
        assert!(gone.is_err());
        hanging.hangs.store(false, Ordering::SeqCst);
        assert!(bounded.load(&key()).await.is_ok());
        assert_eq!(bounded.under_way.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn refuses_at_once_what_nothing_could_serve() {
        let (_, bounded) = bounded();
        bounded.under_way.store(MAX_UNDER_WAY, Ordering::SeqCst);
        assert!(bounded.load(&key()).await.is_err());
        assert_eq!(bounded.under_way.load(Ordering::SeqCst), MAX_UNDER_WAY);
        bounded.under_way.store(0, Ordering::SeqCst);
        assert!(bounded.load(&key()).await.is_ok());
    }

    #[tokio::test]
    async fn an_insertion_has_what_expired_go_away() {
        let (hanging, bounded) = bounded();
        let long_ago = Record::new(vec![1], Timestamp::from_seconds(1));
        let _ = hanging.memory.insert(&key(), long_ago).await.unwrap();
        let live = Record::new(vec![1], Timestamp::from_seconds(u64::MAX));
        let other = RecordKey::new("test", b"other");
        let _ = bounded.insert(&other, live.clone()).await.unwrap();
        while hanging.memory.load(&key()).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        // And not again for a while.
        let purged = hanging.purged.load(Ordering::SeqCst);
        let third = RecordKey::new("test", b"third");
        let _ = bounded.insert(&third, live).await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(hanging.purged.load(Ordering::SeqCst), purged);
    }
}
