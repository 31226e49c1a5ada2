//! What the upstream hears of grants that end here.

use std::{sync::Arc, time::Duration};

use mcp_auth::{
    authorization_server::{AdmissionRule, pages::ErrorPageKind},
    upstream::OAuthUpstreamBuilder,
};

use crate::{
    client::{Client, Parameters, answer, assert_shows, consent_page, send, token},
    harness::Server,
};

async fn revoke(server: &Server, client: &Client, token: &str) {
    let form = Parameters::default()
        .and("token", token)
        .and("client_id", &client.id);
    let request = send(server, http::Method::POST, "/revoke")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.encoded());
    assert_eq!(answer(request).await.status, 200);
}

/// Waits until the upstream was told of so many tokens; they are dead there then.
async fn told(server: &Server, count: usize) {
    let heard = async {
        while server.upstream.revocation_requests().len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(5), heard).await;
    assert!(heard.is_ok(), "the upstream was not told");
    let requests = server.upstream.revocation_requests();
    assert_eq!(requests.len(), count);
    for request in requests {
        let token = request.parameter("token").unwrap();
        assert!(!server.upstream.is_live_refresh_token(token));
        assert!(!server.upstream.is_live_access_token(token));
    }
}

/// REV-08. Many upstreams end everything of a user with one token: they hear of the last grant.
#[tokio::test]
async fn a_host_that_signs_out_does_not_sign_the_others_out() {
    let server = Server::start().await;
    let (one, other) = (Client::public(&server).await, Client::public(&server).await);
    let (first, second) = (one.tokens(&server).await, other.tokens(&server).await);
    revoke(&server, &one, &first.refresh).await;
    let second = token(&server, &other.refreshing(&second.refresh))
        .await
        .tokens();
    assert!(server.upstream.revocation_requests().is_empty());
    revoke(&server, &other, &second.refresh).await;
    told(&server, 1).await;
}

/// REV-08.
#[tokio::test]
async fn an_upstream_that_ends_single_grants_hears_of_each() {
    let server = Server::builder(|tier| tier)
        .with_upstream(OAuthUpstreamBuilder::with_single_grant_revocation)
        .start()
        .await;
    let (one, other) = (Client::public(&server).await, Client::public(&server).await);
    let (first, second) = (one.tokens(&server).await, other.tokens(&server).await);
    revoke(&server, &one, &first.refresh).await;
    told(&server, 1).await;
    token(&server, &other.refreshing(&second.refresh))
        .await
        .tokens();
}

/// REV-08. Without a refresh token there, the access token is what there is.
#[tokio::test]
async fn an_upstream_access_token_is_given_back_where_it_is_all_there_is() {
    let server = Server::start().await;
    server
        .upstream
        .change_faults(|faults| faults.no_refresh_token = true);
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    revoke(&server, &client, &tokens.access).await;
    told(&server, 1).await;
    let request = &server.upstream.revocation_requests()[0];
    assert_eq!(request.parameter("token_type_hint"), Some("access_token"));
}

/// REV-08, ASR-02, AST-18. What is ended for theft is ended there too.
#[tokio::test]
async fn a_grant_that_ends_for_reuse_ends_at_the_upstream() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let old = client.tokens(&server).await;
    let next = token(&server, &client.refreshing(&old.refresh))
        .await
        .tokens();
    token(&server, &client.refreshing(&next.refresh))
        .await
        .tokens();
    token(&server, &client.refreshing(&old.refresh))
        .await
        .refuses(400, "invalid_grant");
    told(&server, 1).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    token(&server, &form).await.tokens();
    token(&server, &form).await.refuses(400, "invalid_grant");
    told(&server, 2).await;
}

/// REV-08. Nobody uses what a refused login brought.
#[tokio::test]
async fn a_login_that_leads_to_no_grant_leaves_no_token_alive() {
    let server =
        Server::builder(|tier| tier.with_admission(Arc::new(AdmissionRule::subjects(["nobody"]))))
            .start()
            .await;
    let client = Client::public(&server).await;
    let mut browser = server.browser().with_user("alice", "wonderland");
    consent_page(&server, &mut browser, &client.request(&server)).await;
    browser.submit("Approve").await.unwrap();
    let page = browser.sign_in_as("alice", "wonderland").await.unwrap();
    assert_shows(page, ErrorPageKind::NotAdmitted);
    told(&server, 1).await;
}
