//! Giving a token back to the upstream (RFC 7009 §2.1).

use bytes::Bytes;
use http::{
    Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use url::form_urlencoded;

use super::{OAuthUpstream, UpstreamError, UpstreamToken, client_authentication::Credentials};
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
    let credentials = upstream
        .authentication
        .credentials(upstream.speaker(&endpoints))?;
    let request = request(credentials, endpoint, token);
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
    credentials: Credentials,
    endpoint: &str,
    token: &UpstreamToken,
) -> http::Result<Request<Bytes>> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.expose());
    form.append_pair("token_type_hint", token.hint());
    let mut request = Request::post(endpoint)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json");
    for (name, value) in &credentials.fields {
        form.append_pair(name, value);
    }
    if let Some(header) = credentials.header {
        request = request.header(AUTHORIZATION, header);
    }
    request.body(Bytes::from(form.finish()))
}
