//! Challenges and what stands beside them (RFC 6750 §3, RFC 9728 §5.1).

use mcp_auth::oauth::Scopes;

use crate::{
    mcp_server::{Plain, RESOURCE, at, local, serve, serve_local},
    tokens::{Tokens, principal},
    wire::Ask,
};

const METADATA: &str =
    "resource_metadata=\"http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp\"";

// RS-07, RS-30, RS-31
#[tokio::test]
async fn no_credential_gets_a_bare_challenge() {
    let server = serve_local().await;
    for ask in [
        Ask::call("whoami"),
        Ask::call("whoami").header("authorization", "Basic YTpi"),
        Ask::call("whoami").header("authorization", "DPoP abc"),
    ] {
        let answer = ask.send(server).await;
        assert_eq!(answer.status, 401);
        let expected = format!("Bearer {METADATA}, scope=\"mcp:tools\"");
        assert_eq!(answer.challenge(), expected);
    }
}

// RS-10, RS-30
#[tokio::test]
async fn every_refusal_of_a_token_names_the_metadata() {
    let tokens = Tokens::for_resource(RESOURCE).with("weak", RESOURCE, principal("w", "x"));
    let server = serve(&Plain::from(local(tokens).build().unwrap())).await;
    for (token, status) in [
        ("mallory", 401),
        ("", 401),
        ("weak", 403),
        ("unavailable", 503),
    ] {
        let answer = Ask::call("whoami").bearer(token).send(server).await;
        assert_eq!(answer.status, status, "{token}");
        assert!(answer.challenge().contains(METADATA), "{answer:?}");
    }
    let two = Ask::call("whoami")
        .bearer("a")
        .bearer("b")
        .send(server)
        .await;
    assert!(two.challenge().contains(METADATA), "{two:?}");
}

// RS-23
#[tokio::test]
async fn refusals_have_generic_words_and_a_correlation_id() {
    let server = serve_local().await;
    for token in ["mallory", "unavailable"] {
        let answer = Ask::call("whoami").bearer(token).send(server).await;
        assert!(!answer.body.contains("inward-detail"), "{answer:?}");
        assert!(!answer.body.contains("10.0.0.7"), "{answer:?}");
        let body = answer.json();
        let id = body["error"]["data"]["correlation_id"].as_str().unwrap();
        assert_eq!(id.len(), 16);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

// RS-08: an outage is not the host's fault, and a 401 would make it throw a good token away
#[tokio::test]
async fn a_verifier_that_is_away_is_503_with_a_time_to_try_again() {
    for tokens in [
        Tokens::for_resource(RESOURCE),
        Tokens::for_resource(RESOURCE).waiting(),
    ] {
        let server = serve(&Plain::from(local(tokens).build().unwrap())).await;
        let answer = Ask::call("whoami").bearer("unavailable").send(server).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), Some("7"));
        assert!(!answer.challenge().contains("error="), "{answer:?}");
    }
}

// RS-25
#[tokio::test]
async fn a_preflight_is_answered_before_the_token() {
    let server = serve_local().await;
    let preflight = Ask::new("OPTIONS", "/mcp")
        .header("origin", "http://localhost:6274")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,mcp-protocol-version,mcp-param-x,x-canary",
        );
    let answer = preflight.send(server).await;
    assert_eq!(answer.status, 204);
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(origin, Some("http://localhost:6274"));
    let methods = answer.header("access-control-allow-methods").unwrap();
    assert!(
        ["GET", "POST", "DELETE"]
            .iter()
            .all(|m| methods.contains(m)),
        "{methods}"
    );
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization, content-type, mcp-protocol-version, mcp-param-x")
    );
    assert!(answer.header("access-control-max-age").is_some());
    assert_eq!(Ask::new("OPTIONS", "/mcp").send(server).await.status, 204);
}

// RS-25
#[tokio::test]
async fn an_allowed_page_may_read_answers_and_refusals() {
    let server = serve_local().await;
    for ask in [Ask::call("whoami"), Ask::call("whoami").bearer("alice")] {
        let answer = ask
            .header("origin", "http://localhost:6274")
            .send(server)
            .await;
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, Some("http://localhost:6274"));
        assert!(
            answer
                .all("vary")
                .any(|vary| vary.eq_ignore_ascii_case("origin"))
        );
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("WWW-Authenticate") && exposed.contains("Mcp-Session-Id"));
    }
    let plain = Ask::call("whoami").send(server).await;
    assert_eq!(plain.header("access-control-allow-origin"), None);
}

// RS-32
#[tokio::test]
async fn challenged_scopes_and_published_scopes_may_differ() {
    let builder = local(Tokens::default())
        .with_required_scopes(Scopes::parse("mcp:tools files:read").unwrap())
        .with_scopes_supported(Scopes::parse("mcp:tools").unwrap());
    let server = serve(&Plain::from(builder.build().unwrap())).await;
    let challenge = Ask::call("whoami").send(server).await;
    assert!(
        challenge
            .challenge()
            .contains("scope=\"mcp:tools files:read\"")
    );
    let path = "/.well-known/oauth-protected-resource/mcp";
    let document = Ask::new("GET", path).send(server).await.json();
    assert_eq!(
        document["scopes_supported"],
        serde_json::json!(["mcp:tools"])
    );
}

// RS-36, RS-69
#[tokio::test]
async fn challenges_come_from_configuration_not_from_the_request() {
    let tokens = Tokens::default();
    let server = serve(&Plain::from(
        at("https://mcp.example.com", "/mcp", tokens)
            .build()
            .unwrap(),
    ))
    .await;
    let asked = Ask::call("whoami")
        .host("mcp.example.com")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "http")
        .header("forwarded", "host=evil.example");
    let first = asked.send(server).await;
    let expected = "Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:tools\"";
    assert_eq!(first.challenge(), expected);
    assert_eq!(asked.send(server).await.challenge(), expected);
}
