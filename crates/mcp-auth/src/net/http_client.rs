//! The seam through which everything leaves the process.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use crate::BuildError;

/// Sends one HTTP request.
///
/// # Security
///
/// An implementation follows no redirect, sends no cookie, checks certificates, answers within its
/// own deadline (10 s for the built-in one) and reads at most `limit` bytes of a body.
#[async_trait]
pub trait HttpClient: std::fmt::Debug + Send + Sync {
    /// Sends the request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    ///
    /// When there is no whole answer within the limits.
    async fn send(
        &self,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError>;
}

const _: Option<&dyn HttpClient> = None;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection came about: the request did not reach anybody.
    #[error("no connection")]
    NotSent(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request may have arrived, but no whole answer came back.
    #[error("no answer")]
    NoAnswer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The URL is not one this client connects to.
    #[error("not a place to connect to")]
    NotAllowed,
    /// Too much is under way, or was asked of this place within a minute; nobody was asked.
    #[error("too many requests at once or to one place")]
    Busy,
    /// The answer is larger than the limit.
    #[error("the answer is too large")]
    TooLarge,
}

/// The built-in client, for whoever was given none.
#[cfg(feature = "http-client")]
pub(crate) fn default_http_client() -> Result<Arc<dyn HttpClient>, BuildError> {
    Ok(Arc::new(super::ReqwestClient::new()?))
}

/// There is none.
#[cfg(not(feature = "http-client"))]
pub(crate) fn default_http_client() -> Result<Arc<dyn HttpClient>, BuildError> {
    Err(BuildError::missing(
        "HTTP client",
        "give one, or turn the feature `http-client` on",
    ))
}
