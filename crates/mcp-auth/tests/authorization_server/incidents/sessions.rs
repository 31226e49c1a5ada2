//! Incidents of Keycloak: what a race, a restart, an answer of the browser or a header must not change.

use std::{sync::Arc, time::Duration};

use mcp_auth::store::{KeyRing, MemoryStore};

use crate::{
    client::{Client, answer, authorize, consent_page, opens, send, token},
    harness::{KEY, Server},
};

/// The use of a refresh token was looked for, and then written down: two at once were both the first.
///
/// ASR-14.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cve_2026_1035_of_two_uses_at_once_one_is_the_first() {
    let server = Server::builder(|tier| tier.with_refresh_grace(Duration::ZERO))
        .start()
        .await;
    let server = Arc::new(server);
    for _ in 0..10 {
        let client = Client::public(&server).await;
        let form = client.refreshing(&client.tokens(&server).await.refresh);
        let racing = [0; 2].map(|_| {
            let (server, form) = (Arc::clone(&server), form.clone());
            tokio::spawn(async move { token(&server, &form).await.status.as_u16() })
        });
        let mut statuses = Vec::new();
        for answer in racing {
            statuses.push(answer.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400]);
    }
}

/// What said that a refresh token was over lay in memory: a restart made it good again.
///
/// ASR-11.
#[tokio::test]
async fn cve_2026_9802_a_restart_makes_no_old_refresh_token_good() {
    let store = Arc::new(MemoryStore::new());
    let kept = Arc::clone(&store);
    let ring = || KeyRing::parse(KEY).unwrap();
    let server = Server::builder(move |tier| tier.with_store(kept).with_key_ring(ring()))
        .start()
        .await;
    let client = Client::public(&server).await;
    let first = client.tokens(&server).await.refresh;
    let second = token(&server, &client.refreshing(&first)).await.tokens();
    server.clock.advance(Duration::from_secs(61));
    server.restart(move |tier| tier.with_store(store).with_key_ring(ring()));
    let again = token(&server, &client.refreshing(&first)).await;
    again.refuses(400, "invalid_grant");
    // Its reuse ended the grant, as without a restart.
    let current = token(&server, &client.refreshing(&second.refresh)).await;
    current.refuses(400, "invalid_grant");
    assert!(!opens(&server, &second.access).await);
}

/// What a browser sent later in a login brought the implicit flow back.
///
/// ASZ-11, ASC-17.
#[tokio::test]
async fn cve_2026_7571_nothing_sent_later_changes_what_was_asked_for() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    for kind in ["token", "code token", "id_token token"] {
        let request = client.request(&server).with("response_type", kind);
        let refused = authorize(&server, &request).await;
        refused.sends_error(&server, &client.redirect_uri, "unsupported_response_type");
    }
    let mut browser = server.browser();
    let page = consent_page(&server, &mut browser, &client.request(&server)).await;
    let sealed = page.forms[0].value("request").unwrap().to_owned();
    let fields = [
        ("request", sealed.as_str()),
        ("decision", "approve"),
        ("response_type", "token"),
        ("response_mode", "fragment"),
        ("redirect_uri", "https://evil.example/cb"),
        ("client_id", "evil"),
        ("state", "evil"),
    ];
    let url = server.url("/consent");
    let login = browser.post_form_from(server.issuer(), &url, &fields).await;
    assert!(login.unwrap().text().contains("Sign in"));
    browser.fill("username", "alice").unwrap();
    browser.fill("password", "wonderland").unwrap();
    let callback = browser.submit_until("Sign in", &client.redirect_uri).await;
    let callback = callback.unwrap();
    let there = &callback.url;
    assert!(there.as_str().starts_with(&client.redirect_uri), "{there}");
    assert!(there.fragment().is_none() && callback.code().is_some());
    assert!(!there.as_str().contains("evil") && !there.as_str().contains("access_token"));
}

/// The host of a token request became part of a URL that the server called.
///
/// ASM-04.
#[tokio::test]
async fn cve_2026_4874_the_host_of_a_request_leads_no_call_of_ours() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let refresh = client.tokens(&server).await.refresh;
    // The upstream's token is due: this request has to call it.
    server.clock.advance(Duration::from_secs(301));
    let before = server.upstream.counters().refreshes;
    let request = send(&server, http::Method::POST, "/token")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(client.refreshing(&refresh).encoded());
    let answered = answer(request).await;
    assert!(!answered.body.contains("evil.example"), "{}", answered.body);
    let called = server.upstream.counters().refreshes - before;
    assert_eq!((answered.status.as_u16(), called), (200, 1));
    let seen = server.upstream.token_requests();
    let last = format!("{:?}", seen.last().unwrap());
    assert!(!last.contains("evil.example"), "{last}");
}
