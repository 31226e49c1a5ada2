//! Where records live: the [`Store`] contract, the keys they are sealed under, the memory store.
//!
//! A store is not a key-value map: that shape cannot redeem a code exactly once. It keeps versioned
//! records with an expiry, swaps them by comparison, and keeps an index. It never sees a secret:
//! keys arrive hashed and records arrive sealed.

#[cfg(feature = "authorization-server")]
mod bounded;
#[cfg(feature = "authorization-server")]
mod housekeeping;
mod key_ring;
mod memory;
#[cfg(feature = "authorization-server")]
mod records;
mod sealing;
mod url;

use async_trait::async_trait;
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

#[cfg(feature = "authorization-server")]
pub(crate) use bounded::BoundedStore;
pub use key_ring::{KeyRing, KeyRingError};
pub use memory::MemoryStore;
#[cfg(feature = "authorization-server")]
pub(crate) use records::{Loaded, Records};
pub use sealing::{OpenError, Purpose, Sealer};
pub use url::StoreUrl;

use crate::oauth::Timestamp;

/// A place for records.
///
/// Every operation touches one key, and `insert` and `replace` are atomic: of any number of callers
/// in any number of processes that race for one key and version, one wins.
///
/// A backend that cannot be reached answers [`StoreError::Unavailable`] within its own deadline,
/// never a wrong answer. The contract suite of `mcp-auth-testkit` proves these rules on a backend.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// What this store promises.
    fn capabilities(&self) -> Capabilities;

    /// Writes a record under a key that has none.
    ///
    /// The index entries of the record are written before the record, so that an index never misses
    /// a live one.
    ///
    /// # Errors
    ///
    /// When the store is away or full.
    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError>;

    /// Reads a record and its version.
    ///
    /// A record whose expiry has passed may still be returned for a while: the caller compares
    /// [`Record::expires_at`] with its own clock.
    ///
    /// # Errors
    ///
    /// When the store is away.
    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError>;

    /// Writes a record in place of the one that has exactly this version, and extends its index
    /// entries to the new expiry.
    ///
    /// # Errors
    ///
    /// When the store is away or full.
    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError>;

    /// Removes a record; that there is none is no error.
    ///
    /// # Errors
    ///
    /// When the store is away.
    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError>;

    /// The keys under an index name, at most `limit` of them, after `cursor`.
    ///
    /// Keys of records that are gone may be among them; those of live records all are.
    ///
    /// # Errors
    ///
    /// When the store is away.
    async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError>;

    /// Removes up to `limit` records and index entries whose expiry passed more than an hour ago, by
    /// the store's own clock; says how many.
    ///
    /// # Errors
    ///
    /// When the store is away.
    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError>;
}

const _: Option<&dyn Store> = None;

/// What a store promises; the builders refuse a combination that would be unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// A record that was acknowledged survives `kill -9` of the process and of the store.
    pub durable: bool,
    /// Several processes see the same records.
    pub shared: bool,
    /// Of those who race for one key and version one wins, wherever they connect. A store that only
    /// comes to agree later, such as one that is replicated between several writers, does not say so
    /// and is refused: two could redeem one code.
    pub atomic: bool,
    /// An acknowledged record survives the store's failover to a replica.
    pub survives_failover: bool,
}

impl Capabilities {
    /// Promises nothing but atomic steps: records of one process that end with it.
    #[must_use]
    pub const fn volatile() -> Self {
        Self {
            durable: false,
            shared: false,
            atomic: true,
            survives_failover: false,
        }
    }

    /// Promises everything.
    #[must_use]
    pub const fn durable_and_shared() -> Self {
        Self {
            durable: true,
            shared: true,
            atomic: true,
            survives_failover: true,
        }
    }
}

/// A hashed name of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey([u8; 32]);

impl RecordKey {
    /// The key of this kind and name; neither can be read from it.
    #[must_use]
    pub fn new(kind: &str, name: &[u8]) -> Self {
        Self(hash("mcp-auth record", kind, name))
    }

    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key from the hash that [`RecordKey::as_bytes`] gave, for a backend that reads its index.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key from what it is displayed as.
    #[cfg(feature = "authorization-server")]
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

/// A hashed name under which several records are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexName([u8; 32]);

impl IndexName {
    /// The index of this kind and name.
    #[must_use]
    pub fn new(kind: &str, name: &[u8]) -> Self {
        Self(hash("mcp-auth index", kind, name))
    }

    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// An index name from the hash that [`IndexName::as_bytes`] gave, for a backend that reads a record.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Each part with its length before it, so that no two triples hash the same bytes.
fn hash(domain: &str, kind: &str, name: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [domain.as_bytes(), kind.as_bytes(), name] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// What a store keeps under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The sealed content.
    pub sealed: Vec<u8>,
    /// From this moment on the record counts as gone, by the clock of whoever loads it.
    pub expires_at: Timestamp,
    /// The index names it is listed under.
    pub indexes: Vec<IndexName>,
}

impl Record {
    /// A record under no index.
    #[must_use]
    pub const fn new(sealed: Vec<u8>, expires_at: Timestamp) -> Self {
        Self {
            sealed,
            expires_at,
            indexes: Vec::new(),
        }
    }

    /// The record, listed under these names.
    #[must_use]
    pub fn with_indexes(mut self, indexes: Vec<IndexName>) -> Self {
        self.indexes = indexes;
        self
    }
}

/// A record as it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Versioned {
    /// The record.
    pub record: Record,
    /// What `replace` must name to write in its place.
    pub version: Version,
}

impl Versioned {
    /// For backends: what they found.
    #[must_use]
    pub const fn new(record: Record, version: Version) -> Self {
        Self { record, version }
    }
}

/// Tells one state of a record from every other state that key ever had.
///
/// A backend must never give one version twice for a key, not even after a removal: a swap that was
/// prepared before must lose after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// How an insertion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Insert {
    /// The record stands.
    Inserted,
    /// There is one under this key already; nothing changed.
    Exists,
}

/// How a swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Replace {
    /// The record stands.
    Replaced,
    /// The version is not the current one, or there is no record; nothing changed.
    Conflict,
}

/// Where a listing goes on; opaque, made by the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexPage {
    /// The keys.
    pub keys: Vec<RecordKey>,
    /// Where to go on; none when this was the last page.
    pub next: Option<Cursor>,
}

impl IndexPage {
    /// For backends: one page.
    #[must_use]
    pub const fn new(keys: Vec<RecordKey>, next: Option<Cursor>) -> Self {
        Self { keys, next }
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or did not answer in time.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// It has no room.
    #[error("the store is full")]
    Full,
    /// It answered, but not with what the contract says.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl std::fmt::Display for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}
