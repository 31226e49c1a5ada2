//! Our requests at the upstream's token endpoint, made by the `oauth2` crate over our own client.

use std::{borrow::Cow, pin::Pin, sync::Arc, time::Duration};

use http::StatusCode;
use oauth2::{
    AsyncHttpClient, AuthUrl, Client, ClientId, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RequestTokenError, StandardRevocableToken,
    TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
        BasicTokenIntrospectionResponse,
    },
};
use zeroize::Zeroizing;

use super::{
    OAuthUpstream, UpstreamError, UpstreamTokens,
    token_answer::{IdToken, Lifetime, UpstreamTokenResponse, as_json, is_an_error},
};
use crate::{
    net::{HttpClient, HttpError},
    oauth::{AccessToken, AuthorizationCode, CodeVerifier, RefreshToken},
};

const MAX_ANSWER: usize = 64 * 1024;

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
