//! Rate limits per network of the caller, generous because hosts re-register from shared addresses.
//!
//! A bucket can be looked at without being drained, which a limit on *failed* requests needs.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use http::Extensions;

use crate::{
    net::ClientAddress,
    oauth::{Clock, Timestamp},
};

/// The limits of an authorization server; without a [`ClientAddress`] on a request none applies.
#[derive(Debug)]
pub(crate) struct RateLimits {
    pub(super) register: Limit,
    pub(super) authorize: Limit,
    pub(super) failed_token_requests: Limit,
}

impl RateLimits {
    /// 60 registrations, 120 authorizations and 60 failed token requests a minute.
    pub(crate) fn on() -> Self {
        Self {
            register: Limit::per_minute(60),
            authorize: Limit::per_minute(120),
            failed_token_requests: Limit::per_minute(60),
        }
    }

    /// No limit.
    pub(crate) fn off() -> Self {
        Self {
            register: Limit::per_minute(0),
            authorize: Limit::per_minute(0),
            failed_token_requests: Limit::per_minute(0),
        }
    }
}

/// One bucket per network; it fills within a minute.
#[derive(Debug)]
pub(super) struct Limit {
    /// Zero is no limit.
    per_minute: u32,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

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
        self.change(caller, clock, 1.0)
    }

    /// Whether the caller's bucket has one, without taking it.
    pub(super) fn has(&self, caller: &Extensions, clock: &dyn Clock) -> bool {
        self.change(caller, clock, 0.0)
    }

    fn change(&self, caller: &Extensions, clock: &dyn Clock, cost: f64) -> bool {
        let Some(address) = caller
            .get::<ClientAddress>()
            .filter(|_| self.per_minute > 0)
        else {
            return true;
        };
        let network = address.network();
        let now = clock.now();
        let full = f64::from(self.per_minute);
        let filled = |bucket: &Bucket| {
            #[allow(clippy::cast_precision_loss)] // seconds since a recent moment
            let seconds = now.since(bucket.at).as_secs() as f64;
            (bucket.left + seconds * full / 60.0).min(full)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_NETWORKS && !buckets.contains_key(&network) {
            buckets.retain(|_, bucket| filled(bucket) < full);
            if buckets.len() >= MAX_NETWORKS {
                buckets.clear();
            }
        }
        let left = buckets.get(&network).map_or(full, filled);
        let allowed = left >= 1.0;
        if allowed && cost > 0.0 {
            buckets.insert(
                network,
                Bucket {
                    left: left - cost,
                    at: now,
                },
            );
        }
        allowed
    }
}
