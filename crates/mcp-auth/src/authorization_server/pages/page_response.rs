//! The headers around every page.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use super::Pages;

/// A page with its headers (OAuth 2.1 §7.11, RFC 9700 §4.2.4).
///
/// Two headers are missing on purpose. `form-action`: browsers apply it to every redirect that
/// follows a form, so it would block the way back to the client. `Cross-Origin-Opener-Policy`: web
/// hosts open the login in a window and wait for it to come back; the policy would cut that window
/// off from the one that opened it, and a page without script has nothing the opener could take.
pub(crate) fn page_response(
    pages: &dyn Pages,
    status: StatusCode,
    html: String,
    nonce: &str,
) -> Response<Bytes> {
    let pictures = if pages.has_pictures() {
        "img-src data:; "
    } else {
        ""
    };
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; {pictures}base-uri 'none'; frame-ancestors 'none'"
    );
    // A nonce is base64url; were it ever something else, the page goes out without its style.
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static(
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    ));
    let mut response = Response::new(Bytes::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

const FIXED: [(HeaderName, &str); 5] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization_server::pages::{BuiltInPages, Logo, LogoKind};

    #[test]
    fn lets_pictures_in_that_travel_with_the_page_and_no_others() {
        let logo = Logo::new(LogoKind::Svg, "<svg/>").unwrap();
        let pages = BuiltInPages::default().with_logo(logo);
        let response = page_response(&pages, StatusCode::OK, String::new(), "n");
        let policy = &response.headers()[CONTENT_SECURITY_POLICY];
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'nonce-n'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
        );
    }

    // ASZ-29, ASC-10
    #[test]
    fn sends_exactly_these_headers() {
        let response = page_response(
            &BuiltInPages::default(),
            StatusCode::OK,
            "<p>".into(),
            "bm9uY2U",
        );
        let mut headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            [
                ("cache-control", "no-store"),
                (
                    "content-security-policy",
                    "default-src 'none'; style-src 'nonce-bm9uY2U'; base-uri 'none'; frame-ancestors 'none'"
                ),
                ("content-type", "text/html; charset=utf-8"),
                ("referrer-policy", "no-referrer"),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
            ]
        );
    }

    #[test]
    fn a_nonce_that_is_no_header_value_opens_nothing() {
        let response = page_response(
            &BuiltInPages::default(),
            StatusCode::OK,
            String::new(),
            "a\r\nX: y",
        );
        let policy = &response.headers()[CONTENT_SECURITY_POLICY];
        assert_eq!(
            policy,
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
        );
    }
}
