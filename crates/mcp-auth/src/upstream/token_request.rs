//! Our requests at the upstream's token endpoint, made by the `oauth2` crate over our own client.

use std::{borrow::Cow, pin::Pin, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use oauth2::{
    AsyncHttpClient, AuthUrl, Client, ClientId, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RequestTokenError, StandardRevocableToken,
    TokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
        BasicTokenIntrospectionResponse,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{OAuthUpstream, UpstreamError, UpstreamTokens};
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

/// What a code was redeemed for.
pub(super) struct Redeemed {
    pub(super) tokens: UpstreamTokens,
    /// As it came.
    pub(super) id_token: Option<String>,
}

pub(super) async fn redeem_code(
    upstream: &OAuthUpstream,
    code: &AuthorizationCode,
    verifier: &CodeVerifier,
    redirect_uri: &str,
) -> Result<Redeemed, UpstreamError> {
    let client = upstream.client().await?;
    let further = upstream.further_fields().await?;
    let redirect = RedirectUrl::new(redirect_uri.into())
        .map_err(|_| UpstreamError::Refused("our callback is no URL"))?;
    let mut request = client.exchange_code(oauth2::AuthorizationCode::new(code.expose().into()));
    for (name, value) in &further {
        request = request.add_extra_param(*name, value.as_str());
    }
    let answer = request
        .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().into()))
        .set_redirect_uri(Cow::Owned(redirect))
        .request_async(&Door(Arc::clone(&upstream.http)))
        .await;
    redeemed(upstream, answer)
}

pub(super) async fn refresh(
    upstream: &OAuthUpstream,
    token: &RefreshToken,
) -> Result<UpstreamTokens, UpstreamError> {
    let client = upstream.client().await?;
    let further = upstream.further_fields().await?;
    let old = oauth2::RefreshToken::new(token.expose().into());
    let mut request = client.exchange_refresh_token(&old);
    for (name, value) in &further {
        request = request.add_extra_param(*name, value.as_str());
    }
    let answer = request
        .request_async(&Door(Arc::clone(&upstream.http)))
        .await;
    // An ID token in it says nothing new about a grant that is somebody's already.
    let mut tokens = redeemed(upstream, answer)?.tokens;
    // RFC 6749 §6: without a new refresh token the old one goes on.
    tokens.refresh_token.get_or_insert_with(|| token.clone());
    Ok(tokens)
}

impl OAuthUpstream {
    pub(super) async fn client(&self) -> Result<UpstreamClient, UpstreamError> {
        let endpoints = self.endpoints().await?;
        let broken = |_| UpstreamError::Refused("one of its endpoints is no URL");
        let client = Client::new(ClientId::new(self.client_id.clone()))
            .set_auth_uri(AuthUrl::new(endpoints.authorization.clone()).map_err(broken)?)
            .set_token_uri(TokenUrl::new(endpoints.token.clone()).map_err(broken)?);
        Ok(self.authentication.apply(client))
    }

    /// What goes into a token request beside OAuth's own fields.
    async fn further_fields(&self) -> Result<Vec<(&str, Zeroizing<String>)>, UpstreamError> {
        let endpoints = self.endpoints().await?;
        let mut fields = self.authentication.assertion(self.speaker(&endpoints))?;
        let chosen = self.token_parameters.iter();
        let mut all: Vec<_> = chosen
            .map(|(name, value)| (name, value.to_owned().into()))
            .collect();
        all.append(&mut fields);
        Ok(all)
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
            let mut answer = as_json(answer.map(|body| body.to_vec()));
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

/// An answer as RFC 6749 §5.1 has it, where it came as a form: some providers send one, and call it text
/// or nothing at all.
fn as_json(mut answer: HttpResponse) -> HttpResponse {
    let headers = answer.headers();
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    let kind = kind.and_then(Result::ok).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let may_be_a_form = ["application/x-www-form-urlencoded", "text/plain", ""]
        .iter()
        .any(|form| kind.eq_ignore_ascii_case(form));
    if !may_be_a_form {
        return answer;
    }
    if !answer.body().trim_ascii_start().starts_with(b"{") {
        let Some(members) = form_members(answer.body()) else {
            return answer;
        };
        *answer.body_mut() = Value::Object(members).to_string().into_bytes();
    }
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}

/// The fields of a form; none if one is there twice, so that it has one meaning.
fn form_members(body: &[u8]) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let text = Value::String(value.into_owned());
        if members.insert(name.into_owned(), text).is_some() {
            return None;
        }
    }
    Some(members)
}

/// Some providers answer errors with 200.
fn is_an_error(body: &[u8]) -> bool {
    let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
    answer.get("error").is_some_and(Value::is_string) && answer.get("access_token").is_none()
}

/// What providers say instead of `invalid_grant`.
const INVALID_GRANT_TOO: [&str; 2] = ["bad_refresh_token", "bad_verification_code"];

fn redeemed(
    upstream: &OAuthUpstream,
    answer: Result<UpstreamTokenResponse, RequestTokenError<DoorError, BasicErrorResponse>>,
) -> Result<Redeemed, UpstreamError> {
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
    let tokens = UpstreamTokens {
        access_token: AccessToken::new(answer.access_token.secret().as_str()),
        refresh_token: answer
            .refresh_token
            .filter(|t| !t.secret().is_empty())
            .map(|t| RefreshToken::new(t.secret().as_str())),
        expires_at: answer
            .expires_in
            .map(|Lifetime(seconds)| now.plus(Duration::from_secs(seconds))),
        scopes: answer.scope,
    };
    Ok(Redeemed {
        tokens,
        id_token: answer.id_token.map(|IdToken(token)| token),
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
    #[serde(default, deserialize_with = "scopes")]
    scope: Option<Vec<String>>,
    id_token: Option<IdToken>,
}

/// Says personal things: whoever prints the answer prints none of it.
#[derive(Deserialize, Serialize)]
struct IdToken(String);

impl std::fmt::Debug for IdToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdToken([redacted])")
    }
}

/// Words with spaces between them (RFC 6749 §3.3), or with commas, or a list; anything else says nothing.
fn scopes<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    let told = Value::deserialize(deserializer)?;
    let texts: Vec<&str> = match &told {
        Value::String(text) => vec![text],
        Value::Array(members) => members.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(None),
    };
    let words = texts.iter().flat_map(|text| text.split([' ', ',']));
    let words = words.filter(|word| !word.is_empty());
    Ok(Some(words.map(str::to_owned).collect()))
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
