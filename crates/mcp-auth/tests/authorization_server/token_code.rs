//! `POST /token` with `grant_type=authorization_code`.

use std::time::Duration;

use mcp_auth::oauth::CodeVerifier;

use crate::{
    client::{Client, Parameters, VERIFIER, opens, token},
    harness::Server,
};

/// AST-15, AST-16, AST-17, AST-19, AST-21, ASZ-23.
#[tokio::test]
async fn a_redemption_that_is_wrong_in_one_thing_consumes_nothing() {
    let server = Server::builder(|tier| tier.with_resource("/other"))
        .start()
        .await;
    let client = Client::public(&server).await;
    let thief = Client::public(&server).await;
    let confidential = Client::confidential(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let short = "a".repeat(42);
    let long = "a".repeat(129);
    let challenge = CodeVerifier::parse(VERIFIER).unwrap().challenge();
    let cases: Vec<(Parameters, &str)> = vec![
        (form.clone().with("client_id", &thief.id), "invalid_grant"),
        (
            confidential
                .redemption(&server, &code)
                .with("redirect_uri", &client.redirect_uri),
            "invalid_grant",
        ),
        (
            form.clone()
                .with("redirect_uri", "http://127.0.0.1:33418/other"),
            "invalid_grant",
        ),
        (
            // Free at /authorize, but this code was sent to one port.
            form.clone()
                .with("redirect_uri", "http://127.0.0.1:1/callback"),
            "invalid_grant",
        ),
        (form.clone().without("code_verifier"), "invalid_grant"),
        (form.clone().with("code_verifier", ""), "invalid_grant"),
        (
            form.clone().with("code_verifier", &"w".repeat(43)),
            "invalid_grant",
        ),
        (form.clone().with("code_verifier", &short), "invalid_grant"),
        (form.clone().with("code_verifier", &long), "invalid_grant"),
        (
            form.clone().with("code_verifier", challenge.as_str()),
            "invalid_grant",
        ),
        (
            form.clone().with("code_verifier", &format!("{VERIFIER}=")),
            "invalid_grant",
        ),
        (
            form.clone().with("resource", "https://other.example/mcp"),
            "invalid_target",
        ),
        (
            form.clone().with("resource", &server.url("/other")),
            "invalid_target",
        ),
        (
            form.clone().and("resource", &server.url("/other")),
            "invalid_target",
        ),
        (form.clone().with("resource", "not a URL"), "invalid_target"),
        (form.clone().with("code", &code[1..]), "invalid_grant"),
        (form.clone().with("code", "x"), "invalid_grant"),
    ];
    for (bad, error) in cases {
        token(&server, &bad).await.refuses(400, error);
    }
    let tokens = token(&server, &form).await.tokens();
    assert!(opens(&server, &tokens.access).await);
}

/// AST-16.
#[tokio::test]
async fn the_longest_verifier_is_taken() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let verifier = "Az09-._~".repeat(16);
    assert_eq!(verifier.len(), 128);
    let challenge = CodeVerifier::parse(&verifier).unwrap().challenge();
    let request = client
        .request(&server)
        .with("code_challenge", challenge.as_str());
    let code = client.code_for(&server, &request).await;
    let form = client
        .redemption(&server, &code)
        .with("code_verifier", &verifier);
    token(&server, &form).await.tokens();
}

/// AST-17.
#[tokio::test]
async fn redirect_uri_may_be_left_out() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code).without("redirect_uri");
    token(&server, &form).await.tokens();
}

/// AST-15, ASZ-23.
#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    server.clock.advance(Duration::from_secs(59));
    token(&server, &client.redemption(&server, &code))
        .await
        .tokens();
    let code = client.code(&server).await;
    server.clock.advance(Duration::from_secs(60));
    token(&server, &client.redemption(&server, &code))
        .await
        .refuses(400, "invalid_grant");
}

/// AST-18, ASZ-23.
#[tokio::test]
async fn a_second_valid_use_ends_everything_that_came_of_the_code() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let first = token(&server, &form).await.tokens();
    let later = token(&server, &client.refreshing(&first.refresh))
        .await
        .tokens();
    assert!(opens(&server, &first.access).await && opens(&server, &later.access).await);
    token(&server, &form).await.refuses(400, "invalid_grant");
    assert!(!opens(&server, &first.access).await);
    assert!(!opens(&server, &later.access).await);
    for refresh in [&first.refresh, &later.refresh] {
        token(&server, &client.refreshing(refresh))
            .await
            .refuses(400, "invalid_grant");
    }
}

/// AST-18.
#[tokio::test]
async fn a_used_code_is_known_for_ten_minutes_after_its_end() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let tokens = token(&server, &form).await.tokens();
    server.clock.advance(Duration::from_secs(659));
    token(&server, &form).await.refuses(400, "invalid_grant");
    assert!(!opens(&server, &tokens.access).await);
}

/// AST-19.
#[tokio::test]
async fn a_second_use_by_whoever_lacks_the_verifier_ends_nothing() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let thief = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let tokens = token(&server, &form).await.tokens();
    for bad in [
        form.clone().with("code_verifier", &"w".repeat(43)),
        form.clone().without("code_verifier"),
        form.clone().with("client_id", &thief.id),
        form.clone().with("redirect_uri", "https://evil.example/cb"),
    ] {
        token(&server, &bad).await.refuses(400, "invalid_grant");
    }
    assert!(opens(&server, &tokens.access).await);
    token(&server, &client.refreshing(&tokens.refresh))
        .await
        .tokens();
}

/// AST-20.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_redemptions_at_once_exactly_one_is_good() {
    let server = std::sync::Arc::new(Server::start().await);
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let racing: Vec<_> = (0..20)
        .map(|_| {
            let (server, form) = (server.clone(), form.clone());
            tokio::spawn(async move { token(&server, &form).await })
        })
        .collect();
    let mut good = Vec::new();
    for answer in racing {
        let answer = answer.await.unwrap();
        match answer.status.as_u16() {
            200 => good.push(answer.tokens()),
            _ => answer.refuses(400, "invalid_grant"),
        }
    }
    assert_eq!(good.len(), 1);
    // The others were second uses.
    assert!(!opens(&server, &good[0].access).await);
}

/// AST-32.
#[tokio::test]
async fn a_grant_that_is_gone_at_the_upstream_is_gone_here() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    server.upstream.revoke_everything_of("alice");
    server.clock.advance(Duration::from_secs(301));
    token(&server, &client.refreshing(&tokens.refresh))
        .await
        .refuses(400, "invalid_grant");
    assert!(!opens(&server, &tokens.access).await);
}
