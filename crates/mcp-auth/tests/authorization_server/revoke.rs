//! `POST /revoke`: a client gives its tokens up.

use http::Method;
use serde_json::json;

use crate::{
    client::{Answer, Client, Parameters, answer, basic, get, opens, send, token},
    harness::Server,
};

async fn revoke(server: &Server, client: &Client, token: &str) -> Answer {
    revoke_with(server, &form(client, token), |request| request).await
}

async fn revoke_with(
    server: &Server,
    form: &Parameters,
    change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> Answer {
    let request = send(server, Method::POST, "/revoke")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.encoded());
    answer(change(request)).await
}

fn form(client: &Client, token: &str) -> Parameters {
    let form = Parameters::default()
        .and("token", token)
        .and("client_id", &client.id);
    match &client.secret {
        Some(secret) => form.and("client_secret", secret),
        None => form,
    }
}

/// REV-01, REV-05.
#[tokio::test]
async fn a_refresh_token_that_is_revoked_takes_the_whole_grant_along() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let first = client.tokens(&server).await;
    let second = token(&server, &client.refreshing(&first.refresh))
        .await
        .tokens();
    let other = client.tokens(&server).await;
    let revoked = revoke(&server, &client, &second.refresh).await;
    assert_eq!((revoked.status.as_u16(), revoked.body.as_str()), (200, ""));
    for access in [&first.access, &second.access] {
        assert!(!opens(&server, access).await);
    }
    for refresh in [&first.refresh, &second.refresh] {
        token(&server, &client.refreshing(refresh))
            .await
            .refuses(400, "invalid_grant");
    }
    assert!(opens(&server, &other.access).await, "another grant goes on");
}

/// REV-01, REV-04.
#[tokio::test]
async fn an_access_token_can_be_revoked_and_a_wrong_hint_misleads_nobody() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    for (kind, hint) in [
        ("access", "refresh_token"),
        ("refresh", "access_token"),
        ("access", "nonsense"),
    ] {
        let tokens = client.tokens(&server).await;
        let given = if kind == "access" {
            &tokens.access
        } else {
            &tokens.refresh
        };
        let form = form(&client, given).and("token_type_hint", hint);
        assert_eq!(revoke_with(&server, &form, |r| r).await.status, 200);
        assert!(
            !opens(&server, &tokens.access).await,
            "{kind} with hint {hint}"
        );
    }
}

/// REV-02.
#[tokio::test]
async fn what_is_no_token_or_is_over_is_revoked_already() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    let mut invented = tokens.refresh.clone();
    invented.replace_range(invented.len() - 4.., "AAAA");
    for nothing in ["garbage", "mcprt_AAAA", "mcpat_AAAA", &invented, "a.b.c"] {
        let answer = revoke(&server, &client, nothing).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, ""),
            "{nothing}"
        );
    }
    assert!(
        opens(&server, &tokens.access).await,
        "an invented token harms no grant"
    );
    for _ in 0..2 {
        assert_eq!(revoke(&server, &client, &tokens.refresh).await.status, 200);
    }
}

/// REV-03.
#[tokio::test]
async fn a_client_revokes_only_what_is_its_own() {
    let server = Server::start().await;
    let owner = Client::confidential(&server).await;
    let tokens = owner.tokens(&server).await;
    for thief in [
        Client::public(&server).await,
        Client::confidential(&server).await,
    ] {
        for given in [&tokens.access, &tokens.refresh] {
            revoke(&server, &thief, given)
                .await
                .refuses(400, "invalid_grant");
        }
    }
    let unproved = form(&owner, &tokens.refresh).with("client_secret", "guess");
    revoke_with(&server, &unproved, |r| r)
        .await
        .refuses(401, "invalid_client");
    let nobody = Parameters::default().and("token", &tokens.refresh);
    revoke_with(&server, &nobody, |r| r)
        .await
        .refuses(401, "invalid_client");
    let unnamed = form(&owner, "x").without("token");
    revoke_with(&server, &unnamed, |r| r)
        .await
        .refuses(400, "invalid_request");
    assert!(opens(&server, &tokens.access).await, "nothing was revoked");
    let proved = Parameters::default().and("token", &tokens.refresh);
    let secret = owner.secret.as_deref().unwrap();
    let header = basic(&owner.id, secret);
    let revoked = revoke_with(&server, &proved, |r| r.header("authorization", header)).await;
    assert_eq!(revoked.status, 200);
    assert!(!opens(&server, &tokens.access).await);
}

/// REV-07, ASM-16.
#[tokio::test]
async fn the_metadata_names_it_and_pages_may_call_it() {
    let server = Server::start().await;
    let metadata = get(&server, "/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(
        metadata["revocation_endpoint"],
        json!(server.url("/revoke"))
    );
    let methods = &metadata["revocation_endpoint_auth_methods_supported"];
    assert_eq!(methods, &metadata["token_endpoint_auth_methods_supported"]);
    let preflight = answer(
        send(&server, Method::OPTIONS, "/revoke")
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST"),
    )
    .await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(get(&server, "/revoke").await.status, 405);
}

/// REV-08.
#[tokio::test]
async fn the_upstream_is_told_too() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    assert_eq!(revoke(&server, &client, &tokens.refresh).await.status, 200);
    let told = async {
        while server.upstream.revocation_requests().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let told = tokio::time::timeout(std::time::Duration::from_secs(5), told).await;
    assert!(told.is_ok(), "the upstream was not told");
    let requests = server.upstream.revocation_requests();
    let given = requests[0].parameter("token").unwrap();
    assert!(!server.upstream.is_live_refresh_token(given));
    assert!(
        requests[0]
            .authorization()
            .is_some_and(|header| header.starts_with("Basic "))
    );
    assert_ne!(given, tokens.refresh, "the upstream's own, never ours");
}
