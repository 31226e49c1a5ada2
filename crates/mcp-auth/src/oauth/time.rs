//! Time as it is handed in: seconds since 1970, from a [`Clock`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment, in whole seconds since 1970-01-01 UTC (the `NumericDate` of RFC 7519 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From seconds since 1970.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn as_seconds(self) -> u64 {
        self.0
    }

    /// This much later; at the end of time rather than past it.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// This much earlier; 1970 at the earliest.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// Whether something that began at `start` and lasts for `lifetime` is going on at this moment.
    ///
    /// A start in the future counts as over, but for a minute of difference between clocks: whatever
    /// was over does not begin again because a clock was set back.
    #[must_use]
    pub fn is_within(self, start: Self, lifetime: Duration) -> bool {
        start <= self.plus(SKEW) && self < start.plus(lifetime)
    }

    /// How long it is from `earlier` to this; zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// How far two clocks, or one before and after it was set, may differ.
const SKEW: Duration = Duration::from_secs(60);

/// Tells the time, so that tests can move it.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

const _: Option<&dyn Clock> = None;

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that asks the system
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp(since.map_or(0, |elapsed| elapsed.as_secs()))
    }
}
