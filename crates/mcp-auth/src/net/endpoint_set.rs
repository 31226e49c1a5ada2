//! Paths that this process answers itself, beside the MCP endpoint.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

/// A set of endpoints: metadata documents, or a whole authorization server.
#[async_trait]
pub trait EndpointSet: std::fmt::Debug + Send + Sync {
    /// Whether a path is one of these endpoints, whatever the method.
    fn owns(&self, path: &str) -> bool;

    /// Answers a request for one of them. The body was read, and is at most 64 KiB.
    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes>;
}

const _: Option<&dyn EndpointSet> = None;
