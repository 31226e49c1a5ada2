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
    token::{OneTime, TokenError, authenticate, offer_nonce, proof_if_sent},
};
use crate::{
    net::empty,
    oauth::{Form, JwkThumbprint, OAuthErrorCode},
};

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
    let mut response = match pushed(server, requests, request).await {
        Ok(pushed) => response::json(StatusCode::CREATED, &pushed),
        Err(error) => error.respond(server, request),
    };
    offer_nonce(server, |proofs| &proofs.par, &mut response);
    response
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
    let form = form_body::read(request).map_err(invalid)?;
    let (client, assertion) = authenticate(server, request, &form).await?.into_parts();
    let proof = proof_if_sent(server, request, |proofs| &proofs.par)?;
    let mut once = OneTime::new(assertion, proof);
    let form = match once.key() {
        Some(key) => for_key(form, key)?,
        None => form,
    };
    let known = KnownClient::pushing(client, form);
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
    let sealed = requests.seal(known.client().id(), known.form(), now, random);
    let request_uri = sealed.map_err(|_| invalid("too large for a request_uri"))?;
    once.spend(server).await?;
    Ok(Pushed {
        request_uri,
        expires_in: Lifetimes::PUSHED_REQUEST.as_secs(),
    })
}

/// A proof at `/par` says as `dpop_jkt` would which key has to redeem the code; where both are there
/// they must agree (RFC 9449 §10.1).
fn for_key(form: Form, key: JwkThumbprint) -> Result<Form, TokenError> {
    let (proved, named) = (key.to_string(), form.get("dpop_jkt"));
    if named.is_some_and(|named| named != proved) {
        return Err(invalid("dpop_jkt is not the key of the proof"));
    }
    match named {
        Some(_) => Ok(form),
        None => Ok(form.with("dpop_jkt", proved)),
    }
}

const fn invalid(reason: &'static str) -> TokenError {
    TokenError::Refused(OAuthErrorCode::InvalidRequest, reason)
}
