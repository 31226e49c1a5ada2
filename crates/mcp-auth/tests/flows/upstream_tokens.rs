//! The upstream's tokens: kept from the host, refreshed once, ended when the upstream ends them.

use std::{sync::Arc, time::Duration};

use mcp_auth::oauth::AccessToken;
use mcp_auth_testkit::browser::Decision;

use crate::rig::{Rig, State, assert_invalid_grant, at_once, hash};

/// PX-07, PX-16, RS-15.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn neither_sides_tokens_cross_over() {
    let rig = Rig::plan()
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let callback = host.visit(&authorization, Decision::Approve).await.unwrap();
    let answer = host
        .redeem(
            &discovery,
            &registration,
            &authorization,
            callback.code().unwrap(),
        )
        .await
        .unwrap();
    let tokens = answer.granted().unwrap();
    let mut downstream = format!("{} {}", answer.body, registration.answer);
    let mut ours = vec![
        tokens.access_token.expose().to_owned(),
        tokens.refresh_token.as_ref().unwrap().expose().to_owned(),
        callback.code().unwrap().to_owned(),
    ];
    rig.clock.advance(Duration::from_secs(301));
    let refreshed = host
        .refresh(
            &discovery,
            &registration,
            tokens.refresh_token.as_ref().unwrap(),
        )
        .await
        .unwrap();
    downstream.push_str(&refreshed.body.to_string());
    let renewed = refreshed.granted().unwrap();
    ours.push(renewed.access_token.expose().to_owned());
    let told = rig.upstream_token(&renewed.access_token).await;
    downstream.push_str(&told.body.to_string());
    for hop in &callback.hops {
        if hop.url.as_str().starts_with(&rig.url) {
            downstream.push_str(&format!("{:?}", hop.headers));
        }
    }

    // What the upstream gave us is nowhere downstream, and opens nothing at our door.
    let seen = rig.wire.seen();
    let exchanges: Vec<_> = seen.iter().filter(|e| e.path == "/token").collect();
    assert_eq!(exchanges.len(), 2);
    let mut issued = Vec::new();
    for exchange in exchanges {
        let given: serde_json::Value = serde_json::from_str(&exchange.answered).unwrap();
        for name in ["access_token", "refresh_token", "id_token"] {
            let Some(token) = given[name].as_str() else {
                continue;
            };
            issued.push(token.to_owned());
            assert!(!downstream.contains(token), "{name} went downstream");
            let refused = rig.whoami(&AccessToken::new(token)).await;
            assert_eq!(refused.status, 401);
            assert!(refused.challenge.unwrap().contains("invalid_token"));
        }
    }
    assert!(!downstream.contains(rig.upstream.client_secret()));

    // What we gave the host went nowhere near the upstream.
    let bearers: Vec<_> = seen
        .iter()
        .filter(|e| e.path == "/userinfo")
        .map(|e| e.authorization.clone().unwrap())
        .collect();
    assert_eq!(bearers.len(), 1);
    for exchange in &seen {
        let sent = format!("{} {:?}", exchange.sent, exchange.authorization);
        assert!(ours.iter().all(|token| !sent.contains(token)));
    }
    assert_eq!(bearers[0], format!("Bearer {}", issued[0]));
    let fresh = rig.wire.latest_token_field("access_token").unwrap();
    assert_eq!(told.body["upstream"], hash(&fresh));
}

/// RS-24.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_mcp_service_never_sees_the_hosts_token() {
    let rig = Rig::start().await;
    let session = rig.sign_in().await;
    let answer = rig.whoami(&session.tokens.access_token).await;
    assert_eq!(answer.body["credential"], false);
    assert!(
        answer.body["subject"]
            .as_str()
            .unwrap()
            .starts_with("demo|")
    );
}

/// PX-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_tools_at_expiry_make_one_upstream_refresh() {
    for count in [10, 32] {
        let rig = Rig::plan()
            .upstream_lifetime(Duration::from_secs(300))
            .start()
            .await;
        let session = rig.sign_in().await;
        rig.upstream_token(&session.tokens.access_token).await;
        assert_eq!(rig.upstream.counters().refreshes, 0, "it was fresh");
        rig.clock.advance(Duration::from_secs(301));
        let (http, url) = (rig.http.clone(), rig.url.clone());
        let token = session.tokens.access_token.clone();
        let answers = at_once(count, |_| {
            let (http, url, token) = (http.clone(), url.clone(), token.clone());
            async move { crate::rig::mcp(&http, &url, &token, "upstream").await }
        })
        .await;
        assert_eq!(rig.upstream.counters().refreshes, 1);
        assert_eq!(rig.upstream.counters().refresh_reuses, 0);
        let fresh = hash(&rig.wire.latest_token_field("access_token").unwrap());
        assert!(
            answers
                .iter()
                .all(|answer| answer.body["upstream"] == fresh)
        );
    }
}

/// PX-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hosts_refresh_leaves_a_fresh_upstream_token_alone() {
    let rig = Rig::start().await;
    let mut session = rig.sign_in().await;
    let seen = rig.wire.seen().len();
    for _ in 0..20 {
        session.renew().await;
    }
    assert_eq!(rig.wire.seen().len(), seen, "nobody was asked");
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
}

/// PX-09, PX-10, FLT-16.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upstream_revocation_ends_this_grant_and_no_other() {
    let rig = Rig::plan()
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let ended = rig.sign_in().await;
    let grant = rig.store.latest_grant();
    let same_user = rig.sign_in().await;
    let other_user = rig.sign_in_as("bob", "builder").await;
    rig.clock.advance(Duration::from_secs(301));

    rig.upstream
        .change_faults(|f| f.refresh_invalid_grant = true);
    assert_invalid_grant(&ended.refresh().await);
    rig.upstream
        .change_faults(|f| f.refresh_invalid_grant = false);

    assert_eq!(rig.store.read(&grant).await, None, "its tokens are gone");
    assert_invalid_grant(&ended.refresh().await);
    assert_eq!(rig.whoami(&ended.tokens.access_token).await.status, 401);
    for session in [&same_user, &other_user] {
        let renewed = session.refresh().await.granted().unwrap();
        assert_eq!(rig.whoami(&renewed.access_token).await.status, 200);
    }
}

/// PX-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tool_learns_that_the_upstream_ended_the_grant() {
    let rig = Rig::plan()
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let session = rig.sign_in().await;
    let bystander = rig.sign_in_as("bob", "builder").await;
    rig.upstream.revoke_everything_of("alice");
    rig.clock.advance(Duration::from_secs(301));
    let answer = rig.upstream_token(&session.tokens.access_token).await;
    assert_eq!(answer.body["none"], "grant gone");
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
    assert_invalid_grant(&session.refresh().await);
    let answer = rig.upstream_token(&bystander.tokens.access_token).await;
    assert!(answer.body["upstream"].is_string());
}

/// PX-12, FLT-07.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_that_hangs_up_during_an_upstream_refresh_loses_nothing() {
    let rig = Rig::plan()
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let session = Arc::new(rig.sign_in().await);
    rig.clock.advance(Duration::from_secs(301));
    rig.wire.set_late(Some(Duration::from_millis(400)));
    let impatient = {
        let session = session.clone();
        tokio::time::timeout(Duration::from_millis(150), async move {
            session.refresh().await
        })
        .await
    };
    assert!(impatient.is_err());
    assert_eq!(rig.upstream.counters().refreshes, 1, "it rotated there");
    rig.wire.set_late(None);

    // The upstream's new token was kept although nobody waited for it.
    let answer = session.refresh().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(rig.upstream.counters().refreshes, 1);
    let tokens = answer.granted().unwrap();
    let told = rig.upstream_token(&tokens.access_token).await;
    let fresh = rig.wire.latest_token_field("access_token").unwrap();
    assert_eq!(told.body["upstream"], hash(&fresh));
}

/// FLT-07.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_is_away_while_the_upstream_rotates_loses_nothing() {
    let rig = Rig::plan()
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let session = rig.sign_in().await;
    rig.clock.advance(Duration::from_secs(301));
    rig.wire.set_late(Some(Duration::from_millis(300)));
    let interrupted = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        rig.store.set(State::Down);
        tokio::time::sleep(Duration::from_secs(1)).await;
        rig.store.set(State::Up);
    };
    let (answer, ()) = tokio::join!(session.refresh(), interrupted);
    assert_eq!(rig.upstream.counters().refreshes, 1, "it rotated there");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(session.refresh().await.status, 200);
    assert_eq!(rig.upstream.counters().refreshes, 1);
}
