//! The provider's metadata at our own origin, for hosts of revision 2025-03-26, which look nowhere
//! else (MCP 2025-03-26, Authorization, Server Metadata Discovery).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::{Map, Value};

use super::registration_relay::RegistrationRelay;
use crate::{
    BuildError,
    net::{EndpointSet, empty, open_to_everyone, preflight_for_everyone},
    oauth::PublicUrl,
};

/// The provider's own document, word for word but for a relayed registration, and that relay.
#[derive(Debug)]
pub(super) struct Mirror {
    document: Bytes,
    relay: Option<Arc<RegistrationRelay>>,
}

impl Mirror {
    /// Of a document that was checked.
    pub(super) fn new(
        mut document: Map<String, Value>,
        public_url: &PublicUrl,
        relay: Option<RegistrationRelay>,
    ) -> Result<Self, BuildError> {
        if relay.is_some() {
            let ours = public_url.join(REGISTER);
            document.insert("registration_endpoint".to_owned(), ours.into());
        }
        let document = serde_json::to_vec(&document)
            .map_err(|error| BuildError::argument("upstream metadata", error.to_string()))?;
        Ok(Self {
            document: document.into(),
            relay: relay.map(Arc::new),
        })
    }

    fn document(&self, method: &Method) -> Response<Bytes> {
        match *method {
            Method::GET | Method::HEAD => {
                let mut response = Response::new(self.document.clone());
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                let kept = HeaderValue::from_static("public, max-age=300");
                headers.insert(CACHE_CONTROL, kept);
                open_to_everyone(response)
            }
            Method::OPTIONS => preflight_for_everyone(READ),
            _ => open_to_everyone(not_allowed(READ)),
        }
    }
}

#[async_trait]
impl EndpointSet for Mirror {
    fn owns(&self, path: &str) -> bool {
        path == METADATA || (path == REGISTER && self.relay.is_some())
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        match (request.uri().path(), &self.relay) {
            (METADATA, _) => self.document(request.method()),
            (REGISTER, Some(relay)) => match *request.method() {
                Method::POST => open_to_everyone(relay.register(&request).await),
                Method::OPTIONS => preflight_for_everyone(WRITE),
                _ => open_to_everyone(not_allowed(WRITE)),
            },
            _ => empty(StatusCode::NOT_FOUND),
        }
    }
}

fn not_allowed(allow: &'static str) -> Response<Bytes> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    response
}

const METADATA: &str = "/.well-known/oauth-authorization-server";
const REGISTER: &str = "/register";
const READ: &str = "GET, HEAD, OPTIONS";
const WRITE: &str = "POST, OPTIONS";
