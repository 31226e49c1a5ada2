//! What browsers need before and after a cross-origin request (Fetch standard, CORS protocol).

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ALLOW, VARY,
    },
};

use super::host::AllowedOrigin;
use crate::net::empty;

/// The answer to a preflight, which never carries a credential and so comes before the bearer.
pub(super) fn preflight(
    origin: Option<&AllowedOrigin>,
    asked: &HeaderMap,
    credential_header: Option<&HeaderName>,
) -> Response<Bytes> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    if origin.is_some() {
        allow(headers, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
        if let Some(names) = allowed_headers(asked, credential_header) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
    }
    response
}

/// Lets the page at an allowed origin read a response and the headers that discovery needs.
pub(super) fn allow(headers: &mut HeaderMap, origin: Option<&AllowedOrigin>) {
    let Some(origin) = origin else {
        return;
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.header());
    headers.append(VARY, HeaderValue::from_static("Origin"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// The request headers that may be sent, of those that were asked for: MCP's own and the credential.
fn allowed_headers(
    asked: &HeaderMap,
    credential_header: Option<&HeaderName>,
) -> Option<HeaderValue> {
    const KNOWN: [&str; 6] = [
        "authorization",
        "content-type",
        "accept",
        "last-event-id",
        "dpop",
        "traceparent",
    ];
    let asked = asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS);
    let names = asked.iter().filter_map(|line| line.to_str().ok());
    let names = names.flat_map(|line| line.split(','));
    // Only what parses as a header name, in its lower-case spelling, gets into the answer.
    let names = names.filter_map(|name| HeaderName::try_from(name.trim()).ok());
    let allowed: Vec<HeaderName> = names
        .filter(|name| {
            KNOWN.contains(&name.as_str())
                || name.as_str().starts_with("mcp-")
                || credential_header == Some(name)
        })
        .take(64)
        .collect();
    let allowed: Vec<&str> = allowed.iter().map(HeaderName::as_str).collect();
    if allowed.is_empty() {
        return None;
    }
    HeaderValue::try_from(allowed.join(", ")).ok()
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After, DPoP-Nonce",
);
