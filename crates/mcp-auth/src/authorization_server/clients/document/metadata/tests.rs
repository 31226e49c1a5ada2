//! Documents that are accepted, whole or in their good part, and those that are not.

use serde_json::{Value, json};

use super::*;

const ID: &str = "https://client.example/oauth/client.json";

fn parse(document: &Value) -> Result<Document, &'static str> {
    Document::parse(
        document.to_string().as_bytes(),
        &ClientId::parse(ID).unwrap(),
        &[],
    )
}

fn good() -> Value {
    json!({
        "client_id": ID,
        "client_name": "Client",
        "redirect_uris": ["https://client.example/callback"],
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut document = good();
    document[member] = value;
    document
}

fn key() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

/// CIM-05.
#[test]
fn a_small_document_is_enough() {
    let document = parse(&good()).unwrap();
    assert_eq!(document.metadata.client_name.as_deref(), Some("Client"));
    assert_eq!(document.metadata.token_endpoint_auth_method, Method::None);
    assert!(document.metadata.refresh_tokens);
}

/// CIM-03.
#[test]
fn refuses_document_of_another_client() {
    for other in [
        "https://client.example/oauth/client.json/",
        "https://client.example:443/oauth/client.json",
        "https://CLIENT.example/oauth/client.json",
        "https://client.example/oauth/client.json#",
        "https://other.example/oauth/client.json",
        "",
    ] {
        assert!(parse(&with("client_id", json!(other))).is_err(), "{other}");
    }
    assert!(parse(&with("client_id", json!([ID]))).is_err());
}

/// CIM-05.
#[test]
fn refuses_document_without_a_required_member() {
    for member in ["client_id", "client_name", "redirect_uris"] {
        let mut document = good();
        document.as_object_mut().unwrap().remove(member);
        assert!(parse(&document).is_err(), "{member}");
    }
    for (member, value) in [
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(["javascript:alert(1)"])),
        ("redirect_uris", json!(["http://client.example/cb"])),
        ("redirect_uris", json!(["https://client.example/cb#x"])),
        ("redirect_uris", json!("https://client.example/cb")),
        (
            "redirect_uris",
            json!(vec!["https://client.example/cb"; 33]),
        ),
        ("client_name", json!("\u{200b}")),
        ("client_name", json!("x".repeat(201))),
        ("response_types", json!(["token"])),
        ("grant_types", json!(["client_credentials"])),
    ] {
        assert!(
            parse(&with(member, value.clone())).is_err(),
            "{member} {value}"
        );
    }
}

/// CIM-05.
#[test]
fn refuses_what_is_not_one_object() {
    let id = ClientId::parse(ID).unwrap();
    for text in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        "{}{}",
        r#"["https://client.example/oauth/client.json"]"#,
        r#"{"client_id":"https://client.example/oauth/client.json","client_id":"x"}"#,
    ] {
        assert!(
            Document::parse(text.as_bytes(), &id, &[]).is_err(),
            "{text}"
        );
    }
}

/// CIM-07.
#[test]
fn refuses_shared_secrets_and_private_keys() {
    let mut private = key();
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    for (member, value) in [
        ("client_secret", json!("s3cret")),
        ("client_secret", json!("")),
        ("client_secret_expires_at", json!(0)),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        (
            "token_endpoint_auth_methods_supported",
            json!(["none", "client_secret_post"]),
        ),
        ("jwks", json!({ "keys": [private] })),
        ("jwks", json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] })),
        (
            "jwks",
            json!({ "keys": [key(), { "kty": "RSA", "n": "AQAB", "e": "AQAB", "p": "AQAB" }] }),
        ),
    ] {
        assert!(
            parse(&with(member, value.clone())).is_err(),
            "{member} {value}"
        );
    }
}

/// CIM-08, CIM-09.
#[test]
fn picks_a_method_that_both_sides_know() {
    let signed = |singular: Value, plural: Value| {
        let mut document = with("jwks", json!({ "keys": [key()] }));
        document["token_endpoint_auth_method"] = singular;
        document["token_endpoint_auth_methods_supported"] = plural;
        parse(&document).map(|document| {
            let has_keys = !matches!(document.keys, DocumentKeys::None);
            (document.metadata.token_endpoint_auth_method, has_keys)
        })
    };
    let null = || Value::Null;
    let jwt = "private_key_jwt";
    assert_eq!(
        signed(json!(jwt), null()),
        Ok((Method::PrivateKeyJwt, true))
    );
    assert_eq!(
        signed(json!(jwt), json!(["none", jwt])),
        Ok((Method::None, true))
    );
    assert_eq!(
        signed(null(), json!([jwt])),
        Ok((Method::PrivateKeyJwt, true))
    );
    assert_eq!(signed(json!("none"), null()), Ok((Method::None, false)));
    assert_eq!(signed(null(), null()), Ok((Method::None, false)));
    assert_eq!(
        signed(json!("tls_client_auth"), json!(["none"])),
        Ok((Method::None, false))
    );
    assert!(signed(json!("tls_client_auth"), null()).is_err());
    // Keys are needed, in one place.
    let keyless = with("token_endpoint_auth_method", json!(jwt));
    assert!(parse(&keyless).is_err());
    let mut both = with("jwks", json!({ "keys": [key()] }));
    both["jwks_uri"] = json!("https://client.example/jwks");
    assert!(parse(&both).is_err());
    for bad in [
        "http://client.example/jwks",
        "https://u@client.example/jwks",
        "jwks",
    ] {
        let mut document = with("jwks_uri", json!(bad));
        assert!(parse(&document).is_ok(), "unused: {bad}");
        document["token_endpoint_auth_method"] = json!(jwt);
        assert!(parse(&document).is_err(), "{bad}");
    }
}

/// CIM-05. The good part of a document for several platforms is used.
#[test]
fn keeps_the_good_redirect_uris() {
    let document = parse(&with(
        "redirect_uris",
        json!([
            "https://client.example/cb",
            "intent:x",
            "cursor://a/b",
            "https://client.example/cb"
        ]),
    ))
    .unwrap();
    let kept: Vec<&str> = document
        .metadata
        .redirect_uris
        .iter()
        .map(RedirectUri::as_str)
        .collect();
    assert_eq!(kept, ["https://client.example/cb", "cursor://a/b"]);
}

/// CIM-16.
#[test]
fn tells_a_change_that_matters_from_one_that_does_not() {
    let before = parse(&good()).unwrap();
    let differs =
        |member: &str, value: Value| parse(&with(member, value)).unwrap().differs_from(&before);
    assert!(differs(
        "redirect_uris",
        json!(["https://client.example/other"])
    ));
    assert!(differs("jwks_uri", json!("https://client.example/jwks")));
    assert!(differs("jwks", json!({ "keys": [key()] })));
    assert!(!differs("client_name", json!("Another name")));
    let digest = |member: &str, value: Value| parse(&with(member, value)).unwrap().digest();
    assert_ne!(
        digest("jwks_uri", json!("https://client.example/jwks")),
        before.digest()
    );
    assert_eq!(
        digest("client_name", json!("Another name")),
        before.digest()
    );
    assert!(!differs(
        "logo_uri",
        json!("https://client.example/logo.png")
    ));
}
