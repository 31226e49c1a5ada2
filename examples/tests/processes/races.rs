//! Many requests for one thing, spread over four processes on one store.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mcp_auth::oauth::RefreshToken;
use mcp_auth_testkit::{at_once, demo_upstream::Faults};
use serde_json::json;

use crate::{
    site::{Site, assert_invalid_grant},
    stores::SharedStore,
};

const PROCESSES: usize = 4;
const MANY: usize = 200;

/// Exactly one 200, and afterwards no live family.
async fn of_many_redemptions_one_succeeds(store: SharedStore) {
    let site = Site::start(PROCESSES, &store.url, &[]).await;
    let mut host = site.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let code = host.authorize(&discovery, &authorization).await.unwrap();

    let all = Arc::new((host, registration, authorization, code));
    let answers = at_once(MANY, |n| {
        let (all, at) = (all.clone(), site.at(n, &discovery));
        async move {
            let (host, registration, authorization, code) = &*all;
            host.redeem(&at, registration, authorization, code)
                .await
                .unwrap()
        }
    })
    .await;

    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
    assert_eq!(good.len(), 1, "of {MANY} redemptions");
    refused.into_iter().for_each(assert_invalid_grant);
    // The second valid use ended the grant: nothing that was issued lives, at any process.
    let tokens = good[0].granted().unwrap();
    let (host, registration, ..) = &*all;
    for n in 0..PROCESSES {
        let at = site.at(n, &discovery);
        let refreshed = host.refresh(&at, registration, tokens.refresh_token.as_ref().unwrap());
        assert_invalid_grant(&refreshed.await.unwrap());
    }
}

/// One successor that works, and one refresh at the upstream.
async fn of_many_refreshes_one_successor_comes(store: SharedStore) {
    let site = Site::start(PROCESSES, &store.url, &[]).await;
    // The upstream token is over a second from now; the next one lives long.
    site.upstream.set_faults(Faults {
        expires_in: Some(json!(1)),
        ..Faults::default()
    });
    let session = Arc::new(site.sign_in().await);
    site.upstream.set_faults(Faults::default());
    tokio::time::sleep(Duration::from_millis(2100)).await; // the processes have the system's clock

    let answers = at_once(MANY, |n| {
        let (session, at) = (session.clone(), site.at(n, &session.discovery));
        async move { session.refresh_at(&at).await.unwrap() }
    })
    .await;

    let refresh_token = |answer: &mcp_auth_testkit::scripted_host::TokenAnswer| {
        let tokens = answer.granted().unwrap();
        tokens.refresh_token.unwrap().expose().to_owned()
    };
    let successors: BTreeSet<String> = answers.iter().map(refresh_token).collect();
    assert_eq!(successors.len(), 1, "of {MANY} refreshes");
    assert_eq!(site.upstream.counters().refreshes, 1, "at the upstream");
    for (n, answer) in answers.iter().enumerate().take(PROCESSES) {
        let token = answer.granted().unwrap().access_token;
        assert_eq!(site.status_at(n, &token).await, 200);
    }
    let successor = RefreshToken::new(successors.first().unwrap().as_str());
    let at = site.at(1, &session.discovery);
    let next = session
        .host
        .refresh(&at, &session.registration, &successor)
        .await
        .unwrap();
    assert_eq!(next.status, 200, "the successor works");
}

/// FLT-25, AST-18, AST-20.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_redemptions_over_four_processes_on_sqlite_one_succeeds() {
    if let Some(store) = SharedStore::sqlite() {
        of_many_redemptions_one_succeeds(store).await;
    }
}

/// FLT-26, ASR-03, PX-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_refreshes_over_four_processes_on_sqlite_one_successor_comes() {
    if let Some(store) = SharedStore::sqlite() {
        of_many_refreshes_one_successor_comes(store).await;
    }
}

/// FLT-25, AST-18, AST-20.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_redemptions_over_four_processes_on_redis_one_succeeds() {
    if let Some(store) = SharedStore::redis() {
        of_many_redemptions_one_succeeds(store).await;
    }
}

/// FLT-26, ASR-03, PX-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_refreshes_over_four_processes_on_redis_one_successor_comes() {
    if let Some(store) = SharedStore::redis() {
        of_many_refreshes_one_successor_comes(store).await;
    }
}

/// FLT-25, AST-18, AST-20.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_redemptions_over_four_processes_on_postgres_one_succeeds() {
    if let Some(store) = SharedStore::postgres() {
        of_many_redemptions_one_succeeds(store).await;
    }
}

/// FLT-26, ASR-03, PX-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_refreshes_over_four_processes_on_postgres_one_successor_comes() {
    if let Some(store) = SharedStore::postgres() {
        of_many_refreshes_one_successor_comes(store).await;
    }
}
