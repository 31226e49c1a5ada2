//! Names, records and databases to try things on.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use mcp_auth::{
    oauth::{Clock, SystemClock, Timestamp},
    store::{IndexName, Record, RecordKey, Store, StoreError},
};
use mcp_auth_testkit::services::{PostgresServer, Scratch};

/// The URL of a file in this folder.
pub(crate) fn file(folder: &Scratch) -> String {
    format!("sqlite:{}", path(folder).display())
}

/// Where that file is.
pub(crate) fn path(folder: &Scratch) -> PathBuf {
    folder.path().join("store.db")
}

/// The URL of a new database on this server.
pub(crate) fn database(server: &PostgresServer) -> String {
    server.create_database(&database_name()).unwrap()
}

/// A name that no other test uses.
pub(crate) fn database_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn key(n: u32) -> RecordKey {
    RecordKey::new("test", &n.to_be_bytes())
}

pub(crate) fn index(n: u32) -> IndexName {
    IndexName::new("test", &n.to_be_bytes())
}

/// A record that lives for an hour.
pub(crate) fn live(content: impl Into<Vec<u8>>) -> Record {
    let expires_at = SystemClock.now().plus(Duration::from_secs(60 * 60));
    Record::new(content.into(), expires_at)
}

/// Loads until the store answers, for at most a minute.
pub(crate) async fn healed(store: &dyn Store) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match store.load(&key(u32::MAX)).await {
            Ok(_) => return,
            Err(StoreError::Unavailable(_)) if Instant::now() < end => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("it did not heal: {error:?}"),
        }
    }
}

/// That an answer is "out of reach", with a reason.
#[track_caller]
pub(crate) fn unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Unavailable(Some(reason))) => reason.to_string(),
        other => panic!("it is not out of reach: {other:?}"),
    }
}

/// Expiries that no signed number holds.
pub(crate) async fn keeps_the_end_of_time(store: &dyn Store) {
    let ends = [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, 0];
    for (n, seconds) in (0..).zip(ends) {
        let record = Record::new(vec![7], Timestamp::from_seconds(seconds));
        let record = record.with_indexes(vec![index(7)]);
        let _ = store.insert(&key(n), record.clone()).await.unwrap();
        let found = store.load(&key(n)).await.unwrap().unwrap();
        assert_eq!(found.record, record);
        let _ = store
            .replace(&key(n), found.version, record.clone())
            .await
            .unwrap();
        assert_eq!(store.load(&key(n)).await.unwrap().unwrap().record, record);
    }
    while store.purge_expired(100).await.unwrap() > 0 {}
    for n in 0..4 {
        assert!(
            store.load(&key(n)).await.unwrap().is_some(),
            "{}",
            ends[n as usize]
        );
    }
    assert!(store.load(&key(4)).await.unwrap().is_none());
    assert_eq!(store.list(&index(7), None, 10).await.unwrap().keys.len(), 4);
}

/// An entry with an endless expiry would otherwise outlive its record for good.
pub(crate) async fn leaves_the_listings_of_names_it_loses(store: &dyn Store) {
    let forever = Record::new(vec![7], Timestamp::from_seconds(u64::MAX));
    let names = |names: &[u32]| names.iter().map(|n| index(*n)).collect::<Vec<_>>();
    let record = forever.clone().with_indexes(names(&[1, 2, 3]));
    let _ = store.insert(&key(1), record.clone()).await.unwrap();
    let _ = store.insert(&key(2), record).await.unwrap();
    let first = store.load(&key(1)).await.unwrap().unwrap().version;
    let shorter = live("shorter").with_indexes(names(&[2, 4]));
    let _ = store.replace(&key(1), first, shorter).await.unwrap();
    listed(store, [1, 2, 1, 1]).await;
    // A swap that loses changes no listing.
    let _ = store.replace(&key(1), first, forever).await.unwrap();
    listed(store, [1, 2, 1, 1]).await;
    let second = store.load(&key(1)).await.unwrap().unwrap().version;
    let _ = store.replace(&key(1), second, live("bare")).await.unwrap();
    listed(store, [1, 1, 1, 0]).await;
    store.remove(&key(1)).await.unwrap();
    store.remove(&key(2)).await.unwrap();
    listed(store, [0, 0, 0, 0]).await;
}

/// How many keys are listed under the names 1 to 4.
async fn listed(store: &dyn Store, expected: [usize; 4]) {
    for (n, expected) in (1..).zip(expected) {
        let keys = store.list(&index(n), None, 10).await.unwrap().keys;
        assert_eq!(keys.len(), expected, "under name {n}");
    }
}
