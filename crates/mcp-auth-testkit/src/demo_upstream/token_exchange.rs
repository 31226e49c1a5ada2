//! Token exchange (RFC 8693): a token that was issued for an MCP server, for one for the API here.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    faults::Faults,
    server::{self, Server},
    token::Refusal,
};

pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What the API here knows.
const SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// The operator's own client alone may do it: the MCP server, and none of its hosts.
pub(super) fn exchange(
    server: &Server,
    faults: &Faults,
    client: &str,
    parameters: &[(String, String)],
) -> Result<Response, Refusal> {
    let parameter = |name| server::first(parameters, name);
    if client != super::CLIENT_ID {
        let reason = "this client may not exchange tokens";
        return Err(Refusal::new("unauthorized_client", reason));
    }
    let invalid = |reason| Refusal::new("invalid_request", reason);
    if parameter("subject_token_type") != Some(ACCESS_TOKEN) {
        return Err(invalid("subject_token_type is not that of an access token"));
    }
    let wanted = parameter("requested_token_type");
    if wanted.is_some_and(|wanted| wanted != ACCESS_TOKEN) {
        return Err(invalid("only access tokens are issued"));
    }
    if parameter("actor_token").is_some() || parameter("actor_token_type").is_some() {
        return Err(invalid("nobody acts for anybody here"));
    }
    let audience = parameter("audience").unwrap_or(&server.issuer);
    if audience != server.issuer || parameter("resource").is_some() {
        let reason = "tokens are exchanged for the API here alone";
        return Err(Refusal::new("invalid_target", reason));
    }
    let scope = parameter("scope").map_or_else(|| SCOPES.join(" "), str::to_owned);
    if !scope.split(' ').all(|scope| SCOPES.contains(&scope)) {
        let reason = "a scope that the API here does not know";
        return Err(Refusal::new("invalid_scope", reason));
    }
    let subject = parameter("subject_token").ok_or(invalid("subject_token is missing"))?;
    // Shorter than the other's life: it goes further.
    let lifetime = server.access_token_lifetime / 2;
    let now = server.now();
    let issued = server
        .records()
        .exchange_access_token(subject, now.plus(lifetime), now);
    // RFC 8693 §2.2.2 has this code for a subject token that is not good.
    let issued = issued.ok_or(invalid(
        "subject_token is not a live token for an MCP server",
    ))?;
    let answer = json!({
        "access_token": issued,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": faults.token_type.as_deref().unwrap_or("Bearer"),
        "expires_in": faults.expires_in.clone().unwrap_or(json!(lifetime.as_secs())),
        "scope": scope,
    });
    Ok(Json(answer).into_response())
}
