//! The shapes our answers have.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, PRAGMA, REFERRER_POLICY, RETRY_AFTER,
        WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::Serialize;

use crate::{net::empty, oauth::OAuthErrorCode};

/// JSON that is not kept anywhere (RFC 6749 §5.1).
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    let Ok(body) = serde_json::to_vec(body) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = empty(status);
    *response.body_mut() = body.into();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A refusal as JSON (RFC 6749 §5.2, RFC 7591 §3.2.2): code, status and words from the one table.
pub(super) fn refusal(error: OAuthErrorCode) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Refusal {
        error: &'static str,
        error_description: &'static str,
    }
    let body = Refusal {
        error: error.as_str(),
        error_description: error.description(),
    };
    let mut response = json(error.status(), &body);
    if error.status() == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    with_reason(response, error)
}

/// A refusal of client authentication that was tried in the `Authorization` header.
pub(super) fn refusal_of_basic(error: OAuthErrorCode) -> Response<Bytes> {
    let mut response = refusal(error);
    if error == OAuthErrorCode::InvalidClient {
        let challenge = HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A refusal for want of a good bearer token (RFC 6750 §3): without a word about what was not sent.
pub(super) fn refusal_of_bearer(error: Option<OAuthErrorCode>) -> Response<Bytes> {
    let (mut response, challenge) = match error {
        None => (
            nothing_kept(StatusCode::UNAUTHORIZED),
            "Bearer realm=\"registration\"".to_owned(),
        ),
        Some(error) => (
            refusal(error),
            format!(
                "Bearer realm=\"registration\", error=\"{}\"",
                error.as_str()
            ),
        ),
    };
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A status alone, that is not kept anywhere.
pub(super) fn nothing_kept(status: StatusCode) -> Response<Bytes> {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Too many requests from one network (RFC 6585 §4).
pub(super) fn too_many_requests() -> Response<Bytes> {
    let mut response = refusal(OAuthErrorCode::TemporarilyUnavailable);
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("30"));
    response
}

/// The browser goes on with GET (OAuth 2.1 §7.5.3).
pub(super) fn see_other(location: &str) -> Response<Bytes> {
    let Ok(location) = HeaderValue::try_from(location) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = empty(StatusCode::SEE_OTHER);
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

pub(super) fn method_not_allowed(allow: &'static str) -> Response<Bytes> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// The typed reason, for whatever layers lie outside.
pub(super) fn with_reason(
    mut response: Response<Bytes>,
    reason: OAuthErrorCode,
) -> Response<Bytes> {
    response.extensions_mut().insert(reason);
    response
}
