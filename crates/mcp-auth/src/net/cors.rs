//! What scripts of every origin may read and call: documents and endpoints that take no cookie
//! (Fetch standard, CORS protocol).

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    },
};

use super::empty;

/// Lets every page read a response.
pub(crate) fn open_to_everyone(mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

/// The answer to a browser that asks before a page calls.
pub(crate) fn preflight_for_everyone(methods: &'static str) -> Response<Bytes> {
    let mut response = open_to_everyone(empty(StatusCode::NO_CONTENT));
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(methods),
    );
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    response
}

/// The asterisk never stands for `Authorization`, and older browsers know no asterisk.
const ALLOWED: HeaderValue =
    HeaderValue::from_static("authorization, content-type, accept, mcp-protocol-version, dpop, *");
const EXPOSED: HeaderValue = HeaderValue::from_static("www-authenticate, retry-after, dpop-nonce");
