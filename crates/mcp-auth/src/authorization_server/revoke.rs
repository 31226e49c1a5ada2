//! `POST /revoke`: a client gives its tokens up (RFC 7009).

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use super::{
    AuthorizationServer, form_body,
    token::{PresentedToken, TokenError, identify},
};
use crate::{
    access_token::{Grant, GrantHandle},
    net::empty,
    oauth::{AccessToken, OAuthErrorCode},
};

pub(super) async fn revoke(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    match revoked(server, request).await {
        Ok(()) => empty(StatusCode::OK),
        Err(error) => error.respond(server, request),
    }
}

/// Ends the grant of a token: every access token, refresh token and upstream token of it.
///
/// What is no token of ours, or is over, is revoked already (RFC 7009 §2.2). The hint is not needed:
/// a token says what it is.
async fn revoked(server: &AuthorizationServer, request: &Request<Bytes>) -> Result<(), TokenError> {
    let refused = |reason| TokenError::Refused(OAuthErrorCode::InvalidRequest, reason);
    let form = form_body::read(request).map_err(refused)?;
    let token = form.get("token").ok_or(refused("no token"))?;
    let caller = identify(server, request, &form).await?;
    let Some((handle, grant)) = found(server, token).await? else {
        return Ok(());
    };
    // RFC 7009 §2.1: a client revokes what is its own.
    caller.check_owns(&grant, "a token of another client")?;
    server
        .grants
        .revoke(&handle, "its client revoked it")
        .await?;
    server.grants.tell_upstream([grant]);
    Ok(())
}

/// The grant that a token of ours belongs to, if both are good.
async fn found(
    server: &AuthorizationServer,
    token: &str,
) -> Result<Option<(GrantHandle, Grant)>, TokenError> {
    let refresh = PresentedToken::parse(token);
    let handle = match &refresh {
        Some(refresh) => refresh.handle,
        None => match server
            .tokens
            .grant_of(&AccessToken::new(token), &server.resources)
        {
            Some(handle) => handle,
            None => return Ok(None),
        },
    };
    let Some(loaded) = server.grants.load(&handle).await? else {
        return Ok(None);
    };
    // An invented refresh token harms no grant.
    let state = loaded.value.refresh.as_ref();
    let invented = refresh.is_some_and(|refresh| !state.is_some_and(|state| refresh.is_of(state)));
    Ok((!invented).then_some((handle, loaded.value)))
}
