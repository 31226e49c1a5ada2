//! What was exchanged a short while ago.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{ExchangeError, attempts::Attempts, request::Given};
use crate::oauth::{AccessToken, SHA256_LEN, Timestamp, sha256};

/// A token for the API.
#[derive(Debug, Clone)]
pub(super) struct Exchanged {
    token: AccessToken,
    at: Timestamp,
    /// From `at` on.
    good_for: Duration,
    due_after: Duration,
}

/// Of a token whose lifetime is not told (RFC 8693 §2.2.1 recommends to tell it).
const UNTOLD: Duration = Duration::from_secs(60);
/// The next one is asked for at most this long before the end.
const AHEAD: Duration = Duration::from_secs(30);
/// After a failure while the token is still good.
const REST: Duration = Duration::from_secs(5);

impl Exchanged {
    /// As it was given, for no longer than the host's token is good.
    pub(super) fn new(given: Given, host_ends: Option<Timestamp>, now: Timestamp) -> Self {
        let lifetime = given.lifetime.unwrap_or(UNTOLD);
        let left = host_ends.map_or(lifetime, |end| end.since(now));
        Self {
            token: given.token,
            at: now,
            good_for: lifetime.min(left),
            due_after: lifetime.saturating_sub((lifetime / 10).min(AHEAD)),
        }
    }

    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        now.is_within(self.at, self.good_for)
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        !now.is_within(self.at, self.due_after)
    }

    /// The same, not due again for a moment.
    pub(super) fn rested(mut self, now: Timestamp) -> Self {
        self.due_after = now.since(self.at).saturating_add(REST);
        self
    }

    pub(super) fn token(&self) -> AccessToken {
        self.token.clone()
    }
}

/// What the exchange of one of the host's tokens came to.
pub(super) type Kept = Attempts<Result<Exchanged, ExchangeError>>;

/// One for each of the hosts' tokens, under the SHA-256 of the whole of it.
///
/// Only tokens that were verified get in, so nobody without one can fill it.
#[derive(Debug, Default)]
pub(super) struct ExchangedTokens(Mutex<HashMap<[u8; SHA256_LEN], Arc<Kept>>>);

/// Past it those that are over go, then all.
const MAX_ENTRIES: usize = 4096;

impl ExchangedTokens {
    pub(super) fn of(&self, host_token: &AccessToken, now: Timestamp) -> Arc<Kept> {
        let name = sha256(host_token.expose().as_bytes());
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&name) {
            entries.retain(|_, kept| {
                let (_, latest) = kept.latest();
                let good = latest.is_some_and(|latest| latest.is_ok_and(|held| held.is_good(now)));
                good || Arc::strong_count(kept) > 1
            });
            if entries.len() >= MAX_ENTRIES {
                entries.clear();
            }
        }
        Arc::clone(entries.entry(name).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanged(lifetime: Option<u64>, host_ends: Option<u64>) -> Exchanged {
        let given = Given {
            token: AccessToken::new("sesame"),
            lifetime: lifetime.map(Duration::from_secs),
        };
        let host_ends = host_ends.map(Timestamp::from_seconds);
        Exchanged::new(given, host_ends, at(1000))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn one_is_due_before_it_ends_and_ends_with_the_hosts() {
        let alone = exchanged(Some(300), None);
        assert!(!alone.is_due(at(1269)) && alone.is_due(at(1270)));
        assert!(alone.is_good(at(1299)) && !alone.is_good(at(1300)));
        let outlived = exchanged(Some(3600), Some(1100));
        assert!(outlived.is_good(at(1099)) && !outlived.is_good(at(1100)));
        let untold = exchanged(None, None);
        assert!(untold.is_good(at(1059)) && !untold.is_good(at(1060)));
        let short = exchanged(Some(10), None);
        assert!(!short.is_due(at(1008)) && short.is_due(at(1009)));
        let rested = exchanged(Some(300), None).rested(at(1280));
        assert!(!rested.is_due(at(1284)) && rested.is_due(at(1285)));
        assert!(
            !alone.is_good(at(100)),
            "the clock was ahead when it was got"
        );
    }

    /// GRW-01.
    #[tokio::test]
    async fn it_stays_small_however_many_tokens_there_are() {
        let tokens = ExchangedTokens::default();
        for of in 0..3 * MAX_ENTRIES {
            let kept = tokens.of(&AccessToken::new(of.to_string()), at(1000));
            let good = exchanged(Some(300), None);
            let _ = kept.attempt(0, async { Ok(good) }).await;
        }
        assert!(tokens.0.lock().unwrap().len() <= MAX_ENTRIES);
    }

    #[test]
    fn debug_keeps_tokens_to_itself() {
        let shown = format!("{:?}", exchanged(None, None));
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
