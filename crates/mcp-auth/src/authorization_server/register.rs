//! `POST /register`: a client registers itself (RFC 7591 §3).
//!
//! Anyone may call it, so by default it stores nothing: what is registered goes back inside the
//! `client_id`. All of it is a claim of the client's own (§5); what protects a user is consent.

mod registered;
mod submitted;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};

pub(super) use registered::Registered;
pub(super) use submitted::{RegisterError, Submitted};

use super::{
    AuthorizationServer, DynamicRegistration, client_configuration, initial_access_token, response,
};
use crate::{
    net::{Causes, empty},
    oauth::OAuthErrorCode,
};

pub(super) async fn register(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    let Some(registration) = &server.dynamic_clients else {
        return empty(StatusCode::NOT_FOUND);
    };
    if let Some(refusal) = too_many(server, request) {
        return refusal;
    }
    if let Err(refusal) = initial_access_token::check(registration, request.headers()) {
        return refused_without_token(refusal);
    }
    match registered(server, registration, request).await {
        Ok(response) => response,
        Err(error) => refused(&error),
    }
}

/// The refusal of a network that registers too often, or guesses at what is registered.
pub(super) fn too_many(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Option<Response<Bytes>> {
    let limit = &server.limits.register;
    if limit.take(request.extensions(), &*server.clock) {
        return None;
    }
    tracing::info!(
        event = "registration_refused",
        fault = "client",
        reason = "rate limit"
    );
    Some(response::too_many_requests())
}

/// Checks everything, then registers.
async fn registered(
    server: &AuthorizationServer,
    registration: &DynamicRegistration,
    request: &Request<Bytes>,
) -> Result<Response<Bytes>, RegisterError> {
    let clients = &registration.clients;
    let content_type = request.headers().get(CONTENT_TYPE);
    let accepted = Submitted::parse(content_type, request.body())?
        .check(clients.redirect_schemes(), server.served())?;
    let now = server.clock.now();
    let (metadata, said) = (accepted.metadata(), accepted.said());
    let issued = clients.issue(metadata, said, now).await?;
    let access = issued.access.as_ref();
    let registered = Registered {
        id: &issued.id,
        issued_at: now,
        secret: issued.secret.as_ref(),
        metadata,
        said,
        access: access.map(|token| (token, client_configuration::url(server, &issued.id))),
    };
    Ok(registered.respond(StatusCode::CREATED))
}

pub(super) fn refused(error: &RegisterError) -> Response<Bytes> {
    let (code, reason) = (error.code(), error.to_string());
    if let RegisterError::Store(source) = error {
        tracing::error!(event = "store_unavailable", fault = "server", reason = %Causes(source));
    } else {
        tracing::info!(
            event = "registration_refused",
            fault = "client",
            error = code.as_str(),
            reason
        );
    }
    response::refusal(code)
}

/// Says which credential is missing or wrong (RFC 6750 §3).
pub(super) fn refused_without_token(error: Option<OAuthErrorCode>) -> Response<Bytes> {
    tracing::info!(
        event = "registration_refused",
        fault = "client",
        reason = "no good access token",
        presented = error.is_some()
    );
    response::refusal_of_bearer(error)
}

#[cfg(test)]
mod tests;
