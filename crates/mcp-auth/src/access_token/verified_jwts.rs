//! The JWTs that this process verified a short while ago.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::AccessTokenClaims;
use crate::oauth::{AccessToken, SHA256_LEN, Timestamp, sha256};

/// What was found good about a JWT, under the SHA-256 of the whole token, until its expiry.
///
/// Only tokens with a good signature get in, so nobody without one can fill it.
#[derive(Debug)]
pub(super) struct VerifiedJwts {
    shards: [Mutex<HashMap<Name, VerifiedJwt>>; SHARDS],
}

/// A JWT with everything verified that does not depend on the request.
#[derive(Debug, Clone)]
pub(super) struct VerifiedJwt {
    pub(super) audience: Box<str>,
    pub(super) claims: AccessTokenClaims,
}

pub(super) type Name = [u8; SHA256_LEN];

const SHARDS: usize = 16;
/// Of one shard; past it those that are over go, then all.
const MAX_ENTRIES: usize = 1024;

impl Default for VerifiedJwts {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl VerifiedJwts {
    pub(super) fn name(token: &AccessToken) -> Name {
        sha256(token.expose().as_bytes())
    }

    pub(super) fn get(&self, name: &Name, now: Timestamp) -> Option<VerifiedJwt> {
        let shard = self.shard(name)?;
        let known = shard.get(name)?;
        (now < known.claims.expires_at).then(|| known.clone())
    }

    pub(super) fn remember(&self, name: Name, verified: &VerifiedJwt, now: Timestamp) {
        if verified.claims.expires_at <= now {
            return;
        }
        let Some(mut shard) = self.shard(&name) else {
            return;
        };
        if shard.len() >= MAX_ENTRIES && !shard.contains_key(&name) {
            shard.retain(|_, known| now < known.claims.expires_at);
            if shard.len() >= MAX_ENTRIES {
                shard.clear();
            }
        }
        shard.insert(name, verified.clone());
    }

    fn shard(&self, name: &Name) -> Option<MutexGuard<'_, HashMap<Name, VerifiedJwt>>> {
        let at = usize::from(*name.first()?) % SHARDS;
        let shard = self.shards.get(at)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{access_token::GrantHandle, oauth::SystemRandom};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn until(end: u64) -> VerifiedJwt {
        VerifiedJwt {
            audience: "https://h.example/mcp".into(),
            claims: AccessTokenClaims {
                grant: GrantHandle::generate(&SystemRandom),
                expires_at: at(end),
                narrowed: None,
                key: None,
            },
        }
    }

    fn name(of: usize) -> Name {
        VerifiedJwts::name(&AccessToken::new(of.to_string()))
    }

    #[test]
    fn nothing_is_known_past_its_expiry() {
        let verified = VerifiedJwts::default();
        verified.remember(name(1), &until(100), at(10));
        assert!(verified.get(&name(1), at(99)).is_some());
        assert!(verified.get(&name(1), at(100)).is_none());
        assert!(verified.get(&name(2), at(10)).is_none());
        verified.remember(name(2), &until(100), at(100));
        assert!(verified.get(&name(2), at(99)).is_none(), "it was over");
    }

    // GRW-01
    #[test]
    fn it_stays_small_however_many_tokens_there_are() {
        let verified = VerifiedJwts::default();
        for of in 0..3 * SHARDS * MAX_ENTRIES {
            verified.remember(name(of), &until(100 + of as u64), at(10));
        }
        let shards = verified.shards.iter();
        let known: usize = shards.map(|shard| shard.lock().unwrap().len()).sum();
        assert!(known <= SHARDS * MAX_ENTRIES, "{known}");
        assert!(known > 0);
    }
}
