//! The store goes and comes back under running servers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mcp_auth_testkit::at_once;

use crate::{
    site::{Session, Site, assert_try_again, until},
    stores::SharedStore,
};

/// The process starts, tells who it is, asks for patience, and heals by itself.
async fn a_server_that_is_down_at_the_start_is_waited_for(mut store: SharedStore) {
    let mut site = Site::start(1, &store.url, &[]).await;
    let session = site.sign_in().await;
    store.kill();
    site.servers[0].restart(); // and answers with its metadata
    let host = site.host();
    let discovery = host.discover().await.unwrap();
    host.register(&discovery).await.unwrap();
    assert_try_again(&session.refresh_at(&session.discovery).await.unwrap());
    let token = &session.tokens.access_token;
    assert_eq!(site.status_at(0, token).await, 503);
    assert!(site.try_sign_in().await.is_err(), "nobody can be signed in");

    store.restart();
    until("the session goes on", || async {
        go_on(&session).await == 200
    })
    .await;
    site.sign_in().await;
}

/// What was acknowledged is there after `kill -9` of the store.
async fn sessions_survive_the_death_of_the_store(mut store: SharedStore) {
    let site = Site::start(2, &store.url, &[("MCP_AUTH_REVOCATION_CACHE", "0")]).await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(site.sign_in().await);
    }
    store.kill();
    for session in &sessions {
        assert_try_again(&session.refresh_at(&session.discovery).await.unwrap());
        let status = site.status_at(0, &session.tokens.access_token).await;
        assert_eq!(status, 503, "never 401: a host would sign in again");
    }
    store.restart();
    for session in &mut sessions {
        until("a session goes on", || async {
            let answer = session.refresh_at(&session.discovery).await.unwrap();
            assert_ne!(answer.error(), Some("invalid_grant"), "a session was lost");
            answer.status == 200
        })
        .await;
    }
}

/// A store that hangs holds nobody up, and nothing piles up behind it.
async fn a_store_that_hangs_is_answered_for(mut store: SharedStore) {
    let site = Site::start(1, &store.url, &[("MCP_AUTH_REVOCATION_CACHE", "0")]).await;
    let session = Arc::new(site.sign_in().await);
    store.pause();
    for round in ["first", "second"] {
        let began = Instant::now();
        let answers = at_once(100, |_| {
            let session = session.clone();
            async move { session.refresh_at(&session.discovery).await.unwrap() }
        })
        .await;
        answers.iter().for_each(assert_try_again);
        let took = began.elapsed();
        println!("{round}: 100 refreshes were refused in {took:?}");
        assert!(took < Duration::from_secs(15), "{took:?}");
        // What needs no store does not notice.
        let began = Instant::now();
        site.host().discover().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(3));
    }
    store.resume();
    until("the session goes on", || async {
        go_on(&session).await == 200
    })
    .await;
}

async fn go_on(session: &Session) -> u16 {
    let answer = session.refresh_at(&session.discovery).await.unwrap();
    assert_ne!(answer.error(), Some("invalid_grant"), "a session was lost");
    answer.status
}

/// FLT-01.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_that_is_down_at_the_start_is_waited_for() {
    if let Some(store) = SharedStore::redis() {
        a_server_that_is_down_at_the_start_is_waited_for(store).await;
    }
}

/// FLT-02, FLT-03, FLT-07.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_survive_kill_9_of_redis() {
    if let Some(store) = SharedStore::redis() {
        sessions_survive_the_death_of_the_store(store).await;
    }
}

/// FLT-04, FLT-36.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_that_hangs_is_answered_for() {
    if let Some(store) = SharedStore::redis() {
        a_store_that_hangs_is_answered_for(store).await;
    }
}

/// FLT-01.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_that_is_down_at_the_start_is_waited_for() {
    if let Some(store) = SharedStore::postgres() {
        a_server_that_is_down_at_the_start_is_waited_for(store).await;
    }
}

/// FLT-02, FLT-03, FLT-07.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_survive_kill_9_of_postgres() {
    if let Some(store) = SharedStore::postgres() {
        sessions_survive_the_death_of_the_store(store).await;
    }
}

/// FLT-04, FLT-36.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_that_hangs_is_answered_for() {
    if let Some(store) = SharedStore::postgres() {
        a_store_that_hangs_is_answered_for(store).await;
    }
}
