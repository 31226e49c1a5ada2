//! The built-in [`HttpClient`]: reqwest over rustls, built once and shared.

use std::{error::Error, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use super::{HttpClient, HttpError};
use crate::BuildError;

/// reqwest with redirects off, environment proxies ignored and one deadline for the whole exchange.
#[derive(Debug, Clone)]
pub struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    /// Ten seconds for an exchange, three for a connection.
    const DEADLINE: Duration = Duration::from_secs(10);
    const CONNECT: Duration = Duration::from_secs(3);

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// When the TLS back end cannot be set up, for example without any root certificate.
    pub fn new() -> Result<Self, BuildError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Self::DEADLINE)
            .connect_timeout(Self::CONNECT)
            .user_agent(concat!("mcp-auth/", env!("CARGO_PKG_VERSION")))
            .build();
        client
            .map(Self)
            .map_err(|error| BuildError::argument("HTTP client", error.without_url().to_string()))
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(
        &self,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        exchange(&self.0, request, limit).await
    }
}

/// One request and its whole answer.
pub(super) async fn exchange(
    client: &reqwest::Client,
    request: Request<Bytes>,
    limit: usize,
) -> Result<Response<Bytes>, HttpError> {
    let request = reqwest::Request::try_from(request).map_err(|e| HttpError::NotSent(e.into()))?;
    // An error names the URL, and a URL can carry a code: it is cut off everywhere.
    let mut answer = client.execute(request).await.map_err(|error| {
        if is_not_allowed(&error) {
            return HttpError::NotAllowed;
        }
        let connect = error.is_connect() || error.is_builder();
        let source = error.without_url().into();
        if connect {
            HttpError::NotSent(source)
        } else {
            HttpError::NoAnswer(source)
        }
    })?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    let mut body = Vec::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|e| HttpError::NoAnswer(e.without_url().into()))?
    {
        if body.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    *response.body_mut() = body.into();
    Ok(response)
}

/// Whether a resolver of ours said so.
fn is_not_allowed(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if matches!(error.downcast_ref(), Some(HttpError::NotAllowed)) {
            return true;
        }
        source = error.source();
    }
    false
}
