use std::sync::atomic::AtomicU64;

use super::*;

#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Hand {
    fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::Relaxed))
    }
}

fn at(seconds: u64) -> (Arc<Hand>, MemoryStore) {
    let hand = Arc::new(Hand::default());
    hand.set(seconds);
    (hand.clone(), MemoryStore::with_clock(hand))
}

fn key(n: u64) -> RecordKey {
    RecordKey::new("test", &n.to_be_bytes())
}

fn user(n: u64) -> IndexName {
    IndexName::new("user", &n.to_be_bytes())
}

fn record(n: u64, expires_at: u64) -> Record {
    Record::new(vec![7; 100], Timestamp::from_seconds(expires_at))
        .with_indexes(vec![user(n), IndexName::new("client", b"one")])
}

fn index_entries(store: &MemoryStore) -> usize {
    store.indexes.iter().map(|index| lock(index).len()).sum()
}

fn expiry_marks(store: &MemoryStore) -> usize {
    store.records.iter().map(|shard| lock(shard).marks()).sum()
}

const DAY: u64 = 24 * 60 * 60;
const HOUR: u64 = 60 * 60;
const START: u64 = 1_800_000_000;

#[tokio::test]
async fn a_hundred_thousand_expired_records_leave_nothing_after_a_purge() {
    let (hand, store) = at(START);
    for n in 0..100_000 {
        assert_eq!(
            store
                .insert(&key(n), record(n, START + n % 60))
                .await
                .unwrap(),
            Insert::Inserted
        );
    }
    assert_eq!(store.len(), 100_000);
    assert_eq!(index_entries(&store), 200_000);

    hand.set(START + 60 + HOUR);
    let mut rounds = 0;
    while store.purge_expired(1_000).await.unwrap() > 0 {
        rounds += 1;
    }
    assert_eq!(rounds, 100);
    assert!(store.is_empty());
    assert_eq!(index_entries(&store), 0);
    assert_eq!(expiry_marks(&store), 0);
}

#[tokio::test]
async fn a_purge_stops_at_its_limit() {
    let (hand, store) = at(START);
    for n in 0..1_000 {
        let _ = store.insert(&key(n), record(n, START)).await.unwrap();
    }
    hand.set(START + HOUR + 1);
    assert_eq!(store.purge_expired(0).await.unwrap(), 0);
    assert_eq!(store.purge_expired(300).await.unwrap(), 300);
    assert_eq!(store.len(), 700);
    assert_eq!(store.purge_expired(usize::MAX).await.unwrap(), 700);
}

#[tokio::test]
async fn writes_alone_keep_the_expired_from_piling_up() {
    let (hand, store) = at(START);
    let mut most = 0;
    // One record a second, each for a minute: an hour and a minute of them may be there.
    for second in 0..4 * HOUR {
        hand.set(START + second);
        let _ = store
            .insert(&key(second), record(second, START + second + 60))
            .await
            .unwrap();
        most = most.max(store.len());
    }
    assert!(most < 4_000, "{most} records at once");
    assert_eq!(index_entries(&store), 2 * store.len());
}

#[tokio::test]
async fn a_clock_that_jumps_within_the_hour_and_back_sweeps_nothing() {
    let (hand, store) = at(START);
    let _ = store.insert(&key(1), record(1, START + 60)).await.unwrap();
    hand.set(START + 60 + HOUR);
    assert_eq!(store.purge_expired(10).await.unwrap(), 0);
    for n in 2..1_000 {
        let _ = store
            .insert(&key(n), record(n, START + 2 * DAY))
            .await
            .unwrap();
    }
    hand.set(START);
    assert!(store.load(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_clock_that_jumps_a_day_and_back_sweeps_no_grant_of_a_month() {
    let (hand, store) = at(START);
    let _ = store
        .insert(&key(1), record(1, START + 30 * DAY))
        .await
        .unwrap();
    hand.set(START + DAY);
    assert_eq!(store.purge_expired(10).await.unwrap(), 0);
    hand.set(0);
    assert_eq!(store.purge_expired(10).await.unwrap(), 0);
    hand.set(START);
    assert!(store.load(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_stays_taken_until_its_record_is_dropped() {
    let (hand, store) = at(START);
    let _ = store.insert(&key(1), record(1, START + 60)).await.unwrap();
    hand.set(START + 60 + HOUR);
    let again = store.insert(&key(1), record(1, START + DAY)).await.unwrap();
    assert_eq!(again, Insert::Exists);
    hand.set(START + 61 + HOUR);
    let again = store.insert(&key(1), record(1, START + DAY)).await.unwrap();
    assert_eq!(again, Insert::Inserted);
}

#[tokio::test]
async fn a_record_that_is_replaced_for_months_leaves_no_trail() {
    let (_, store) = at(START);
    let _ = store.insert(&key(1), record(1, START)).await.unwrap();
    for n in 0..10_000 {
        let version = store.load(&key(1)).await.unwrap().unwrap().version;
        let swapped = store
            .replace(&key(1), version, record(n, START + n * HOUR))
            .await
            .unwrap();
        assert_eq!(swapped, Replace::Replaced);
    }
    assert_eq!(store.len(), 1);
    assert_eq!(index_entries(&store), 2);
    assert_eq!(expiry_marks(&store), 1);
    store.remove(&key(1)).await.unwrap();
    assert_eq!(index_entries(&store), 0);
    assert!(store.is_empty());
}

#[tokio::test]
async fn the_last_of_all_times_neither_overflows_nor_expires() {
    let (hand, store) = at(u64::MAX);
    let _ = store.insert(&key(1), record(1, u64::MAX)).await.unwrap();
    let _ = store.insert(&key(2), record(1, 0)).await.unwrap();
    assert_eq!(store.purge_expired(10).await.unwrap(), 1);
    hand.set(0);
    assert_eq!(store.purge_expired(10).await.unwrap(), 0);
    assert_eq!(store.len(), 1);
}

#[tokio::test]
async fn a_listing_goes_to_the_ends_of_the_key_space() {
    let (_, store) = at(START);
    let ends = [
        RecordKey::from_bytes([0; 32]),
        RecordKey::from_bytes([255; 32]),
    ];
    for key in &ends {
        let _ = store.insert(key, record(1, START + DAY)).await.unwrap();
    }
    let first = store.list(&user(1), None, 1).await.unwrap();
    assert_eq!(first.keys, [ends[0]]);
    let second = store.list(&user(1), first.next.as_ref(), 1).await.unwrap();
    assert_eq!(second.keys, [ends[1]]);
    assert_eq!(second.next, None);
    let past = Cursor(vec![255; 16]);
    assert_eq!(store.list(&user(1), Some(&past), 1).await.unwrap().keys, []);
}

#[tokio::test]
async fn a_foreign_cursor_is_an_error_and_no_page() {
    let (_, store) = at(START);
    let foreign = Cursor(b"page 2".to_vec());
    let refused = store.list(&user(1), Some(&foreign), 1).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn debug_tells_nothing_of_the_records() {
    let (_, store) = at(START);
    let empty = format!("{store:?}");
    let _ = store.insert(&key(1), record(1, START)).await.unwrap();
    assert_eq!(format!("{store:?}"), empty);
}
