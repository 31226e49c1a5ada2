//! `GET /.well-known/oauth-protected-resource/…` (RFC 9728 §3).

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};

use super::ResourceServers;
use crate::{
    BuildError,
    access_token::{Dpop, ProofVerifier},
    net::{EndpointSet, empty, open_to_everyone, preflight_for_everyone},
    oauth::{Issuer, ProtectedResourceMetadata, ResourceIdentifier, Scopes},
};

/// The documents of all MCP endpoints of one origin.
#[derive(Debug)]
pub(super) struct MetadataEndpoints(Vec<(Box<str>, Bytes)>);

impl MetadataEndpoints {
    /// One document per endpoint at its own path; while there is one endpoint only, its document is
    /// at the root form too, where some hosts look second.
    pub(super) fn of(servers: &ResourceServers) -> Self {
        let documents = servers.iter().filter_map(|server| {
            let document = server.0.metadata.clone()?;
            Some((path_of(server.resource()).into_boxed_str(), document))
        });
        let mut documents: Vec<_> = documents.collect();
        if let ([(_, document)], 1) = (documents.as_slice(), servers.iter().count()) {
            let document = document.clone();
            documents.push((WELL_KNOWN.into(), document));
        }
        Self(documents)
    }

    fn find(&self, path: &str) -> Option<&Bytes> {
        let (_, document) = self.0.iter().find(|(known, _)| **known == *path)?;
        Some(document)
    }
}

#[async_trait]
impl EndpointSet for MetadataEndpoints {
    fn owns(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let Some(document) = self.find(request.uri().path()) else {
            return empty(StatusCode::NOT_FOUND);
        };
        let response = match *request.method() {
            Method::GET | Method::HEAD => {
                let mut response = Response::new(document.clone());
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(
                    CACHE_CONTROL,
                    HeaderValue::from_static("public, max-age=300"),
                );
                response
            }
            // Discovery in a browser begins here, with `MCP-Protocol-Version` sent.
            Method::OPTIONS => return preflight_for_everyone(METHODS),
            _ => {
                let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
                response
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static(METHODS));
                response
            }
        };
        open_to_everyone(response)
    }
}

/// The document itself (RFC 9728 §2).
pub(super) fn document(
    resource: &ResourceIdentifier,
    issuer: Issuer,
    scopes: &Scopes,
    name: Option<String>,
    dpop: Option<Dpop>,
) -> Result<Vec<u8>, BuildError> {
    let mut document = ProtectedResourceMetadata::new(resource.clone(), issuer, scopes);
    document.resource_name = name.filter(|name| !name.is_empty());
    if let Some(dpop) = dpop {
        let algorithms: Vec<_> = ProofVerifier::algorithms().collect();
        let mut member = |name: &str, value| document.other.insert(name.to_owned(), value);
        member("dpop_signing_alg_values_supported", algorithms.into());
        if dpop.is_required() {
            member("dpop_bound_access_tokens_required", true.into());
        }
    }
    serde_json::to_vec(&document)
        .map_err(|error| BuildError::argument("resource metadata", error.to_string()))
}

/// The well-known path of a resource: the suffix goes between host and path (RFC 9728 §3.1).
pub(super) fn path_of(resource: &ResourceIdentifier) -> String {
    format!("{WELL_KNOWN}{}", resource.path())
}

const METHODS: &str = "GET, HEAD, OPTIONS";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
