//! One shard of the index entries.

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Included},
};

use crate::store::{IndexName, RecordKey};

/// Pairs of index name and key, in one ordered set: a name with one key costs one pair.
#[derive(Default)]
pub(super) struct Index(BTreeSet<(IndexName, RecordKey)>);

impl Index {
    pub(super) fn add(&mut self, name: IndexName, key: RecordKey) {
        self.0.insert((name, key));
    }

    pub(super) fn remove(&mut self, name: &IndexName, key: &RecordKey) {
        self.0.remove(&(*name, *key));
    }

    /// At most `limit` keys under a name after this one, and whether there are more.
    pub(super) fn page(
        &self,
        name: &IndexName,
        after: Option<RecordKey>,
        limit: usize,
    ) -> (Vec<RecordKey>, bool) {
        let start = after.map_or(Included((*name, FIRST)), |key| Excluded((*name, key)));
        let end = Included((*name, LAST));
        let mut rest = self.0.range((start, end)).map(|(_, key)| *key);
        let keys = rest.by_ref().take(limit).collect();
        (keys, rest.next().is_some())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

const FIRST: RecordKey = RecordKey::from_bytes([0; 32]);
const LAST: RecordKey = RecordKey::from_bytes([u8::MAX; 32]);
