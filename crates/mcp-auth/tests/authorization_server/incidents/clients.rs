//! Incidents of redirect URIs, registrations and what clients send.

use std::time::{Duration, Instant};

use http::Method;
use mcp_auth::authorization_server::pages::ErrorPageKind;
use serde_json::json;

use crate::{
    client::{Client, Parameters, REDIRECT, answer, authorize, register, send, token, token_with},
    harness::Server,
};

/// Whatever runs or reads something, in place of a redirect URI.
///
/// ASZ-08.
#[tokio::test]
async fn fastmcp_4419_and_workers_80_no_dangerous_scheme_is_registered() {
    let server = Server::start().await;
    for uri in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "\u{1}javascript:alert(1)",
        "javascript://client.example/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://client.example/x",
        "about:blank",
        "view-source:https://client.example/",
        "ms-msdt:/id",
        "http://client.example/cb",
        "//client.example/cb",
        "client.example/cb",
    ] {
        let refused = register(&server, &json!({ "redirect_uris": [uri] })).await;
        refused.refuses(400, "invalid_redirect_uri");
    }
}

/// Spellings of a redirect URI that two parsers read differently, or that climb.
///
/// ASZ-05.
#[tokio::test]
async fn fastmcp_3963_no_redirect_climbs_or_has_two_hosts() {
    let server = Server::start().await;
    for uri in [
        "https://client.example/cb/../steal",
        "https://client.example/cb/%2e%2e/steal",
        "https://client.example/./cb",
        "https://client.example\\@evil.example/cb",
        "https://client.example@evil.example/cb",
        "https://client.example%40evil.example/cb",
        "https:evil.example/cb",
        "https:///evil.example/cb",
        "https://client.example/cb#@evil.example",
        "https://client.example /cb",
        "http://localhost@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://2130706433/cb",
        "http://0x7f.1/cb",
    ] {
        let refused = register(&server, &json!({ "redirect_uris": [uri] })).await;
        refused.refuses(400, "invalid_redirect_uri");
    }
}

/// The redirect URI was checked at the token endpoint only: the code had reached the attacker by then.
///
/// ASZ-04, ASZ-05.
#[tokio::test]
async fn cve_2025_4143_a_redirect_is_checked_before_anything_goes_there() {
    let server = Server::start().await;
    let client = Client::confidential(&server).await;
    let unregistered = ErrorPageKind::RedirectNotRegistered;
    for uri in [
        "https://evil.example/callback",
        "https://client.example.evil.example/callback",
        "https://client.example/callback/",
        "https://client.example/callback?x=1",
        "https://client.example/callback/../steal",
        "https://CLIENT.example/callback",
        "http://client.example/callback",
        "https://client.example:8443/callback",
    ] {
        let request = client.request(&server).with("redirect_uri", uri);
        authorize(&server, &request).await.shows(unregistered);
    }
}

/// Only the port of a loopback redirect is free, not its host, path or query.
///
/// ASZ-06, ASZ-07.
#[tokio::test]
async fn fosite_2020_a_loopback_redirect_overrides_nothing_but_its_port() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    for uri in [
        "http://127.0.0.1:1/other",
        "http://127.0.0.1:1/callback?x=1",
        "http://localhost:1/callback",
        "http://[::1]:1/callback",
        "http://127.0.0.2:1/callback",
        "https://127.0.0.1:1/callback",
        "http://127.0.0.1:1@evil.example/callback",
    ] {
        let request = client.request(&server).with("redirect_uri", uri);
        let refused = authorize(&server, &request).await;
        refused.shows(ErrorPageKind::RedirectNotRegistered);
    }
    let other_port = client
        .request(&server)
        .with("redirect_uri", "http://127.0.0.1:1/callback");
    assert_eq!(authorize(&server, &other_port).await.status, 200);
}

/// A code that was asked for with a challenge is worth nothing without its verifier.
///
/// AST-16.
#[tokio::test]
async fn cve_2025_4144_the_verifier_cannot_be_left_out() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let redemption = client.redemption(&server, &code);
    let without = token(&server, &redemption.clone().without("code_verifier")).await;
    assert!(without.status.is_client_error(), "{}", without.body);
    let empty = token(&server, &redemption.clone().with("code_verifier", "")).await;
    assert!(empty.status.is_client_error());
    let other = "another-verifier-of-exactly-the-shortest-len";
    let wrong = token(&server, &redemption.clone().with("code_verifier", other)).await;
    wrong.refuses(400, "invalid_grant");
    // Nothing was consumed by that.
    token(&server, &redemption).await.tokens();
}

/// PKCE is neither optional nor plain, in whatever spelling.
///
/// ASZ-13.
#[tokio::test]
async fn workers_275_and_better_auth_5459_no_challenge_is_plain() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    for bad in [
        request.clone().without("code_challenge_method"),
        request.clone().without("code_challenge"),
        request
            .clone()
            .without("code_challenge")
            .without("code_challenge_method"),
        request.clone().with("code_challenge_method", "plain"),
        request.clone().with("code_challenge_method", "s256"),
        request.clone().with("code_challenge_method", "S512"),
        request.clone().with("code_challenge_method", ""),
        request.with("code_challenge", "short"),
    ] {
        let refused = authorize(&server, &bad).await;
        refused.sends_error(&server, REDIRECT, "invalid_request");
    }
}

/// An odd type or an odd body is the client's fault and is answered as such.
#[tokio::test]
async fn workers_240_odd_bodies_are_refused_and_nothing_breaks() {
    let server = Server::start().await;
    for path in ["/token", "/revoke", "/register", "/consent"] {
        for content_type in [
            "",
            "text/plain",
            "multipart/form-data",
            ";;;=",
            "a/b/c",
            "\u{e9}",
        ] {
            for body in ["", "{", "grant_type", "%", "\0", "[[[[", "&=&=&"] {
                let posted = send(&server, Method::POST, path)
                    .header("content-type", content_type)
                    .body(body);
                let status = answer(posted).await.status;
                assert!(
                    status.is_client_error(),
                    "{path} {content_type:?} {body:?}: {status}"
                );
            }
        }
    }
    for header in [
        "Basic",
        "Basic ",
        "Basic %%%",
        "Basic Og==",
        "Basic YQ==",
        "Digest x",
        "\u{ff}",
    ] {
        let form = Parameters::default().and("grant_type", "authorization_code");
        let refused = token_with(&server, &form, |r| r.header("authorization", header)).await;
        assert!(refused.status.is_client_error(), "{header}");
    }
}

/// Fifty thousand parameters, or one body full of them, cost no time worth speaking of.
#[tokio::test]
#[allow(clippy::disallowed_methods)] // real time is what an attacker spends
async fn workers_dos_04_many_parameters_are_cheap() {
    let server = Server::start().await;
    let started = Instant::now();
    for body in [
        "a=1&".repeat(50_000),
        "a=1&".repeat(16_000),
        "&".repeat(65_000),
    ] {
        let posted = send(&server, Method::POST, "/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let status = answer(posted).await.status;
        assert!(status == 400 || status == 413, "{status}");
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}
