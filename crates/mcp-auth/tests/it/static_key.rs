//! Tier 1: a key that the operator set.

use std::net::SocketAddr;

use http::HeaderName;
use mcp_auth::{
    StaticKey, Tier,
    oauth::PublicUrl,
    tier::{Protected, StaticKeyBuilder},
};

use crate::{
    mcp_server::{ORIGIN, mcp, serve_app},
    wire::Ask,
};

const ONE: &str = "one-key-of-the-operator";
const TWO: &str = "two-key-of-the-operator";

fn builder() -> StaticKeyBuilder {
    let public_url = PublicUrl::parse(ORIGIN).unwrap();
    StaticKey::builder(public_url)
        .with_key("laptop", ONE)
        .with_key("ci", TWO)
}

async fn serve(builder: StaticKeyBuilder) -> SocketAddr {
    let tier = builder.build().unwrap();
    serve_app(axum::Router::new().fallback_service(Protected::new(&tier, mcp()))).await
}

// STK-06
#[tokio::test]
async fn each_of_several_keys_opens_and_is_told_apart() {
    let server = serve(builder()).await;
    for (key, name) in [(ONE, "laptop"), (TWO, "ci")] {
        let answer = Ask::call("whoami").bearer(key).send(server).await;
        assert_eq!(answer.tool_text(), name);
    }
}

// STK-05, RS-10
#[tokio::test]
async fn the_challenge_names_no_metadata() {
    let server = serve(builder()).await;
    let bare = Ask::call("whoami").send(server).await;
    assert_eq!(
        (bare.status, bare.challenge()),
        (401, "Bearer realm=\"mcp\"")
    );
    for key in [
        "",
        "one",
        "one-key-of-the-operator-",
        "ONE-KEY-OF-THE-OPERATOR",
    ] {
        let answer = Ask::call("whoami").bearer(key).send(server).await;
        assert_eq!(answer.status, 401, "{key}");
        let challenge = answer.challenge();
        assert!(challenge.starts_with("Bearer realm=\"mcp\", error=\"invalid_token\""));
        assert!(!challenge.contains("resource_metadata"), "{challenge}");
    }
    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(
            Ask::new("GET", path).send(server).await.status,
            404,
            "{path}"
        );
    }
}

// STK-06
#[tokio::test]
async fn a_header_of_the_operators_choice_may_carry_the_key() {
    let server = serve(builder().with_header(HeaderName::from_static("x-api-key"))).await;
    let call = Ask::call("whoami");
    let by_header = call.clone().header("x-api-key", ONE).send(server).await;
    assert_eq!(by_header.tool_text(), "laptop");
    assert_eq!(
        call.clone().bearer(TWO).send(server).await.tool_text(),
        "ci"
    );
    let both = call.clone().bearer(ONE).header("x-api-key", ONE);
    assert_eq!(both.send(server).await.status, 400);
    let twice = call
        .clone()
        .header("x-api-key", ONE)
        .header("x-api-key", ONE);
    assert_eq!(twice.send(server).await.status, 400);
    let query = call
        .clone()
        .header("x-api-key", ONE)
        .to("/mcp?access_token=x");
    assert_eq!(query.send(server).await.status, 400);
    assert_eq!(
        call.header("x-api-key", "wrong").send(server).await.status,
        401
    );
}

// STK-02, STK-08
#[tokio::test]
async fn a_tool_never_sees_the_key() {
    let server = serve(builder().with_header(HeaderName::from_static("x-api-key"))).await;
    let by_bearer = Ask::call("everything").bearer(ONE).send(server).await;
    let by_header = Ask::call("everything")
        .header("x-api-key", ONE)
        .send(server)
        .await;
    for answer in [by_bearer, by_header] {
        let seen = answer.tool_text();
        assert!(seen.contains("laptop") && !seen.contains(ONE), "{seen}");
    }
}

// STK-02
#[test]
fn debug_tells_no_key() {
    let shown = format!("{:?} {:?}", builder(), builder().build().unwrap());
    assert!(!shown.contains(ONE) && !shown.contains(TWO), "{shown}");
    assert!(shown.contains("laptop"), "{shown}");
}

// STK-07
#[test]
fn no_key_and_bad_keys_stop_the_start() {
    let public_url = || PublicUrl::parse(ORIGIN).unwrap();
    assert!(StaticKey::builder(public_url()).build().is_err());
    let long = "x".repeat(5000);
    for key in [
        "",
        "                ",
        "brief",
        "with space in the middle",
        "quote\"quote\"quote",
        &long,
    ] {
        let built = StaticKey::builder(public_url())
            .with_key("name", key)
            .build();
        let error = built.unwrap_err().to_string();
        assert!(error.contains("name"), "{error}");
        assert!(key.trim().is_empty() || !error.contains(key), "{error}");
    }
    assert!(
        builder()
            .with_key("laptop", "another-key-of-16-bytes")
            .build()
            .is_err()
    );
    assert!(builder().with_key("again", ONE).build().is_err());
    let host = HeaderName::from_static("host");
    assert!(builder().with_header(host).build().is_err());
}

// STK-04, TR-03
#[test]
fn it_listens_on_this_machine_unless_told_otherwise() {
    let tier = builder().build().unwrap();
    assert!(tier.listen().ip().is_loopback());
    assert!(tier.resource_servers().main().public_url().is_loopback());
}

// TR-18
#[test]
fn a_public_origin_is_https() {
    assert!(PublicUrl::parse("http://mcp.example.com").is_err());
    assert!(PublicUrl::parse("https://mcp.example.com").is_ok());
}
