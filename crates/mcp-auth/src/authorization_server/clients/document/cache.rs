//! What was fetched, for as long as it may be used: bounded, fetched once at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::oauth::{Clock, Timestamp};

/// Values by the URL they were fetched from.
///
/// A value past its time is still used while its server is in trouble, for a day at the most. That it
/// is in trouble is remembered for a moment. A value that its server withdrew is not used again, until
/// there is a new one; that it is gone is asked about every time. That we are busy says nothing about a
/// server, so it is not remembered.
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

/// Why nothing was fetched; the reason is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchError {
    /// We have too much under way, or asked too often; its server was not asked.
    Busy(&'static str),
    /// Its server cannot be reached, or says that it is in trouble.
    Outage(&'static str),
    /// Its server gives something that is neither a document nor word that there is none.
    Unclear(&'static str),
    /// Its server has none, or one that is no good; or nobody is to be asked there.
    Refused(&'static str),
}

/// A value from the cache or fresh from its server.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) value: Arc<T>,
    pub(super) fetched_at: Timestamp,
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
    /// The last good value, however old.
    kept: Option<Kept<T>>,
    /// Why its server took it back since.
    withdrawn: Option<&'static str>,
    /// Until when its server is left alone, and what it answered.
    trouble: Option<(Timestamp, FetchError)>,
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

/// Values at once; past it the one that was used longest ago goes. As many URLs that gave none are
/// remembered beside them: failures never take the place of a value.
const MAX_SLOTS: usize = 1000;
/// Bytes of all values together, as they were fetched.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// How long a value may stand in for one that cannot be fetched.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// The same while it is us who are busy: strangers can see to that, and must not keep a change from
/// being seen by it.
const STALE_WHILE_BUSY: Duration = Duration::from_secs(600);
/// How long a server in trouble is left alone.
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
        if let Some(found) = slot.fresh(self.clock.now(), newer_than) {
            return Ok(found);
        }
        let ended_before = slot.state().ended;
        let _flight = slot.flight.lock().await;
        let now = self.clock.now();
        if let Some(refused) = slot.refused_since(ended_before) {
            return slot.in_place_of(refused, now); // everybody waited for the same answer
        }
        if let Some(found) = slot.fresh(now, newer_than) {
            return Ok(found);
        }
        if let Some(trouble) = slot.left_alone(now) {
            return slot.in_place_of(trouble, now);
        }
        let answer = fetch().await;
        slot.ended(answer.as_ref().err());
        match answer {
            Ok(fetched) => {
                let found = slot.keep(fetched, now);
                let mut slots = self.slots();
                slots.insert(url.to_owned(), Arc::clone(&slot));
                make_room(&mut slots, url);
                Ok(found)
            }
            Err(error) => slot.in_place_of(error, now),
        }
    }

    /// The last good value of this URL, if it is remembered: neither fresh nor to be used in place of
    /// a fresh one, but what its server said last.
    pub(super) fn last_seen(&self, url: &str) -> Option<Arc<T>> {
        let slot = self.slots().get(url).cloned()?;
        let state = slot.state();
        state.kept.as_ref().map(|kept| Arc::clone(&kept.value))
    }

    fn slot(&self, url: &str) -> Arc<Slot<T>> {
        let now = self.clock.now();
        let mut slots = self.slots();
        if let Some(slot) = slots.get(url) {
            slot.state().used_at = now;
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot {
            flight: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                kept: None,
                withdrawn: None,
                trouble: None,
                used_at: now,
                ended: 0,
                refused: None,
            }),
        });
        slots.insert(url.to_owned(), Arc::clone(&slot));
        make_room(&mut slots, url);
        slot
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot<T>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what was used longest ago until the rest fits; never what is being asked for.
fn make_room<T>(slots: &mut HashMap<String, Arc<Slot<T>>>, asked_for: &str) {
    for with_value in [true, false] {
        let is_of_kind = |slot: &Slot<T>| slot.state().kept.is_some() == with_value;
        let of_kind = || slots.iter().filter(|(_, slot)| is_of_kind(slot));
        let mut left = of_kind().count();
        let sizes = of_kind().map(|(_, slot)| slot.bytes());
        let mut bytes = sizes.fold(0, usize::saturating_add);
        if left <= MAX_SLOTS && bytes <= MAX_BYTES {
            continue;
        }
        let by_use = of_kind().map(|(url, slot)| {
            let used_at = slot.state().used_at; // and lets go: `bytes` looks again
            (used_at, slot.bytes(), url.clone())
        });
        let mut by_use: Vec<_> = by_use.collect();
        by_use.sort_unstable();
        // An eighth more than must go: the next ones find room without sorting.
        let (slots_left, bytes_left) = (MAX_SLOTS - MAX_SLOTS / 8, MAX_BYTES - MAX_BYTES / 8);
        for (_, size, url) in by_use.iter().filter(|(_, _, url)| url != asked_for) {
            if left <= slots_left && bytes <= bytes_left {
                break;
            }
            slots.remove(url);
            left -= 1;
            bytes = bytes.saturating_sub(*size);
        }
    }
}

impl<T> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much room its value takes.
    fn bytes(&self) -> usize {
        self.state().kept.as_ref().map_or(0, |kept| kept.bytes)
    }

    fn fresh(&self, now: Timestamp, newer_than: Option<Timestamp>) -> Option<Found<T>> {
        let state = self.state();
        let kept = state.kept.as_ref().filter(|_| state.withdrawn.is_none())?;
        let fresh = now.is_within(kept.fetched_at, kept.fresh_for)
            && newer_than.is_none_or(|moment| kept.fetched_at > moment);
        fresh.then(|| kept.found())
    }

    /// What is used where no new value came: what is known of the old one.
    fn in_place_of(&self, error: FetchError, now: Timestamp) -> Result<Found<T>, FetchError> {
        let mut state = self.state();
        match error {
            FetchError::Refused(reason) => {
                state.withdrawn = Some(reason);
                state.trouble = None;
                return Err(error);
            }
            // Whoever never gave a good document may mend it at once.
            FetchError::Unclear(_) if state.kept.is_none() => {}
            FetchError::Outage(_) | FetchError::Unclear(_) => {
                let until = now.plus(LEFT_ALONE);
                if !state.is_left_alone(now) {
                    state.trouble = Some((until, error));
                }
            }
            FetchError::Busy(_) => {}
        }
        if let Some(reason) = state.withdrawn {
            return Err(FetchError::Refused(reason));
        }
        let longest = match error {
            FetchError::Busy(_) => STALE_WHILE_BUSY,
            _ => STALE,
        };
        let kept = state.kept.as_ref();
        kept.filter(|kept| now.is_within(kept.fetched_at, kept.fresh_for + longest))
            .map(Kept::found)
            .ok_or(error)
    }

    fn left_alone(&self, now: Timestamp) -> Option<FetchError> {
        let state = self.state();
        let (_, error) = state.trouble.filter(|_| state.is_left_alone(now))?;
        Some(error)
    }

    fn ended(&self, error: Option<&FetchError>) {
        let mut state = self.state();
        state.ended = state.ended.wrapping_add(1);
        state.refused = error
            .copied()
            .filter(|error| matches!(error, FetchError::Refused(_) | FetchError::Unclear(_)));
    }

    fn refused_since(&self, ended_before: u64) -> Option<FetchError> {
        let state = self.state();
        (state.ended != ended_before)
            .then_some(state.refused)
            .flatten()
    }

    fn keep(&self, fetched: Fetched<T>, now: Timestamp) -> Found<T> {
        let kept = Kept {
            value: Arc::new(fetched.value),
            fetched_at: now,
            fresh_for: fetched.fresh_for,
            bytes: fetched.bytes,
        };
        let mut found = kept.found();
        let mut state = self.state();
        (state.trouble, state.withdrawn) = (None, None);
        found.replaced = state.kept.replace(kept).map(|before| before.value);
        found
    }
}

impl<T> State<T> {
    fn is_left_alone(&self, now: Timestamp) -> bool {
        // One that is farther off was written by a clock that was ahead.
        self.trouble
            .is_some_and(|(until, _)| now < until && until <= now.plus(LEFT_ALONE))
    }
}

impl<T> Kept<T> {
    fn found(&self) -> Found<T> {
        Found {
            value: Arc::clone(&self.value),
            fetched_at: self.fetched_at,
            replaced: None,
        }
    }
}
