//! How registrations are stored, where they are.

use std::time::Duration;

/// Registrations that are records in the store, instead of lying sealed in their `client_id`: for
/// operators who have to list their clients, and for clients that manage their registration
/// (RFC 7592).
///
/// A registration ends thirty days after it was made. Once its client is given a token it lives on: it
/// outlives each of its grants by half of its lifetime at least, and by the whole at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRegistrations {
    pub(crate) lifetime: Duration,
    pub(crate) capacity: usize,
}

impl StoredRegistrations {
    /// Thirty days, at most 10,000 registrations.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lifetime: Duration::from_secs(30 * 24 * 3600),
            capacity: 10_000,
        }
    }

    /// With registrations that end this long after they were made, if their client was given no token:
    /// whole seconds from an hour to ten years.
    #[must_use]
    pub const fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// With at most about this many registrations, 10 to 1,000,000.
    ///
    /// # Security
    ///
    /// Anyone can register. When the place is used up, the oldest registrations whose client was
    /// never given a token give way; the others are never touched, and if only such are left,
    /// nobody can register. Places are looked for at most once a minute where there are few, and once
    /// in ten minutes where there is none. Several processes count for themselves, so there may be
    /// some more for a minute.
    #[must_use]
    pub const fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }
}

impl Default for StoredRegistrations {
    fn default() -> Self {
        Self::new()
    }
}
