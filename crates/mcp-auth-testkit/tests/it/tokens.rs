//! `/token`, `/userinfo` and `/revoke`.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use mcp_auth_testkit::Browser;
use serde_json::Value;

use crate::relying_party::RelyingParty;

#[tokio::test]
async fn a_code_becomes_tokens_that_speak_for_the_user() {
    let party = RelyingParty::start().await;
    let tokens = party.tokens().await;
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    assert_eq!(tokens.body["token_type"], "Bearer");
    assert_eq!(tokens.body["expires_in"], 300);
    assert_eq!(tokens.body["scope"], "openid profile");

    let user = party.userinfo(tokens.text("access_token")).await;
    assert_eq!(user.text("sub"), "user-alice");
    assert_eq!(user.text("email"), "alice@example.com");
    assert_eq!(user.text("preferred_username"), "alice");

    let seen = party.upstream.token_requests();
    assert!(seen[0].authorization().unwrap().starts_with("Basic "));
    assert_eq!(seen[0].parameter("client_secret"), None);
    assert!(!format!("{seen:?}").contains(seen[0].parameter("code").unwrap()));
}

#[tokio::test]
async fn the_id_token_verifies_against_the_key_set() {
    let party = RelyingParty::start().await;
    let tokens = party.tokens().await;
    let keys: JwkSet = reqwest::get(party.url("/jwks"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let header = jsonwebtoken::decode_header(tokens.text("id_token")).unwrap();
    let jwk = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[party.upstream.client_id()]);
    validation.set_issuer(&[party.upstream.issuer()]);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    let claims = jsonwebtoken::decode::<Value>(tokens.text("id_token"), &key, &validation).unwrap();
    assert_eq!(claims.claims["sub"], "user-alice");
    assert_eq!(claims.claims["nonce"], "n-1");
}

#[tokio::test]
async fn a_code_works_once_and_its_second_use_ends_what_it_began() {
    let party = RelyingParty::start().await;
    let callback = party.sign_in(&mut Browser::new()).await;
    let code = callback.code().unwrap();
    let tokens = party.exchange(code, &[]).await;
    assert!(
        party
            .upstream
            .is_live_access_token(tokens.text("access_token"))
    );

    let again = party.exchange(code, &[]).await;
    assert_eq!((again.status, again.text("error")), (400, "invalid_grant"));
    assert!(
        !party
            .upstream
            .is_live_access_token(tokens.text("access_token"))
    );
    assert!(
        !party
            .upstream
            .is_live_refresh_token(tokens.text("refresh_token"))
    );
}

#[tokio::test]
async fn a_code_needs_its_verifier_its_redirect_and_its_minute() {
    let party = RelyingParty::start().await;
    let other = "x".repeat(43);
    for changes in [
        ("code_verifier", other.as_str()),
        ("redirect_uri", "http://127.0.0.1:8000/other"),
    ] {
        let callback = party.sign_in(&mut Browser::new()).await;
        let refused = party.exchange(callback.code().unwrap(), &[changes]).await;
        assert_eq!(
            (refused.status, refused.text("error")),
            (400, "invalid_grant")
        );
        let burnt = party.exchange(callback.code().unwrap(), &[]).await;
        assert_eq!(burnt.status, 400);
    }
    let callback = party.sign_in(&mut Browser::new()).await;
    party.clock.advance(Duration::from_secs(60));
    let late = party.exchange(callback.code().unwrap(), &[]).await;
    assert_eq!(late.text("error"), "invalid_grant");
}

#[tokio::test]
async fn the_client_authenticates_by_header_or_form_and_not_by_both() {
    let party = RelyingParty::start().await;
    let secret = party.upstream.client_secret().to_owned();
    let form = |secret: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "unknown"),
            ("client_id", party.upstream.client_id()),
            ("client_secret", secret),
        ];
        party.http.post(party.url("/token")).form(&form)
    };
    let by_form: Value = form(&secret).send().await.unwrap().json().await.unwrap();
    assert_eq!(by_form["error"], "invalid_grant");

    let wrong = form("wrong").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert!(wrong.headers().contains_key("www-authenticate"));
    assert_eq!(wrong.headers()["cache-control"], "no-store");

    let both = form(&secret).basic_auth(party.upstream.client_id(), Some(&secret));
    let both: Value = both.send().await.unwrap().json().await.unwrap();
    assert_eq!(both["error"], "invalid_request");
}

#[tokio::test]
async fn a_used_refresh_token_is_dead_at_once_and_its_reuse_ends_the_family() {
    let party = RelyingParty::start().await;
    let first = party.tokens().await;
    let second = party.refresh(first.text("refresh_token")).await;
    assert_eq!(second.status, 200);
    assert_ne!(second.text("refresh_token"), first.text("refresh_token"));
    assert!(
        !party
            .upstream
            .is_live_refresh_token(first.text("refresh_token"))
    );
    assert!(
        party
            .upstream
            .is_live_access_token(second.text("access_token"))
    );

    let reused = party.refresh(first.text("refresh_token")).await;
    assert_eq!(reused.text("error"), "invalid_grant");
    let successor = party.refresh(second.text("refresh_token")).await;
    assert_eq!(successor.text("error"), "invalid_grant");
    assert_eq!(
        party.userinfo(second.text("access_token")).await.status,
        401
    );
    let counters = party.upstream.counters();
    assert_eq!((counters.refreshes, counters.refresh_reuses), (3, 1));
    assert_eq!(counters.code_exchanges, 1);
}

#[tokio::test]
async fn of_two_refreshes_at_once_one_wins() {
    let party = RelyingParty::start().await;
    let tokens = party.tokens().await;
    let token = tokens.text("refresh_token");
    let (a, b) = tokio::join!(party.refresh(token), party.refresh(token));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn access_tokens_end_by_the_clock() {
    let party = RelyingParty::start().await;
    let tokens = party.tokens().await;
    party.clock.advance(Duration::from_secs(299));
    assert_eq!(
        party.userinfo(tokens.text("access_token")).await.status,
        200
    );
    party.clock.advance(Duration::from_secs(1));
    assert_eq!(
        party.userinfo(tokens.text("access_token")).await.status,
        401
    );
    assert_eq!(
        party.refresh(tokens.text("refresh_token")).await.status,
        200
    );
}

#[tokio::test]
async fn revoking_a_refresh_token_takes_its_access_tokens_along() {
    let party = RelyingParty::start().await;
    let tokens = party.tokens().await;
    let form = [("token", tokens.text("refresh_token"))];
    assert_eq!(party.post("/revoke", &form).await.status, 200);
    assert_eq!(
        party.userinfo(tokens.text("access_token")).await.status,
        401
    );
    assert_eq!(
        party.post("/revoke", &[("token", "unknown")]).await.status,
        200
    );
    assert_eq!(party.upstream.counters().revocations, 2);
}

#[tokio::test]
async fn everything_of_one_user_ends_and_nothing_of_another() {
    let party = RelyingParty::start().await;
    let alice = party.tokens().await;
    let callback = party
        .sign_in(&mut Browser::new().with_user("bob", "builder"))
        .await;
    let bob = party.exchange(callback.code().unwrap(), &[]).await;
    party.upstream.revoke_everything_of("alice");
    assert!(
        !party
            .upstream
            .is_live_access_token(alice.text("access_token"))
    );
    assert!(
        !party
            .upstream
            .is_live_refresh_token(alice.text("refresh_token"))
    );
    assert!(
        party
            .upstream
            .is_live_access_token(bob.text("access_token"))
    );
}
