//! `prompt`, and the way without a page.

use std::sync::Arc;

use mcp_auth::authorization_server::AdmissionRule;
use mcp_auth_testkit::Browser;

use crate::{
    client::{Client, REDIRECT, Redirect, STATE, approve, authorize, finish},
    harness::Server,
    remembered_consent::{desk, goes_through, pushed, remember, remembering, start, url},
    storage::Witness,
};

/// ASZ-33, ASC-16.
#[tokio::test]
async fn prompt_none_shows_no_page_and_is_no_way_around_consent() {
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let silent = request.clone().and("prompt", "none");
    let mut browser = server.browser();
    let asked = |browser: &Browser| {
        let (mut browser, server) = (browser.clone(), &server);
        let (client, silent) = (client.clone(), silent.clone());
        async move {
            let pushed = pushed(server, &client, &silent).await;
            finish(&mut browser, &url(server, &pushed), &client).await
        }
    };
    let refused = asked(&browser).await;
    assert_eq!(refused.error(), Some("consent_required"));
    assert_eq!(Redirect::of(&refused).all("state"), [STATE]);
    assert_eq!(Redirect::of(&refused).all("iss"), [server.issuer()]);
    assert_eq!(server.upstream.counters().authorize_requests, 0);

    remember(&server, &mut browser, &client, &request).await;
    goes_through(&server, &mut browser, &client, &silent).await;
    let seen = server.upstream.authorize_requests();
    assert_eq!(seen.last().unwrap().parameter("prompt"), Some("none"));
    // Another user, for whom nothing was remembered.
    server.upstream.auto_sign_in(Some("bob"));
    let refused = asked(&browser).await;
    assert_eq!(refused.error(), Some("consent_required"));
    // Nobody is signed in there.
    server.upstream.auto_sign_in(None);
    let refused = asked(&browser).await;
    assert_eq!(refused.error(), Some("login_required"));
    server.upstream.change_faults(|faults| {
        faults.error_on_authorize = Some("account_selection_required".into())
    });
    let refused = asked(&browser).await;
    assert_eq!(refused.error(), Some("interaction_required"));
}

/// ASZ-33. Also where the store is away, and where the operator does not let the user in any more.
#[tokio::test]
async fn prompt_none_shows_no_page_to_whoever_is_refused() {
    let store = Arc::new(Witness::default());
    let kept = Arc::clone(&store);
    let server = Server::builder(move |tier| remembering(tier).with_store(kept))
        .start()
        .await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    let silent = request.and("prompt", "none");
    let (away, refused) = (
        pushed(&server, &client, &silent).await,
        pushed(&server, &client, &silent).await,
    );
    store.go_away();
    let told = finish(&mut browser, &url(&server, &away), &client).await;
    assert_eq!(told.error(), Some("temporarily_unavailable"));
    store.come_back();

    server.restart(move |tier| {
        let nobody = AdmissionRule::subjects(["nobody"]);
        remembering(tier)
            .with_store(store)
            .with_admission(Arc::new(nobody))
    });
    let told = finish(&mut browser, &url(&server, &refused), &client).await;
    assert_eq!(told.error(), Some("access_denied"));
}

/// ASZ-33. A plain OAuth server knows no `prompt`, and would show a page.
#[tokio::test]
async fn an_upstream_that_does_not_know_prompt_is_not_asked_to_be_silent() {
    let server = Server::builder(remembering)
        .with_upstream(|upstream| upstream.with_scopes(["email"]))
        .start()
        .await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    let before = server.upstream.counters().authorize_requests;
    let silent = request.clone().and("prompt", "none");
    let silent = pushed(&server, &client, &silent).await;
    let refused = finish(&mut browser, &url(&server, &silent), &client).await;
    assert_eq!(refused.error(), Some("interaction_required"));
    assert_eq!(server.upstream.counters().authorize_requests, before);
    let again = request.and("prompt", "login");
    goes_through(&server, &mut browser, &client, &again).await;
    let seen = server.upstream.authorize_requests();
    assert_eq!(seen.last().unwrap().parameter("prompt"), None);
}

/// ASZ-03, ASZ-33.
#[tokio::test]
async fn each_prompt_goes_where_it_can_be_honoured() {
    let server = start().await;
    let client = Client::public(&server).await;
    for (prompt, told) in [
        ("login", Some("login")),
        ("select_account", Some("select_account")),
        ("select_account login", Some("login select_account")),
        ("consent", None),
        ("consent login", Some("login")),
        ("", None),
    ] {
        let request = client.request(&server).and("prompt", prompt);
        let mut browser = server.browser().with_user("alice", "wonderland");
        approve(&server, &mut browser, &client, &request).await;
        let seen = server.upstream.authorize_requests();
        assert_eq!(seen.last().unwrap().parameter("prompt"), told, "{prompt}");
    }
    for bad in [
        "none login",
        "consent none",
        "create",
        "None",
        "login,consent",
    ] {
        let refused = authorize(&server, &client.request(&server).and("prompt", bad)).await;
        refused.sends_error(&server, REDIRECT, "invalid_request");
    }
}
