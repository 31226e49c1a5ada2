//! One shard of the records, with the order in which they expire.

use std::collections::{BTreeSet, HashMap};

use crate::{
    oauth::Timestamp,
    store::{IndexName, Record, RecordKey, Version, Versioned},
};

/// Records by key, and their keys by expiry.
///
/// The order of expiry holds each key exactly once: a grant that is refreshed for months leaves no
/// trail in it.
#[derive(Default)]
pub(super) struct Shard {
    entries: HashMap<RecordKey, Entry>,
    by_expiry: BTreeSet<(Timestamp, RecordKey)>,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, key: &RecordKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Writes an entry; gives back the one that stood there.
    pub(super) fn put(&mut self, key: RecordKey, entry: Entry) -> Option<Entry> {
        let expires_at = entry.expires_at;
        let old = self.entries.insert(key, entry);
        if old.as_ref().map(|old| old.expires_at) != Some(expires_at) {
            if let Some(old) = &old {
                self.by_expiry.remove(&(old.expires_at, key));
            }
            self.by_expiry.insert((expires_at, key));
        }
        old
    }

    pub(super) fn take(&mut self, key: &RecordKey) -> Option<Entry> {
        let old = self.entries.remove(key)?;
        self.by_expiry.remove(&(old.expires_at, *key));
        self.give_back_room();
        Some(old)
    }

    /// Takes the record that expires first, if that is before `moment`.
    pub(super) fn take_expired_before(
        &mut self,
        moment: Timestamp,
    ) -> Option<(RecordKey, Box<[IndexName]>)> {
        let (expires_at, key) = *self.by_expiry.first()?;
        if expires_at >= moment {
            return None;
        }
        let entry = self.take(&key)?;
        Some((key, entry.into_indexes()))
    }

    /// A map keeps the room of its best days; halving it when three quarters are empty costs each
    /// removal a constant share.
    fn give_back_room(&mut self) {
        let room = self.entries.capacity();
        if room > SMALL && self.entries.len() < room / 4 {
            self.entries.shrink_to(room / 2);
        }
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.entries.capacity() + self.by_expiry.len()
    }
}

/// A record as it is kept: exactly as long as it is.
pub(super) struct Entry {
    sealed: Box<[u8]>,
    indexes: Box<[IndexName]>,
    expires_at: Timestamp,
    version: Version,
}

impl Entry {
    pub(super) fn new(record: Record, version: Version) -> Self {
        Self {
            sealed: record.sealed.into_boxed_slice(),
            indexes: record.indexes.into_boxed_slice(),
            expires_at: record.expires_at,
            version,
        }
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    pub(super) fn to_versioned(&self) -> Versioned {
        let record =
            Record::new(self.sealed.to_vec(), self.expires_at).with_indexes(self.indexes.to_vec());
        Versioned::new(record, self.version)
    }

    pub(super) fn into_indexes(self) -> Box<[IndexName]> {
        self.indexes
    }
}

const SMALL: usize = 64;
