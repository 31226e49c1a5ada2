//! How another issuer's keys are read, and what happens while it is away.

use std::{sync::Arc, time::Duration};

use mcp_auth_testkit::at_once;
use serde_json::json;

use crate::{
    issuer::{Issuer, Signer},
    server::{RESOURCE, Server, invalid_token},
};

/// Waits until something that goes on beside is done.
async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not come");
}

/// JWK-07, FLT-19.
#[tokio::test]
async fn ten_thousand_unknown_keys_cause_one_reading_in_an_interval() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let key = issuer.key("k1");
    let claims = issuer.claims(RESOURCE, server.now());
    let token = |n: usize| {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("random-{n}") });
        key.jwt(&header.to_string(), &claims.to_string())
    };
    // What was looked for is unknown; of the others nobody can say until the next reading.
    assert_eq!(server.call(&token(0)).await.0, invalid_token());
    for n in 1..10_000 {
        let (answer, seen) = server.call(&token(n)).await;
        assert_eq!(
            (answer.status, answer.error, seen.is_none()),
            (503, None, true)
        );
    }
    assert_eq!(issuer.key_requests(), 1);
    server.clock.advance(Duration::from_secs(29));
    assert_eq!(server.status(&token(0)).await, 401);
    assert_eq!(issuer.key_requests(), 1);
    // What was issued well before the reading is under no newer key.
    let mut old = claims.clone();
    old["iat"] = json!(server.now() - 100);
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "random" });
    let old = key.jwt(&header.to_string(), &old.to_string());
    assert_eq!(server.call(&old).await.0, invalid_token());
    assert_eq!(issuer.key_requests(), 1);
    server.clock.advance(Duration::from_secs(1));
    for n in 0..100 {
        assert_ne!(server.status(&token(n)).await, 200);
    }
    assert_eq!(issuer.key_requests(), 2);
    let good = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&good).await, 200);
}

/// JWK-08, FLT-19.
#[tokio::test(flavor = "multi_thread")]
async fn a_cold_crowd_causes_one_reading_and_all_of_it_comes_in() {
    let issuer = Issuer::start().await;
    let server = Arc::new(Server::of(&issuer));
    let now = server.now();
    let issuer = Arc::new(issuer);
    let made = Arc::clone(&issuer);
    let statuses = at_once(64, move |n| {
        let mut claims = made.claims(RESOURCE, now);
        claims["jti"] = json!(n);
        let token = made.token("k1", &claims);
        let server = Arc::clone(&server);
        async move { server.status(&token).await }
    });
    assert!(statuses.await.iter().all(|status| *status == 200));
    assert_eq!(issuer.key_requests(), 1);
}

/// JWK-11, FLT-19.
#[tokio::test]
async fn a_rotation_refuses_nobody() {
    let mut issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let old = issuer.token("k1", &issuer.claims(RESOURCE, server.now() + 600));
    let before = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&before).await, 200);
    // The new key is used at once, while the old one still is.
    server.clock.advance(Duration::from_secs(40));
    issuer.add("k2", Signer::es256());
    let new = issuer.token("k2", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&new).await, 200);
    assert_eq!(server.status(&before).await, 200);
    assert_eq!(issuer.key_requests(), 2);
    server.clock.advance(Duration::from_secs(560));
    assert_eq!(server.status(&old).await, 200);
    // Even right after a reading nobody is told that the token is bad: only to come again.
    server.clock.advance(Duration::from_secs(400));
    let due = issuer.token("k2", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&due).await, 200);
    until(|| issuer.key_requests() == 3).await;
    server.clock.advance(Duration::from_secs(5));
    issuer.add("k3", Signer::es256());
    let newest = issuer.token("k3", &issuer.claims(RESOURCE, server.now()));
    let (answer, _) = server.call(&newest).await;
    assert_eq!((answer.status, answer.error), (503, None));
    let wait: u64 = answer.retry_after.unwrap().parse().unwrap();
    assert!(wait <= 30, "{wait}");
    server.clock.advance(Duration::from_secs(wait));
    assert_eq!(server.status(&newest).await, 200);
}

/// JWK-07, FLT-18.
#[tokio::test]
async fn an_issuer_that_is_away_for_an_hour_refuses_no_known_key() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let first = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&first).await, 200);
    issuer.set_down(true);
    for minute in 1..=60 {
        server.clock.advance(Duration::from_secs(60));
        let token = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
        let asked = issuer.key_requests();
        for _ in 0..3 {
            assert_eq!(server.status(&token).await, 200);
        }
        if minute >= 15 {
            until(|| issuer.key_requests() > asked).await; // it is asked again, once
        }
        assert!(issuer.key_requests() <= asked + 1);
    }
    // A key that nobody knows may be a new one: nobody is logged out for that.
    let stranger = Signer::es256();
    server.clock.advance(Duration::from_secs(60));
    let claims = issuer.claims(RESOURCE, server.now()).to_string();
    let unknown = stranger.jwt(r#"{"alg":"ES256","typ":"at+jwt","kid":"k9"}"#, &claims);
    let (answer, _) = server.call(&unknown).await;
    assert_eq!(answer.status, 503);
    // After a day nothing is believed any more.
    server.clock.advance(Duration::from_secs(24 * 3600));
    let token = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&token).await, 503);
    issuer.set_down(false);
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(server.status(&token).await, 200);
}

/// JWK-08, FLT-18.
#[tokio::test]
async fn an_issuer_that_was_never_there_is_an_outage_and_no_refusal() {
    let issuer = Issuer::start().await;
    issuer.set_down(true);
    let server = Server::of(&issuer);
    let token = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    for _ in 0..10 {
        let (answer, _) = server.call(&token).await;
        assert_eq!((answer.status, answer.error), (503, None));
        assert!(answer.retry_after.is_some());
    }
    assert_eq!(issuer.key_requests(), 1);
    issuer.set_down(false);
    server.clock.advance(Duration::from_secs(30));
    assert_eq!(server.status(&token).await, 200);
}

/// FLT-19.
#[tokio::test]
async fn a_key_that_was_withdrawn_opens_nothing_once_the_keys_are_read_again() {
    let mut issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let mut claims = issuer.claims(RESOURCE, server.now());
    claims["exp"] = json!(server.now() + 7200);
    let token = issuer.token("k1", &claims);
    assert_eq!(server.status(&token).await, 200);
    issuer.add("k2", Signer::es256());
    issuer.publish(vec![issuer.key("k2").jwk("k2")]);
    assert_eq!(server.status(&token).await, 200, "it is remembered");
    server.clock.advance(Duration::from_secs(900));
    server.call(&token).await;
    until(|| issuer.key_requests() == 2).await;
    for _ in 0..500 {
        if server.status(&token).await == 401 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a withdrawn key still opens");
}

/// FLT-19.
#[tokio::test]
async fn keys_that_were_read_while_the_clock_was_ahead_are_read_again() {
    let mut issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let year = Duration::from_secs(365 * 24 * 3600);
    server.clock.advance(year);
    let early = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&early).await, 200);
    // Set right again, and a key is withdrawn.
    server.clock.rewind(year);
    let token = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    issuer.add("k2", Signer::es256());
    issuer.publish(vec![issuer.key("k2").jwk("k2")]);
    server.call(&token).await;
    until(|| issuer.key_requests() == 2).await;
    for _ in 0..500 {
        if server.status(&token).await != 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a withdrawn key still opens");
}

/// FLT-20, JWK-09.
#[tokio::test]
async fn keys_of_unknown_kinds_spoil_nothing() {
    let issuer = Issuer::start().await;
    let mut keys = vec![
        json!({ "kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AA" }),
        json!({ "kty": "oct", "kid": "k1", "k": "c2VjcmV0" }),
        json!(null),
    ];
    keys.push(issuer.key("k1").jwk("k1"));
    issuer.publish(keys);
    let server = Server::of(&issuer);
    let token = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    assert_eq!(server.status(&token).await, 200);
}

/// JWK-11, TIM-01, FLT-19.
#[tokio::test]
async fn a_rotation_refuses_nobody_where_the_issuers_clock_is_behind() {
    let mut issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let behind = server.now() - 50;
    let first = issuer.token("k1", &issuer.claims(RESOURCE, behind));
    assert_eq!(server.status(&first).await, 200);
    server.clock.advance(Duration::from_secs(5));
    issuer.add("k2", Signer::es256());
    let new = issuer.token("k2", &issuer.claims(RESOURCE, behind + 5));
    assert_eq!(
        server.status(&new).await,
        503,
        "it may be newer than what was read"
    );
    server.clock.advance(Duration::from_secs(25));
    assert_eq!(server.status(&new).await, 200);
}

/// TIM-01.
#[tokio::test]
async fn a_token_of_the_future_is_refused_before_anybody_is_asked() {
    let issuer = Issuer::start().await;
    let server = Server::of(&issuer);
    let stranger = Signer::es256();
    let claims = issuer.claims(RESOURCE, server.now() + 61).to_string();
    let token = stranger.jwt(r#"{"alg":"ES256","typ":"at+jwt","kid":"k9"}"#, &claims);
    assert_eq!(server.call(&token).await.0, invalid_token());
    assert_eq!(issuer.key_requests(), 0);
}
