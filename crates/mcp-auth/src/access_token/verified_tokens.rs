//! The tokens that this process verified a short while ago.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::oauth::{AccessToken, SHA256_LEN, Timestamp, sha256};

/// What was found good about a token, under the SHA-256 of the whole of it, until its expiry.
///
/// Only tokens that were verified get in, so nobody without one can fill it.
#[derive(Debug)]
pub(super) struct VerifiedTokens<T> {
    shards: [Mutex<HashMap<Name, Known<T>>>; SHARDS],
}

#[derive(Debug)]
struct Known<T> {
    until: Timestamp,
    verified: T,
}

pub(super) type Name = [u8; SHA256_LEN];

const SHARDS: usize = 16;
/// Of one shard; past it those that are over go, then all.
const MAX_ENTRIES: usize = 1024;

impl<T> Default for VerifiedTokens<T> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl<T: Clone> VerifiedTokens<T> {
    pub(super) fn name(token: &AccessToken) -> Name {
        sha256(token.expose().as_bytes())
    }

    pub(super) fn get(&self, name: &Name, now: Timestamp) -> Option<T> {
        let shard = self.shard(name)?;
        let known = shard.get(name)?;
        (now < known.until).then(|| known.verified.clone())
    }

    pub(super) fn remember(&self, name: Name, verified: T, until: Timestamp, now: Timestamp) {
        if until <= now {
            return;
        }
        let Some(mut shard) = self.shard(&name) else {
            return;
        };
        if shard.len() >= MAX_ENTRIES && !shard.contains_key(&name) {
            shard.retain(|_, known| now < known.until);
            if shard.len() >= MAX_ENTRIES {
                shard.clear();
            }
        }
        shard.insert(name, Known { until, verified });
    }

    fn shard(&self, name: &Name) -> Option<MutexGuard<'_, HashMap<Name, Known<T>>>> {
        let at = usize::from(*name.first()?) % SHARDS;
        let shard = self.shards.get(at)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn name(of: usize) -> Name {
        VerifiedTokens::<()>::name(&AccessToken::new(of.to_string()))
    }

    #[test]
    fn nothing_is_known_past_its_expiry() {
        let verified = VerifiedTokens::default();
        verified.remember(name(1), "one", at(100), at(10));
        assert_eq!(verified.get(&name(1), at(99)), Some("one"));
        assert!(verified.get(&name(1), at(100)).is_none());
        assert!(verified.get(&name(2), at(10)).is_none());
        verified.remember(name(2), "two", at(100), at(100));
        assert!(verified.get(&name(2), at(99)).is_none(), "it was over");
    }

    // GRW-01
    #[test]
    fn it_stays_small_however_many_tokens_there_are() {
        let verified = VerifiedTokens::default();
        for of in 0..3 * SHARDS * MAX_ENTRIES {
            verified.remember(name(of), (), at(100 + of as u64), at(10));
        }
        let shards = verified.shards.iter();
        let known: usize = shards.map(|shard| shard.lock().unwrap().len()).sum();
        assert!(known <= SHARDS * MAX_ENTRIES, "{known}");
        assert!(known > 0);
    }
}
