//! One attempt at a time, for everybody who waits for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The outcome of the latest attempt at something, and how many there were.
///
/// Whoever comes while one is under way gets its outcome, good or bad, instead of trying as well.
#[derive(Debug)]
pub(super) struct Attempts<T> {
    turn: tokio::sync::Mutex<()>,
    latest: Mutex<(u64, Option<T>)>,
}

impl<T> Default for Attempts<T> {
    fn default() -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            latest: Mutex::new((0, None)),
        }
    }
}

impl<T: Clone> Attempts<T> {
    /// How many attempts ended, and how the last one did.
    pub(super) fn latest(&self) -> (u64, Option<T>) {
        self.lock().clone()
    }

    /// Makes an attempt, unless one ended after the first `seen`: then its outcome is the answer.
    pub(super) async fn attempt(&self, seen: u64, attempt: impl Future<Output = T>) -> T {
        let _turn = self.turn.lock().await;
        if let (ended, Some(outcome)) = self.latest()
            && ended != seen
        {
            return outcome;
        }
        let outcome = attempt.await;
        let mut latest = self.lock();
        *latest = (latest.0.wrapping_add(1), Some(outcome.clone()));
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Option<T>)> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
