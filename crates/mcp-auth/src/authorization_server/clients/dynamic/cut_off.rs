//! The registrations that the operator cut off, in whichever way they are kept.

use std::collections::HashSet;

use crate::{
    authorization_server::clients::ResolveError,
    oauth::{ClientId, Timestamp, sha256},
};

/// Which registrations count no longer.
#[derive(Debug, Clone)]
pub(super) struct CutOff {
    refused_before: Timestamp,
    denied: HashSet<[u8; 32]>,
}

impl CutOff {
    /// None of them.
    pub(super) fn none() -> Self {
        Self {
            refused_before: Timestamp::from_seconds(0),
            denied: HashSet::new(),
        }
    }

    pub(super) const fn refuse_before(&mut self, moment: Timestamp) {
        self.refused_before = moment;
    }

    pub(super) fn deny<'a>(&mut self, ids: impl IntoIterator<Item = &'a ClientId>) {
        let hashes = ids.into_iter().map(|id| sha256(id.as_str().as_bytes()));
        self.denied.extend(hashes);
    }

    pub(super) fn check(&self, id: &ClientId, issued_at: Timestamp) -> Result<(), ResolveError> {
        if issued_at < self.refused_before {
            return Err(ResolveError::Refused("registered before the cut-off"));
        }
        if self.denied.contains(&sha256(id.as_str().as_bytes())) {
            return Err(ResolveError::Refused("on the deny list"));
        }
        Ok(())
    }
}
