//! The service that stands in front of the MCP service.

use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResourceServer, ResponseFuture, gate::Arrival};
use crate::net::ResponseBody;

/// Lets only verified requests through to the inner service, with the
/// [`Principal`](crate::Principal) in their extensions.
///
/// With a policy for operations the body is read first and handed on as the same bytes, which is why it
/// has to be one that can be made from bytes, as axum's is; `hyper`'s `Incoming` is wrapped in one.
///
/// The inner service's error type is kept: a refusal is a response, with a
/// [`Refusal`](super::Refusal) in its extensions.
#[derive(Debug, Clone)]
pub struct ResourceServerService<S> {
    server: ResourceServer,
    inner: S,
}

impl<S> ResourceServerService<S> {
    pub(super) const fn new(server: ResourceServer, inner: S) -> Self {
        Self { server, inner }
    }
}

impl<S, B, R> Service<Request<B>> for ResourceServerService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    B: Body + From<Bytes> + Send + 'static,
    B::Data: Send,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.server.serve(&mut self.inner, request)
    }
}

impl ResourceServer {
    /// Checks a request and starts the inner service, which must be ready, with it.
    pub(crate) fn serve<S, B>(&self, inner: &mut S, mut request: Request<B>) -> ResponseFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
        B: Body + From<Bytes> + Send + 'static,
        B::Data: Send,
    {
        let arrival = match Arrival::of(self, &request) {
            Ok(arrived) => arrived,
            Err(answer) => return ResponseFuture::answered(answer),
        };
        if arrival.reads_body(request.method()) {
            let body = mem::replace(request.body_mut(), Bytes::new().into());
            let verify = Box::pin(arrival.verify_and_read(request.headers(), body));
            return ResponseFuture::verifying(verify, arrival, request, inner);
        }
        if let Some(verified) = arrival.verify_now() {
            return ResponseFuture::verified(arrival, verified, request, inner);
        }
        let verify = Box::pin(arrival.verify());
        ResponseFuture::verifying(verify, arrival, request, inner)
    }
}
