//! What goes wrong with real servers, and what the store makes of it.

#![allow(
    clippy::disallowed_methods, // real servers take real time
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod cluster;
mod contents;
mod failover;
mod network;
mod opening;
mod outages;
mod tls;
mod warnings;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use mcp_auth::{
    oauth::{Clock, SystemClock, Timestamp},
    store::{IndexName, Insert, Record, RecordKey, Store, StoreError},
};
use mcp_auth_redis::RedisStore;

fn key(n: u32) -> RecordKey {
    RecordKey::new("test", &n.to_be_bytes())
}

fn user(name: &str) -> IndexName {
    IndexName::new("user", name.as_bytes())
}

fn now() -> Timestamp {
    SystemClock.now()
}

/// Lives for an hour, listed under alice.
fn record(content: &str) -> Record {
    Record::new(content.into(), now().plus(HOUR)).with_indexes(vec![user("alice")])
}

async fn open(url: &str) -> RedisStore {
    let builder = RedisStore::builder(url).with_deadline(DEADLINE);
    builder.open().await.expect("the store opens")
}

/// For tests that are not about deadlines, on a machine that is busy with other things.
async fn patient(url: &str) -> RedisStore {
    let builder = RedisStore::builder(url).with_deadline(10 * DEADLINE);
    builder.open().await.expect("the store opens")
}

async fn put(store: &RedisStore, n: u32) {
    let inserted = store.insert(&key(n), record("content")).await;
    assert_eq!(inserted.unwrap(), Insert::Inserted);
}

async fn holds(store: &RedisStore, n: u32) -> bool {
    let found = store.load(&key(n)).await.unwrap();
    found.is_some_and(|found| found.record.sealed == b"content")
}

async fn listed(store: &RedisStore, name: &str) -> Vec<RecordKey> {
    let page = store.list(&user(name), None, 1_000).await.unwrap();
    assert_eq!(page.next, None);
    page.keys
}

/// Every operation, and what each answers.
async fn every_operation(store: &RedisStore) -> Vec<(&'static str, Result<String, StoreError>)> {
    fn told<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Result<String, StoreError> {
        answer.map(|answer| format!("{answer:?}"))
    }
    let version = mcp_auth::store::Version(1);
    vec![
        (
            "insert",
            told(store.insert(&key(1_000), record("new")).await),
        ),
        ("load", told(store.load(&key(1)).await)),
        (
            "replace",
            told(store.replace(&key(1), version, record("new")).await),
        ),
        ("remove", told(store.remove(&key(1_001)).await)),
        ("list", told(store.list(&user("alice"), None, 10).await)),
    ]
}

/// Every operation says that the store is away; none says that something is not there.
async fn is_away(store: &RedisStore) {
    for (operation, answer) in every_operation(store).await {
        let away = matches!(answer, Err(StoreError::Unavailable(_)));
        assert!(away, "{operation}: {answer:?}");
    }
}

/// Waits until the store answers again.
async fn heals(store: &RedisStore) {
    eventually("the store answers", async || {
        store.load(&key(1)).await.is_ok()
    })
    .await;
}

async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);
const DEADLINE: Duration = Duration::from_secs(1);
/// For a machine that is busy with other things; the client's own retries would take 9 s.
const SLACK: Duration = Duration::from_secs(4);
