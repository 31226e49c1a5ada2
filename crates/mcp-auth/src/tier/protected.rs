//! An MCP service behind its layer together with the endpoints.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Endpoints, Tier, endpoints::EndpointFuture};
use crate::{
    net::ResponseBody,
    resource_server::{ResourceServers, ResponseFuture},
};

/// An MCP service behind its layer, and the endpoints for everything else: made by
/// [`Tier::protect`].
///
/// The MCP path is matched byte for byte. Any other path, another spelling of that one included, is
/// an endpoint's or 404: nothing reaches the MCP service past the layer.
#[derive(Debug, Clone)]
pub struct Protected<S> {
    servers: ResourceServers,
    endpoints: Endpoints,
    service: S,
}

impl<S> Protected<S> {
    /// As [`Tier::protect`], for a tier behind a reference to the trait.
    #[must_use]
    pub fn new(tier: &dyn Tier, service: S) -> Self {
        Self {
            servers: tier.resource_servers().clone(),
            endpoints: tier.endpoints(),
            service,
        }
    }
}

impl<S, B, R> Service<Request<B>> for Protected<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    B: Body + From<Bytes> + Send + 'static,
    B::Data: Send,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ProtectedFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let route = match self.servers.at(request.uri().path()) {
            Some(server) => Route::Mcp {
                future: server.serve(&mut self.service, request),
            },
            None => Route::Endpoint {
                future: self.endpoints.respond(request),
            },
        };
        ProtectedFuture { route }
    }
}

pin_project! {
    /// The response of a [`Protected`] service to come.
    #[must_use]
    pub struct ProtectedFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        route: Route<S, B>,
    }
}

pin_project! {
    #[project = RouteProjection]
    enum Route<S, B>
    where
        S: Service<Request<B>>,
    {
        Mcp { #[pin] future: ResponseFuture<S, B> },
        Endpoint { future: EndpointFuture },
    }
}

impl<S, B, R> Future for ProtectedFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: From<Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().route.project() {
            RouteProjection::Mcp { future } => future.poll(cx),
            RouteProjection::Endpoint { future } => future
                .as_mut()
                .poll(cx)
                .map(|response| Ok(response.map(ResponseBody::own))),
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ProtectedFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let route = match &self.route {
            Route::Mcp { .. } => "mcp",
            Route::Endpoint { .. } => "endpoint",
        };
        f.debug_tuple("ProtectedFuture").field(&route).finish()
    }
}
