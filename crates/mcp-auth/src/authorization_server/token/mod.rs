//! `POST /token`: codes and refresh tokens are redeemed (RFC 6749 §3.2, OAuth 2.1 §3.2).

mod authorization_code;
mod client_assertion;
mod client_authentication;
mod client_credentials;
mod jwt_bearer;
mod proof;
mod refresh_token;
mod rotation;
mod without_user;

#[cfg(any(test, fuzzing))]
pub(super) use client_authentication::names_a_client;
pub(super) use client_authentication::{Caller, authenticate, identify};
pub(super) use proof::{OneTime, if_sent as proof_if_sent, offer_nonce};
pub(super) use rotation::PresentedToken;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::Serialize;

use super::{AuthorizationServer, clients::Client, form_body, response};
use crate::{
    access_token::{AccessTokenClaims, Grant, GrantHandle, NotSigned, UpstreamTokenError},
    net::Causes,
    oauth::{Form, JwkThumbprint, OAuthErrorCode, RefreshToken, Scopes, Timestamp},
    store::StoreError,
};

pub(super) async fn token(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    let granted = redeem(server, request).await;
    let mut response = match granted.and_then(|granted| granted.respond(server)) {
        Ok(response) => response,
        Err(error) => error.respond(server, request),
    };
    offer_nonce(server, |proofs| &proofs.token, &mut response);
    response
}

async fn redeem(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Result<Granted, TokenError> {
    let form = form_body::read(request)
        .map_err(|reason| TokenError::Refused(OAuthErrorCode::InvalidRequest, reason))?;
    let grant_type = form.get("grant_type").ok_or(TokenError::Refused(
        OAuthErrorCode::InvalidRequest,
        "no grant_type",
    ))?;
    match grant_type {
        "authorization_code" => {
            let (client, once) = proved(server, request, &form).await?;
            authorization_code::redeem(server, &client, &form, once).await
        }
        "refresh_token" => {
            let (caller, assertion) = identify(server, request, &form).await?.into_parts();
            let proof = proof::of(server, request, caller.wants_bound_tokens())?;
            let once = OneTime::new(assertion, proof);
            refresh_token::redeem(server, &caller, &form, once).await
        }
        "client_credentials" if server.client_credentials => {
            let (client, once) = proved(server, request, &form).await?;
            client_credentials::redeem(server, &client, &form, once).await
        }
        JWT_BEARER if !server.enterprise.is_empty() => {
            let (client, once) = proved(server, request, &form).await?;
            jwt_bearer::redeem(server, &client, &form, once).await
        }
        _ => Err(TokenError::Refused(
            OAuthErrorCode::UnsupportedGrantType,
            "grant_type is not served",
        )),
    }
}

/// The client, which proved to be itself, and what of the request is good once.
async fn proved(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    form: &Form,
) -> Result<(Client, OneTime), TokenError> {
    let (client, assertion) = authenticate(server, request, form).await?.into_parts();
    let proof = proof::of(server, request, client.wants_bound_tokens())?;
    Ok((client, OneTime::new(assertion, proof)))
}

/// RFC 7523 §2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What a redemption gives.
struct Granted {
    handle: GrantHandle,
    grant: Grant,
    /// When the grant itself ends.
    grant_expires_at: Timestamp,
    refresh_token: Option<RefreshToken>,
    /// Fewer scopes than the grant's, if fewer were asked for.
    narrowed: Option<Scopes>,
    /// The key that the client proved to have, if it did.
    key: Option<JwkThumbprint>,
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
    fn respond(self, server: &AuthorizationServer) -> Result<Response<Bytes>, TokenError> {
        let now = server.clock.now();
        let expires_at = access_expiry(server, &self.grant, now).min(self.grant_expires_at);
        let claims = AccessTokenClaims {
            grant: self.handle,
            expires_at,
            narrowed: self.narrowed,
            key: self.key,
        };
        let access_token = server.tokens.issue(&self.grant, &claims)?;
        let scopes = claims.narrowed.as_ref().unwrap_or(&self.grant.scopes);
        let answer = TokenResponse {
            access_token: access_token.expose(),
            token_type: claims.token_type(),
            expires_in: expires_at.since(now).as_secs(),
            refresh_token: self.refresh_token.as_ref().map(RefreshToken::expose),
            scope: scopes.to_string(),
        };
        Ok(response::json(StatusCode::OK, &answer))
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
    let unused = now.plus(lifetime);
    let absolute = server
        .lifetimes
        .grant
        .map(|lifetime| grant.created_at.plus(lifetime));
    let ends = [absolute, upstream_end(grant)];
    ends.into_iter().flatten().fold(unused, Timestamp::min)
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
pub(super) enum TokenError {
    /// The request is not good; the reason is for the log.
    Refused(OAuthErrorCode, &'static str),
    /// The store is away; nothing was consumed.
    Store(StoreError),
    /// The upstream is away; nothing was consumed.
    Upstream,
    /// Grants cannot be read right now.
    Unavailable,
    /// The access token could not be signed.
    NotSigned,
    /// This network guessed at this client's secret too often.
    TooManySecrets,
}

impl TokenError {
    /// Between the client's proof of itself and now.
    const REGISTRATION_ENDED: Self =
        Self::Refused(OAuthErrorCode::InvalidClient, "the registration was ended");

    const fn invalid_grant(reason: &'static str) -> Self {
        Self::Refused(OAuthErrorCode::InvalidGrant, reason)
    }

    const fn code(&self) -> OAuthErrorCode {
        match self {
            Self::Refused(code, _) => *code,
            Self::NotSigned => OAuthErrorCode::ServerError,
            Self::Store(_) | Self::Upstream | Self::Unavailable | Self::TooManySecrets => {
                OAuthErrorCode::TemporarilyUnavailable
            }
        }
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::Refused(_, reason) => reason,
            Self::Store(_) => "the store is away",
            Self::Upstream => "the upstream is away",
            Self::Unavailable => "grants cannot be read",
            Self::NotSigned => "the access token could not be signed",
            Self::TooManySecrets => "too many wrong secrets for this client",
        }
    }

    const fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Store(_) | Self::Upstream | Self::Unavailable | Self::NotSigned
        )
    }

    /// The refusal; a network with too many of them is told to slow down.
    ///
    /// What is good is never refused for what a neighbour behind the same address did.
    pub(super) fn respond(
        &self,
        server: &AuthorizationServer,
        request: &Request<Bytes>,
    ) -> Response<Bytes> {
        let fault = if self.is_ours() { "server" } else { "client" };
        tracing::info!(
            event = "token_refused",
            fault,
            error = self.code().as_str(),
            reason = self.reason()
        );
        if let Self::Store(source) = self {
            tracing::error!(event = "store_unavailable", fault, reason = %Causes(source));
        }
        let limit = &server.limits.failed_token_requests;
        // Asking for a nonce is a step that every host takes, and no guess at anything.
        let counts = !self.is_ours() && self.code() != OAuthErrorCode::UseDpopNonce;
        let too_many = counts && !limit.take(request.extensions(), &*server.clock);
        if too_many || matches!(self, Self::TooManySecrets) {
            return response::too_many_requests();
        }
        if client_authentication::tries_basic(request.headers()) {
            return response::refusal_of_basic(self.code());
        }
        response::refusal(self.code())
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NotSigned> for TokenError {
    fn from(_: NotSigned) -> Self {
        Self::NotSigned
    }
}

impl From<UpstreamTokenError> for TokenError {
    fn from(error: UpstreamTokenError) -> Self {
        match error {
            UpstreamTokenError::GrantGone => Self::invalid_grant("the upstream's grant is gone"),
            UpstreamTokenError::Unavailable(_)
            | UpstreamTokenError::Refused(_)
            | UpstreamTokenError::NotHeld => Self::Upstream,
        }
    }
}
