//! What was fetched, for as long as it may be used: bounded, fetched once at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::oauth::{Clock, Timestamp};

/// Values by the URL they were fetched from.
///
/// A value past its time is still used while its server cannot be reached, for a day at the most.
/// That a server cannot be reached is remembered for a moment; what it refuses to give, or gives in
/// a form that is no good, is not remembered at all.
#[derive(Debug)]
pub(super) struct Cache<T> {
    slots: Mutex<HashMap<String, Arc<Slot<T>>>>,
    clock: Arc<dyn Clock>,
}

/// A value, how long it is fresh, and how much room it takes.
#[derive(Debug)]
pub(super) struct Fetched<T> {
    pub(super) value: T,
    pub(super) fresh_for: Duration,
    pub(super) bytes: usize,
}

/// Why nothing was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchError {
    /// Its server cannot be reached, or is in trouble.
    Outage(&'static str),
    /// Its server does not give it, or what it gives is no good.
    Refused(&'static str),
}

/// A value from the cache or fresh from its server.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) value: Arc<T>,
    /// What this fetch took the place of.
    pub(super) replaced: Option<Arc<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    /// Held by whoever is fetching.
    flight: tokio::sync::Mutex<()>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    kept: Option<Kept<T>>,
    unreachable: Option<(Timestamp, &'static str)>,
    used_at: Timestamp,
    /// How many fetches have ended, and what the last one was refused for.
    ended: u64,
    refused: Option<FetchError>,
}

#[derive(Debug)]
struct Kept<T> {
    value: Arc<T>,
    fetched_at: Timestamp,
    fresh_for: Duration,
    bytes: usize,
}

/// Values at once; past it the one that was used longest ago goes.
const MAX_SLOTS: usize = 1000;
/// Bytes of all values together, as they were fetched.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// How long a value may stand in for one that cannot be fetched.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// How long a server that cannot be reached is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(15);

impl<T> Cache<T> {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            slots: Mutex::default(),
            clock,
        }
    }

    /// The value of this URL, fetched if need be.
    ///
    /// With `newer_than` a value from before that moment does not count as fresh.
    pub(super) async fn get<F>(
        &self,
        url: &str,
        newer_than: Option<Timestamp>,
        fetch: impl FnOnce() -> F + Send,
    ) -> Result<Found<T>, FetchError>
    where
        F: Future<Output = Result<Fetched<T>, FetchError>> + Send,
    {
        let slot = self.slot(url);
        if let Some(value) = slot.fresh(self.clock.now(), newer_than) {
            return Ok(Found::kept(value));
        }
        let ended_before = slot.state().ended;
        let _flight = slot.flight.lock().await;
        let now = self.clock.now();
        if let Some(refused) = slot.refused_since(ended_before) {
            return Err(refused); // to everybody who waited for the same answer
        }
        if let Some(value) = slot.fresh(now, newer_than) {
            return Ok(Found::kept(value));
        }
        if let Some(reason) = slot.left_alone(now) {
            return slot.stale(now).ok_or(FetchError::Outage(reason));
        }
        let answer = fetch().await;
        slot.ended(answer.as_ref().err());
        match answer {
            Ok(fetched) => {
                let found = slot.keep(fetched, now);
                self.make_room(url);
                Ok(found)
            }
            Err(FetchError::Outage(reason)) => {
                slot.state().unreachable = Some((now.plus(LEFT_ALONE), reason));
                slot.stale(now).ok_or(FetchError::Outage(reason))
            }
            Err(refused) => {
                // What a server has withdrawn or broken is not good any more.
                let mut slots = self.slots();
                if slots
                    .get(url)
                    .is_some_and(|known| Arc::ptr_eq(known, &slot))
                {
                    slots.remove(url);
                }
                Err(refused)
            }
        }
    }

    fn slot(&self, url: &str) -> Arc<Slot<T>> {
        let now = self.clock.now();
        if let Some(slot) = self.slots().get(url) {
            slot.state().used_at = now;
            return Arc::clone(slot);
        }
        let new = Arc::new(Slot {
            flight: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                kept: None,
                unreachable: None,
                used_at: now,
                ended: 0,
                refused: None,
            }),
        });
        let slot = Arc::clone(self.slots().entry(url.to_owned()).or_insert(new));
        self.make_room(url);
        slot
    }

    /// Drops what was used longest ago until the rest fits; never what is being asked for.
    fn make_room(&self, asked_for: &str) {
        let mut slots = self.slots();
        let sizes = slots.values().map(|slot| slot.bytes());
        let mut bytes: usize = sizes.sum();
        if slots.len() <= MAX_SLOTS && bytes <= MAX_BYTES {
            return;
        }
        let mut oldest: Vec<(Timestamp, usize, String)> = slots
            .iter()
            .filter(|(url, _)| *url != asked_for)
            .map(|(url, slot)| {
                let bytes = slot.bytes();
                (slot.state().used_at, bytes, url.clone())
            })
            .collect();
        oldest.sort_unstable();
        // An eighth more than must go: the next ones find room without sorting.
        let (slots_left, bytes_left) = (MAX_SLOTS - MAX_SLOTS / 8, MAX_BYTES - MAX_BYTES / 8);
        for (_, size, url) in oldest {
            if slots.len() <= slots_left && bytes <= bytes_left {
                break;
            }
            slots.remove(&url);
            bytes -= size;
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot<T>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> usize {
        self.state().kept.as_ref().map_or(0, |kept| kept.bytes)
    }

    fn fresh(&self, now: Timestamp, newer_than: Option<Timestamp>) -> Option<Arc<T>> {
        let state = self.state();
        let kept = state.kept.as_ref()?;
        let fresh = now.is_within(kept.fetched_at, kept.fresh_for)
            && newer_than.is_none_or(|moment| kept.fetched_at > moment);
        fresh.then(|| Arc::clone(&kept.value))
    }

    fn stale(&self, now: Timestamp) -> Option<Found<T>> {
        let state = self.state();
        let kept = state.kept.as_ref()?;
        now.is_within(kept.fetched_at, kept.fresh_for + STALE)
            .then(|| Found::kept(Arc::clone(&kept.value)))
    }

    fn left_alone(&self, now: Timestamp) -> Option<&'static str> {
        let (until, reason) = self.state().unreachable?;
        (now < until && until <= now.plus(LEFT_ALONE)).then_some(reason)
    }

    fn ended(&self, error: Option<&FetchError>) {
        let mut state = self.state();
        state.ended = state.ended.wrapping_add(1);
        state.refused = error
            .copied()
            .filter(|error| matches!(error, FetchError::Refused(_)));
    }

    fn refused_since(&self, ended_before: u64) -> Option<FetchError> {
        let state = self.state();
        (state.ended != ended_before)
            .then_some(state.refused)
            .flatten()
    }

    fn keep(&self, fetched: Fetched<T>, now: Timestamp) -> Found<T> {
        let value = Arc::new(fetched.value);
        let mut state = self.state();
        state.unreachable = None;
        let replaced = state.kept.replace(Kept {
            value: Arc::clone(&value),
            fetched_at: now,
            fresh_for: fetched.fresh_for,
            bytes: fetched.bytes,
        });
        Found {
            value,
            replaced: replaced.map(|kept| kept.value),
        }
    }
}

impl<T> Found<T> {
    const fn kept(value: Arc<T>) -> Self {
        Self {
            value,
            replaced: None,
        }
    }
}
