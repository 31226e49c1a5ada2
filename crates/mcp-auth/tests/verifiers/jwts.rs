//! What a JWT has to be to be taken, and what is read of it.

use std::{sync::Arc, time::Duration};

use mcp_auth::{
    BuildError,
    access_token::{JwtIssuer, JwtVerifier},
};
use mcp_auth_testkit::MovingClock;
use serde_json::{Value, json};

use crate::{
    issuer::{Issuer, Signer},
    server::{RESOURCE, Server, invalid_token},
};

/// The claims of a good token with one of them changed.
fn claims(issuer: &Issuer, server: &Server, name: &str, value: Value) -> Value {
    let mut claims = issuer.claims(RESOURCE, server.now());
    claims[name] = value;
    claims
}

/// RS-13, RS-14, JWK-05.
#[tokio::test]
async fn a_good_token_of_each_algorithm_says_who_is_calling() {
    let mut issuer = Issuer::start().await;
    issuer.add("ed", Signer::ed_dsa());
    issuer.add("rs", Signer::rs256());
    issuer.add("ps", Signer::ps256());
    let server = Server::of(&issuer);
    let claims = issuer.claims(RESOURCE, server.now());
    for kid in ["k1", "ed", "rs", "ps"] {
        let token = issuer.token(kid, &claims);
        for _ in 0..2 {
            let principal = server.principal(&token).await;
            assert_eq!(principal.issuer(), issuer.url);
            assert_eq!(principal.subject(), "user-1");
            assert_eq!(principal.client().unwrap().as_str(), "host");
            assert_eq!(principal.scopes().to_string(), "mcp:tools");
            let ends = principal.expires_at().unwrap().as_seconds();
            assert_eq!(ends, server.now() + 300);
            assert!(!principal.is_client());
        }
    }
    assert_eq!(issuer.key_requests(), 1);
}

/// JWK-08, JWK-09.
#[tokio::test]
async fn keys_are_found_where_the_metadata_says_and_only_when_they_are_needed() {
    let issuer = Issuer::start().await;
    let clock = MovingClock::starting_now();
    let verifier = JwtVerifier::builder(JwtIssuer::discovered(issuer.identifier()))
        .with_clock(Arc::new(clock.clone()))
        .build()
        .unwrap();
    let server = Server::new(&clock, Arc::new(verifier));
    assert_eq!((issuer.document_requests(), issuer.key_requests()), (0, 0));
    let token = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&token).await, 200);
    assert_eq!((issuer.document_requests(), issuer.key_requests()), (1, 1));
}

/// JWK-03.
#[tokio::test]
async fn the_type_may_be_written_in_full_and_in_any_case() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let claims = issuer.claims(RESOURCE, server.now()).to_string();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let header = json!({ "alg": "ES256", "typ": typ, "kid": "k1" });
        let token = issuer.key("k1").jwt(&header.to_string(), &claims);
        assert_eq!(server.status(&token).await, 200, "{typ}");
    }
}

/// JWK-06.
#[tokio::test]
async fn a_token_without_kid_is_tried_with_the_keys_of_its_algorithm() {
    let mut issuer = Issuer::start().await;
    issuer.add("k2", Signer::es256());
    let server = Server::of(&issuer);
    let claims = issuer.claims(RESOURCE, server.now()).to_string();
    for kid in ["k1", "k2"] {
        let token = issuer
            .key(kid)
            .jwt(r#"{"alg":"ES256","typ":"at+jwt"}"#, &claims);
        assert_eq!(server.status(&token).await, 200);
    }
}

/// RS-18, RS-19.
#[tokio::test]
async fn the_audience_is_one_of_several_and_its_spelling_may_differ_in_case() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    for audience in [
        json!([RESOURCE]),
        json!(["https://other.example", RESOURCE]),
        json!("HTTPS://MCP.example/mcp"),
    ] {
        let claims = claims(&issuer, &server, "aud", audience.clone());
        let token = issuer.token("k1", &claims);
        assert_eq!(server.status(&token).await, 200, "{audience}");
    }
}

/// JWK-02.
#[tokio::test]
async fn scopes_are_read_where_providers_write_them() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    for (name, value) in [
        ("scope", json!("mcp:tools notes:read")),
        ("scope", json!(["mcp:tools", "notes:read"])),
        ("scp", json!("mcp:tools notes:read")),
        ("scp", json!(["mcp:tools", "notes:read"])),
        ("permissions", json!(["mcp:tools", "notes:read"])),
    ] {
        let mut claims = claims(&issuer, &server, "scope", json!(""));
        claims[name] = value.clone();
        let principal = server.principal(&issuer.token("k1", &claims)).await;
        let mut scopes: Vec<_> = principal.scopes().iter().map(ToString::to_string).collect();
        scopes.sort();
        assert_eq!(scopes, ["mcp:tools", "notes:read"], "{name}: {value}");
    }
    // RS-33
    let without = claims(&issuer, &server, "scope", json!("notes:read"));
    let (answer, _) = server.call(&issuer.token("k1", &without)).await;
    assert_eq!(
        (answer.status, answer.error.as_deref()),
        (403, Some("insufficient_scope"))
    );
}

/// JWK-12.
#[tokio::test]
async fn a_client_that_acts_for_itself_is_never_taken_for_a_user() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let own = claims(&issuer, &server, "sub", json!("host"));
    let principal = server.principal(&issuer.token("k1", &own)).await;
    assert_eq!(principal.subject(), "|host");
    assert!(principal.is_client());
    let posing = claims(&issuer, &server, "sub", json!("|host"));
    let (answer, _) = server.call(&issuer.token("k1", &posing)).await;
    assert_eq!(answer, invalid_token());
}

/// TIM-01, JWK-05.
#[tokio::test]
async fn clocks_may_differ_by_a_minute_and_no_more() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let now = server.now();
    for (name, moment, status) in [
        ("exp", now - 59, 200),
        ("exp", now - 60, 401),
        ("exp", now - 300, 401),
        ("nbf", now + 60, 200),
        ("nbf", now + 61, 401),
        ("nbf", now + 300, 401),
        ("iat", now + 60, 200),
        ("iat", now + 61, 401),
    ] {
        let token = issuer.token("k1", &claims(&issuer, &server, name, json!(moment)));
        assert_eq!(
            server.status(&token).await,
            status,
            "{name} {}",
            moment as i64 - now as i64
        );
    }
    let strict = Server::with(
        &issuer,
        |t| t,
        |builder| builder.with_leeway(Duration::ZERO),
    );
    let now = strict.now();
    for (name, moment, status) in [
        ("exp", now + 1, 200),
        ("exp", now, 401),
        ("nbf", now, 200),
        ("nbf", now + 1, 401),
    ] {
        let token = issuer.token("k1", &claims(&issuer, &strict, name, json!(moment)));
        assert_eq!(strict.status(&token).await, status);
    }
}

/// TIM-01.
#[tokio::test]
async fn a_token_that_was_taken_before_ends_all_the_same() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let token = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&token).await, 200);
    server.clock.advance(Duration::from_secs(359));
    assert_eq!(server.status(&token).await, 200);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(server.status(&token).await, 401);
}

/// JWK-03.
#[tokio::test]
async fn an_issuer_of_plain_jwts_is_taken_at_its_word_and_its_id_tokens_are_not() {
    let issuer = Issuer::start().await;
    let server = Server::with(&issuer, JwtIssuer::with_plain_jwts, |builder| builder);
    let good = issuer.claims(RESOURCE, server.now());
    for header in [
        r#"{"alg":"ES256","kid":"k1"}"#,
        r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#,
        r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#,
    ] {
        let token = issuer.key("k1").jwt(header, &good.to_string());
        assert_eq!(server.status(&token).await, 200, "{header}");
    }
    let header = r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#;
    for (name, value) in [
        ("nonce", json!("n")),
        ("at_hash", json!("h")),
        ("c_hash", json!("h")),
        ("s_hash", json!("h")),
        ("token_use", json!("id")),
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("typ", json!("Offline")),
    ] {
        let claims = claims(&issuer, &server, name, value);
        let token = issuer.key("k1").jwt(header, &claims.to_string());
        let (answer, _) = server.call(&token).await;
        assert_eq!(answer, invalid_token(), "{name}");
    }
    for (name, value) in [("token_use", json!("access")), ("typ", json!("Bearer"))] {
        let claims = claims(&issuer, &server, name, value);
        let token = issuer.key("k1").jwt(header, &claims.to_string());
        assert_eq!(server.status(&token).await, 200, "{name}");
    }
    for typ in ["dpop+jwt", "oauth-id-jag+jwt", "logout+jwt", ""] {
        let header = json!({ "alg": "ES256", "kid": "k1", "typ": typ });
        let token = issuer.key("k1").jwt(&header.to_string(), &good.to_string());
        assert_eq!(server.status(&token).await, 401, "{typ}");
    }
}

/// RS-17.
#[tokio::test]
async fn another_audience_counts_only_where_the_operator_named_it() {
    let issuer = Issuer::start().await;
    let named = Server::with(
        &issuer,
        |trusted| trusted.with_audience("api://5f0c"),
        |builder| builder,
    );
    let token = issuer.token("k1", &claims(&issuer, &named, "aud", json!("api://5f0c")));
    assert_eq!(named.status(&token).await, 200);
    let other = issuer.token("k1", &claims(&issuer, &named, "aud", json!("api://5f0")));
    assert_eq!(named.status(&other).await, 401);
    let not_named = Server::of(&issuer);
    assert_eq!(not_named.status(&token).await, 401);
}

/// RS-13.
#[tokio::test]
async fn each_issuer_vouches_with_its_own_keys_alone() {
    let (one, two) = (Issuer::start().await, Issuer::start().await);
    let second = JwtIssuer::with_jwks_uri(two.identifier(), two.jwks_uri());
    let server = Server::with(&one, |t| t, |builder| builder.with_further_issuer(second));
    let now = server.now();
    for issuer in [&one, &two] {
        let token = issuer.token("k1", &issuer.claims(RESOURCE, now));
        let principal = server.principal(&token).await;
        assert_eq!(principal.issuer(), issuer.url);
    }
    let crossed = two.token("k1", &one.claims(RESOURCE, now));
    assert_eq!(server.call(&crossed).await.0, invalid_token());
}

/// RS-45.
#[tokio::test]
async fn a_bound_token_is_not_taken_without_its_proof() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let jkt = json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" });
    let token = issuer.token("k1", &claims(&issuer, &server, "cnf", jkt));
    assert_eq!(server.status(&token).await, 401);
}

fn refused(built: Result<JwtVerifier, BuildError>) -> String {
    built.unwrap_err().to_string()
}

/// CFG-03, CFG-04, JWK-09, RS-68.
#[tokio::test]
async fn a_verifier_that_would_check_too_little_is_not_built() {
    let issuer = Issuer::start().await;
    let at = |uri: &str| JwtIssuer::with_jwks_uri(issuer.identifier(), uri);
    let given = |jwks| JwtIssuer::with_jwks(issuer.identifier(), jwks);
    let build = |issuer| JwtVerifier::builder(issuer).build();
    let good = issuer.key("k1").jwk("k1");
    assert!(build(given(json!({ "keys": [good] }))).is_ok());
    for algorithms in [vec!["HS256"], vec!["ES256", "HS256"], vec!["none"], vec![]] {
        let said = refused(build(at(&issuer.jwks_uri()).with_algorithms(algorithms)));
        assert!(said.starts_with("algorithms: name at least one"), "{said}");
    }
    for uri in [
        "http://keys.example/jwks",
        "ftp://keys.example/jwks",
        "keys",
    ] {
        let said = refused(build(at(uri)));
        assert!(said.starts_with("jwks_uri: must be https"), "{said}");
    }
    let symmetric = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "k1" }] });
    for jwks in [json!({}), json!({ "keys": [] }), symmetric] {
        let said = refused(build(given(jwks)));
        assert!(said.starts_with("jwks: has no public key"), "{said}");
    }
    let said = refused(build(at(&issuer.jwks_uri()).with_audience(" ")));
    assert!(said.starts_with("audience: must not be empty"), "{said}");
    let twice = JwtVerifier::builder(at(&issuer.jwks_uri()))
        .with_further_issuer(at(&issuer.jwks_uri()))
        .build();
    assert!(refused(twice).contains("the same issuer is there twice"));
    let lax = JwtVerifier::builder(at(&issuer.jwks_uri()))
        .with_leeway(Duration::from_secs(601))
        .build();
    assert!(refused(lax).contains("ten minutes"));
    assert!(mcp_auth::oauth::Issuer::parse("http://id.example").is_err());
}

/// CFG-04.
#[tokio::test]
async fn an_algorithm_that_was_left_out_is_refused() {
    let mut issuer = Issuer::start().await;
    issuer.add("rs", Signer::rs256());
    let server = Server::with(&issuer, |t| t.with_algorithms(["RS256"]), |builder| builder);
    let claims = issuer.claims(RESOURCE, server.now());
    assert_eq!(server.status(&issuer.token("rs", &claims)).await, 200);
    assert_eq!(server.status(&issuer.token("k1", &claims)).await, 401);
}
