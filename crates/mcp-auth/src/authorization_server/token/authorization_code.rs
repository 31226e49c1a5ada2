//! `grant_type=authorization_code` (RFC 6749 §4.1.3, OAuth 2.1 §4.1.3).

use super::{
    AuthorizationServer, Granted, TokenError, grant_expiry, proof,
    proof::{OneTime, Proof},
    rotation,
};
use crate::{
    access_token::{CodeState, Grant, GrantHandle, Key, RefreshState, code_key},
    authorization_server::{callback::CodePointer, clients::Client},
    oauth::{
        AuthorizationCode, CodeVerifier, Form, JwkThumbprint, OAuthErrorCode, ResourceIdentifier,
    },
    store::Replace,
};

/// Checks everything first; then the redemption is one swap of the grant.
///
/// A failed check changes nothing. Whoever loses the swap, or comes later with everything right, is
/// a second valid use: the grant ends (OAuth 2.1 §4.1.3).
pub(super) async fn redeem(
    server: &AuthorizationServer,
    client: &Client,
    form: &Form,
    mut once: OneTime,
) -> Result<Granted, TokenError> {
    let code = form.get("code").ok_or(TokenError::Refused(
        OAuthErrorCode::InvalidRequest,
        "no code",
    ))?;
    let pointer = server
        .records
        .load::<CodePointer>(&code_key(&AuthorizationCode::new(code)))
        .await?;
    let pointer = pointer.ok_or(TokenError::invalid_grant("unknown or expired code"))?;
    let handle = GrantHandle::from_bytes(pointer.value.grant);
    loop {
        let loaded = server.grants.load(&handle).await?;
        let loaded = loaded.ok_or(TokenError::invalid_grant("the code's grant is gone"))?;
        let state = check(server, client, form, once.proof(), &loaded.value)?;
        // First: a request that is sent once more as it was is no second use of its code.
        once.spend(server).await?;
        if state.redeemed {
            let reason = "its code was used twice";
            server.grants.token_reused(&handle, &loaded.value, reason);
            server
                .grants
                .revoke_and_tell(&handle, loaded.value, reason)
                .await?;
            return Err(TokenError::invalid_grant("the code was used before"));
        }
        let now = server.clock.now();
        if state.expires_at <= now {
            return Err(TokenError::invalid_grant("the code is expired"));
        }
        let key = once.key();
        let grant = redeemed(server, client, loaded.value, key);
        let expires_at = grant_expiry(server, &grant, now);
        if !server.keep_registered(client, expires_at).await? {
            return Err(TokenError::REGISTRATION_ENDED);
        }
        if server
            .grants
            .replace(&handle, loaded.version, &grant, expires_at)
            .await?
            == Replace::Replaced
        {
            tracing::info!(event = "code_redeemed", grant = handle.log_name());
            return Ok(Granted {
                handle,
                refresh_token: grant
                    .refresh
                    .as_ref()
                    .map(|state| rotation::current(&handle, state)),
                grant,
                grant_expires_at: expires_at,
                narrowed: None,
                key,
            });
        }
    }
}

/// Client, key, redirection URI, verifier, resource: each must be what the authorization was for.
fn check<'g>(
    server: &AuthorizationServer,
    client: &Client,
    form: &Form,
    proof: Option<&Proof>,
    grant: &'g Grant,
) -> Result<&'g CodeState, TokenError> {
    if grant.client != *client.id() {
        return Err(TokenError::invalid_grant("the code of another client"));
    }
    let state = grant
        .code
        .as_ref()
        .ok_or(TokenError::invalid_grant("the code was used before"))?;
    proof::check_key(server, state.key, proof)?;
    if form
        .get("redirect_uri")
        .is_some_and(|uri| uri != state.redirect_uri)
    {
        return Err(TokenError::invalid_grant("another redirect_uri"));
    }
    let verifier = form
        .get("code_verifier")
        .ok_or(TokenError::invalid_grant("no code_verifier"))?;
    let verifier = CodeVerifier::parse(verifier)
        .map_err(|_| TokenError::invalid_grant("malformed code_verifier"))?;
    if !verifier.answers(&state.challenge) {
        return Err(TokenError::invalid_grant("wrong code_verifier"));
    }
    check_resource(form, &grant.resource)?;
    Ok(state)
}

/// Every `resource` of a request must be the one that was authorized (RFC 8707 §2.2).
pub(super) fn check_resource(
    form: &Form,
    authorized: &ResourceIdentifier,
) -> Result<(), TokenError> {
    let same =
        |asked: &str| ResourceIdentifier::parse(asked).is_ok_and(|asked| asked == *authorized);
    if form.resources().all(same) {
        return Ok(());
    }
    Err(TokenError::Refused(
        OAuthErrorCode::InvalidTarget,
        "another resource",
    ))
}

fn redeemed(
    server: &AuthorizationServer,
    client: &Client,
    mut grant: Grant,
    key: Option<JwkThumbprint>,
) -> Grant {
    if let Some(state) = &mut grant.code {
        state.redeemed = true;
    }
    grant.confidential = client.has_proved_itself();
    grant.document = client.document().cloned();
    grant.refresh = client.metadata().refresh_tokens.then(|| RefreshState {
        mac_key: Key::generate(&*server.random),
        generation: 1,
        rotated_at: server.clock.now(),
        bound_from: 1,
    });
    // The refresh tokens of a confidential client are bound to its secret already (RFC 9449 §5).
    grant.key = key.filter(|_| !client.is_confidential());
    grant
}
