//! The grants in the store, and what this process remembers of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use super::{Grant, GrantHandle, Principal, UpstreamState, upstream_token::GrantUpstream};
use crate::{
    audit::{AuditAction, Auditor},
    metering,
    oauth::{Clock, Issuer, Random, Timestamp},
    store::{IndexName, Insert, Loaded, RecordKey, Records, Replace, StoreError, Version},
    upstream::{Upstream, UpstreamLogin, UpstreamToken, Upstreams},
};

/// Loads, swaps and revokes grants; keeps those just checked for the revocation bound.
#[derive(Debug)]
pub(crate) struct Grants {
    pub(super) records: Records,
    upstreams: Upstreams,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(crate) audit: Auditor,
    issuer: Arc<str>,
    settings: GrantsSettings,
    pub(super) cache: GrantCache,
    pub(super) itself: Weak<Self>,
}

/// How long this process may believe what it last read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrantsSettings {
    /// A revocation elsewhere is seen here at the latest after this; zero reads every time.
    pub(crate) revocation_bound: Duration,
    /// While the store is away, a grant that was read this long ago is still served; none refuses
    /// with 503 right after the bound.
    pub(crate) serve_until: Option<Duration>,
}

/// A grant as it was read.
pub(crate) type LoadedGrant = Loaded<Grant>;

impl Grants {
    pub(crate) fn new(
        records: Records,
        upstreams: Upstreams,
        issuer: &Issuer,
        settings: GrantsSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        audit: Auditor,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            records,
            upstreams,
            clock,
            random,
            audit,
            issuer: issuer.as_str().into(),
            settings,
            cache: GrantCache::default(),
            itself: itself.clone(),
        })
    }

    pub(crate) async fn insert(
        &self,
        handle: &GrantHandle,
        grant: &Grant,
        expires_at: Timestamp,
    ) -> Result<Insert, StoreError> {
        self.records
            .insert(&handle.record_key(), grant, expires_at, grant.indexes())
            .await
    }

    pub(crate) async fn load(
        &self,
        handle: &GrantHandle,
    ) -> Result<Option<LoadedGrant>, StoreError> {
        self.records.load(&handle.record_key()).await
    }

    /// Writes a changed grant in place of the version that was loaded.
    pub(crate) async fn replace(
        &self,
        handle: &GrantHandle,
        version: Version,
        grant: &Grant,
        expires_at: Timestamp,
    ) -> Result<Replace, StoreError> {
        self.records
            .replace(
                &handle.record_key(),
                version,
                grant,
                expires_at,
                grant.indexes(),
            )
            .await
    }

    /// Ends a grant: its codes, refresh tokens and access tokens are worth nothing from here on in
    /// this process, and elsewhere within the revocation bound.
    pub(crate) async fn revoke(
        &self,
        handle: &GrantHandle,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        self.cache.forget(handle);
        self.records.remove(&handle.record_key()).await?;
        // Again: a check that was under way may have remembered it meanwhile.
        self.cache.forget(handle);
        tracing::info!(
            event = "grant_revoked",
            reason,
            grant = handle.log_name(),
            "a grant was revoked"
        );
        self.audit.record(AuditAction::GrantRevoked, |event| {
            event.grant = Some(handle.log_name());
            event.reason = Some(reason);
        });
        Ok(())
    }

    /// Ends a grant, and the upstream tokens behind it.
    pub(crate) async fn revoke_and_tell(
        &self,
        handle: &GrantHandle,
        grant: Grant,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        self.revoke(handle, reason).await?;
        self.tell_upstream([grant]);
        Ok(())
    }

    /// Writes into the record that a code or refresh token of a grant came again.
    pub(crate) fn token_reused(&self, handle: &GrantHandle, grant: &Grant, reason: &'static str) {
        self.audit.record(AuditAction::TokenReused, |event| {
            event.grant = Some(handle.log_name());
            event.subject = Some(grant.subject.clone());
            event.client = Some(grant.client.clone());
            event.reason = Some(reason);
        });
    }

    /// Writes into the record that a client was given access.
    pub(crate) fn grant_made(&self, handle: &GrantHandle, grant: &Grant) {
        tracing::info!(
            event = "grant_made",
            grant = handle.log_name(),
            client = grant.client.as_str()
        );
        self.audit.record(AuditAction::GrantMade, |event| {
            event.grant = Some(handle.log_name());
            event.subject = Some(grant.subject.clone());
            event.client = Some(grant.client.clone());
            event.scopes = Some(grant.scopes.clone());
        });
    }

    /// Tells the upstream that these grants, which were just ended, are over: what it held for us is of
    /// no use to anybody now. It keeps nobody waiting, and it tells one after the other.
    ///
    /// Many upstreams end everything of a user with one token. They are told when the user's last grant
    /// here ends: one host that signs out must not sign the others out.
    pub(crate) fn tell_upstream(&self, ended: impl IntoIterator<Item = Grant>) {
        let ended = ended.into_iter().filter_map(|grant| {
            let token = grant.upstream.to_give_back()?;
            Some((grant.subject, token))
        });
        self.give_back_later(ended.collect());
    }

    /// Gives back what a login brought that leads to no grant.
    #[cfg(feature = "authorization-server")]
    pub(crate) fn give_back_unused(&self, login: &UpstreamLogin) {
        let tokens = UpstreamState::new(&login.tokens, self.clock.now());
        let token = tokens.to_give_back();
        let unused = token.map(|token| (login.identity.full_subject(), token));
        self.give_back_later(unused.into_iter().collect());
    }

    fn give_back_later(&self, ended: Vec<(String, UpstreamToken)>) {
        let grants = self.itself.upgrade();
        let (Some(grants), false, Ok(runtime)) = (
            grants,
            ended.is_empty(),
            tokio::runtime::Handle::try_current(),
        ) else {
            return;
        };
        runtime.spawn(async move {
            for (subject, token) in &ended {
                grants.give_back(subject, token).await;
            }
        });
    }

    async fn give_back(&self, subject: &str, token: &UpstreamToken) {
        let Some(upstream) = self.upstreams.of_subject(subject) else {
            return; // it is not there any more
        };
        if !upstream.revokes_single_grants() && self.has_grants(subject).await {
            tracing::info!(
                event = "upstream_token_kept",
                "the user has other grants, which the upstream might end too"
            );
            return;
        }
        let revoking = upstream.revoke(token);
        if let Err(error) = metering::timed(metering::UPSTREAM, "revoke", revoking).await {
            tracing::warn!(event = "upstream_not_revoked", fault = "upstream", reason = %error);
        }
    }

    /// Whether what vouched for a grant's user still does: an upstream that the operator took away vouches
    /// for nobody. A client that acts for itself has none, nor has a user whom an enterprise vouches for.
    pub(super) fn has_its_upstream(&self, grant: &Grant) -> bool {
        !grant.upstream.is_held() || self.upstreams.of_subject(&grant.subject).is_some()
    }

    /// Where the user of a grant signed in.
    pub(super) fn upstream_of(&self, grant: &Grant) -> Option<Arc<dyn Upstream>> {
        self.upstreams.of_subject(&grant.subject).cloned()
    }

    /// Whether a user has any live grant; what cannot be told counts as one.
    async fn has_grants(&self, subject: &str) -> bool {
        let index = IndexName::new("subject", subject.as_bytes());
        let mut cursor = None;
        while let Ok(page) = self.records.list(&index, cursor.as_ref(), 20).await {
            for key in page.keys {
                match self.records.load::<Grant>(&key).await {
                    Ok(Some(loaded)) if is_redeemed(&loaded.value) => return true,
                    Ok(_) => {}
                    Err(_) => return true,
                }
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return false,
            }
        }
        true
    }

    /// Whom a grant speaks for, if this process read it within the revocation bound.
    pub(crate) fn cached(&self, handle: &GrantHandle) -> Option<Principal> {
        self.remembered(handle, self.settings.revocation_bound)
    }

    /// Whom a grant speaks for, read from the store.
    pub(crate) async fn checked(
        &self,
        handle: &GrantHandle,
    ) -> Result<Option<Principal>, StoreError> {
        let started = self.cache.epoch(handle);
        let read_at = self.clock.now();
        match self.load(handle).await {
            Ok(Some(loaded))
                if is_redeemed(&loaded.value) && self.has_its_upstream(&loaded.value) =>
            {
                let principal = self.principal(handle, &loaded.value);
                self.cache
                    .remember(handle, &principal, read_at, loaded.expires_at, started);
                Ok(Some(principal))
            }
            Ok(_) => {
                self.cache.remove(handle);
                Ok(None)
            }
            Err(error) => match self
                .settings
                .serve_until
                .and_then(|age| self.remembered(handle, age))
            {
                Some(principal) => Ok(Some(principal)),
                None => Err(error),
            },
        }
    }

    fn remembered(&self, handle: &GrantHandle, at_most: Duration) -> Option<Principal> {
        let now = self.clock.now();
        let entry = self.cache.entry(handle)?;
        // A clock that went backwards makes nothing younger than it is: then the store is asked.
        let fresh = now >= entry.read_at && now.since(entry.read_at) < at_most;
        (fresh && now < entry.expires_at).then_some(entry.principal)
    }

    fn principal(&self, handle: &GrantHandle, grant: &Grant) -> Principal {
        let principal = Principal::new(Arc::clone(&self.issuer), grant.subject.as_str())
            .with_client(grant.client.clone())
            .with_scopes(grant.scopes.clone())
            .with_grant(handle.log_name())
            .with_upstream_claims(grant.claims.shared());
        if !grant.upstream.is_held() {
            return principal;
        }
        // Weak: the cache holds principals, and must not hold itself alive through them.
        principal.with_upstream(Arc::new(GrantUpstream::new(self.itself.clone(), *handle)))
    }
}

/// A grant whose code was never redeemed opens nothing.
pub(super) fn is_redeemed(grant: &Grant) -> bool {
    grant.code.as_ref().is_none_or(|code| code.redeemed)
}

/// The record that leads from a code to its grant.
pub(crate) fn code_key(code: &crate::oauth::AuthorizationCode) -> RecordKey {
    RecordKey::new("code", code.expose().as_bytes())
}

#[derive(Debug)]
pub(super) struct GrantCache {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<GrantHandle, Entry>,
    /// Counts what was forgotten, so that a read that began before cannot bring it back.
    forgotten: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    principal: Principal,
    read_at: Timestamp,
    expires_at: Timestamp,
}

const SHARDS: usize = 16;
/// Of one shard; past it the shard starts over.
const MAX_ENTRIES: usize = 4096;

impl Default for GrantCache {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl GrantCache {
    fn entry(&self, handle: &GrantHandle) -> Option<Entry> {
        self.shard(handle)?.entries.get(handle).cloned()
    }

    fn epoch(&self, handle: &GrantHandle) -> Option<u64> {
        Some(self.shard(handle)?.forgotten)
    }

    fn remember(
        &self,
        handle: &GrantHandle,
        principal: &Principal,
        read_at: Timestamp,
        expires_at: Timestamp,
        started: Option<u64>,
    ) {
        let Some(mut shard) = self.shard(handle) else {
            return;
        };
        if started != Some(shard.forgotten) {
            return;
        }
        if shard.entries.len() >= MAX_ENTRIES && !shard.entries.contains_key(handle) {
            shard.entries.clear();
        }
        let entry = Entry {
            principal: principal.clone(),
            read_at,
            expires_at,
        };
        shard.entries.insert(*handle, entry);
    }

    /// Drops what is known of a grant that was found to be gone.
    fn remove(&self, handle: &GrantHandle) {
        if let Some(mut shard) = self.shard(handle) {
            shard.entries.remove(handle);
        }
    }

    /// Drops what is known of a grant that is being ended, and what reads under way will find.
    fn forget(&self, handle: &GrantHandle) {
        if let Some(mut shard) = self.shard(handle) {
            shard.entries.remove(handle);
            shard.forgotten += 1;
        }
    }

    /// Drops everything: which entry a hashed key belongs to is not known.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.entries.clear();
            shard.forgotten += 1;
        }
    }

    fn shard(&self, handle: &GrantHandle) -> Option<MutexGuard<'_, Shard>> {
        let at = usize::from(*handle.as_bytes().first()?) % SHARDS;
        Some(
            self.shards
                .get(at)?
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}
