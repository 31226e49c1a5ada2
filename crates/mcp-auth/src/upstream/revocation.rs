//! Giving a token back to the upstream (RFC 7009 §2.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderValue, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{OAuthUpstream, UpstreamError, UpstreamToken};
use crate::net::HttpError;

const MAX_ANSWER: usize = 64 * 1024;

/// Sends the token to the upstream's revocation endpoint, if its metadata names one.
pub(super) async fn revoke(
    upstream: &OAuthUpstream,
    token: &UpstreamToken,
) -> Result<(), UpstreamError> {
    let endpoints = upstream.endpoints().await?;
    let Some(endpoint) = &endpoints.revocation else {
        return Ok(());
    };
    let request = request(upstream, endpoint, token);
    let request =
        request.map_err(|_| UpstreamError::Refused("its revocation endpoint is no URL"))?;
    match upstream.http.send(request, MAX_ANSWER).await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) if answer.status().is_server_error() => {
            Err(UpstreamError::Outage("its revocation endpoint answers 5xx"))
        }
        Ok(_) => Err(UpstreamError::Refused(
            "its revocation endpoint refused the request",
        )),
        Err(HttpError::NotSent(source)) => Err(UpstreamError::NotReached(source)),
        Err(_) => Err(UpstreamError::Outage(
            "its revocation endpoint gave no answer",
        )),
    }
}

fn request(
    upstream: &OAuthUpstream,
    endpoint: &str,
    token: &UpstreamToken,
) -> http::Result<Request<Bytes>> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.expose());
    form.append_pair("token_type_hint", token.hint());
    let mut request = Request::post(endpoint)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json");
    match basic(upstream) {
        Some(credentials) => request = request.header(AUTHORIZATION, credentials),
        None => {
            form.append_pair("client_id", &upstream.client_id);
        }
    }
    request.body(Bytes::from(form.finish()))
}

/// Our credentials there, form-encoded before base64 (RFC 6749 §2.3.1).
fn basic(upstream: &OAuthUpstream) -> Option<HeaderValue> {
    let secret = upstream.client_secret.as_ref()?;
    let encoded =
        |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pair = Zeroizing::new(format!(
        "{}:{}",
        encoded(&upstream.client_id),
        encoded(secret.expose())
    ));
    let mut value =
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair.as_bytes()))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
