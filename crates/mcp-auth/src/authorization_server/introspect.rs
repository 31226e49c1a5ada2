//! `POST /introspect`: a resource server in another process asks about a token (RFC 7662).
//!
//! Off unless the operator names who may ask: the answer tells who the user is.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::Serialize;

use super::{
    AuthorizationServer, form_body, response,
    token::{TokenError, authenticate},
};
use crate::{
    access_token::{Principal, TokenVerifier, VerifyError},
    oauth::{AccessToken, JwkThumbprint, OAuthErrorCode, ResourceIdentifier},
};

pub(super) async fn introspect(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    match answered(server, request).await {
        Ok(response) => response,
        Err(error) => error.respond(server, request),
    }
}

async fn answered(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Result<Response<Bytes>, TokenError> {
    let refused = |reason| TokenError::Refused(OAuthErrorCode::InvalidRequest, reason);
    let form = form_body::read(request).map_err(refused)?;
    let authenticated = authenticate(server, request, &form).await?;
    let client = authenticated.who();
    // RFC 7662 §2.1: whoever asks has proved to be one of those who may.
    let resources = server.introspection.resources_of(client.id());
    if !client.is_confidential() || resources.is_empty() {
        return Err(TokenError::Refused(
            OAuthErrorCode::UnauthorizedClient,
            "the client may not ask about tokens",
        ));
    }
    let token = AccessToken::new(form.get("token").ok_or(refused("no token"))?);
    authenticated.spent(server).await?;
    // A token of another resource is nothing to this caller (RFC 7662 §4).
    for resource in resources {
        match server.tokens.verify(&token, resource).await {
            Ok(principal) => {
                return Ok(response::json(
                    StatusCode::OK,
                    &active(server, resource, &principal),
                ));
            }
            Err(VerifyError::Unavailable { .. }) => return Err(TokenError::Unavailable),
            Err(_) => {}
        }
    }
    Ok(response::json(StatusCode::OK, &Inactive { active: false }))
}

/// A token that is good, as RFC 7662 §2.2 tells it.
#[derive(Serialize)]
struct Active<'a> {
    active: bool,
    iss: &'a str,
    aud: &'a ResourceIdentifier,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    scope: String,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
}

/// The key that a token is bound to (RFC 9449 §6.2).
#[derive(Serialize)]
struct Confirmation {
    jkt: JwkThumbprint,
}

/// Of everything else nothing is told (RFC 7662 §2.2).
#[derive(Serialize)]
struct Inactive {
    active: bool,
}

fn active<'a>(
    server: &'a AuthorizationServer,
    resource: &'a ResourceIdentifier,
    principal: &'a Principal,
) -> Active<'a> {
    Active {
        active: true,
        iss: server.issuer.as_str(),
        aud: resource,
        sub: principal.subject(),
        client_id: principal.client().map(|client| client.as_str()),
        scope: principal.scopes().to_string(),
        token_type: match principal.confirmation() {
            Some(_) => "DPoP",
            None => "Bearer",
        },
        cnf: principal.confirmation().map(|jkt| Confirmation { jkt }),
        exp: principal.expires_at().map(|end| end.as_seconds()),
    }
}
