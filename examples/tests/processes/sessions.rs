//! Hosts of a 2025 revision keep their session when their process goes.

use mcp_auth_testkit::ScriptedHost;

use crate::{site::Site, stores::SharedStore};

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
