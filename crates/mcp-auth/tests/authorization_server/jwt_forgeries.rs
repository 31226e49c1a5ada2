//! What no JWT gets past us, even one that is signed with our own key: the tests have it.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use mcp_auth::oauth::Clock;
use serde_json::{Value, json};

use crate::{
    client::{Client, get, opens},
    harness::Server,
    jwt_access_tokens::{P256, part, signing_with},
};

fn our_key() -> EcdsaKeyPair {
    let body: String = P256.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap()
}

fn encoded(header: &str, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", part(header), part(claims))
}

fn signed(key: &EcdsaKeyPair, header: &str, claims: &str) -> String {
    let text = encoded(header, claims);
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A good token's header and claims, to be bent.
async fn good(server: &Server) -> (Value, Value) {
    let client = Client::public(server).await;
    let access = client.tokens(server).await.access;
    let (header, claims) = (part(&access, 0), part(&access, 1));
    let again = signed(&our_key(), &header.to_string(), &claims.to_string());
    assert!(opens(server, &again).await, "as it is, it is good");
    (header, claims)
}

fn with(object: &Value, name: &str, value: Value) -> String {
    let mut changed = object.clone();
    if value.is_null() {
        changed.as_object_mut().unwrap().remove(name);
    } else {
        changed[name] = value;
    }
    changed.to_string()
}

/// A token with this claim, signed with our own key.
pub fn with_claim(token: &str, name: &str, value: Value) -> String {
    let claims = with(&part(token, 1), name, value);
    signed(&our_key(), &part(token, 0).to_string(), &claims)
}

/// JWK-03, JWK-04, JWK-06.
#[tokio::test]
async fn a_header_that_is_not_ours_is_refused_though_our_key_signed_it() {
    let server = signing_with(P256).await;
    let (header, claims) = good(&server).await;
    let jwk = get(&server, "/jwks").await.json()["keys"][0].clone();
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("application/at+jwt")),
        ("typ", json!("dpop+jwt")),
        ("typ", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES384")),
        ("alg", json!("es256")),
        ("alg", Value::Null),
        ("kid", json!("another")),
        ("kid", json!("")),
        ("kid", json!(7)),
        ("kid", Value::Null),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/chain")),
        ("x5c", json!([])),
        ("jwk", jwk),
    ] {
        let bent = signed(
            &our_key(),
            &with(&header, name, value.clone()),
            &claims.to_string(),
        );
        assert!(!opens(&server, &bent).await, "{name}: {value}");
    }
    let twice = header.to_string().replacen('{', r#"{"alg":"none","#, 1);
    assert!(!opens(&server, &signed(&our_key(), &twice, &claims.to_string())).await);
}

/// JWK-05, AST-24. A leaked signing key opens nothing here: what a token may do lies sealed in it.
#[tokio::test]
async fn claims_that_we_did_not_issue_are_refused_though_our_key_signed_them() {
    let server = signing_with(P256).await;
    let (header, claims) = good(&server).await;
    let now = server.clock.now().as_seconds();
    let other = Client::public(&server).await.tokens(&server).await.access;
    let jti = claims["jti"].as_str().unwrap();
    let mut changed = jti.to_owned();
    changed.replace_range(20..21, if &jti[20..21] == "A" { "B" } else { "A" });
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{}/", server.issuer()))),
        ("iss", Value::Null),
        ("aud", json!("https://other.example/mcp")),
        ("aud", json!([server.mcp_url()])),
        ("aud", json!(server.issuer())),
        ("aud", Value::Null),
        ("exp", json!(now + 7200)),
        ("exp", json!(now - 1)),
        ("exp", json!((now + 3600).to_string())),
        ("exp", json!(-1)),
        ("exp", Value::Null),
        ("nbf", json!(now + 60)),
        ("nbf", json!("yesterday")),
        ("jti", json!("AAAA")),
        ("jti", json!(changed)),
        ("jti", json!(7)),
        ("jti", Value::Null),
    ] {
        let bent = signed(
            &our_key(),
            &header.to_string(),
            &with(&claims, name, value.clone()),
        );
        assert!(!opens(&server, &bent).await, "{name}: {value}");
    }
    let twice = claims
        .to_string()
        .replacen('{', &format!(r#"{{"exp":{},"#, now + 7200), 1);
    assert!(!opens(&server, &signed(&our_key(), &header.to_string(), &twice)).await);
    // The jti of another token brings its own grant along, and nothing else of what is written.
    let stolen = with(&claims, "jti", part(&other, 1)["jti"].clone());
    let stolen = signed(&our_key(), &header.to_string(), &stolen);
    let seen = server.host();
    let stolen = mcp_auth::oauth::AccessToken::new(stolen);
    let seen = seen.call_tool(&stolen, "whoami").await.unwrap();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["client"], part(&other, 1)["client_id"]);
    // What the claims say about rights and users is not believed.
    let mut grand = claims.clone();
    grand["sub"] = json!("demo|somebody-else");
    grand["scope"] = json!("mcp:tools admin");
    let grand = signed(&our_key(), &header.to_string(), &grand.to_string());
    let grand = mcp_auth::oauth::AccessToken::new(grand);
    let seen = server.host().call_tool(&grand, "whoami").await.unwrap();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["subject"], claims["sub"]);
    assert_eq!(seen["scope"], "mcp:tools");
}

/// JWK-04, JWK-06, AST-24.
#[tokio::test]
async fn a_signature_that_is_not_ours_is_refused() {
    let server = signing_with(P256).await;
    let (header, claims) = good(&server).await;
    let (header_text, claims_text) = (header.to_string(), claims.to_string());
    let stranger = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let text = encoded(&header_text, &claims_text);
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    let hs256 = encoded(&with(&header, "alg", json!("HS256")), &claims_text);
    let public = our_key().public_key().as_ref().to_vec();
    let mac = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &public),
        hs256.as_bytes(),
    );
    let none = encoded(&with(&header, "alg", json!("none")), &claims_text);
    let whole = signed(&our_key(), &header_text, &claims_text);
    for forged in [
        signed(&stranger, &header_text, &claims_text),
        format!("{text}."),
        format!("{text}.{zeros}"),
        format!("{none}."),
        none,
        format!("{hs256}.{}", URL_SAFE_NO_PAD.encode(mac)),
        format!("{whole}="),
        format!("{whole}."),
        format!("{whole}.x"),
        format!(".{whole}"),
        text,
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("mcpat_{}", claims["jti"].as_str().unwrap()),
        claims["jti"].as_str().unwrap().to_owned(),
    ] {
        assert!(!opens(&server, &forged).await, "{forged}");
    }
    assert!(opens(&server, &whole).await);
}

/// JWK-04. Where there are no signing keys, a JWT is no token of ours.
#[tokio::test]
async fn without_signing_keys_no_jwt_is_taken() {
    let server = signing_with(P256).await;
    let (header, claims) = good(&server).await;
    let plain = Server::start().await;
    let token = signed(&our_key(), &header.to_string(), &claims.to_string());
    assert!(!opens(&plain, &token).await);
}
