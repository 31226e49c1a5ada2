//! Scopes of a request (MCP 2026-07-28, Scope Challenge Handling).

use mcp_auth::{
    oauth::{Scope, Scopes},
    resource_server::ScopeHierarchy,
};

use crate::{
    mcp_server::{Plain, RESOURCE, local, serve},
    tokens::{Tokens, principal},
    wire::Ask,
};

async fn serve_files() -> std::net::SocketAddr {
    let tokens = Tokens::default()
        .with("none", RESOURCE, principal("none", ""))
        .with("half", RESOURCE, principal("half", "files:read"))
        .with(
            "both",
            RESOURCE,
            principal("both", "files:write files:read"),
        )
        .with("admin", RESOURCE, principal("admin", "files:admin"));
    let scopes = |text| Scopes::parse(text).unwrap();
    let hierarchy = ScopeHierarchy::none().implies(
        Scope::parse("files:admin").unwrap(),
        &scopes("files:read files:write"),
    );
    let builder = local(tokens)
        .with_required_scopes(scopes("files:read files:write"))
        .with_scope_hierarchy(hierarchy);
    serve(&Plain::from(builder.build().unwrap())).await
}

// RS-33, RS-34, RS-35, RS-36, RS-39
#[tokio::test]
async fn a_weak_token_is_told_every_scope_at_once() {
    let server = serve_files().await;
    let mut challenges = Vec::new();
    for token in ["none", "half", "none"] {
        let answer = Ask::call("whoami").bearer(token).send(server).await;
        assert_eq!(answer.status, 403, "{token}");
        let challenge = answer.challenge();
        assert!(
            challenge.contains("error=\"insufficient_scope\""),
            "{challenge}"
        );
        assert!(
            challenge.contains("scope=\"files:read files:write\""),
            "{challenge}"
        );
        assert!(
            challenge.contains("resource_metadata=\"http"),
            "{challenge}"
        );
        challenges.push(challenge.to_owned());
    }
    challenges.dedup();
    assert_eq!(challenges.len(), 1);
    let strong = Ask::call("whoami").bearer("both").send(server).await;
    assert_eq!(strong.status, 200);
}

// RS-37
#[tokio::test]
async fn a_broader_scope_is_enough() {
    let server = serve_files().await;
    assert_eq!(
        Ask::call("whoami")
            .bearer("admin")
            .send(server)
            .await
            .tool_text(),
        "admin"
    );
}
