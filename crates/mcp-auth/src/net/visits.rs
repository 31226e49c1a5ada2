//! How often something may be done within a minute, and how many times at once.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::oauth::{Clock, Timestamp};

/// Counts visits by what is visited, or by who comes.
#[derive(Debug)]
pub(crate) struct Visits<K> {
    per_minute: u32,
    at_once: u32,
    counted: Mutex<HashMap<K, Counted>>,
    clock: Arc<dyn Clock>,
}

/// One visit that is under way; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Visit<K: Hash + Eq> {
    visits: Arc<Visits<K>>,
    key: K,
}

#[derive(Debug)]
struct Counted {
    minute_began: Timestamp,
    within_it: u32,
    under_way: u32,
}

const MINUTE: Duration = Duration::from_secs(60);
/// Keys counted at once. Past it those with few visits are forgotten, and then new ones are refused: to
/// begin anew would let everybody reset the counts with so many names.
const MAX_KEYS: usize = 10_000;

impl<K: Hash + Eq + Clone> Visits<K> {
    pub(crate) fn new(per_minute: u32, at_once: u32, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            per_minute,
            at_once,
            counted: Mutex::default(),
            clock,
        })
    }

    /// One visit, if there is room for it.
    pub(crate) fn enter(self: &Arc<Self>, key: K) -> Option<Visit<K>> {
        let now = self.clock.now();
        let mut all = self.counted();
        if all.len() >= MAX_KEYS && !all.contains_key(&key) {
            all.retain(|_, counted| !counted.is_over(now));
            if all.len() >= MAX_KEYS {
                let many = self.per_minute / 2;
                all.retain(|_, counted| counted.under_way > 0 || counted.within_it > many);
            }
            if all.len() >= MAX_KEYS {
                return None;
            }
        }
        let counted = all.entry(key.clone()).or_insert(Counted {
            minute_began: now,
            within_it: 0,
            under_way: 0,
        });
        if !now.is_within(counted.minute_began, MINUTE) {
            (counted.minute_began, counted.within_it) = (now, 0);
        }
        if counted.within_it >= self.per_minute || counted.under_way >= self.at_once {
            return None;
        }
        counted.within_it += 1;
        counted.under_way += 1;
        Some(Visit {
            visits: Arc::clone(self),
            key,
        })
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<K, Counted>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn is_over(&self, now: Timestamp) -> bool {
        self.under_way == 0 && !now.is_within(self.minute_began, MINUTE)
    }
}

impl<K: Hash + Eq> Drop for Visit<K> {
    fn drop(&mut self) {
        let counted = self.visits.counted.lock();
        let mut counted = counted.unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = counted.get_mut(&self.key) {
            counted.under_way = counted.under_way.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Moving(AtomicU64);

    impl Clock for Moving {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(1_000_000 + self.0.load(Ordering::Relaxed))
        }
    }

    // CIM-17
    #[test]
    fn so_many_a_minute_and_so_many_at_once() {
        let clock = Arc::new(Moving::default());
        let visits = Visits::new(3, 2, Arc::clone(&clock) as Arc<dyn Clock>);
        let (first, second) = (visits.enter(1), visits.enter(1));
        assert!(first.is_some() && second.is_some());
        assert!(visits.enter(1).is_none(), "two at once");
        assert!(visits.enter(2).is_some(), "another one is not held up");
        drop(first);
        assert!(visits.enter(1).is_some());
        assert!(visits.enter(1).is_none(), "three a minute");
        clock.0.store(60, Ordering::Relaxed);
        assert!(visits.enter(1).is_some());
        drop(second);
    }

    // CIM-17, GRW-03
    #[test]
    fn many_names_do_not_reset_a_count() {
        let clock = Arc::new(Moving::default());
        let visits = Visits::new(2, 2, Arc::clone(&clock) as Arc<dyn Clock>);
        let use_up = |name| assert!(visits.enter(name).is_some() && visits.enter(name).is_some());
        use_up(0);
        for name in 1..MAX_KEYS + 10 {
            assert!(visits.enter(name).is_some());
        }
        assert!(visits.enter(0).is_none());
        assert!(visits.counted().len() <= MAX_KEYS);
        // Where everybody comes often, nobody new is let in for the rest of the minute.
        clock.0.store(60, Ordering::Relaxed);
        (0..MAX_KEYS).for_each(use_up);
        assert!(visits.enter(MAX_KEYS).is_none());
        assert!(visits.enter(0).is_none());
        assert_eq!(visits.counted().len(), MAX_KEYS);
        clock.0.store(120, Ordering::Relaxed);
        assert!(visits.enter(MAX_KEYS).is_some());
        assert_eq!(visits.counted().len(), 1);
    }
}
