//! Incidents of tokens, codes and grants.

use http::Method;

use crate::{
    client::{Client, Parameters, answer, approve, authorize, mcp_status, opens, send, token},
    harness::Server,
};

async fn two_resources() -> Server {
    Server::builder(|tier| tier.with_resource("/mcp-b"))
        .start()
        .await
}

/// The upstream's own access token of alice, as a tool gets it.
async fn upstream_token(server: &Server, access: &str) -> String {
    let call = serde_json::json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "upstream-token" },
    });
    let called = send(server, Method::POST, "/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .bearer_auth(access)
        .body(call.to_string());
    let answer = answer(called).await;
    let text = answer.json()["result"]["content"][0]["text"].clone();
    text.as_str().unwrap().to_owned()
}

/// `resource` was ignored and the token opened whatever had the same base URL.
///
/// RS-14, ASZ-16.
#[tokio::test]
async fn cve_2025_69196_a_token_opens_the_resource_it_was_asked_for_alone() {
    let server = two_resources().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    assert_eq!(mcp_status(&server, "/mcp", &tokens.access).await, 200);
    assert_eq!(mcp_status(&server, "/mcp-b", &tokens.access).await, 401);
    for resource in [
        server.issuer(),
        "https://evil.example/mcp",
        &server.url("/mcp2"),
    ] {
        let request = client.request(&server).with("resource", resource);
        let refused = authorize(&server, &request).await;
        refused.sends_error(&server, &client.redirect_uri, "invalid_target");
    }
}

/// `resource` at the token endpoint was held against a list, not against the grant.
///
/// AST-21.
#[tokio::test]
async fn ghsa_p2fr_6hmx_4528_a_grant_gives_tokens_for_its_own_resource_alone() {
    let server = two_resources().await;
    let client = Client::public(&server).await;
    let other = server.url("/mcp-b");
    let code = client.code(&server).await;
    let redemption = client.redemption(&server, &code);
    token(&server, &redemption.clone().with("resource", &other))
        .await
        .refuses(400, "invalid_target");
    let tokens = token(&server, &redemption).await.tokens();
    token(
        &server,
        &client.refreshing(&tokens.refresh).and("resource", &other),
    )
    .await
    .refuses(400, "invalid_target");
    token(&server, &client.refreshing(&tokens.refresh))
        .await
        .tokens();
}

/// RS-13.
#[tokio::test]
async fn fastmcp_3524_a_refresh_token_is_no_bearer() {
    let server = Server::start().await;
    let tokens = Client::public(&server).await.tokens(&server).await;
    assert!(!opens(&server, &tokens.refresh).await);
    assert!(opens(&server, &tokens.access).await);
}

/// Any token of the provider was good, also one for somebody else's client.
///
/// RS-15.
#[tokio::test]
async fn fastmcp_3405_and_4827_a_token_of_the_upstream_opens_nothing_here() {
    let server = Server::start().await;
    let tokens = Client::public(&server).await.tokens(&server).await;
    let upstream = upstream_token(&server, &tokens.access).await;
    assert!(server.upstream.is_live_access_token(&upstream));
    assert!(!opens(&server, &upstream).await);
}

/// Any client could revoke what belonged to another.
///
/// REV-03.
#[tokio::test]
async fn workers_188_a_client_revokes_nothing_of_anothers() {
    let server = Server::start().await;
    let mine = Client::public(&server).await;
    let theirs = Client::confidential(&server).await;
    let tokens = mine.tokens(&server).await;
    for given in [&tokens.access, &tokens.refresh] {
        let form = Parameters::default()
            .and("token", given)
            .and("client_id", &theirs.id)
            .and("client_secret", theirs.secret.as_ref().unwrap());
        let posted = send(&server, Method::POST, "/revoke")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.encoded());
        assert_eq!(answer(posted).await.status, 400);
    }
    assert!(opens(&server, &tokens.access).await);
}

/// The beginning of a code was enough to have its grant revoked as a replay.
///
/// AST-18.
#[tokio::test]
async fn workers_225_the_beginning_of_a_used_code_ends_nothing() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let tokens = token(&server, &client.redemption(&server, &code))
        .await
        .tokens();
    let half = &code[..code.len() / 2];
    for guess in [
        half.to_owned(),
        format!("{half}{}", "A".repeat(code.len() - half.len())),
    ] {
        token(&server, &client.redemption(&server, &guess))
            .await
            .refuses(400, "invalid_grant");
    }
    // Neither does the whole code in the hands of another client.
    let other = Client::public(&server).await;
    token(&server, &other.redemption(&server, &code))
        .await
        .refuses(400, "invalid_grant");
    assert!(opens(&server, &tokens.access).await);
}

/// A refresh token was spent on a request that then failed.
///
/// ASR-05.
#[tokio::test]
async fn workers_258_a_failed_request_spends_no_refresh_token() {
    let server = two_resources().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    let good = client.refreshing(&tokens.refresh);
    for bad in [
        good.clone().and("scope", "never:granted"),
        good.clone().and("resource", &server.url("/mcp-b")),
        good.clone().and("resource", "https://evil.example/mcp"),
        good.clone().with("client_id", "somebody-else"),
    ] {
        let refused = token(&server, &bad).await;
        assert!(refused.status.is_client_error(), "{}", refused.body);
    }
    let next = token(&server, &good).await.tokens();
    assert_ne!(next.refresh, tokens.refresh);
}

/// One code, redeemed twenty times at once: one answer is good, and then it is known that the code
/// leaked.
///
/// AST-18, AST-20.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fastmcp_tok_43_one_code_gives_one_answer_however_many_ask_at_once() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code).encoded();
    let mut asked = Vec::new();
    for _ in 0..20 {
        let posted = send(&server, Method::POST, "/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.clone());
        asked.push(tokio::spawn(answer(posted)));
    }
    let mut good = Vec::new();
    for asked in asked {
        let answered = asked.await.unwrap();
        if answered.status == 200 {
            good.push(answered.tokens());
        } else {
            answered.refuses(400, "invalid_grant");
        }
    }
    assert_eq!(good.len(), 1);
    assert!(!opens(&server, &good[0].access).await);
}

/// Answers went to whoever asked at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cve_2026_25536_two_people_at_once_each_get_their_own_answers() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut people = Vec::new();
    for user in ["alice", "bob"] {
        server.upstream.auto_sign_in(Some(user));
        let mut browser = server.browser();
        let request = client.request(&server);
        let done = approve(&server, &mut browser, &client, &request).await;
        let code = done.code().unwrap().to_owned();
        let tokens = token(&server, &client.redemption(&server, &code))
            .await
            .tokens();
        people.push((format!("user-{user}"), tokens.access));
    }
    let mut calls = Vec::new();
    for _ in 0..50 {
        for (user, access) in &people {
            let called = send(&server, Method::POST, "/mcp")
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream")
                .bearer_auth(access)
                .body(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
            calls.push((user.clone(), tokio::spawn(answer(called))));
        }
    }
    for (user, call) in calls {
        let said = call.await.unwrap().body;
        assert!(said.contains(&format!("|{user}")), "{user}: {said}");
    }
}
