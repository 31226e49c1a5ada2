//! What a client asks for at `/authorize`: a resource and scopes.

use mcp_auth::{authorization_server::clients::PreregisteredClients, oauth::Scopes};

use crate::{
    client::{Client, REDIRECT, authorize, get, mcp_status, opens, token},
    harness::Server,
};

async fn scoped() -> Server {
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    Server::builder(|tier| tier.with_scopes(scopes))
        .start()
        .await
}

/// ASZ-16.
#[tokio::test]
async fn only_a_resource_of_ours_can_be_asked_for() {
    let server = Server::builder(|tier| tier.with_resource("/other"))
        .start()
        .await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    let mcp = server.mcp_url();
    for bad in [
        "https://other.example/".to_owned(),
        server.url(""),
        server.url("/"),
        server.url("/mcp/sub"),
        server.url("/MCP"),
        server.url("/x/../mcp"),
        format!("{mcp}#f"),
        format!("{mcp}?x=1"),
        "mcp".to_owned(),
        "urn:mcp".to_owned(),
        mcp.replace("127.0.0.1", "localhost"),
    ] {
        let refused = authorize(&server, &request.clone().with("resource", &bad)).await;
        refused.sends_error(&server, REDIRECT, "invalid_target");
    }
    for two in [server.url("/other"), "https://other.example/".to_owned()] {
        let refused = authorize(&server, &request.clone().and("resource", &two)).await;
        refused.sends_error(&server, REDIRECT, "invalid_target");
    }
    let same_twice = request.and("resource", &mcp);
    assert_eq!(authorize(&server, &same_twice).await.status, 200);
}

/// ASZ-17.
#[tokio::test]
async fn the_only_resource_is_meant_where_none_is_named() {
    let one = Server::start().await;
    let client = Client::public(&one).await;
    let request = client.request(&one).without("resource");
    let code = client.code_for(&one, &request).await;
    let form = client.redemption(&one, &code).without("resource");
    let tokens = token(&one, &form).await.tokens();
    assert!(opens(&one, &tokens.access).await);

    let two = Server::builder(|tier| tier.with_resource("/other"))
        .start()
        .await;
    let client = Client::public(&two).await;
    let request = client.request(&two).without("resource");
    let refused = authorize(&two, &request).await;
    refused.sends_error(&two, REDIRECT, "invalid_target");
}

/// ASZ-18.
#[tokio::test]
async fn a_resource_is_taken_with_a_slash_and_in_capitals() {
    let server = Server::builder(|tier| tier)
        .behind_tls("https://mcp.example.com")
        .start()
        .await;
    let client = Client::public(&server).await;
    for resource in [
        "https://mcp.example.com/mcp/",
        "https://MCP.example.COM/mcp",
        "HTTPS://mcp.example.com/mcp",
    ] {
        let request = client.request(&server).with("resource", resource);
        let code = client.code_for(&server, &request).await;
        let form = client.redemption(&server, &code).with("resource", resource);
        let tokens = token(&server, &form).await.tokens();
        assert!(opens(&server, &tokens.access).await);
    }
}

/// ASZ-19, AST-05.
#[tokio::test]
async fn what_is_not_offered_is_left_out_and_the_answer_says_so() {
    let server = scoped().await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    for (asked, granted) in [
        ("notes:read bogus", "notes:read"),
        ("notes:read", "notes:read"),
        (
            "notes:write notes:read notes:read",
            "notes:read notes:write",
        ),
        ("notes:read offline_access", "notes:read"),
    ] {
        let code = client
            .code_for(&server, &request.clone().and("scope", asked))
            .await;
        let answer = token(&server, &client.redemption(&server, &code)).await;
        assert_eq!(answer.json()["scope"], granted, "{asked}");
    }
    for bad in [
        "bogus",
        "NOTES:READ",
        "notes:read \"",
        "notes:read\n",
        "a\\b",
        "é",
    ] {
        let refused = authorize(&server, &request.clone().and("scope", bad)).await;
        refused.sends_error(&server, REDIRECT, "invalid_scope");
    }
}

/// ASZ-20.
#[tokio::test]
async fn the_minimum_is_meant_where_no_scope_is_named() {
    let server = scoped().await;
    let client = Client::public(&server).await;
    for request in [
        client.request(&server),
        client.request(&server).and("scope", ""),
        client.request(&server).and("scope", "offline_access"),
    ] {
        let code = client.code_for(&server, &request).await;
        let answer = token(&server, &client.redemption(&server, &code)).await;
        assert_eq!(answer.json()["scope"], "notes:read");
    }
}

/// RS-42.
#[tokio::test]
async fn what_is_offered_beyond_the_minimum_is_not_needed_at_the_endpoint() {
    let server = scoped().await;
    let client = Client::public(&server).await;
    let refused = get(&server, "/mcp").await;
    assert!(
        refused
            .header("www-authenticate")
            .unwrap()
            .contains("scope=\"notes:read\"")
    );
    let code = client.code_for(&server, &client.request(&server)).await;
    let tokens = token(&server, &client.redemption(&server, &code))
        .await
        .tokens();
    assert!(opens(&server, &tokens.access).await);
    // Only what is not the minimum: good for the authorization server, too weak for the endpoint.
    let request = client.request(&server).and("scope", "notes:write");
    let code = client.code_for(&server, &request).await;
    let answer = token(&server, &client.redemption(&server, &code)).await;
    assert_eq!(answer.json()["scope"], "notes:write");
    assert_eq!(
        mcp_status(&server, "/mcp", &answer.tokens().access).await,
        403
    );
}

/// DCR-19, ASZ-19.
#[tokio::test]
async fn an_operator_can_limit_the_scopes_of_a_client() {
    let clients = PreregisteredClients::parse_json(
        r#"[{ "client_id": "reader", "redirect_uris": ["https://reader.example/cb"], "scope": "notes:read" }]"#,
    )
    .unwrap();
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    let server =
        Server::builder(|tier| tier.with_scopes(scopes).with_preregistered_clients(clients))
            .start()
            .await;
    let reader = Client {
        id: "reader".into(),
        secret: None,
        redirect_uri: "https://reader.example/cb".into(),
    };
    for (asked, granted) in [("", "notes:read"), ("notes:read notes:write", "notes:read")] {
        let request = reader.request(&server).and("scope", asked);
        let code = reader.code_for(&server, &request).await;
        let answer = token(&server, &reader.redemption(&server, &code)).await;
        assert_eq!(answer.json()["scope"], granted);
    }
    let refused = reader.request(&server).and("scope", "notes:write");
    let refused = authorize(&server, &refused).await;
    refused.sends_error(&server, &reader.redirect_uri, "invalid_scope");
}

/// ASZ-19.
#[tokio::test]
async fn unknown_scopes_are_refused_where_the_operator_wants_it() {
    let server = Server::builder(|tier| {
        tier.with_scopes(Scopes::parse("notes:read notes:write").unwrap())
            .with_unknown_scopes_refused()
    })
    .start()
    .await;
    let client = Client::public(&server).await;
    let asking = |scope: &str| client.request(&server).and("scope", scope);
    for bad in ["notes:read bogus", "bogus", "notes:READ"] {
        let refused = authorize(&server, &asking(bad)).await;
        refused.sends_error(&server, REDIRECT, "invalid_scope");
    }
    for good in ["", "notes:read", "notes:read notes:write offline_access"] {
        assert_eq!(
            authorize(&server, &asking(good)).await.status,
            200,
            "{good}"
        );
    }
}
