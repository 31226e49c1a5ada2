//! Grants that nobody consented to in a browser: an operator's client, or an enterprise's word.

use super::{AuthorizationServer, Granted, TokenError, grant_expiry};
use crate::{
    access_token::{Grant, GrantHandle, UpstreamClaims, UpstreamState},
    authorization_server::{authorization_request::asked_resource, clients::Client},
    oauth::{Form, JwkThumbprint, OAuthErrorCode, ResourceIdentifier, Scopes},
    store::{Insert, StoreError},
};

/// The resource that is asked for: the only one, where none is named.
pub(super) fn resource(
    server: &AuthorizationServer,
    form: &Form,
) -> Result<ResourceIdentifier, TokenError> {
    asked_resource(form.resources(), &server.resources)
        .map_err(|code| TokenError::Refused(code, "another resource"))
}

/// The scopes that are asked for, if any are.
pub(super) fn asked_scopes(form: &Form) -> Result<Option<Scopes>, TokenError> {
    let asked = form.get("scope").map(Scopes::parse).transpose();
    let asked =
        asked.map_err(|_| TokenError::Refused(OAuthErrorCode::InvalidScope, "malformed scope"))?;
    Ok(asked.filter(|scopes| !scopes.is_empty()))
}

/// Scopes that allow something; asked for before anything is spent.
pub(super) fn some(scopes: Scopes) -> Result<Scopes, TokenError> {
    if scopes.is_empty() {
        return Err(TokenError::Refused(
            OAuthErrorCode::InvalidScope,
            "none of the scopes is allowed",
        ));
    }
    Ok(scopes)
}

/// A grant without refresh token and without upstream tokens (OAuth 2.1 §4.2, ID-JAG §5.1): it lives
/// as long as its one access token.
pub(super) async fn grant(
    server: &AuthorizationServer,
    client: &Client,
    subject: String,
    resource: ResourceIdentifier,
    scopes: Scopes,
    key: Option<JwkThumbprint>,
) -> Result<Granted, TokenError> {
    let now = server.clock.now();
    let grant = Grant {
        subject,
        client: client.id().clone(),
        client_name: client.metadata().client_name.clone(),
        resource,
        scopes,
        created_at: now,
        confidential: true,
        document: None,
        code: None,
        refresh: None,
        key: None,
        upstream: UpstreamState::not_held(),
        claims: UpstreamClaims::default(),
    };
    let handle = GrantHandle::generate(&*server.random);
    let expires_at = grant_expiry(server, &grant, now);
    if !server.keep_registered(client, expires_at).await? {
        return Err(TokenError::REGISTRATION_ENDED);
    }
    if server.grants.insert(&handle, &grant, expires_at).await? == Insert::Exists {
        let collision = StoreError::Failed("a random key exists already".into());
        return Err(collision.into());
    }
    if !server.is_registered(client).await? {
        let reason = "its registration was ended meanwhile";
        server.grants.revoke(&handle, reason).await?;
        return Err(TokenError::REGISTRATION_ENDED);
    }
    server.grants.grant_made(&handle, &grant);
    Ok(Granted {
        handle,
        grant,
        grant_expires_at: expires_at,
        refresh_token: None,
        narrowed: None,
        key,
    })
}
