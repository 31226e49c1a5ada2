//! `/authorize` and `/login`, with a browser.

use std::time::Duration;

use mcp_auth_testkit::{
    Browser,
    browser::{BrowserError, Decision},
};

use crate::relying_party::{REDIRECT, RelyingParty};

#[tokio::test]
async fn a_login_ends_at_the_client_with_code_state_and_iss() {
    let party = RelyingParty::start().await;
    let mut browser = Browser::new();
    let page = browser.get(&party.authorize_url(&[])).await.unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(page.title(), "Sign in · Demo upstream");
    assert!(
        page.text().contains("alice / wonderland"),
        "{}",
        page.text()
    );

    let callback = party.sign_in(&mut browser).await;
    assert_eq!(callback.pages, 1);
    assert_eq!(callback.state(), Some("the state & more"));
    assert_eq!(callback.iss(), Some(party.upstream.issuer()));
    assert_eq!(callback.code().map(str::len), Some(43));
    assert_eq!(callback.hops.last().unwrap().status, 303);

    let counters = party.upstream.counters();
    assert_eq!(counters.authorize_requests, 2);
    assert_eq!(counters.sign_ins, 1);
    let seen = party.upstream.authorize_requests();
    assert_eq!(seen[1].parameter("nonce"), Some("n-1"));
    assert_eq!(seen[1].parameter("code_challenge").map(str::len), Some(43));
}

#[tokio::test]
async fn who_is_signed_in_already_goes_straight_through() {
    let party = RelyingParty::start().await;
    let mut browser = Browser::new();
    party.sign_in(&mut browser).await;
    let again = party.sign_in(&mut browser).await;
    assert_eq!(again.pages, 0);
    assert_eq!(again.hops.len(), 1);

    let asked_again = party.authorize_url(&[("prompt", "login")]);
    assert!(
        browser
            .get(&asked_again)
            .await
            .unwrap()
            .has_button("Sign in")
    );

    let elsewhere = party.sign_in(&mut Browser::new()).await;
    assert_eq!(elsewhere.pages, 1);
    party.upstream.revoke_everything_of("alice");
    assert_eq!(party.sign_in(&mut browser).await.pages, 1);
}

#[tokio::test]
async fn auto_sign_in_shows_no_page() {
    let party = RelyingParty::start().await;
    party.upstream.auto_sign_in(Some("bob"));
    let callback = party.sign_in(&mut Browser::new()).await;
    assert_eq!(callback.pages, 0);
    let tokens = party.exchange(callback.code().unwrap(), &[]).await;
    let user = party.userinfo(tokens.text("access_token")).await;
    assert_eq!(user.text("sub"), "user-bob");
}

#[tokio::test]
async fn wrong_passwords_show_an_error_and_then_cost_time() {
    let party = RelyingParty::start().await;
    let mut browser = Browser::new();
    browser.get(&party.authorize_url(&[])).await.unwrap();
    for _ in 0..5 {
        let page = browser.sign_in_as("alice", "<b>").await.unwrap();
        assert_eq!(page.status, 401);
        assert!(page.text().contains("do not belong together"));
        assert_eq!(page.forms[0].value("username"), Some("alice"));
    }
    let page = browser.sign_in_as("alice", "wonderland").await.unwrap();
    assert_eq!(page.status, 429);
    assert_eq!(page.header("retry-after"), Some("2"));

    party.clock.advance(Duration::from_secs(2));
    browser.fill("username", "alice").unwrap();
    browser.fill("password", "wonderland").unwrap();
    let callback = browser.submit_until("Sign in", REDIRECT).await.unwrap();
    assert!(callback.code().is_some());
    assert_eq!(party.upstream.counters().failed_sign_ins, 5);
}

#[tokio::test]
async fn the_login_page_is_locked_down_without_form_action() {
    let party = RelyingParty::start().await;
    let mut browser = Browser::new();
    let page = browser.get(&party.authorize_url(&[])).await.unwrap();
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("form-action"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert!(!page.html.contains("style=") && !page.html.contains("<script"));
}

#[tokio::test]
async fn the_login_form_is_not_taken_from_another_site() {
    let party = RelyingParty::start().await;
    let mut browser = Browser::new();
    let page = browser.get(&party.authorize_url(&[])).await.unwrap();
    let login = page.forms[0].value("login").unwrap().to_owned();
    let fields = [
        ("login", login.as_str()),
        ("username", "alice"),
        ("password", "wonderland"),
    ];
    let url = party.url("/login");
    let page = browser
        .post_form_from("https://evil.example", &url, &fields)
        .await
        .unwrap();
    assert_eq!(page.status, 403);
    assert_eq!(party.upstream.counters().sign_ins, 0);
}

#[tokio::test]
async fn what_cannot_be_trusted_gets_a_page_and_no_redirect() {
    let party = RelyingParty::start().await;
    for changes in [
        ("client_id", "someone"),
        ("client_id", ""),
        ("redirect_uri", "http://127.0.0.1:8000/callback/"),
        ("redirect_uri", ""),
    ] {
        let url = party.authorize_url(&[changes]);
        let error = Browser::new()
            .walk(&url, REDIRECT, Decision::Approve)
            .await
            .unwrap_err();
        let BrowserError::Ended(stopped) = &error else {
            panic!("{error}");
        };
        assert_eq!(stopped.status, 400, "{error}");
        assert_eq!(stopped.title, "This cannot go on · Demo upstream");
    }
    let twice = format!("{}&state=2", party.authorize_url(&[]));
    assert_eq!(Browser::new().get(&twice).await.unwrap().status, 400);
}

#[tokio::test]
async fn what_is_wrong_with_the_request_goes_back_to_the_client() {
    let party = RelyingParty::start().await;
    for (changes, code) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("prompt", "none"), "login_required"),
    ] {
        let url = party.authorize_url(&[changes]);
        let callback = Browser::new()
            .walk(&url, REDIRECT, Decision::Approve)
            .await
            .unwrap();
        assert_eq!(callback.error(), Some(code));
        assert_eq!(callback.state(), Some("the state & more"));
        assert_eq!(callback.iss(), Some(party.upstream.issuer()));
        assert_eq!(callback.code(), None);
    }
}
