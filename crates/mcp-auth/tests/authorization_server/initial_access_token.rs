//! Registration for whoever has an initial access token.

use http::Method;
use mcp_auth::{
    DcrShim, Tier,
    authorization_server::clients::StoredRegistrations,
    oauth::{AccessToken, PublicUrl},
    tier::ShimBuilder,
    upstream::OAuthUpstream,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};

use crate::{
    client::{Answer, REDIRECT, answer, send},
    harness::Server,
};

const OLD: &str = "initial-token-of-last-year";
const NEW: &str = "initial-token-of-this-year";

async fn register(server: &Server, authorization: &[&str]) -> Answer {
    let mut request = send(server, Method::POST, "/register")
        .header("content-type", "application/json")
        .body(json!({ "redirect_uris": [REDIRECT] }).to_string());
    for value in authorization {
        request = request.header("authorization", *value);
    }
    answer(request).await
}

/// DCR-11.
#[tokio::test]
async fn without_an_initial_access_token_nobody_registers() {
    type Change = fn(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>;
    let modes: [Change; 2] = [
        |tier| tier,
        |tier| tier.with_stored_registrations(StoredRegistrations::new()),
    ];
    for mode in modes {
        let tokens = || [OLD, NEW].map(AccessToken::new);
        let server = Server::builder(move |tier| mode(tier).with_initial_access_tokens(tokens()))
            .start()
            .await;
        for nothing in [&[][..], &["Basic aW5pdGlhbDp0b2tlbg=="]] {
            let refused = register(&server, nothing).await;
            assert_eq!((refused.status.as_u16(), refused.body.as_str()), (401, ""));
            assert_eq!(
                refused.header("www-authenticate"),
                Some("Bearer realm=\"registration\"")
            );
            assert_eq!(refused.header("cache-control"), Some("no-store"));
        }
        let good = [OLD, NEW].map(|token| format!("Bearer {token}"));
        for wrong in [
            &["Bearer initial-token-of-last-yeaR"][..],
            &["Bearer "],
            &["Bearer initial"],
            &[&good[0], &good[0]],
        ] {
            let refused = register(&server, wrong).await;
            refused.refuses(401, "invalid_token");
            assert!(
                refused
                    .header("www-authenticate")
                    .unwrap()
                    .starts_with("Bearer ")
            );
        }
        for good in &good {
            assert_eq!(register(&server, &[good]).await.status, 201);
        }
    }
}

/// DCR-11.
#[tokio::test]
async fn open_registration_takes_no_notice_of_a_token() {
    let server = Server::start().await;
    assert_eq!(register(&server, &["Bearer whatever"]).await.status, 201);
}

/// DCR-11, DCR-12.
#[tokio::test]
async fn settings_of_registrations_that_mean_nothing_do_not_build() {
    let build = |change: fn(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>| {
        let upstream = OAuthUpstream::with_issuer("https://id.example.com", "c").build();
        let url = PublicUrl::parse("http://127.0.0.1:8000").unwrap();
        let built = change(DcrShim::builder(url, Arc::new(upstream.unwrap()))).build();
        built
            .map(|tier| tier.endpoints())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let short =
        build(|tier| tier.with_initial_access_tokens([AccessToken::new("fifteen-letters")]));
    assert!(short.unwrap_err().starts_with("initial access tokens: "));
    let spaced = build(|tier| {
        tier.with_initial_access_tokens([AccessToken::new("with spaces in the middle")])
    });
    assert!(spaced.unwrap_err().starts_with("initial access tokens: "));
    // A list that came out empty says that nobody registers, and never that everybody does.
    let empty = build(|tier| tier.with_initial_access_tokens([]));
    assert!(empty.unwrap_err().contains("without_registration"));
    let added = build(|tier| {
        tier.with_initial_access_tokens([])
            .with_initial_access_tokens([AccessToken::new(OLD)])
    });
    assert_eq!(added, Ok(()));
    let stored = StoredRegistrations::new;
    let hurried = build(move |tier| {
        let settings = StoredRegistrations::new().with_lifetime(Duration::from_secs(3599));
        tier.with_stored_registrations(settings)
    });
    assert!(hurried.unwrap_err().starts_with("registration lifetime: "));
    let tight =
        build(|tier| tier.with_stored_registrations(StoredRegistrations::new().with_capacity(9)));
    assert!(tight.unwrap_err().starts_with("registration capacity: "));
    assert_eq!(stored(), StoredRegistrations::default());
}
