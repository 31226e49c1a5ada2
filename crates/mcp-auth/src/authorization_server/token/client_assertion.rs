//! `private_key_jwt`: a client proves itself with a signature (RFC 7523 §2.2 and §3, with the
//! audience of draft-ietf-oauth-rfc7523bis §4).

use super::{AuthorizationServer, TokenError, client_authentication::invalid_client};
use crate::{
    authorization_server::{
        assertion::Assertion,
        clients::{Client, ResolveError},
        paths,
    },
    oauth::{Form, OAuthErrorCode},
    store::{Insert, RecordKey},
};

/// The only type there is for clients (RFC 7523 §2.2).
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Types of JWTs that are something else, whoever signed them (RFC 8725 §3.11).
const OTHER_TYPES: [&str; 4] = [
    "at+jwt",
    "dpop+jwt",
    "oauth-id-jag+jwt",
    "token-introspection+jwt",
];

/// The assertion of a request, if it has one.
pub(super) fn presented(form: &Form) -> Result<Option<Assertion<'_>>, TokenError> {
    match (
        form.get("client_assertion_type"),
        form.get("client_assertion"),
    ) {
        (None, None) => Ok(None),
        (Some(TYPE), Some(jwt)) => Assertion::parse(jwt).map(Some).map_err(invalid_client),
        (Some(TYPE), None) => Err(invalid_client("a type of assertion and no assertion")),
        _ => Err(invalid_client("an unknown type of client assertion")),
    }
}

/// Checks everything, then spends the assertion: it proves its client once.
pub(super) async fn check(
    server: &AuthorizationServer,
    client: &Client,
    assertion: &Assertion<'_>,
) -> Result<(), TokenError> {
    if assertion
        .typ()
        .is_some_and(|typ| OTHER_TYPES.contains(&typ.as_str()))
    {
        return Err(invalid_client("a JWT of another type as client assertion"));
    }
    let keys = client.keys();
    let keys = keys.ok_or(invalid_client("an assertion of a client without keys"))?;
    let claims = keys.verify(assertion).await.map_err(keys_away)?;
    let claims = claims.ok_or(invalid_client("no key of the client made the signature"))?;
    let id = client.id().as_str();
    if claims.iss.as_deref() != Some(id) || claims.sub.as_deref() != Some(id) {
        return Err(invalid_client(
            "iss and sub of the assertion are not its client",
        ));
    }
    let token_endpoint = || server.public_url.join(paths::TOKEN);
    let for_us = claims.is_for(server.issuer.as_str())
        || (server.token_endpoint_audience && claims.is_for(&token_endpoint()));
    if !for_us {
        return Err(invalid_client("the assertion is not for our issuer alone"));
    }
    let until = claims
        .check_times(server.clock.now())
        .map_err(invalid_client)?;
    let jti = claims.unique_name().map_err(invalid_client)?;
    let spent = RecordKey::new("assertion", format!("{id}\n{jti}").as_bytes());
    match server
        .records
        .insert(&spent, &(), until, Vec::new())
        .await?
    {
        Insert::Inserted => Ok(()),
        Insert::Exists => Err(invalid_client("the assertion was used before")),
    }
}

fn keys_away(error: ResolveError) -> TokenError {
    match error {
        ResolveError::DocumentUnavailable(reason) => {
            TokenError::Refused(OAuthErrorCode::TemporarilyUnavailable, reason)
        }
        ResolveError::Document(reason) => invalid_client(reason),
        _ => invalid_client("the keys of the client cannot be read"),
    }
}
