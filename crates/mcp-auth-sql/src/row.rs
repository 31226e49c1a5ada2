//! A record as columns, the same on both databases.

use mcp_auth::{
    oauth::{Random, SystemRandom, Timestamp},
    store::{Cursor, IndexName, IndexPage, Record, RecordKey, Version, Versioned},
};

use crate::cause::Trouble;

/// The columns of a record.
///
/// A database has no unsigned numbers. Versions and expiries are kept bit by bit: an expiry after
/// 2^63 is a negative number there, and the purge, which looks between 0 and now, passes it by.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) expires_at: i64,
    /// The expiry of its index entries, which only ever grows: at the most the largest number.
    pub(crate) listed_until: i64,
    pub(crate) sealed: Vec<u8>,
    /// The index names, one after the other.
    pub(crate) names: Vec<u8>,
}

impl Columns {
    pub(crate) fn of(record: Record) -> Self {
        let seconds = record.expires_at.as_seconds();
        let names = record.indexes.iter();
        Self {
            expires_at: seconds.cast_signed(),
            listed_until: i64::try_from(seconds).unwrap_or(i64::MAX),
            names: names.flat_map(|name| *name.as_bytes()).collect(),
            sealed: record.sealed,
        }
    }
}

/// A row of the record table, read back.
pub(crate) fn versioned(
    version: i64,
    expires_at: i64,
    sealed: Vec<u8>,
    names: &[u8],
) -> Result<Versioned, Trouble> {
    let (names, rest) = names.as_chunks::<HASH>();
    if !rest.is_empty() {
        return Err(Trouble::Failed(
            "a record lists index names of a wrong length: it was not written by this store".into(),
        ));
    }
    let expires_at = Timestamp::from_seconds(expires_at.cast_unsigned());
    let names = names.iter().map(|name| IndexName::from_bytes(*name));
    let record = Record::new(sealed, expires_at).with_indexes(names.collect());
    Ok(Versioned::new(record, Version(version.cast_unsigned())))
}

/// The version of a record that was just written: drawn from so many that no key sees one again.
///
/// Counted on, it would come twice: a database that lost its last writes, in a failover or to a
/// backup, would give the lost versions to other states, and a swap that was prepared on a lost one
/// would win.
pub(crate) fn new_version() -> i64 {
    let random: &dyn Random = &SystemRandom;
    i64::from_be_bytes(random.bytes())
}

/// Where a listing goes on: after this key, which is empty at the start.
pub(crate) fn position(cursor: Option<&Cursor>) -> Result<Vec<u8>, Trouble> {
    match cursor {
        None => Ok(Vec::new()),
        Some(cursor) if cursor.0.len() == HASH => Ok(cursor.0.clone()),
        Some(_) => Err(Trouble::Failed(
            "the cursor is not one of this store".into(),
        )),
    }
}

/// How many keys to ask for: one more than wanted tells whether there are more.
pub(crate) fn one_more_than(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// A page of at most `limit` keys, of one more that were found.
pub(crate) fn page(found: Vec<Vec<u8>>, limit: usize) -> Result<IndexPage, Trouble> {
    let more = found.len() > limit;
    let mut keys = Vec::with_capacity(found.len().min(limit));
    for key in found.into_iter().take(limit) {
        let key = key
            .try_into()
            .map_err(|_| Trouble::Failed("an index entry names a key of a wrong length".into()))?;
        keys.push(RecordKey::from_bytes(key));
    }
    let next = keys.last().filter(|_| more);
    let next = next.map(|key| Cursor(key.as_bytes().to_vec()));
    Ok(IndexPage::new(keys, next))
}

/// How many rows one statement of a purge may take: a purge of many is many short ones.
pub(crate) fn stride(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).min(PURGED_AT_ONCE)
}

/// A clock that is set right again has swept nothing away.
pub(crate) const KEPT_AFTER_EXPIRY: u64 = 60 * 60;
const PURGED_AT_ONCE: i64 = 1_000;
/// The length of a hash: of a key, and of an index name.
pub(crate) const HASH: usize = 32;
