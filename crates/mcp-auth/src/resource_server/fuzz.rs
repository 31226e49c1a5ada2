//! What must be true of the headers of a call, whatever is in them.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::AUTHORIZATION};

use super::{Refusal, header::credential};
use crate::net::TrustedProxies;

/// The value of an `Authorization` header.
pub fn authorization_header(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let here = Uri::from_static("/mcp");
    let of = |value: HeaderValue| {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, value);
        credential(&headers, &here, None, false).map(|credential| credential.token)
    };
    match of(value.clone()) {
        Ok(token) => {
            let token = token.expose();
            assert!(!token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
            let Ok(written) = HeaderValue::try_from(format!("Bearer {token}")) else {
                unreachable!("a token fits a header");
            };
            let again = of(written).map(|token| token.expose().to_owned());
            assert_eq!(again.as_deref(), Ok(token));
            let scheme = data
                .get(..6)
                .is_some_and(|b| b.eq_ignore_ascii_case(b"bearer"));
            assert!(scheme);
        }
        Err(refusal) => assert!(refusal != Refusal::TwoCredentials),
    }
    let mut twice = HeaderMap::new();
    twice.append(AUTHORIZATION, value.clone());
    twice.append(AUTHORIZATION, value);
    let refused = credential(&twice, &here, None, false);
    assert!(matches!(refused, Err(Refusal::TwoCredentials)));
}

/// The value of `X-Forwarded-For`, as a trusted proxy sends it, and of `Forwarded`.
pub fn forwarded_headers(data: &[u8]) {
    let (Ok(value), Ok(proxies)) = (
        HeaderValue::from_bytes(data),
        TrustedProxies::parse("127.0.0.1, 10.0.0.0/8"),
    ) else {
        return;
    };
    let ours = SocketAddr::from(([127, 0, 0, 1], 1));
    let theirs = SocketAddr::from(([203, 0, 113, 7], 1));
    for name in ["x-forwarded-for", "forwarded"] {
        let mut headers = HeaderMap::new();
        headers.append(HeaderName::from_static(name), value.clone());
        let _ = proxies.client_address(ours, &headers);
        // Whoever is no proxy of ours says nothing about who calls.
        let said = proxies.client_address(theirs, &headers);
        let silent = proxies.client_address(theirs, &HeaderMap::new());
        assert_eq!(said, silent);
    }
}
