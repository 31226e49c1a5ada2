//! What must be true of the requests of strangers, whatever is in them.

#![allow(clippy::expect_used)]

use std::sync::Arc;

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, COOKIE},
};

use super::{
    assertion::Assertion,
    clients::{DynamicClients, Served, codec_holds, display_name, document_holds, keys::KeySet},
    cookies, pages,
    register::Submitted,
    token,
};
use crate::{
    oauth::{
        ClientId, Form, Issuer, PublicUrl, SystemRandom, Timestamp,
        jose::{Compact, PublicJwk, SigningAlgorithm},
    },
    store::{KeyRing, Purpose, Sealer},
};

const KEY: &str = "k:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const ISSUER: &str = "https://mcp.example";

fn ring() -> KeyRing {
    KeyRing::parse(KEY).expect("a key")
}

fn clients() -> DynamicClients {
    let issuer = Issuer::parse(ISSUER).expect("an issuer");
    DynamicClients::new(&ring(), &issuer, Arc::new(SystemRandom))
}

/// A form, in a body or a query.
pub fn form_body(data: &[u8]) {
    let Ok(form) = Form::parse(data) else {
        return;
    };
    let pairs: Vec<_> = url::form_urlencoded::parse(data).into_owned().collect();
    let mut written = url::form_urlencoded::Serializer::new(String::new());
    written.extend_pairs(&pairs);
    let again = Form::parse(written.finish().as_bytes()).expect("what is written can be read");
    assert_eq!(form.repeats_any(), again.repeats_any());
    for (name, _) in &pairs {
        assert_eq!(form.get(name), again.get(name));
        assert_ne!(form.get(name), Some(""), "an empty parameter is not sent");
        let sent = pairs.iter().filter(|(known, _)| known == name).count();
        assert_eq!(form.repeats(name), sent > 1 && name != "resource");
    }
}

/// The body of a registration.
pub fn registration_body(data: &[u8]) {
    let (clients, now) = (clients(), Timestamp::from_seconds(1_790_000_000));
    let json = HeaderValue::from_static("application/json");
    let submitted = Submitted::parse(Some(&json), data);
    let served = Served {
        dpop: true,
        pushed_requests: true,
        identity_assertions: true,
    };
    let Ok(accepted) = submitted.and_then(|submitted| submitted.check(&[], served)) else {
        return;
    };
    let metadata = accepted.metadata();
    assert!(!metadata.redirect_uris.is_empty());
    if let Some(name) = &metadata.client_name {
        let shown = display_name(name);
        assert_eq!(shown.as_ref(), Some(name), "names are fit to be shown");
    }
    let Ok((id, secret)) = clients.issue(metadata, now) else {
        return;
    };
    assert!(!id.as_str().starts_with("https://"));
    let client = clients.open(&id).expect("what was registered is known");
    assert_eq!(client.metadata(), metadata);
    assert_eq!(secret.is_some(), client.is_confidential());
}

/// The URL of a client's document on the first line, the document after it.
pub fn client_document(data: &[u8]) {
    let mut parts = data.splitn(2, |b| *b == b'\n');
    let id = parts.next().and_then(|id| std::str::from_utf8(id).ok());
    let Some(Ok(id)) = id.map(ClientId::parse) else {
        return;
    };
    document_holds(parts.next().unwrap_or_default(), &id);
}

/// A signed JWT, as assertion, proof or token; or a key set.
pub fn jws(data: &[u8]) {
    if let Ok(set) = serde_json::from_slice(data) {
        let _ = KeySet::parse(&set);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(assertion) = Assertion::parse(text) {
        let typ = assertion.typ().unwrap_or_default();
        assert!(!typ.bytes().any(|b| b.is_ascii_uppercase()));
        let _ = (assertion.claimed_issuer(), assertion.claimed_subject());
    }
    if let Some(compact) = Compact::<serde_json::Value>::parse(text) {
        assert_eq!(text.matches('.').count(), 2);
        let key = PublicJwk::P256 { x: X, y: Y }.verifying(SigningAlgorithm::Es256);
        let key = key.expect("the base point of P-256 is a key");
        let claims = compact.verified::<serde_json::Value>(&key);
        assert!(
            claims.is_err(),
            "nothing in the corpus is signed with this key"
        );
    }
}

/// The base point of P-256 (FIPS 186-4, D.1.2.3), as a key.
const X: [u8; 32] = [
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
];
const Y: [u8; 32] = [
    0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
    0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// What only looks sealed: access and refresh tokens, client ids, cookies, forms.
pub fn sealed(data: &[u8]) {
    codec_holds(data);
    let sealer = |purpose| Sealer::new(&ring(), purpose, ISSUER, Arc::new(SystemRandom));
    let (tokens, forms) = (sealer(Purpose::AccessToken), sealer(Purpose::ConsentForm));
    assert!(tokens.open(b"a", data).is_err(), "nobody else seals");
    let mut sealed = tokens.seal(b"a", data);
    assert_eq!(
        tokens.open(b"a", &sealed).expect("our own").as_slice(),
        data
    );
    assert!(tokens.open(b"b", &sealed).is_err() && forms.open(b"a", &sealed).is_err());
    let at = data.len() % sealed.len();
    if let Some(byte) = sealed.get_mut(at) {
        *byte ^= 1;
    }
    assert!(tokens.open(b"a", &sealed).is_err(), "a changed bit is seen");
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    assert!(tokens.open_text(b"a", text).is_err());
    let _ = token::PresentedToken::parse(text);
    if let Ok(id) = ClientId::parse(text) {
        assert!(clients().open(&id).is_err());
    }
}

/// The value of a `Cookie` header.
pub fn cookies(data: &[u8]) {
    let (Ok(value), Ok(url)) = (HeaderValue::from_bytes(data), PublicUrl::parse(ISSUER)) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.append(COOKIE, value);
    let name = cookies::full_name(&url, cookies::BROWSER);
    let named: Vec<_> = cookies::sent(&headers)
        .inspect(|(name, value)| assert!(!name.contains([';', '=']) && !value.contains(';')))
        .filter(|(sent, _)| *sent == name)
        .collect();
    let got = cookies::get(&headers, &url, cookies::BROWSER);
    match named.as_slice() {
        [(_, only)] => assert_eq!(got, Some(*only)),
        _ => assert_eq!(got, None, "none, or one too many"),
    }
}

/// The value of an `Authorization` header at the token endpoint.
pub fn basic_header(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let (Ok(empty), Ok(other)) = (
        Form::parse(b""),
        Form::parse(b"client_id=x&client_secret=y"),
    ) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, value.clone());
    let read = token::names_a_client(&headers, &empty);
    assert!(
        !token::names_a_client(&headers, &other),
        "one method in a request"
    );
    headers.append(AUTHORIZATION, value);
    assert!(
        !token::names_a_client(&headers, &empty),
        "one header in a request"
    );
    let basic = data
        .get(..5)
        .is_some_and(|b| b.eq_ignore_ascii_case(b"basic"));
    assert!(basic || !read);
}

/// The value of an `Accept` header.
pub fn accept_header(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.append(ACCEPT, value);
    let named = data.to_ascii_lowercase();
    let names = |text: &[u8]| named.windows(text.len()).any(|part| part == text);
    // Whoever does not name JSON is taken for a person.
    assert!(!pages::prefers_json(&headers) || names(b"json") || names(b"application/*"));
}
