//! The upstream tokens behind a grant: refreshed when they need it, by one process at a time.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::task::JoinHandle;

use super::{
    GrantHandle, Grants, LoadedGrant, UpstreamTokenError, UpstreamTokenSource,
    grant::{Lease, UpstreamState},
};
use crate::{
    metering,
    net::Causes,
    oauth::{AccessToken, RefreshToken},
    store::{Replace, StoreError},
    upstream::{Upstream, UpstreamError, UpstreamTokens},
};

/// Of one attempt, whatever the upstream's own client allows itself.
const DEADLINE: Duration = Duration::from_secs(12);
/// After a refusal for the moment; each waits between a half and the whole of it, so that those who
/// were refused together do not come back together.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];
/// After a failure while the token is still good.
const REST: Duration = Duration::from_secs(5);
/// How often a waiting process looks, and how often at most.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;
/// How often fresh tokens are written again while the store is away, and how often at most.
const WRITE_EVERY: Duration = Duration::from_millis(250);
const WRITES: u32 = 40;

/// The upstream tokens of one grant.
#[derive(Debug)]
pub(super) struct GrantUpstream {
    grants: Weak<Grants>,
    handle: GrantHandle,
}

impl GrantUpstream {
    pub(super) const fn new(grants: Weak<Grants>, handle: GrantHandle) -> Self {
        Self { grants, handle }
    }
}

#[async_trait]
impl UpstreamTokenSource for GrantUpstream {
    async fn upstream_token(&self) -> Result<AccessToken, UpstreamTokenError> {
        let grants = self.grants.upgrade();
        let grants = grants.ok_or(UpstreamTokenError::Unavailable(None))?; // the server is gone
        let loaded = grants.with_fresh_upstream(&self.handle).await?;
        Ok(loaded.value.upstream.access_token())
    }
}

impl Grants {
    /// The grant with upstream tokens that are good, refreshed first if they have to be.
    ///
    /// A lease, written into the grant by swap, makes one process refresh while the others wait for
    /// its result. Only a definite `invalid_grant` of the upstream ends the grant; an outage keeps
    /// it.
    pub(crate) async fn with_fresh_upstream(
        &self,
        handle: &GrantHandle,
    ) -> Result<LoadedGrant, UpstreamTokenError> {
        let mut waited = false;
        for _ in 0..LOOKS {
            let loaded = self
                .load(handle)
                .await
                .map_err(away)?
                .ok_or(UpstreamTokenError::GrantGone)?;
            if !self.has_its_upstream(&loaded.value) {
                return Err(UpstreamTokenError::GrantGone);
            }
            let refresh_token = match self.need(&loaded.value.upstream) {
                Need::Nothing => return Ok(loaded),
                Need::NewLogin => return Err(UpstreamTokenError::GrantGone),
                Need::Refresh(token) => token,
            };
            let now = self.clock.now();
            let upstream = &loaded.value.upstream;
            let still_good = upstream.is_good(now);
            if upstream
                .lease
                .as_ref()
                .is_some_and(|lease| lease.is_held(now))
            {
                if still_good {
                    return Ok(loaded); // somebody sees to the next one
                }
                waited = true;
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            if waited && upstream.lease.is_none() {
                // It was given back and nothing is fresh: whoever held it failed, and so would we.
                return Err(UpstreamTokenError::Unavailable(None));
            }
            let lease = Lease {
                holder: u64::from_be_bytes(self.random.bytes()),
                until: now.plus(Lease::LIFETIME),
            };
            let Some(asked) = self.upstream_of(&loaded.value) else {
                tracing::error!(
                    event = "upstream_unknown",
                    fault = "server",
                    grant = handle.log_name(),
                    "the upstream of this grant is not configured any more"
                );
                return Err(UpstreamTokenError::Unavailable(None));
            };
            let leased = self.change_upstream(handle, loaded, |upstream| {
                upstream.lease = Some(lease.clone());
            });
            if leased.await? == Replace::Conflict {
                continue;
            }
            let refreshing = self.refresh_to_the_end(asked, *handle, lease, refresh_token)?;
            if still_good {
                // Nobody has to wait for the next one while this one is good.
                let loaded = self.load(handle).await.map_err(away)?;
                return loaded.ok_or(UpstreamTokenError::GrantGone);
            }
            match refreshing.await {
                Ok(refreshed) => refreshed?,
                Err(error) => return Err(UpstreamTokenError::Unavailable(Some(error.into()))),
            }
        }
        Err(UpstreamTokenError::Unavailable(None))
    }

    fn need(&self, upstream: &UpstreamState) -> Need {
        let now = self.clock.now();
        match (
            upstream.refresh_from,
            upstream.expires_at,
            upstream.refresh_token(),
        ) {
            (Some(from), _, Some(token)) if from <= now => Need::Refresh(token),
            (_, Some(end), None) if end <= now => Need::NewLogin,
            _ => Need::Nothing,
        }
    }

    /// In a task of its own: whoever asked may hang up, and an answer of an upstream that rotates its
    /// tokens must be kept all the same.
    fn refresh_to_the_end(
        &self,
        upstream: Arc<dyn Upstream>,
        handle: GrantHandle,
        lease: Lease,
        token: RefreshToken,
    ) -> Result<JoinHandle<Result<(), UpstreamTokenError>>, UpstreamTokenError> {
        let grants = self.itself.upgrade();
        let grants = grants.ok_or(UpstreamTokenError::Unavailable(None))?;
        Ok(tokio::spawn(async move {
            grants
                .refresh_under(&*upstream, &handle, &lease, &token)
                .await
        }))
    }

    async fn refresh_under(
        &self,
        upstream: &dyn Upstream,
        handle: &GrantHandle,
        lease: &Lease,
        token: &RefreshToken,
    ) -> Result<(), UpstreamTokenError> {
        let refreshed =
            tokio::time::timeout(DEADLINE, self.refresh_patiently(upstream, token)).await;
        match refreshed.unwrap_or(Err(UpstreamError::Outage("it took too long"))) {
            Ok(tokens) => self.keep(upstream, handle, token, &tokens).await,
            Err(UpstreamError::InvalidGrant) => self.upstream_said_no(handle, token).await,
            Err(error) => {
                tracing::warn!(event = "upstream_refresh_failed", fault = "upstream", reason = %error, cause = %Causes(&error), grant = handle.log_name());
                self.give_up(handle, lease).await;
                Err(UpstreamTokenError::Unavailable(Some(error.into())))
            }
        }
    }

    /// Asks again where the upstream was not reached, or only said that it cannot at the moment. An
    /// answer that was lost is another matter: the token may have been rotated away with it.
    async fn refresh_patiently(
        &self,
        upstream: &dyn Upstream,
        token: &RefreshToken,
    ) -> Result<UpstreamTokens, UpstreamError> {
        for pause in PAUSES {
            match ask_for_refresh(upstream, token).await {
                Err(UpstreamError::Unwell | UpstreamError::NotReached(_)) => {}
                answered => return answered,
            }
            let half = pause / 2;
            let [jitter] = self.random.bytes();
            tokio::time::sleep(half + half * u32::from(jitter) / 255).await;
        }
        ask_for_refresh(upstream, token).await
    }

    /// Keeps what the upstream gave; it exists nowhere else, so a store that is away is waited for.
    async fn keep(
        &self,
        upstream: &dyn Upstream,
        handle: &GrantHandle,
        used: &RefreshToken,
        tokens: &UpstreamTokens,
    ) -> Result<(), UpstreamTokenError> {
        let mut kept = self.write_fresh(upstream, handle, used, tokens).await;
        for _ in 0..WRITES {
            let Err(UpstreamTokenError::Unavailable(_)) = kept else {
                break;
            };
            tokio::time::sleep(WRITE_EVERY).await;
            kept = self.write_fresh(upstream, handle, used, tokens).await;
        }
        kept
    }

    /// Whoever swapped the grant meanwhile swapped something else.
    async fn write_fresh(
        &self,
        upstream: &dyn Upstream,
        handle: &GrantHandle,
        used: &RefreshToken,
        tokens: &UpstreamTokens,
    ) -> Result<(), UpstreamTokenError> {
        let now = self.clock.now();
        loop {
            let Some(loaded) = self.load(handle).await.map_err(away)? else {
                // It was ended meanwhile, and the upstream told of a token that is over: these are not.
                let fresh = UpstreamState::new(tokens, now).to_give_back();
                if let Some(fresh) = fresh.filter(|_| upstream.revokes_single_grants()) {
                    let _ = upstream.revoke(&fresh).await;
                }
                return Err(UpstreamTokenError::GrantGone);
            };
            if !loaded.value.upstream.has_refresh_token(used) {
                return Ok(()); // a later holder was faster; its tokens are newer
            }
            if self
                .change_upstream(handle, loaded, |upstream| {
                    *upstream = UpstreamState::new(tokens, now)
                })
                .await?
                == Replace::Replaced
            {
                return Ok(());
            }
        }
    }

    /// The upstream ended the grant, unless another process rotated the token away under us.
    async fn upstream_said_no(
        &self,
        handle: &GrantHandle,
        used: &RefreshToken,
    ) -> Result<(), UpstreamTokenError> {
        let loaded = self
            .load(handle)
            .await
            .map_err(away)?
            .ok_or(UpstreamTokenError::GrantGone)?;
        if !loaded.value.upstream.has_refresh_token(used) {
            return Ok(());
        }
        self.revoke(handle, "the upstream ended its grant")
            .await
            .map_err(away)?;
        Err(UpstreamTokenError::GrantGone)
    }

    /// Takes the lease back, so that the next one need not wait for its end; while the token is good
    /// there is no hurry, and the upstream is left alone for a moment.
    async fn give_up(&self, handle: &GrantHandle, lease: &Lease) {
        if let Ok(Some(loaded)) = self.load(handle).await
            && loaded.value.upstream.lease.as_ref() == Some(lease)
        {
            let now = self.clock.now();
            let rest = loaded.value.upstream.is_good(now).then(|| Lease {
                holder: lease.holder,
                until: now.plus(REST),
            });
            let _ = self
                .change_upstream(handle, loaded, |upstream| upstream.lease = rest)
                .await;
        }
    }

    async fn change_upstream(
        &self,
        handle: &GrantHandle,
        loaded: LoadedGrant,
        change: impl FnOnce(&mut UpstreamState),
    ) -> Result<Replace, UpstreamTokenError> {
        let mut grant = loaded.value;
        change(&mut grant.upstream);
        self.replace(handle, loaded.version, &grant, loaded.expires_at)
            .await
            .map_err(away)
    }
}

enum Need {
    Nothing,
    Refresh(RefreshToken),
    /// The token ended and nothing renews it.
    NewLogin,
}

async fn ask_for_refresh(
    upstream: &dyn Upstream,
    token: &RefreshToken,
) -> Result<UpstreamTokens, UpstreamError> {
    let refreshing = upstream.refresh(token);
    metering::timed(metering::UPSTREAM, "refresh", refreshing).await
}

fn away(error: StoreError) -> UpstreamTokenError {
    UpstreamTokenError::Unavailable(Some(error.into()))
}
