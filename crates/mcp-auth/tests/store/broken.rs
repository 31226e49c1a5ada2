//! Stores that break the contract, each in one way that real backends do.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mcp_auth::{
    oauth::{Clock, SystemClock, Timestamp},
    store::{
        Capabilities, Cursor, IndexName, IndexPage, Insert, MemoryStore, Record, RecordKey,
        Replace, Store, StoreError, Version, Versioned,
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    InsertInTwoSteps,
    InsertOverwrites,
    SwapInTwoSteps,
    SwapIgnoresVersion,
    SwapNeverWins,
    SwapInsertsWhereNothingIs,
    SwapSeesOnlyContent,
    VersionsStartAgain,
    RemovalForgotten,
    RemovalOfNoneFails,
    LoadsGhosts,
    KeysCutShort,
    ContentAsText,
    ContentCutShort,
    ExpiryInMinutes,
    PurgesAtExpiry,
    PurgesByFirstExpiry,
    NeverPurges,
    PurgesWithoutLimit,
    CapabilitiesChange,
    IndexAfterRecord,
    IndexForgetsOnSwap,
    IndexOnlyFirstName,
    IndexGapDuringSwap,
    PagesByOffset,
    LastPageMissing,
}

/// Each fault, and a rule that must find it.
pub(crate) const FAULTS: &[(Fault, &str)] = &[
    (Fault::InsertInTwoSteps, "lets_one_of_many_insertions_win"),
    (
        Fault::InsertOverwrites,
        "refuses_to_insert_over_a_record_and_changes_nothing",
    ),
    (Fault::SwapInTwoSteps, "lets_one_of_many_swaps_win"),
    (Fault::SwapInTwoSteps, "loses_no_update_of_a_swap_loop"),
    (
        Fault::SwapInTwoSteps,
        "lets_a_removal_or_a_swap_win_but_never_half_of_each",
    ),
    (
        Fault::SwapIgnoresVersion,
        "refuses_to_replace_at_another_version",
    ),
    (Fault::SwapNeverWins, "replaces_the_record_of_this_version"),
    (
        Fault::SwapInsertsWhereNothingIs,
        "refuses_to_replace_where_nothing_is",
    ),
    (
        Fault::SwapSeesOnlyContent,
        "changes_the_version_even_when_the_content_is_the_same",
    ),
    (Fault::VersionsStartAgain, "never_gives_a_version_twice"),
    (
        Fault::VersionsStartAgain,
        "lets_a_swap_prepared_before_a_removal_lose",
    ),
    (
        Fault::RemovalForgotten,
        "removes_a_record_and_forgives_removing_none",
    ),
    (
        Fault::RemovalOfNoneFails,
        "removes_a_record_and_forgives_removing_none",
    ),
    (Fault::LoadsGhosts, "loads_nothing_where_nothing_is"),
    (
        Fault::KeysCutShort,
        "keeps_records_under_neighbouring_keys_apart",
    ),
    (Fault::ContentAsText, "keeps_every_byte_of_binary_content"),
    (Fault::ContentCutShort, "keeps_a_large_record"),
    (Fault::ExpiryInMinutes, "carries_the_expiry_exactly"),
    (
        Fault::PurgesAtExpiry,
        "purges_only_what_expired_more_than_an_hour_ago",
    ),
    (
        Fault::PurgesByFirstExpiry,
        "spares_a_record_whose_life_was_extended",
    ),
    (
        Fault::NeverPurges,
        "purges_only_what_expired_more_than_an_hour_ago",
    ),
    (Fault::PurgesWithoutLimit, "purges_no_more_than_its_limit"),
    (
        Fault::CapabilitiesChange,
        "states_its_capabilities_the_same_every_time",
    ),
    (
        Fault::IndexAfterRecord,
        "lists_a_record_as_soon_as_it_loads",
    ),
    (
        Fault::IndexForgetsOnSwap,
        "keeps_a_record_listed_when_its_life_is_extended",
    ),
    (
        Fault::IndexOnlyFirstName,
        "lists_a_record_under_each_of_its_names",
    ),
    (
        Fault::IndexGapDuringSwap,
        "never_misses_a_live_key_while_others_change",
    ),
    (Fault::PagesByOffset, "pages_right_while_keys_come_and_go"),
    (
        Fault::LastPageMissing,
        "pages_through_a_listing_without_gaps_or_repeats",
    ),
];

/// A memory store with one fault.
#[derive(Debug)]
pub(crate) struct BrokenStore {
    fault: Fault,
    inner: MemoryStore,
    operations: AtomicU64,
    /// Versions that count from 1 for each new record, and the real ones behind them.
    counted: Mutex<HashMap<RecordKey, (u64, Version)>>,
    first_expiry: Mutex<HashMap<RecordKey, Timestamp>>,
}

/// The system's clock, an hour fast.
#[derive(Debug)]
struct HourAhead;

impl Clock for HourAhead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_secs(60 * 60))
    }
}

impl BrokenStore {
    pub(crate) fn new(fault: Fault) -> Self {
        let inner = if fault == Fault::PurgesAtExpiry {
            MemoryStore::with_clock(Arc::new(HourAhead))
        } else {
            MemoryStore::new()
        };
        Self {
            fault,
            inner,
            operations: AtomicU64::new(0),
            counted: Mutex::default(),
            first_expiry: Mutex::default(),
        }
    }

    fn name(&self, key: &RecordKey) -> RecordKey {
        let mut bytes = *key.as_bytes();
        if self.fault == Fault::KeysCutShort {
            bytes[31] = 0;
        }
        RecordKey::from_bytes(bytes)
    }

    fn written(&self, mut record: Record) -> Record {
        match self.fault {
            Fault::ContentAsText => {
                record.sealed = String::from_utf8_lossy(&record.sealed)
                    .into_owned()
                    .into_bytes();
            }
            Fault::ContentCutShort => record.sealed.truncate(32 * 1024),
            Fault::ExpiryInMinutes => {
                let minutes = record.expires_at.as_seconds() / 60;
                record.expires_at = Timestamp::from_seconds(minutes * 60);
            }
            Fault::IndexOnlyFirstName => record.indexes.truncate(1),
            _ => {}
        }
        record
    }

    /// Writes whatever stands there.
    async fn force(&self, key: &RecordKey, record: Record) -> Result<(), StoreError> {
        loop {
            let done = match self.inner.load(key).await? {
                Some(found) => {
                    let swapped = self
                        .inner
                        .replace(key, found.version, record.clone())
                        .await?;
                    swapped == Replace::Replaced
                }
                None => self.inner.insert(key, record.clone()).await? == Insert::Inserted,
            };
            if done {
                return Ok(());
            }
        }
    }

    /// Gives the other tasks their turn, as a second round trip would.
    async fn second_round_trip(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[async_trait]
impl Store for BrokenStore {
    fn capabilities(&self) -> Capabilities {
        let mut stated = Capabilities::volatile();
        stated.durable = self.fault == Fault::CapabilitiesChange
            && self.operations.load(Ordering::Relaxed) % 2 == 1;
        stated
    }

    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
        self.operations.fetch_add(1, Ordering::Relaxed);
        let (key, record) = (self.name(key), self.written(record));
        match self.fault {
            Fault::InsertInTwoSteps => {
                if self.inner.load(&key).await?.is_some() {
                    return Ok(Insert::Exists);
                }
                self.second_round_trip().await;
                self.force(&key, record).await?;
                Ok(Insert::Inserted)
            }
            Fault::InsertOverwrites => {
                self.force(&key, record).await?;
                Ok(Insert::Inserted)
            }
            Fault::IndexAfterRecord => {
                let bare = record.clone().with_indexes(Vec::new());
                let inserted = self.inner.insert(&key, bare).await?;
                if inserted == Insert::Inserted {
                    self.second_round_trip().await;
                    self.force(&key, record).await?;
                }
                Ok(inserted)
            }
            Fault::PurgesByFirstExpiry => {
                self.first_expiry
                    .lock()
                    .unwrap()
                    .entry(key)
                    .or_insert(record.expires_at);
                self.inner.insert(&key, record).await
            }
            _ => self.inner.insert(&key, record).await,
        }
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        let key = self.name(key);
        let found = self.inner.load(&key).await?;
        match (self.fault, found) {
            (Fault::LoadsGhosts, None) => {
                let ghost = Record::new(Vec::new(), SystemClock.now());
                Ok(Some(Versioned::new(ghost, Version(0))))
            }
            (Fault::VersionsStartAgain, Some(found)) => {
                let mut counted = self.counted.lock().unwrap();
                let (count, behind) = counted.entry(key).or_insert((1, found.version));
                if *behind != found.version {
                    (*count, *behind) = (*count + 1, found.version);
                }
                Ok(Some(Versioned::new(found.record, Version(*count))))
            }
            (Fault::SwapSeesOnlyContent, Some(found)) => {
                let version = content_version(&found.record);
                Ok(Some(Versioned::new(found.record, version)))
            }
            (_, found) => Ok(found),
        }
    }

    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        let (key, record) = (self.name(key), self.written(record));
        let found = self.inner.load(&key).await?;
        match (self.fault, found) {
            (Fault::SwapInTwoSteps, Some(found)) if found.version == version => {
                self.second_round_trip().await;
                self.force(&key, record).await?;
                Ok(Replace::Replaced)
            }
            (Fault::SwapIgnoresVersion, Some(_)) => {
                self.force(&key, record).await?;
                Ok(Replace::Replaced)
            }
            (Fault::SwapNeverWins, _) => Ok(Replace::Conflict),
            (Fault::SwapInsertsWhereNothingIs, None) => {
                self.force(&key, record).await?;
                Ok(Replace::Replaced)
            }
            (Fault::SwapSeesOnlyContent, Some(found)) => {
                if content_version(&found.record) != version {
                    return Ok(Replace::Conflict);
                }
                self.inner.replace(&key, found.version, record).await
            }
            (Fault::VersionsStartAgain, Some(_)) => {
                let current = self.load(&key).await?.map(|found| found.version);
                let behind = self.counted.lock().unwrap().get(&key).copied();
                match behind {
                    Some((_, real)) if current == Some(version) => {
                        self.inner.replace(&key, real, record).await
                    }
                    _ => Ok(Replace::Conflict),
                }
            }
            (Fault::IndexForgetsOnSwap, Some(_)) => {
                let bare = record.with_indexes(Vec::new());
                self.inner.replace(&key, version, bare).await
            }
            (Fault::IndexGapDuringSwap, Some(found)) if found.version == version => {
                let bare = record.clone().with_indexes(Vec::new());
                let swapped = self.inner.replace(&key, version, bare).await?;
                self.second_round_trip().await;
                if swapped == Replace::Replaced {
                    self.force(&key, record).await?;
                }
                Ok(swapped)
            }
            _ => self.inner.replace(&key, version, record).await,
        }
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        let key = self.name(key);
        self.counted.lock().unwrap().remove(&key);
        if self.fault == Fault::RemovalForgotten {
            return Ok(());
        }
        if self.fault == Fault::RemovalOfNoneFails && self.inner.load(&key).await?.is_none() {
            return Err(StoreError::Failed("there is no such record".into()));
        }
        self.inner.remove(&key).await
    }

    async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        match self.fault {
            Fault::PagesByOffset => {
                let offset = cursor.map_or(0, |cursor| usize::from(cursor.0[0]));
                let all = self.inner.list(index, None, usize::MAX).await?.keys;
                let keys: Vec<_> = all.iter().skip(offset).take(limit).copied().collect();
                let seen = offset + keys.len();
                let next = (seen < all.len()).then(|| Cursor(vec![u8::try_from(seen).unwrap()]));
                Ok(IndexPage::new(keys, next))
            }
            Fault::LastPageMissing => {
                let page = self.inner.list(index, cursor, limit).await?;
                let full = page.keys.len() == limit && cursor.is_none();
                Ok(IndexPage::new(page.keys, page.next.filter(|_| full)))
            }
            _ => self.inner.list(index, cursor, limit).await,
        }
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        match self.fault {
            Fault::NeverPurges => Ok(0),
            Fault::PurgesWithoutLimit => self.inner.purge_expired(usize::MAX).await,
            Fault::PurgesByFirstExpiry => {
                let expired = SystemClock.now();
                let keys: Vec<_> = {
                    let mut first = self.first_expiry.lock().unwrap();
                    first
                        .extract_if(|_, expiry| *expiry < expired)
                        .map(|(key, _)| key)
                        .collect()
                };
                for key in keys {
                    self.inner.remove(&key).await?;
                }
                self.inner.purge_expired(limit).await
            }
            _ => self.inner.purge_expired(limit).await,
        }
    }
}

/// An entity tag in place of a version: content that comes back has the tag it had.
fn content_version(record: &Record) -> Version {
    let sum = record.sealed.iter().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    Version(sum)
}
