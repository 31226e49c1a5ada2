//! Our requests at the upstream's token endpoint, made by the `oauth2` crate over our own client.

use std::{borrow::Cow, pin::Pin, sync::Arc, time::Duration};

use http::StatusCode;
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, Client, ClientId, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RequestTokenError, StandardRevocableToken,
    TokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
        BasicTokenIntrospectionResponse,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OAuthUpstream, PresetClientAuthentication, UpstreamError, UpstreamTokens};
use crate::{
    net::{HttpClient, HttpError},
    oauth::{AccessToken, AuthorizationCode, CodeVerifier, RefreshToken},
};

const MAX_ANSWER: usize = 64 * 1024;

/// No token lives longer than this for us, whatever the upstream says.
const MAX_LIFETIME: u64 = 365 * 24 * 3600;

pub(super) type UpstreamClient = Client<
    BasicErrorResponse,
    UpstreamTokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

pub(super) async fn redeem_code(
    upstream: &OAuthUpstream,
    code: &AuthorizationCode,
    verifier: &CodeVerifier,
    redirect_uri: &str,
) -> Result<UpstreamTokens, UpstreamError> {
    let client = upstream.client().await?;
    let redirect = RedirectUrl::new(redirect_uri.into())
        .map_err(|_| UpstreamError::Refused("our callback is no URL"))?;
    let answer = client
        .exchange_code(oauth2::AuthorizationCode::new(code.expose().into()))
        .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().into()))
        .set_redirect_uri(Cow::Owned(redirect))
        .request_async(&Door(Arc::clone(&upstream.http)))
        .await;
    tokens(upstream, answer)
}

pub(super) async fn refresh(
    upstream: &OAuthUpstream,
    token: &RefreshToken,
) -> Result<UpstreamTokens, UpstreamError> {
    let client = upstream.client().await?;
    let old = oauth2::RefreshToken::new(token.expose().into());
    let answer = client
        .exchange_refresh_token(&old)
        .request_async(&Door(Arc::clone(&upstream.http)))
        .await;
    let mut tokens = tokens(upstream, answer)?;
    // RFC 6749 §6: without a new refresh token the old one goes on.
    tokens.refresh_token.get_or_insert_with(|| token.clone());
    Ok(tokens)
}

impl OAuthUpstream {
    pub(super) async fn client(&self) -> Result<UpstreamClient, UpstreamError> {
        let endpoints = self.endpoints().await?;
        let broken = |_| UpstreamError::Refused("one of its endpoints is no URL");
        let mut client = Client::new(ClientId::new(self.client_id.clone()))
            .set_auth_uri(AuthUrl::new(endpoints.authorization.clone()).map_err(broken)?)
            .set_token_uri(TokenUrl::new(endpoints.token.clone()).map_err(broken)?);
        if let Some(secret) = &self.client_secret {
            client = client.set_client_secret(oauth2::ClientSecret::new(secret.expose().into()));
        }
        let told = self.preset.map(|preset| preset.client_authentication);
        if told == Some(PresetClientAuthentication::Post) {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        Ok(client)
    }
}

/// Carries the requests of the `oauth2` crate over our client.
///
/// A 5xx never counts as an answer: whatever its body says, the grant is not judged by it.
struct Door(Arc<dyn HttpClient>);

impl<'c> AsyncHttpClient<'c> for Door {
    type Error = DoorError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, DoorError>> + Send>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let http = Arc::clone(&self.0);
        Box::pin(async move {
            let answer = http.send(request.map(Into::into), MAX_ANSWER).await?;
            let status = answer.status();
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                return Err(DoorError::Unwell);
            }
            let mut answer = answer.map(|body| body.to_vec());
            if answer.status().is_success() && is_an_error(answer.body()) {
                *answer.status_mut() = StatusCode::BAD_REQUEST;
            }
            Ok(answer)
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum DoorError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the upstream answered 5xx or 429")]
    Unwell,
}

/// Some providers answer errors with 200.
fn is_an_error(body: &[u8]) -> bool {
    let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
    answer.get("error").is_some_and(Value::is_string) && answer.get("access_token").is_none()
}

/// What providers say instead of `invalid_grant`.
const INVALID_GRANT_TOO: [&str; 2] = ["bad_refresh_token", "bad_verification_code"];

fn tokens(
    upstream: &OAuthUpstream,
    answer: Result<UpstreamTokenResponse, RequestTokenError<DoorError, BasicErrorResponse>>,
) -> Result<UpstreamTokens, UpstreamError> {
    let answer = answer.map_err(|error| match error {
        RequestTokenError::ServerResponse(refusal) => match refusal.error() {
            BasicErrorResponseType::InvalidGrant => UpstreamError::InvalidGrant,
            BasicErrorResponseType::InvalidClient => {
                UpstreamError::Refused("it does not accept our client: check its id and secret")
            }
            BasicErrorResponseType::Extension(code)
                if INVALID_GRANT_TOO.contains(&code.as_str()) =>
            {
                UpstreamError::InvalidGrant
            }
            BasicErrorResponseType::Extension(code) if code == "temporarily_unavailable" => {
                UpstreamError::Unwell
            }
            _ => UpstreamError::Refused("its token endpoint refused the request"),
        },
        RequestTokenError::Request(DoorError::Unwell) => UpstreamError::Unwell,
        RequestTokenError::Request(DoorError::Http(error)) => match error {
            HttpError::NotSent(source) => UpstreamError::NotReached(source),
            HttpError::NotAllowed | HttpError::Busy => UpstreamError::NotReached(error.into()),
            HttpError::NoAnswer(_) => UpstreamError::Outage("its token endpoint gave no answer"),
            HttpError::TooLarge => UpstreamError::Outage("its token answer is too large"),
        },
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            UpstreamError::Outage("its token answer is not one")
        }
    })?;
    let fits_a_header =
        |token: &str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    if !answer.token_type.is_bearer() {
        return Err(UpstreamError::Refused(
            "it gives tokens of another type than Bearer",
        ));
    }
    if !fits_a_header(answer.access_token.secret()) {
        return Err(UpstreamError::Outage(
            "its token answer has no bearer token",
        ));
    }
    let now = upstream.clock.now();
    Ok(UpstreamTokens {
        access_token: AccessToken::new(answer.access_token.secret().as_str()),
        refresh_token: answer
            .refresh_token
            .filter(|t| !t.secret().is_empty())
            .map(|t| RefreshToken::new(t.secret().as_str())),
        expires_at: answer
            .expires_in
            .map(|Lifetime(seconds)| now.plus(Duration::from_secs(seconds))),
    })
}

/// A token answer as providers really send it (RFC 6749 §5.1).
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct UpstreamTokenResponse {
    access_token: oauth2::AccessToken,
    #[serde(default)]
    token_type: UpstreamTokenType,
    #[serde(default, deserialize_with = "lifetime")]
    expires_in: Option<Lifetime>,
    refresh_token: Option<oauth2::RefreshToken>,
}

/// Seconds; clamped to a year.
#[derive(Debug, Clone, Copy, Serialize)]
struct Lifetime(u64);

/// A number, or a number in a string; what is neither, or is not positive, is not told.
fn lifetime<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Lifetime>, D::Error> {
    let told = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // within bounds by the filter
    Ok(told
        .filter(|seconds| *seconds >= 1.0)
        .map(|seconds| Lifetime((seconds as u64).min(MAX_LIFETIME))))
}

/// Only a bearer token is of use to us, whatever its spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct UpstreamTokenType(String);

impl oauth2::TokenType for UpstreamTokenType {}

impl UpstreamTokenType {
    /// RFC 6749 §7.1: without regard to case; some providers leave it out.
    fn is_bearer(&self) -> bool {
        self.0.is_empty() || self.0.eq_ignore_ascii_case("bearer")
    }
}

impl TokenResponse for UpstreamTokenResponse {
    type TokenType = UpstreamTokenType;

    fn access_token(&self) -> &oauth2::AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &UpstreamTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in
            .map(|Lifetime(seconds)| Duration::from_secs(seconds))
    }

    fn refresh_token(&self) -> Option<&oauth2::RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<oauth2::Scope>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_whatever_its_status() {
        assert!(is_an_error(
            br#"{"error":"bad_refresh_token","error_description":"x"}"#
        ));
        for good in [
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"t","error":""}"#,
            "{}",
            "<html>",
        ] {
            assert!(!is_an_error(good.as_bytes()), "{good}");
        }
    }

    /// TIM-04.
    #[test]
    fn clamps_strange_lifetimes() {
        let told = |value: &str| {
            let text =
                format!(r#"{{"access_token":"t","token_type":"Bearer","expires_in":{value}}}"#);
            serde_json::from_str::<UpstreamTokenResponse>(&text)
                .unwrap()
                .expires_in
                .map(|Lifetime(seconds)| seconds)
        };
        assert_eq!(told("300"), Some(300));
        assert_eq!(told("\"300\""), Some(300));
        assert_eq!(told("1e30"), Some(MAX_LIFETIME));
        for nothing in ["-5", "0", "\"soon\"", "null", "[1]", "{}", "true"] {
            assert_eq!(told(nothing), None, "{nothing}");
        }
    }
}
