//! Limits per network, where the server is told who calls.

use std::time::Duration;

use http::Method;
use mcp_auth::authorization_server::pages::ErrorPageKind;
use serde_json::json;

use crate::{
    client::{Answer, Client, Parameters, REDIRECT, answer, send, token_with},
    harness::Server,
};

async fn register_from(server: &Server, address: &str) -> Answer {
    let request = send(server, Method::POST, "/register")
        .header("x-forwarded-for", address)
        .header("content-type", "application/json")
        .body(json!({ "redirect_uris": [REDIRECT] }).to_string());
    answer(request).await
}

async fn token_from(server: &Server, form: &Parameters, address: &str) -> Answer {
    token_with(server, form, |r| r.header("x-forwarded-for", address)).await
}

/// DCR-12.
#[tokio::test]
async fn sixty_registrations_a_minute_are_enough_for_one_network() {
    let server = Server::start().await;
    let address = "203.0.113.7";
    for _ in 0..60 {
        assert_eq!(register_from(&server, address).await.status, 201);
    }
    let refused = register_from(&server, address).await;
    refused.refuses(429, "temporarily_unavailable");
    assert!(
        refused
            .header("retry-after")
            .unwrap()
            .parse::<u32>()
            .is_ok()
    );
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    assert_eq!(register_from(&server, "203.0.113.8").await.status, 201);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(register_from(&server, address).await.status, 201);
    assert_eq!(register_from(&server, address).await.status, 429);
    // Where nobody says who calls there is no limit.
    for _ in 0..70 {
        Client::public(&server).await;
    }
}

/// DCR-12.
#[tokio::test]
async fn an_ipv6_caller_is_its_network() {
    let server = Server::start().await;
    for host in 0..60 {
        let address = format!("2001:db8:1:2::{host:x}");
        assert_eq!(register_from(&server, &address).await.status, 201);
    }
    let refused = register_from(&server, "2001:db8:1:2:ffff::1").await;
    assert_eq!(refused.status, 429);
    let other = register_from(&server, "2001:db8:1:3::1").await;
    assert_eq!(other.status, 201);
}

/// AST-13.
#[tokio::test]
async fn guessing_at_the_token_endpoint_is_slowed_down() {
    let server = Server::start().await;
    let client = Client::confidential(&server).await;
    let mut tokens = client.tokens(&server).await;
    let address = "203.0.113.7";
    // Good requests cost nothing.
    for _ in 0..5 {
        let form = client.refreshing(&tokens.refresh);
        tokens = token_from(&server, &form, address).await.tokens();
    }
    let guess = client.refreshing("x").with("client_secret", "guess");
    for _ in 0..60 {
        let refused = token_from(&server, &guess, address).await;
        refused.refuses(401, "invalid_client");
    }
    let refused = token_from(&server, &guess, address).await;
    refused.refuses(429, "temporarily_unavailable");
    assert!(refused.header("retry-after").is_some());
    let good = client.refreshing(&tokens.refresh);
    assert_eq!(token_from(&server, &good, address).await.status, 429);
    // A neighbour goes on, and so does this network a little later: nothing was spent.
    token_from(&server, &guess, "203.0.113.8")
        .await
        .refuses(401, "invalid_client");
    server.clock.advance(Duration::from_secs(2));
    token_from(&server, &good, address).await.tokens();
}

#[tokio::test]
async fn a_hundred_and_twenty_authorizations_a_minute_are_enough() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let path = format!("/authorize?{}", client.request(&server).encoded());
    let ask = |address: &'static str| {
        answer(send(&server, Method::GET, &path).header("x-forwarded-for", address))
    };
    for _ in 0..120 {
        assert_eq!(ask("203.0.113.7").await.status, 200);
    }
    let refused = ask("203.0.113.7").await;
    refused.shows(ErrorPageKind::TooManyRequests);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(ask("203.0.113.8").await.status, 200);
}

/// DCR-12.
#[tokio::test]
async fn the_limits_can_be_left_to_a_proxy() {
    let server = Server::builder(|tier| tier.without_rate_limits())
        .start()
        .await;
    for _ in 0..70 {
        assert_eq!(register_from(&server, "203.0.113.7").await.status, 201);
    }
    let client = Client::public(&server).await;
    for _ in 0..70 {
        token_from(&server, &client.refreshing("x"), "203.0.113.7")
            .await
            .refuses(400, "invalid_grant");
    }
}

/// AST-13.
#[tokio::test]
async fn a_neighbour_who_guesses_locks_nobody_else_out() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    let address = "203.0.113.7";
    let guess = client.refreshing("x");
    for _ in 0..60 {
        token_from(&server, &guess, address)
            .await
            .refuses(400, "invalid_grant");
    }
    token_from(&server, &guess, address)
        .await
        .refuses(429, "temporarily_unavailable");
    let good = client.refreshing(&tokens.refresh);
    token_from(&server, &good, address).await.tokens();
}

/// DCR-12.
#[tokio::test]
async fn consents_and_callbacks_have_a_limit_of_their_own() {
    let server = Server::start().await;
    for (method, path) in [
        (Method::POST, "/consent"),
        (Method::GET, "/callback?state=x"),
    ] {
        let ask = || {
            let request =
                send(&server, method.clone(), path).header("x-forwarded-for", "203.0.113.7");
            answer(request.header("content-type", "application/x-www-form-urlencoded"))
        };
        for _ in 0..120 {
            assert_ne!(ask().await.status, 429, "{path}");
        }
        ask().await.shows(ErrorPageKind::TooManyRequests);
    }
}
