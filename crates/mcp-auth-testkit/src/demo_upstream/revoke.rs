//! `POST /revoke` (RFC 7009): ends a token, and says the same of one it never knew.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{
    observed::SeenRequest,
    server::{self, Server},
    token::{authenticate_client, authorization},
};

pub(super) async fn revoke(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = server::parameters(&body);
    let seen = SeenRequest::new(parameters.clone(), authorization(&headers));
    server.observed().saw_revocation(seen);
    if let Err(refusal) = authenticate_client(&server, &headers, &parameters) {
        return refusal.into_response();
    }
    if let Some(token) = server::first(&parameters, "token") {
        server.records().revoke(token);
    }
    StatusCode::OK.into_response()
}
