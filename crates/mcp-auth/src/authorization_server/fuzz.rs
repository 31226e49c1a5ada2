//! What must be true of the requests of strangers, whatever is in them.

#![allow(clippy::expect_used)]

mod documents;

use std::sync::Arc;

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, COOKIE},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    assertion::Assertion,
    clients::{DynamicClients, Served, codec_holds, display_name, document_holds, keys::KeySet},
    cookies, pages,
    register::Submitted,
    token,
};
use crate::{
    oauth::{
        ClientId, Form, Issuer, PublicUrl, RedirectUri, SystemRandom, Timestamp,
        fuzz::leads_to_a_client,
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
    // What is in it, as somebody else's parser says.
    let pairs: Vec<_> = url::form_urlencoded::parse(data).into_owned().collect();
    let values = |name: &str| {
        let of_name = pairs.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let mut repeats_any = false;
    for (name, _) in &pairs {
        let sent = values(name);
        let first = sent.iter().copied().find(|value| !value.is_empty());
        assert_eq!(form.get(name), first, "the first that is not empty");
        let repeats = sent.len() > 1 && name != "resource";
        assert_eq!(form.repeats(name), repeats);
        repeats_any |= repeats;
        let rest = form.encoded_without(&[name]);
        let rest: Vec<_> = url::form_urlencoded::parse(rest.as_bytes())
            .into_owned()
            .collect();
        let others: Vec<_> = pairs.iter().filter(|(known, _)| known != name).collect();
        assert_eq!(rest.iter().collect::<Vec<_>>(), others);
    }
    assert_eq!(form.repeats_any(), repeats_any);
    let mut resources = values("resource");
    resources.retain(|value| !value.is_empty());
    assert_eq!(form.resources().collect::<Vec<_>>(), resources);
}

/// What a client said, read for itself; what nobody reads need not be text or a number.
#[derive(Deserialize)]
struct Said {
    redirect_uris: Vec<Value>,
}

/// The same of a document: what it must say, and must not.
#[derive(Deserialize)]
struct SaidInDocument {
    client_id: String,
    client_secret: Option<Value>,
    client_secret_expires_at: Option<Value>,
}

fn said<T: DeserializeOwned>(json: &[u8]) -> T {
    serde_json::from_slice(json).expect("what is taken says what it must")
}

/// What a client may be sent back to: something that it said itself, and no more than the rules allow.
fn are_redirect_uris(taken: &[RedirectUri], json: &[u8]) {
    assert!(!taken.is_empty());
    let Said { redirect_uris } = said(json);
    for uri in taken {
        leads_to_a_client(uri.as_str());
        let is_this = |said: &Value| said.as_str() == Some(uri.as_str());
        assert!(redirect_uris.iter().any(is_this), "{uri:?} is nobody's");
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
    are_redirect_uris(&metadata.redirect_uris, data);
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
    let document = parts.next().unwrap_or_default();
    document_holds(document, &id);
    let Some(client) = documents::resolve(&id, document) else {
        return;
    };
    assert_eq!(client.id(), &id);
    let said: SaidInDocument = said(document);
    assert_eq!(said.client_id, id.as_str(), "it is the document of its URL");
    let secret = said.client_secret.or(said.client_secret_expires_at);
    assert_eq!(secret, None, "everybody could read it");
    are_redirect_uris(client.redirect_uris(), document);
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
    if let Some(compact) = Compact::<Value>::parse(text) {
        assert_eq!(text.matches('.').count(), 2);
        let key = PublicJwk::P256 { x: X, y: Y }.verifying(SigningAlgorithm::Es256);
        let key = key.expect("the base point of P-256 is a key");
        let claims = compact.verified::<Value>(&key);
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
    let prefers = |value: HeaderValue| {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, value);
        pages::prefers_json(&headers)
    };
    let prefers_text = |text: &str| prefers(HeaderValue::from_str(text).expect("it fits a header"));
    let Ok(text) = value.to_str() else {
        assert!(!prefers(value), "what cannot be read names nothing");
        return;
    };
    if prefers_text(text) {
        // Whoever does not name JSON is taken for a person, unless pages are named and liked less.
        let page = names(text, &["text/html", "text/*"], |_| true);
        assert!(
            names(text, &["application/json", "application/*"], is_acceptable)
                || (page && names(text, &["*/*"], is_acceptable))
        );
    }
    let and_page = format!("{text}, text/html");
    assert!(!prefers_text(&and_page), "nothing is liked more");
    // The same ranges with a weight of nothing; the first weight of a range is the one that counts.
    let refused: Vec<_> = text
        .split(',')
        .map(|range| match range.split_once(';') {
            Some((range, rest)) => format!("{range};q=0;{rest}"),
            None => format!("{range};q=0"),
        })
        .collect();
    let refused = refused.join(",");
    assert!(!prefers_text(&refused), "all of it is refused");
    let but_json = format!("{refused}, application/json;q=0.5");
    assert!(prefers_text(&but_json), "only JSON is left");
}

/// Whether one of these ranges is named, with such parameters.
fn names(accept: &str, ranges: &[&str], with: fn(&str) -> bool) -> bool {
    accept.split(',').any(|entry| {
        let (range, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        ranges.contains(&range.trim().to_ascii_lowercase().as_str()) && with(parameters)
    })
}

/// Whether a range with these parameters is more than refused: a weight of nothing has no digit but 0
/// (RFC 9110 §12.4.2), and what is no number is one of nothing too.
fn is_acceptable(parameters: &str) -> bool {
    let mut parameters = parameters.split(';').map(str::trim);
    let weight = parameters.find_map(|one| one.strip_prefix(['q', 'Q'])?.strip_prefix('='));
    weight.is_none_or(|weight| weight.contains(|c| matches!(c, '1'..='9')))
}
