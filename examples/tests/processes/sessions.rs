//! Hosts of a 2025 revision keep their session when their process goes.

use mcp_auth_testkit::ScriptedHost;

use serde_json::json;

use crate::{
    site::{Site, until},
    stores::SharedStore,
};

async fn a_session_moves(store: SharedStore) {
    let mut site = Site::start(2, &store.url, &[]).await;
    let alice = site.sign_in().await;
    let at = |server: usize| {
        let origin = site.servers[server].origin();
        ScriptedHost::new(format!("{origin}/mcp")).unwrap()
    };
    let (here, there) = (at(0), at(1));
    let token = &alice.tokens.access_token;
    let id = here.open_session(token).await.unwrap();
    let whoami = here.call_in_session(token, &id, "whoami").await.unwrap();
    site.servers[0].kill();

    let moved = there.call_in_session(token, &id, "whoami").await.unwrap();
    assert_eq!(moved["result"], whoami["result"], "the same answer there");
    // Whoever else has the id has no session: it is bound to its principal, wherever it goes.
    site.front.lead_to(vec![site.servers[1].address()]);
    let other = site.sign_in_as("bob", "builder").await;
    let riding = there
        .call_in_session(&other.tokens.access_token, &id, "whoami")
        .await;
    assert!(riding.is_err(), "another principal rode the session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_survives_a_move_to_another_process_on_sqlite() {
    if let Some(store) = SharedStore::sqlite() {
        a_session_moves(store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_survives_a_move_to_another_process_on_redis() {
    if let Some(store) = SharedStore::redis() {
        a_session_moves(store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_survives_a_move_to_another_process_on_postgres() {
    if let Some(store) = SharedStore::postgres() {
        a_session_moves(store).await;
    }
}

/// FLT-02. A session that cannot be looked up is no error of the server's, and no end of the session.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_moves_while_the_store_is_away_is_told_to_come_back() {
    let Some(mut store) = SharedStore::redis() else {
        return;
    };
    // The token itself is served from memory for a while.
    let site = Site::start(2, &store.url, &[("MCP_AUTH_REVOCATION_CACHE", "600")]).await;
    let alice = site.sign_in().await;
    let token = &alice.tokens.access_token;
    let at = |server: usize| {
        let origin = site.servers[server].origin();
        ScriptedHost::new(format!("{origin}/mcp")).unwrap()
    };
    let (here, there) = (at(0), at(1));
    let id = here.open_session(token).await.unwrap();
    assert_eq!(site.status_at(1, token).await, 200);
    store.kill();
    let body = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let ask = || there.in_session(Some(token), &id, &body).send();
    for _ in 0..3 {
        let refused = ask().await.unwrap();
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(refused.headers()["cache-control"], "no-store");
    }
    // Where it is in memory it goes on.
    assert!(here.call_in_session(token, &id, "whoami").await.is_ok());
    store.restart();
    until("the session goes on there", || async {
        ask().await.unwrap().status() == 200
    })
    .await;
}
