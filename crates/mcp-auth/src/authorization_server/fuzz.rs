//! What must be true of the requests of strangers, whatever is in them.

#![allow(clippy::expect_used)]

use std::sync::Arc;

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, AUTHORIZATION, COOKIE},
};

use super::{
    clients::{DynamicClients, codec_holds, display_name},
    cookies, pages, register, token,
};
use crate::{
    oauth::{ClientId, Form, Issuer, PublicUrl, SystemRandom, Timestamp},
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
    let answer = register::answer(&clients, Some(&json), data, now);
    let body: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
    if answer.status() != StatusCode::CREATED {
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(body.get("error").is_some() && body.get("client_id").is_none());
        return;
    }
    let id = body.get("client_id").and_then(|id| id.as_str());
    let id = ClientId::parse(id.expect("an id")).expect("a client id");
    assert!(!id.as_str().starts_with("https://"));
    let client = clients.open(&id).expect("what was registered is known");
    assert!(!client.redirect_uris().is_empty());
    if let Some(name) = &client.metadata().client_name {
        assert_eq!(
            display_name(name).as_ref(),
            Some(name),
            "names are fit to be shown"
        );
    }
    let secret = body.get("client_secret").and_then(|secret| secret.as_str());
    assert_eq!(secret.is_some(), client.is_confidential());
}

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
