//! `GET /jwks`: our public keys (RFC 7517 §5).
//!
//! Sealed access tokens need none, so without signing keys the set is empty; it exists all the same
//! because an OpenID discovery document must name one.

use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};

use super::AuthorizationServer;

/// How long it may be kept is what a rotation waits for: see
/// [`SigningKeys`](crate::access_token::SigningKeys).
pub(super) fn jwks(server: &AuthorizationServer) -> Response<Bytes> {
    let mut response = Response::new(server.key_set.clone());
    let headers = response.headers_mut();
    // The registered type of a set (RFC 7517 §8.5.1).
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/jwk-set+json"),
    );
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
