//! `grant_type=refresh_token` with rotation (RFC 6749 §6, OAuth 2.1 §4.3).

use super::{
    AuthorizationServer, Caller, Granted, TokenError,
    authorization_code::check_resource,
    grant_expiry, proof,
    proof::{OneTime, Proof},
    rotation,
};
use crate::{
    access_token::{Grant, LoadedGrant, RefreshState},
    audit::AuditAction,
    authorization_server::Lifetimes,
    oauth::{Form, JwkThumbprint, OAuthErrorCode, Scopes, Timestamp},
    store::Replace,
};
use rotation::PresentedToken;

/// Checks MAC, client, key, resource and scope in this order; a failure changes nothing. Then decides by
/// the document of the client, where the operator wants that, by the generation, and for a token from
/// before the grant was bound by the key.
pub(super) async fn redeem(
    server: &AuthorizationServer,
    caller: &Caller,
    form: &Form,
    mut once: OneTime,
) -> Result<Granted, TokenError> {
    if !caller.may_refresh() {
        return Err(TokenError::Refused(
            OAuthErrorCode::UnauthorizedClient,
            "the client declined refresh tokens",
        ));
    }
    let token = form.get("refresh_token").ok_or(TokenError::Refused(
        OAuthErrorCode::InvalidRequest,
        "no refresh_token",
    ))?;
    let token = PresentedToken::parse(token)
        .ok_or(TokenError::invalid_grant("not a refresh token of ours"))?;
    loop {
        let loaded = server.grants.load(&token.handle).await?;
        let mut loaded =
            loaded.ok_or(TokenError::invalid_grant("no grant for this refresh token"))?;
        let narrowed = check(server, caller, form, once.proof(), &token, &loaded.value)?;
        // First: a request that is sent once more as it was is no reuse of its token.
        once.spend(server).await?;
        if caller.has_changed_since(&loaded.value) {
            let reason = "the document of its client is another";
            server
                .grants
                .revoke_and_tell(&token.handle, loaded.value, reason)
                .await?;
            return Err(TokenError::invalid_grant(reason));
        }
        let key = once.key();
        if matches!(turn(server, caller, &token, key, &loaded)?, Turn::Advance) {
            // Nothing is consumed while the upstream is away; nobody is asked while its token is good.
            loaded = server.grants.with_fresh_upstream(&token.handle).await?;
        }
        let asked = Asked {
            token: &token,
            narrowed,
            key,
        };
        match turn(server, caller, &token, key, &loaded)? {
            Turn::Advance => {
                if let Some(granted) = advance(server, caller, asked, loaded).await? {
                    return Ok(granted);
                }
            }
            Turn::Again => return Ok(granted(server, asked, loaded.value, loaded.expires_at)),
            Turn::Reuse => {
                let reason = "an old refresh token was used again";
                server
                    .grants
                    .token_reused(&token.handle, &loaded.value, reason);
                server
                    .grants
                    .revoke_and_tell(&token.handle, loaded.value, reason)
                    .await?;
                return Err(TokenError::invalid_grant(
                    "the refresh token was used before",
                ));
            }
        }
    }
}

/// A request with every check passed.
struct Asked<'a> {
    token: &'a PresentedToken,
    narrowed: Option<Scopes>,
    key: Option<JwkThumbprint>,
}

/// What a good token of some generation leads to.
enum Turn {
    /// It is the current one, or its lost answer is now wanted for a key: the next generation begins.
    Advance,
    /// It is the one before, not long ago: its answer may have been lost.
    Again,
    /// It is older, or too late.
    Reuse,
}

fn turn(
    server: &AuthorizationServer,
    caller: &Caller,
    token: &PresentedToken,
    key: Option<JwkThumbprint>,
    loaded: &LoadedGrant,
) -> Result<Turn, TokenError> {
    let state = refresh_state(&loaded.value)?;
    if token.generation >= state.generation {
        // A later one than the store knows: it lost a write in a failover, the token did not lie.
        return Ok(Turn::Advance);
    }
    let before = token.generation.checked_add(1) == Some(state.generation);
    let grace = server.lifetimes.refresh_grace;
    // Off is off, also for a clock that is a little behind the one that wrote the time.
    let in_grace =
        before && !grace.is_zero() && server.clock.now().is_within(state.rotated_at, grace);
    Ok(match (loaded.value.key, key) {
        _ if !in_grace => Turn::Reuse,
        _ if caller.is_confidential() => Turn::Again,
        // Its successor was given to a key. Whoever asks without that key did not lose this answer:
        // two have the token, and one of them stole it.
        (Some(bound_to), key) if key != Some(bound_to) => Turn::Reuse,
        // The successor is unbound, and what a proof is answered with is not.
        (None, Some(_)) => Turn::Advance,
        _ => Turn::Again,
    })
}

fn check(
    server: &AuthorizationServer,
    caller: &Caller,
    form: &Form,
    proof: Option<&Proof>,
    token: &PresentedToken,
    grant: &Grant,
) -> Result<Option<Scopes>, TokenError> {
    if !token.is_of(refresh_state(grant)?) {
        return Err(TokenError::invalid_grant("an invented refresh token"));
    }
    caller.check_owns(grant, "the refresh token of another client")?;
    proof::check_key(server, issued_to(caller, token, grant)?, proof)?;
    check_resource(form, &grant.resource)?;
    let Some(asked) = form.get("scope") else {
        return Ok(None);
    };
    let asked = Scopes::parse(asked)
        .map_err(|_| TokenError::Refused(OAuthErrorCode::InvalidScope, "malformed scope"))?;
    let asked: Scopes = asked
        .iter()
        .filter(|scope| scope.as_str() != "offline_access")
        .cloned()
        .collect();
    if !grant.scopes.contains_all(&asked) {
        return Err(TokenError::Refused(
            OAuthErrorCode::InvalidScope,
            "a wider scope than was granted",
        ));
    }
    Ok((!asked.is_empty() && asked != grant.scopes).then_some(asked))
}

/// The key that this very token was issued to, where its client is held to it: one that proves itself
/// may change its key (RFC 9449 §5).
///
/// A token from before the grant was bound was issued to no key. Its reuse has to be found out whoever
/// comes with it, or a thief who binds the grant first would have it for himself.
fn issued_to(
    caller: &Caller,
    token: &PresentedToken,
    grant: &Grant,
) -> Result<Option<JwkThumbprint>, TokenError> {
    let unbound = token.generation < refresh_state(grant)?.bound_from;
    let held = !unbound && !caller.is_confidential();
    Ok(grant.key.filter(|_| held))
}

/// One swap; `None` when another request was faster.
async fn advance(
    server: &AuthorizationServer,
    caller: &Caller,
    asked: Asked<'_>,
    loaded: LoadedGrant,
) -> Result<Option<Granted>, TokenError> {
    let token = asked.token;
    let now = server.clock.now();
    let mut grant = loaded.value;
    if grant
        .code
        .as_ref()
        .is_some_and(|code| code.expires_at.plus(Lifetimes::CODE_TOMBSTONE) <= now)
    {
        grant.code = None; // no code leads here any more
    }
    // As it proved itself now: its registration or its document may have changed.
    caller.is_seen_in(&mut grant);
    if let Some(state) = &mut grant.refresh {
        let next = state.generation.max(token.generation).checked_add(1);
        state.generation = next.ok_or(TokenError::invalid_grant("no generation is left"))?;
        state.rotated_at = now;
        if caller.is_confidential() {
            grant.key = None; // bound to what the client proves itself with
        } else if grant.key.is_none() && asked.key.is_some() {
            // What is issued to a public client with a proof is bound from here on (RFC 9449 §5).
            grant.key = asked.key;
            state.bound_from = state.generation;
        }
    }
    let expires_at = grant_expiry(server, &grant, now);
    if expires_at <= now {
        // Its absolute end is nearer than when it was written: the operator shortened it.
        let reason = "it is past its absolute lifetime";
        server
            .grants
            .revoke_and_tell(&token.handle, grant, reason)
            .await?;
        return Err(TokenError::invalid_grant(reason));
    }
    if !caller.keep_registered(server, expires_at).await? {
        return Err(TokenError::REGISTRATION_ENDED);
    }
    match server
        .grants
        .replace(&token.handle, loaded.version, &grant, expires_at)
        .await?
    {
        Replace::Replaced => Ok(Some(granted(server, asked, grant, expires_at))),
        Replace::Conflict => Ok(None),
    }
}

fn granted(
    server: &AuthorizationServer,
    asked: Asked<'_>,
    grant: Grant,
    grant_expires_at: Timestamp,
) -> Granted {
    let Asked {
        token,
        narrowed,
        key,
    } = asked;
    tracing::info!(event = "token_refreshed", grant = token.handle.log_name());
    server
        .grants
        .audit
        .record(AuditAction::TokenRefreshed, |event| {
            event.grant = Some(token.handle.log_name());
            event.subject = Some(grant.subject.clone());
            event.client = Some(grant.client.clone());
            event.scopes = Some(narrowed.as_ref().unwrap_or(&grant.scopes).clone());
        });
    Granted {
        handle: token.handle,
        refresh_token: grant
            .refresh
            .as_ref()
            .map(|state| rotation::current(&token.handle, state)),
        grant,
        grant_expires_at,
        narrowed,
        key,
    }
}

fn refresh_state(grant: &Grant) -> Result<&RefreshState, TokenError> {
    grant
        .refresh
        .as_ref()
        .ok_or(TokenError::invalid_grant("the grant has no refresh token"))
}
