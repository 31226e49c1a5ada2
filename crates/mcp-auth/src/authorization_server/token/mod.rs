//! `POST /token`: codes and refresh tokens are redeemed (RFC 6749 §3.2, OAuth 2.1 §3.2).

mod authorization_code;
mod client_authentication;
mod refresh_token;
mod rotation;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;

use super::{AuthorizationServer, response};
use crate::{
    access_token::{AccessTokenClaims, Grant, GrantHandle, UpstreamTokenError},
    oauth::{Form, OAuthErrorCode, RefreshToken, Scopes, Timestamp},
    store::StoreError,
};

pub(super) async fn token(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    let limit = &server.limits.failed_token_requests;
    if !limit.has(request.extensions(), &*server.clock) {
        tracing::info!(
            event = "token_refused",
            fault = "client",
            reason = "rate limit of failed token requests"
        );
        return response::too_many_requests();
    }
    let tried_basic = client_authentication::tries_basic(request.headers());
    match redeem(server, request).await {
        Ok(granted) => granted.respond(server),
        Err(error) => {
            let fault = if error.is_ours() { "server" } else { "client" };
            tracing::info!(
                event = "token_refused",
                fault,
                error = error.code().as_str(),
                reason = error.reason()
            );
            if let TokenError::Store(source) = &error {
                tracing::error!(event = "store_unavailable", fault = "server", reason = %source);
            }
            if !error.is_ours() {
                limit.take(request.extensions(), &*server.clock);
            }
            if tried_basic {
                response::refusal_of_basic(error.code())
            } else {
                response::refusal(error.code())
            }
        }
    }
}

async fn redeem(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Result<Granted, TokenError> {
    let form = read(request)?;
    let grant_type = form.get("grant_type").ok_or(TokenError::Refused(
        OAuthErrorCode::InvalidRequest,
        "no grant_type",
    ))?;
    match grant_type {
        "authorization_code" => {
            let client =
                client_authentication::authenticate(server, request.headers(), &form).await?;
            authorization_code::redeem(server, &client, &form).await
        }
        "refresh_token" => {
            let client =
                client_authentication::authenticate(server, request.headers(), &form).await?;
            refresh_token::redeem(server, &client, &form).await
        }
        _ => Err(TokenError::Refused(
            OAuthErrorCode::UnsupportedGrantType,
            "grant_type is not served",
        )),
    }
}

/// The parameters: from the body alone, each of them once.
fn read(request: &Request<Bytes>) -> Result<Form, TokenError> {
    let refused = |reason| TokenError::Refused(OAuthErrorCode::InvalidRequest, reason);
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(refused("the body is not a form"));
    }
    let form = Form::parse(request.body()).map_err(|_| refused("the form cannot be read"))?;
    if form.repeats_any() {
        return Err(refused("a parameter was sent twice"));
    }
    Ok(form)
}

/// What a redemption gives.
struct Granted {
    handle: GrantHandle,
    grant: Grant,
    /// When the grant itself ends.
    grant_expires_at: Timestamp,
    refresh_token: Option<RefreshToken>,
    /// Fewer scopes than the grant's, if fewer were asked for.
    narrowed: Option<Scopes>,
}

/// The answer of the token endpoint (RFC 6749 §5.1).
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    scope: String,
}

impl Granted {
    fn respond(self, server: &AuthorizationServer) -> Response<Bytes> {
        let now = server.clock.now();
        let expires_at = access_expiry(server, &self.grant, now).min(self.grant_expires_at);
        let claims = AccessTokenClaims {
            grant: self.handle,
            expires_at,
            narrowed: self.narrowed,
        };
        let access_token = server.tokens.issue(&self.grant.resource, &claims);
        let scopes = claims.narrowed.as_ref().unwrap_or(&self.grant.scopes);
        let answer = TokenResponse {
            access_token: access_token.expose(),
            token_type: "Bearer",
            expires_in: expires_at.since(now).as_secs(),
            refresh_token: self.refresh_token.as_ref().map(RefreshToken::expose),
            scope: scopes.to_string(),
        };
        response::json(StatusCode::OK, &answer)
    }
}

/// When an access token issued now ends: never later than the upstream allows without a refresh.
fn access_expiry(server: &AuthorizationServer, grant: &Grant, now: Timestamp) -> Timestamp {
    let ours = now.plus(server.lifetimes.access_token);
    upstream_end(grant).map_or(ours, |end| ours.min(end))
}

/// When a grant of this client ends if it is not used again.
fn grant_expiry(server: &AuthorizationServer, grant: &Grant, now: Timestamp) -> Timestamp {
    let lifetime: Duration = match grant.refresh {
        Some(_) => server.lifetimes.refresh_token,
        None => server.lifetimes.access_token,
    };
    let ours = now.plus(lifetime);
    upstream_end(grant).map_or(ours, |end| ours.min(end))
}

/// The end of upstream tokens that nothing renews.
fn upstream_end(grant: &Grant) -> Option<Timestamp> {
    match grant.upstream.refresh_token() {
        Some(_) => None,
        None => grant.upstream.expires_at,
    }
}

/// Why nothing was granted.
#[derive(Debug)]
enum TokenError {
    /// The request is not good; the reason is for the log.
    Refused(OAuthErrorCode, &'static str),
    /// The store is away; nothing was consumed.
    Store(StoreError),
    /// The upstream is away; nothing was consumed.
    Upstream,
}

impl TokenError {
    const fn invalid_grant(reason: &'static str) -> Self {
        Self::Refused(OAuthErrorCode::InvalidGrant, reason)
    }

    const fn code(&self) -> OAuthErrorCode {
        match self {
            Self::Refused(code, _) => *code,
            Self::Store(_) | Self::Upstream => OAuthErrorCode::TemporarilyUnavailable,
        }
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::Refused(_, reason) => reason,
            Self::Store(_) => "the store is away",
            Self::Upstream => "the upstream is away",
        }
    }

    fn is_ours(&self) -> bool {
        self.code() == OAuthErrorCode::TemporarilyUnavailable
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<UpstreamTokenError> for TokenError {
    fn from(error: UpstreamTokenError) -> Self {
        match error {
            UpstreamTokenError::GrantGone => Self::invalid_grant("the upstream's grant is gone"),
            UpstreamTokenError::Unavailable(_) | UpstreamTokenError::NotHeld => Self::Upstream,
        }
    }
}
