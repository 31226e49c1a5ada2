//! Everything this process answers beside MCP.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use crate::net::{EndpointSet, ResponseBody, collect, empty};

/// Metadata documents, login and tokens as one tower service; made by
/// [`Tier::endpoints`](super::Tier::endpoints).
///
/// Paths are matched byte for byte: another spelling of one is 404.
#[derive(Debug, Clone)]
pub struct Endpoints(Arc<[Arc<dyn EndpointSet>]>);

impl Endpoints {
    pub(super) fn new(sets: Vec<Arc<dyn EndpointSet>>) -> Self {
        Self(sets.into())
    }

    /// The answer, in a future of its own.
    pub(super) fn respond<B>(&self, request: Request<B>) -> EndpointFuture
    where
        B: Body + Send + 'static,
        B::Data: Send,
    {
        let path = request.uri().path();
        let owner = self.0.iter().find(|set| is_plain(path) && set.owns(path));
        let Some(owner) = owner.cloned() else {
            return Box::pin(std::future::ready(empty(StatusCode::NOT_FOUND)));
        };
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if !matches!(parts.method, Method::POST | Method::PUT) {
                // No other method here has a body that means anything.
                return owner.answer(Request::from_parts(parts, Bytes::new())).await;
            }
            match collect(body, MAX_BODY_BYTES, BODY_DEADLINE).await {
                Ok(body) => owner.answer(Request::from_parts(parts, body)).await,
                Err(status) => empty(status),
            }
        })
    }
}

/// The answer of an endpoint to come.
pub(super) type EndpointFuture = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

impl<B> Service<Request<B>> for Endpoints
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<ResponseBody<String>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.respond(request);
        Box::pin(async move { Ok(answer.await.map(ResponseBody::own)) })
    }
}

/// Whether a path has one spelling only.
fn is_plain(path: &str) -> bool {
    let doubtful = |b: u8| !b.is_ascii_graphic() || b == b'%' || b == b'\\';
    !path.bytes().any(doubtful)
        && !path.contains("//")
        && !path
            .split('/')
            .any(|segment| segment == "." || segment == "..")
}

const MAX_BODY_BYTES: usize = 64 * 1024;
const BODY_DEADLINE: Duration = Duration::from_secs(10);
