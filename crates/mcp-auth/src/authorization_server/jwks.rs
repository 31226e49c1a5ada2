//! `GET /jwks`: our public keys (RFC 7517 §5).
//!
//! Our access tokens are sealed, not signed, so the set is empty; it exists because an OpenID
//! discovery document must name one.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::response;

pub(super) fn jwks() -> Response<Bytes> {
    response::json(StatusCode::OK, &serde_json::json!({ "keys": [] }))
}
