//! Sessions of the revisions before 2026-07-28, bound to who opened them.

use std::net::SocketAddr;

use mcp_auth::oauth::ClientId;
use serde_json::json;

use crate::{
    mcp_server::{Plain, RESOURCE, local, serve, serve_local},
    tokens::{Tokens, principal},
    wire::{Answer, Ask},
};

/// Opens a session and gives its id.
async fn open(server: SocketAddr, token: &str) -> String {
    let initialize = Ask::message(&json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                   "clientInfo": {"name": "test", "version": "1"}},
    }));
    let answer = initialize.bearer(token).send(server).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let id = answer
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let answer = in_session(Ask::message(&initialized), &id, token)
        .send(server)
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    id
}

fn in_session(ask: Ask, id: &str, token: &str) -> Ask {
    ask.bearer(token)
        .header("mcp-session-id", id)
        .header("mcp-protocol-version", "2025-11-25")
}

/// The three things a session id is good for.
fn uses(id: &str, token: &str) -> [Ask; 3] {
    let call = json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "whoami", "arguments": {}},
    });
    let stream = Ask::new("GET", "/mcp").header("accept", "text/event-stream");
    let end = Ask::new("DELETE", "/mcp");
    [Ask::message(&call), stream, end].map(|ask| in_session(ask, id, token))
}

fn is_unknown(answer: &Answer) {
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), None);
    let body = answer.json();
    assert_eq!(body["error"]["code"], -32001);
    assert_eq!(body.get("id"), None);
}

// TR-17, RS-22
#[tokio::test]
async fn bobs_token_does_not_open_alices_session() {
    let server = serve_local().await;
    let id = open(server, "alice").await;
    for ask in uses(&id, "bob") {
        is_unknown(&ask.send(server).await);
    }
    let [call, stream, end] = uses(&id, "alice");
    assert_eq!(call.send(server).await.tool_text(), "alice");
    assert_eq!(stream.send_for_head(server).await.status, 200);
    assert_eq!(end.send(server).await.status, 202);
}

// TR-17: the client is part of who it is
#[tokio::test]
async fn another_client_of_alice_does_not_open_her_session() {
    let other = principal("alice", "mcp:tools").with_client(ClientId::parse("other").unwrap());
    let tokens = Tokens::for_resource(RESOURCE).with("alice-elsewhere", RESOURCE, other);
    let server = serve(&Plain::from(local(tokens).build().unwrap())).await;
    let id = open(server, "alice").await;
    let [call, ..] = uses(&id, "alice-elsewhere");
    is_unknown(&call.send(server).await);
}

// TR-17
#[tokio::test]
async fn an_id_without_its_mac_opens_nothing() {
    let server = serve_local().await;
    let id = open(server, "alice").await;
    let (inner, mac) = id.rsplit_once('.').unwrap();
    let forged = [
        inner.to_owned(),
        format!("{inner}."),
        format!("{inner}x.{mac}"),
        format!("{inner}.{}", mac.to_ascii_lowercase()),
        "invented".to_owned(),
    ];
    for forged in forged {
        let [call, ..] = uses(&forged, "alice");
        is_unknown(&call.send(server).await);
    }
    let [call, ..] = uses(&id, "alice");
    is_unknown(&call.header("mcp-session-id", &id).send(server).await);
}

// TR-17: the tool sees the inner id only, so it cannot leak the outward one
#[tokio::test]
async fn the_inner_service_sees_the_inner_id() {
    let server = serve_local().await;
    let id = open(server, "alice").await;
    let call = json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "everything", "arguments": {}},
    });
    let seen = in_session(Ask::message(&call), &id, "alice")
        .send(server)
        .await
        .tool_text();
    let (inner, mac) = id.rsplit_once('.').unwrap();
    assert!(seen.contains(inner) && !seen.contains(mac), "{seen}");
}

// TR-07
#[tokio::test]
async fn revision_2026_07_28_ignores_session_ids() {
    let server = serve_local().await;
    let id = open(server, "alice").await;
    for sent in [id.as_str(), "invented"] {
        let answer = Ask::call("everything")
            .bearer("bob")
            .header("mcp-session-id", sent)
            .header("last-event-id", "0")
            .send(server)
            .await;
        let seen = answer.tool_text();
        assert_eq!(answer.header("mcp-session-id"), None);
        for hidden in ["mcp-session-id", "last-event-id"] {
            assert!(!seen.contains(hidden), "{seen}");
        }
    }
}

// TR-06, TR-07: without a session nothing says whose events are asked for
#[tokio::test]
async fn last_event_id_without_a_session_is_dropped() {
    let server = serve_local().await;
    let stream = Ask::new("GET", "/mcp")
        .header("accept", "text/event-stream")
        .header("last-event-id", "0")
        .bearer("bob");
    let modern = stream.clone().header("mcp-protocol-version", "2026-07-28");
    let answer = modern.send(server).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    let legacy = stream
        .header("mcp-protocol-version", "2025-11-25")
        .send(server)
        .await;
    assert!(legacy.status >= 400, "{legacy:?}");
}
