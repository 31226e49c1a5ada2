//! One shard of the index entries.

use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Included},
};

use super::shard::Mark;
use crate::store::{IndexName, RecordKey};

/// Pairs of index name and key, by their marks, in one ordered set: a name with one key costs one
/// pair.
#[derive(Default)]
pub(super) struct Index(BTreeSet<(Mark, Mark)>);

impl Index {
    pub(super) fn add(&mut self, name: &IndexName, key: &RecordKey) {
        self.0.insert(pair(name, key));
    }

    pub(super) fn remove(&mut self, name: &IndexName, key: &RecordKey) {
        self.0.remove(&pair(name, key));
    }

    /// The marks of at most `limit` keys under a name after this one, and whether there are more.
    pub(super) fn page(
        &self,
        name: &IndexName,
        after: Option<Mark>,
        limit: usize,
    ) -> (Vec<Mark>, bool) {
        let name = Mark::of(name.as_bytes());
        let start = after.map_or(Included((name, Mark::FIRST)), |key| Excluded((name, key)));
        let end = Included((name, Mark::LAST));
        let mut rest = self.0.range((start, end)).map(|(_, key)| *key);
        let keys = rest.by_ref().take(limit).collect();
        (keys, rest.next().is_some())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn pair(name: &IndexName, key: &RecordKey) -> (Mark, Mark) {
    (Mark::of(name.as_bytes()), Mark::of(key.as_bytes()))
}
