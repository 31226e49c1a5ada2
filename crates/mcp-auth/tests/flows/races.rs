//! Many requests for one thing, at one instance.

use std::sync::Arc;

use mcp_auth_testkit::scripted_host::TokenAnswer;

use crate::rig::{Rig, Session, assert_invalid_grant, at_once};

const MANY: usize = 64;

/// AST-18, AST-20, FLT-25.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_redemptions_of_one_code_one_succeeds_and_the_grant_ends() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let code = host.authorize(&discovery, &authorization).await.unwrap();

    let all = Arc::new((host, discovery, registration, authorization, code));
    let answers = at_once(MANY, |_| {
        let all = all.clone();
        async move {
            let (host, discovery, registration, authorization, code) = &*all;
            host.redeem(discovery, registration, authorization, code)
                .await
                .unwrap()
        }
    })
    .await;

    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
    assert_eq!(good.len(), 1);
    refused.into_iter().for_each(assert_invalid_grant);

    let tokens = good[0].granted().unwrap();
    assert_eq!(rig.whoami(&tokens.access_token).await.status, 401);
    let (host, discovery, registration, ..) = &*all;
    let refresh_token = tokens.refresh_token.as_ref().unwrap();
    let refreshed = host.refresh(discovery, registration, refresh_token).await;
    assert_invalid_grant(&refreshed.unwrap());
}

/// ASR-03, FLT-26.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_refreshes_of_one_token_get_one_successor() {
    let rig = Rig::start().await;
    let session = Arc::new(rig.sign_in().await);
    let swaps = rig.store.swaps();

    let answers = refresh_at_once(&session).await;

    let successor = the_one_successor(&answers);
    assert_eq!(rig.store.swaps() - swaps, 1, "one rotation");
    assert_eq!(rig.upstream.counters().refreshes, 0);
    for answer in &answers {
        let tokens = answer.granted().unwrap();
        assert_eq!(rig.whoami(&tokens.access_token).await.status, 200);
    }
    let next = session.refresh_with(&successor).await;
    assert_eq!(next.status, 200);
    // The successor was used, so the first token is now an old one.
    assert_invalid_grant(&session.refresh().await);
    let newest = next.granted().unwrap();
    assert_eq!(rig.whoami(&newest.access_token).await.status, 401);
}

/// PX-12, FLT-26.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_refreshes_at_the_upstream_tokens_end_refresh_it_once() {
    let rig = Rig::plan()
        .upstream_lifetime(std::time::Duration::from_secs(300))
        .start()
        .await;
    let session = Arc::new(rig.sign_in().await);
    rig.clock.advance(std::time::Duration::from_secs(301));

    let answers = refresh_at_once(&session).await;

    let successor = the_one_successor(&answers);
    assert_eq!(rig.upstream.counters().refreshes, 1);
    assert_eq!(session.refresh_with(&successor).await.status, 200);
}

/// AST-19.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wrong_redemptions_beside_the_right_one_harm_nothing() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let right = host.authorization(&discovery, &registration);
    let wrong = host.authorization(&discovery, &registration);
    let code = host.authorize(&discovery, &right).await.unwrap();

    let all = Arc::new((host, discovery, registration, right, wrong, code));
    let answers = at_once(MANY, |index| {
        let all = all.clone();
        async move {
            let (host, discovery, registration, right, wrong, code) = &*all;
            let authorization = if index == MANY / 2 { right } else { wrong };
            host.redeem(discovery, registration, authorization, code)
                .await
                .unwrap()
        }
    })
    .await;

    let tokens = answers[MANY / 2].granted().unwrap();
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
    assert_eq!(rig.whoami(&tokens.access_token).await.status, 200);
}

async fn refresh_at_once(session: &Arc<Session>) -> Vec<TokenAnswer> {
    at_once(MANY, |_| {
        let session = session.clone();
        async move { session.refresh().await }
    })
    .await
}

fn the_one_successor(answers: &[TokenAnswer]) -> mcp_auth::oauth::RefreshToken {
    let mut successors: Vec<_> = answers
        .iter()
        .map(|answer| answer.granted().unwrap().refresh_token.unwrap())
        .collect();
    let first = successors.remove(0);
    assert!(successors.iter().all(|other| other.matches(&first)));
    first
}
