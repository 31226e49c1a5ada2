//! Where the sessions of a 2025 host are kept, and whether they can be read.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::store::Records;

/// Whoever serves the sessions reads them here, and can answer no better than 500 when the store is
/// away; the layer, which sees both, tells the host to come back instead.
#[derive(Debug, Clone)]
pub(crate) struct SessionRecords {
    records: Records,
    away: Arc<AtomicBool>,
}

impl SessionRecords {
    pub(crate) fn new(records: Records) -> Self {
        Self {
            records,
            away: Arc::default(),
        }
    }

    pub(crate) const fn records(&self) -> &Records {
        &self.records
    }

    /// Notes how the last reading ended.
    pub(crate) fn note(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    pub(super) fn are_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }
}
