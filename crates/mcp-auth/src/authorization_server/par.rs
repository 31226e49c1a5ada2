//! `POST /par`: a client pushes its authorization request (RFC 9126 §2).

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::Serialize;

use super::{
    AuthorizationServer, Lifetimes,
    authorization_request::KnownClient,
    form_body,
    pending::PendingAuthorization,
    pushed_request::PushedRequests,
    response,
    token::{TokenError, authenticate},
};
use crate::{net::empty, oauth::OAuthErrorCode};

pub(super) async fn push(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    let Some(requests) = &server.pushed else {
        return empty(StatusCode::NOT_FOUND);
    };
    let limit = &server.limits.authorize;
    if !limit.take(request.extensions(), &*server.clock) {
        tracing::info!(
            event = "push_refused",
            fault = "client",
            reason = "rate limit"
        );
        return response::too_many_requests();
    }
    match pushed(server, requests, request).await {
        Ok(pushed) => response::json(StatusCode::CREATED, &pushed),
        Err(error) => error.respond(server, request),
    }
}

/// The answer (RFC 9126 §2.2).
#[derive(Serialize)]
struct Pushed {
    request_uri: String,
    expires_in: u64,
}

/// The client proves itself as at `/token`, and what it asks for is held to what `/authorize` holds it
/// to.
async fn pushed(
    server: &AuthorizationServer,
    requests: &PushedRequests,
    request: &Request<Bytes>,
) -> Result<Pushed, TokenError> {
    let invalid = |reason| TokenError::Refused(OAuthErrorCode::InvalidRequest, reason);
    let form = form_body::read(request).map_err(invalid)?;
    let client = authenticate(server, request, &form).await?;
    let known = KnownClient::pushing(client.who().clone(), form);
    let checked = known
        .registered_redirect()
        .and_then(|redirect| known.checked(server, redirect));
    let checked = checked.map_err(|error| {
        let (code, reason) = error.into_code();
        TokenError::Refused(code, reason)
    })?;
    if !PendingAuthorization::fits(server, &checked) {
        return Err(invalid("too large for a cookie"));
    }
    let (now, random) = (server.clock.now(), &*server.random);
    client.spent(server).await?;
    let sealed = requests.seal(known.client().id(), known.form(), now, random);
    Ok(Pushed {
        request_uri: sealed.map_err(|_| invalid("too large for a request_uri"))?,
        expires_in: Lifetimes::PUSHED_REQUEST.as_secs(),
    })
}
