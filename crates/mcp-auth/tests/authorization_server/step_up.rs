//! A token that lacks an operation's scope, and the login that gets it (MCP 2026-07-28, Step-Up
//! Authorization Flow).

use mcp_auth::{oauth::Scopes, resource_server::OperationScopes};

use crate::{
    client::{Client, authorize, token},
    harness::Server,
};

fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

async fn server() -> Server {
    Server::builder(|tier| {
        let operations = OperationScopes::new().with_tool("delete", scopes("notes:write"));
        tier.with_scopes(scopes("notes:read notes:write"))
            .with_operation_scopes(operations)
    })
    .start()
    .await
}

/// Calls the tool: the status, and the scopes that the challenge names.
async fn call(server: &Server, token: &str) -> (u16, Option<String>) {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#;
    let answer = reqwest::Client::new()
        .post(server.mcp_url())
        .bearer_auth(token)
        .header("content-type", "application/json")
        .body(call)
        .send()
        .await
        .unwrap();
    let challenge = answer.headers().get("www-authenticate");
    let scope = challenge.map(|challenge| {
        let (_, rest) = challenge.to_str().unwrap().split_once("scope=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    });
    (answer.status().as_u16(), scope)
}

/// RS-33, RS-34.
#[tokio::test]
async fn asking_for_what_the_challenge_names_opens_the_operation() {
    let server = server().await;
    let client = Client::public(&server).await;
    let first = client.code_for(&server, &client.request(&server)).await;
    let first = token(&server, &client.redemption(&server, &first)).await;
    assert_eq!(first.json()["scope"], "notes:read");
    let (status, scope) = call(&server, &first.tokens().access).await;
    assert_eq!(status, 403);
    let scope = scope.unwrap();
    assert_eq!(scope, "notes:read notes:write");
    let request = client.request(&server).and("scope", &scope);
    let page = authorize(&server, &request).await;
    assert!(page.body.contains("notes:write") && page.body.contains("notes:read"));
    let second = client.code_for(&server, &request).await;
    let second = token(&server, &client.redemption(&server, &second)).await;
    let (status, _) = call(&server, &second.tokens().access).await;
    assert_eq!(status, 200);
    let (status, _) = call(&server, &first.tokens().access).await;
    assert_eq!(status, 403, "the first token is what it was");
}
