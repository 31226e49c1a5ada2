//! How long everything lives.

use std::time::Duration;

use super::{ShimBuilder, ShimTier};

impl<T: ShimTier> ShimBuilder<T> {
    /// With access tokens that live this long; an hour by default.
    pub const fn with_access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.access_token = lifetime;
        self
    }

    /// With grants that end after this long without use; thirty days by default.
    pub const fn with_refresh_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.refresh_token = lifetime;
        self
    }

    /// With grants that end after this long however much they are used: the user consents and signs in
    /// again. Without it only disuse ends them.
    pub const fn with_grant_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.grant = Some(lifetime);
        self
    }

    /// With codes that live this long; a minute by default.
    pub const fn with_code_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.code = lifetime;
        self
    }

    /// With this long for a host to ask again for a refresh whose answer was lost; a minute by
    /// default, zero turns it off.
    pub const fn with_refresh_grace(mut self, grace: Duration) -> Self {
        self.lifetimes.refresh_grace = grace;
        self
    }

    /// With revocations elsewhere seen here at the latest after this; five seconds by default, zero
    /// reads the store on every request.
    pub const fn with_revocation_bound(mut self, bound: Duration) -> Self {
        self.grants.revocation_bound = bound;
        self
    }

    /// Serves grants that were read at most this long ago while the store is away; a day at most.
    ///
    /// # Security
    ///
    /// During an outage of the store a revocation is seen this late.
    pub const fn serve_until(mut self, max_age: Duration) -> Self {
        self.grants.serve_until = Some(max_age);
        self
    }
}
