//! Rate limits per network of the caller, generous because hosts re-register from shared addresses.
//!
//! A bucket can be looked at without being drained, which a limit on wrong secrets needs.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use http::Extensions;

use crate::{
    net::ClientAddress,
    oauth::{Clock, Timestamp, sha256},
};

/// Requests a minute from one network: an IPv4 address, or the /64 of an IPv6 address. Zero is no
/// limit.
///
/// ```
/// # use mcp_auth::authorization_server::RateLimits;
/// let mut limits = RateLimits::default();
/// limits.registrations = 10;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Registrations, and what is asked about one; 60 by default.
    pub registrations: u32,
    /// Authorization requests, in a browser or pushed; 120 by default.
    pub authorizations: u32,
    /// Answers on our pages; 120 by default.
    pub consents: u32,
    /// Returns from the upstream; 120 by default.
    pub callbacks: u32,
    /// Requests to the token endpoint that fail; good ones are never counted. 60 by default.
    pub failed_token_requests: u32,
    /// Wrong secrets or assertions for one client; 60 by default.
    pub wrong_secrets: u32,
    /// Fetches of client documents and key sets; what is kept already costs nothing. 60 by default.
    pub document_fetches: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            registrations: 60,
            authorizations: 120,
            consents: 120,
            callbacks: 120,
            failed_token_requests: 60,
            wrong_secrets: 60,
            document_fetches: 60,
        }
    }
}

impl RateLimits {
    /// None at all.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            registrations: 0,
            authorizations: 0,
            consents: 0,
            callbacks: 0,
            failed_token_requests: 0,
            wrong_secrets: 0,
            document_fetches: 0,
        }
    }
}

/// The limits with what was counted; without a [`ClientAddress`] on a request none applies.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(super) register: Limit,
    pub(super) authorize: Limit,
    pub(super) consent: Limit,
    pub(super) callback: Limit,
    pub(super) failed_token_requests: Limit,
    pub(super) wrong_secrets: Limit,
}

impl Limits {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self {
            register: Limit::per_minute(limits.registrations),
            authorize: Limit::per_minute(limits.authorizations),
            consent: Limit::per_minute(limits.consents),
            callback: Limit::per_minute(limits.callbacks),
            failed_token_requests: Limit::per_minute(limits.failed_token_requests),
            wrong_secrets: Limit::per_minute(limits.wrong_secrets),
        }
    }
}

/// One bucket per network; it fills within a minute.
#[derive(Debug)]
pub(super) struct Limit {
    /// Zero is no limit.
    per_minute: u32,
    buckets: Mutex<HashMap<(IpAddr, Subject), Bucket>>,
}

/// A hash of what is counted beside the network, if anything is.
type Subject = [u8; 8];

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

/// Networks remembered at once; past it those with a full bucket are forgotten, then all.
const MAX_NETWORKS: usize = 50_000;

impl Limit {
    fn per_minute(per_minute: u32) -> Self {
        Self {
            per_minute,
            buckets: Mutex::default(),
        }
    }

    /// Takes one from the caller's bucket; false when it is empty.
    pub(super) fn take(&self, caller: &Extensions, clock: &dyn Clock) -> bool {
        self.change(caller, None, clock, 1.0)
    }

    /// The same from the caller's bucket for one subject.
    pub(super) fn take_for(&self, caller: &Extensions, subject: &str, clock: &dyn Clock) -> bool {
        self.change(caller, Some(subject), clock, 1.0)
    }

    /// Whether the caller's bucket for one subject has one, without taking it.
    pub(super) fn has_for(&self, caller: &Extensions, subject: &str, clock: &dyn Clock) -> bool {
        self.change(caller, Some(subject), clock, 0.0)
    }

    fn change(
        &self,
        caller: &Extensions,
        subject: Option<&str>,
        clock: &dyn Clock,
        cost: f64,
    ) -> bool {
        let Some(address) = caller
            .get::<ClientAddress>()
            .filter(|_| self.per_minute > 0)
        else {
            return true;
        };
        let bucket = (address.network(), subject.map_or([0; 8], hash));
        let now = clock.now();
        let full = f64::from(self.per_minute);
        let filled = |bucket: &Bucket| {
            if bucket.at > now {
                return full; // written by a clock that was ahead
            }
            #[allow(clippy::cast_precision_loss)] // seconds since a recent moment
            let seconds = now.since(bucket.at).as_secs() as f64;
            (bucket.left + seconds * full / 60.0).min(full)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_NETWORKS && !buckets.contains_key(&bucket) {
            buckets.retain(|_, bucket| filled(bucket) < full);
            if buckets.len() >= MAX_NETWORKS {
                buckets.clear();
            }
        }
        let left = buckets.get(&bucket).map_or(full, filled);
        let allowed = left >= 1.0;
        if allowed && cost > 0.0 {
            buckets.insert(
                bucket,
                Bucket {
                    left: left - cost,
                    at: now,
                },
            );
        }
        allowed
    }
}

fn hash(subject: &str) -> Subject {
    let [a, b, c, d, e, f, g, h, ..] = sha256(subject.as_bytes());
    [a, b, c, d, e, f, g, h]
}
