//! One shard of the records, with the order in which they expire.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    oauth::Timestamp,
    store::{IndexName, Record, RecordKey, Version, Versioned},
};

/// Records by key, and the marks of their keys by expiry.
///
/// Both are trees: they give back the room of what is gone, and never stop to grow all at once. The
/// order of expiry holds each key exactly once: a grant that is refreshed for months leaves no trail
/// in it.
#[derive(Default)]
pub(super) struct Shard {
    entries: BTreeMap<RecordKey, Entry>,
    by_expiry: BTreeSet<(Timestamp, Mark)>,
}

/// The first half of a hash. Nobody finds two that begin alike, and it takes half the room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark([u8; 16]);

impl Mark {
    pub(super) const FIRST: Self = Self([0; 16]);
    pub(super) const LAST: Self = Self([u8::MAX; 16]);

    pub(super) fn of(hash: &[u8; 32]) -> Self {
        let (mark, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self(*mark)
    }

    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The hash that begins so and goes on with this byte.
    fn followed_by(self, byte: u8) -> RecordKey {
        let mut hash = [byte; 32];
        if let Some(start) = hash.first_chunk_mut() {
            *start = self.0;
        }
        RecordKey::from_bytes(hash)
    }
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, key: &RecordKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The record whose key has this mark.
    pub(super) fn marked(&self, mark: Mark) -> Option<(RecordKey, &Entry)> {
        let alike = mark.followed_by(u8::MIN)..=mark.followed_by(u8::MAX);
        let (key, entry) = self.entries.range(alike).next()?;
        Some((*key, entry))
    }

    /// Writes an entry; gives back the one that stood there.
    pub(super) fn put(&mut self, key: RecordKey, entry: Entry) -> Option<Entry> {
        let mark = Mark::of(key.as_bytes());
        let expires_at = entry.expires_at;
        let old = self.entries.insert(key, entry);
        if old.as_ref().map(|old| old.expires_at) != Some(expires_at) {
            if let Some(old) = &old {
                self.by_expiry.remove(&(old.expires_at, mark));
            }
            self.by_expiry.insert((expires_at, mark));
        }
        old
    }

    pub(super) fn take(&mut self, key: &RecordKey) -> Option<Entry> {
        let old = self.entries.remove(key)?;
        let mark = Mark::of(key.as_bytes());
        self.by_expiry.remove(&(old.expires_at, mark));
        Some(old)
    }

    /// Takes the record that expires first, if that is before `moment`.
    pub(super) fn take_expired_before(&mut self, moment: Timestamp) -> Option<(RecordKey, Entry)> {
        let (expires_at, mark) = *self.by_expiry.first()?;
        if expires_at >= moment {
            return None;
        }
        let (key, _) = self.marked(mark)?;
        Some((key, self.take(&key)?))
    }

    #[cfg(test)]
    pub(super) fn marks(&self) -> usize {
        self.by_expiry.len()
    }
}

/// A record as it is kept: its index names and its sealed content in one piece.
pub(super) struct Entry {
    names_then_sealed: Box<[u8]>,
    names: u32,
    expires_at: Timestamp,
    version: Version,
}

impl Entry {
    /// None if the record has more names than anybody lists it under.
    pub(super) fn new(record: &Record, version: Version) -> Option<Self> {
        let names = u32::try_from(record.indexes.len()).ok()?;
        let room = record.indexes.len() * NAME + record.sealed.len();
        let mut bytes = Vec::with_capacity(room);
        for name in &record.indexes {
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.extend_from_slice(&record.sealed);
        Some(Self {
            names_then_sealed: bytes.into_boxed_slice(),
            names,
            expires_at: record.expires_at,
            version,
        })
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    pub(super) fn indexes(&self) -> Vec<IndexName> {
        let (names, _) = self.parts();
        let names = names.chunks_exact(NAME);
        names
            .filter_map(|name| name.try_into().ok().map(IndexName))
            .collect()
    }

    pub(super) fn to_versioned(&self) -> Versioned {
        let (_, sealed) = self.parts();
        let record = Record::new(sealed.to_vec(), self.expires_at).with_indexes(self.indexes());
        Versioned::new(record, self.version)
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let names = usize::try_from(self.names).unwrap_or(0) * NAME;
        let parts = self.names_then_sealed.split_at_checked(names);
        parts.unwrap_or((&[], &self.names_then_sealed))
    }
}

/// The length of an index name.
const NAME: usize = 32;
