//! A clock that stands still until it is moved.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mcp_auth::oauth::{Clock, SystemClock, Timestamp};

/// A [`Clock`] for tests: it stands still until [`advance`](Self::advance) or
/// [`rewind`](Self::rewind) moves it.
///
/// Clones share the time, so one goes into the server under test and one stays in the test.
#[derive(Debug, Clone)]
pub struct MovingClock(Arc<AtomicU64>);

impl MovingClock {
    /// Stands at this moment.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(moment.as_seconds())))
    }

    /// Stands at the present moment of the operating system.
    #[must_use]
    pub fn starting_now() -> Self {
        Self::at(SystemClock.now())
    }

    /// Moves forward, in whole seconds.
    pub fn advance(&self, duration: Duration) {
        self.move_to(|now| now.plus(duration));
    }

    /// Moves backward, in whole seconds, as a clock that is set right does.
    pub fn rewind(&self, duration: Duration) {
        self.move_to(|now| now.minus(duration));
    }

    fn move_to(&self, target: impl Fn(Timestamp) -> Timestamp) {
        let moved = |seconds| Some(target(Timestamp::from_seconds(seconds)).as_seconds());
        // The closure always answers, so the update always happens.
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, moved);
    }
}

impl Clock for MovingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_time() {
        let clock = MovingClock::at(Timestamp::from_seconds(100));
        let other = clock.clone();
        clock.advance(Duration::from_secs(20));
        assert_eq!(other.now(), Timestamp::from_seconds(120));
        other.rewind(Duration::from_secs(50));
        assert_eq!(clock.now(), Timestamp::from_seconds(70));
    }

    #[test]
    fn stops_at_the_ends_of_time() {
        let clock = MovingClock::at(Timestamp::from_seconds(5));
        clock.rewind(Duration::from_secs(6));
        assert_eq!(clock.now(), Timestamp::from_seconds(0));
        clock.advance(Duration::MAX);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp::from_seconds(u64::MAX));
    }
}
