//! The upstream fails: nobody is logged out by it, and nothing of it reaches a host.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mcp_auth_testkit::{browser::Decision, demo_upstream::Faults};
use serde_json::json;

use crate::rig::{Rig, Session, assert_invalid_grant, assert_try_again, at_once, hash};

const LIFETIME: Duration = Duration::from_secs(300);
const PAST_IT: Duration = Duration::from_secs(301);

/// FLT-13. A burst is over before the host hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_of_5xx_is_asked_again_in_the_same_refresh() {
    let rig = Rig::plan().upstream_lifetime(LIFETIME).start().await;
    let session = rig.sign_in().await;
    rig.clock.advance(PAST_IT);
    rig.upstream
        .change_faults(|faults| faults.token_status = Some(503));
    let over = async {
        while rig.upstream.counters().refreshes == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rig.upstream.set_faults(Faults::default());
    };
    let (answer, ()) = tokio::join!(session.refresh(), over);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(rig.upstream.counters().refreshes, 2);
}

/// FLT-13. One flight for a grant, and few requests for each refresh, however many ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_of_5xx_is_no_burst_of_requests() {
    let rig = Rig::plan().upstream_lifetime(LIFETIME).start().await;
    let session = Arc::new(rig.sign_in().await);
    rig.clock.advance(PAST_IT);
    rig.upstream
        .change_faults(|faults| faults.token_status = Some(503));
    let answers = at_once(32, |_| {
        let session = session.clone();
        async move { session.refresh().await }
    })
    .await;
    answers.iter().for_each(assert_try_again);
    let asked = rig.upstream.counters().refreshes;
    assert!(
        (3..=6).contains(&asked),
        "{asked} requests for 32 refreshes"
    );
}

/// FLT-11, FLT-14.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_outage_consumes_no_refresh_token() {
    let outages = [
        Faults {
            token_status: Some(500),
            ..Faults::default()
        },
        Faults {
            token_status: Some(503),
            ..Faults::default()
        },
        Faults {
            token_garbage: true,
            ..Faults::default()
        },
        Faults {
            huge_body: true,
            ..Faults::default()
        },
    ];
    let rig = Rig::plan().upstream_lifetime(LIFETIME).start().await;
    let mut session = rig.sign_in().await;
    for outage in outages {
        rig.clock.advance(PAST_IT);
        rig.upstream.set_faults(outage.clone());
        let swaps_wanted = session.refresh_token().clone();
        for _ in 0..3 {
            assert_try_again(&session.refresh().await);
        }
        // Our own token goes on; only what needs the upstream has to wait.
        assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
        let told = rig.upstream_token(&session.tokens.access_token).await;
        assert_eq!(told.body["none"], "unavailable");

        rig.upstream.set_faults(Faults::default());
        assert!(session.refresh_token().matches(&swaps_wanted));
        session.renew().await;
        let told = rig.upstream_token(&session.tokens.access_token).await;
        assert!(told.body["upstream"].is_string(), "{outage:?}");
    }
}

/// FLT-11.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upstream_that_nobody_reaches_consumes_no_refresh_token() {
    let rig = Rig::plan().upstream_lifetime(LIFETIME).start().await;
    let session = rig.sign_in().await;
    rig.clock.advance(PAST_IT);
    rig.wire.set_unreachable(true);
    assert_try_again(&session.refresh().await);
    rig.wire.set_unreachable(false);
    assert_eq!(session.refresh().await.status, 200);
}

/// FLT-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_upstream_costs_ten_seconds_and_only_those_who_need_it() {
    let rig = Rig::plan().upstream_lifetime(LIFETIME).start().await;
    let waiting = rig.sign_in().await;
    rig.clock.advance(Duration::from_secs(200));
    let fresh = rig.sign_in_as("bob", "builder").await;
    rig.clock.advance(Duration::from_secs(101));
    rig.upstream
        .change_faults(|faults| faults.token_delay_ms = Some(60_000));

    let began = now();
    let slow = waiting.refresh();
    let others = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = now();
        assert_eq!(fresh.refresh().await.status, 200);
        assert_eq!(rig.whoami(&waiting.tokens.access_token).await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(1));
    };
    let (answer, ()) = tokio::join!(slow, others);
    assert_try_again(&answer);
    assert!(began.elapsed() < Duration::from_secs(12));

    rig.upstream.set_faults(Faults::default());
    assert_eq!(waiting.refresh().await.status, 200);
}

/// FLT-15.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_lost_rotation_only_a_definite_no_ends_the_session() {
    let rig = Rig::plan().upstream_lifetime(LIFETIME).start().await;
    let session = rig.sign_in().await;
    rig.clock.advance(PAST_IT);
    rig.upstream
        .change_faults(|faults| faults.drop_after_rotation = true);
    assert_try_again(&session.refresh().await);
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);

    // This upstream has no grace: to it the second attempt is a stolen token.
    rig.upstream.set_faults(Faults::default());
    assert_invalid_grant(&session.refresh().await);
    assert_eq!(rig.upstream.counters().refresh_reuses, 1);
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
}

/// FLT-17.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upstream_without_rotation_keeps_its_token() {
    let rig = Rig::plan().upstream_lifetime(LIFETIME).start().await;
    rig.upstream
        .change_faults(|faults| faults.no_rotation = true);
    let mut session = rig.sign_in().await;
    for round in 1..=3 {
        rig.clock.advance(PAST_IT);
        session.renew().await;
        assert_eq!(rig.upstream.counters().refreshes, round);
    }
}

/// PX-11, FLT-17.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_an_upstream_refresh_token_the_session_ends_when_it_was_said_to() {
    let rig = Rig::plan().upstream_lifetime(LIFETIME).start().await;
    rig.upstream
        .change_faults(|faults| faults.no_refresh_token = true);
    let mut session = rig.sign_in().await;
    assert_eq!(session.tokens.expires_in, Some(300));
    rig.clock.advance(Duration::from_secs(100));
    session.renew().await;
    assert_eq!(
        session.tokens.expires_in,
        Some(200),
        "honest after a refresh"
    );
    rig.clock.advance(Duration::from_secs(199));
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
    assert_invalid_grant(&session.refresh().await);
    assert_eq!(rig.upstream.counters().refreshes, 0, "no refresh loop");
}

/// TIM-04.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn strange_lifetimes_of_the_upstream_break_nothing() {
    for (told, ours) in [
        (json!("120"), 120),
        (json!("soon"), 3600),
        (json!(-5), 3600),
        (json!(1e30), 3600),
        (json!(u64::MAX), 3600),
        (json!([1]), 3600),
        (json!(60.9), 60),
    ] {
        let rig = Rig::start().await;
        rig.upstream.change_faults(|faults| {
            faults.expires_in = Some(told.clone());
            faults.no_refresh_token = true;
        });
        let mut session = rig.sign_in().await;
        assert_eq!(session.tokens.expires_in, Some(ours), "{told}");
        assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
        session.renew().await;
    }
}

/// FLT-17.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_short_upstream_lifetime_makes_no_refresh_loop() {
    let rig = Rig::plan()
        .upstream_lifetime(Duration::from_secs(5))
        .start()
        .await;
    let mut session = rig.sign_in().await;
    for _ in 0..5 {
        session.renew().await;
        rig.upstream_token(&session.tokens.access_token).await;
    }
    assert_eq!(rig.upstream.counters().refreshes, 0);
    rig.clock.advance(Duration::from_secs(6));
    for _ in 0..5 {
        session.renew().await;
        rig.upstream_token(&session.tokens.access_token).await;
    }
    assert_eq!(rig.upstream.counters().refreshes, 1);
}

/// FLT-10, FLT-14.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_login_during_an_outage_comes_back_with_an_error_to_try_again() {
    let outages = [
        Faults {
            token_status: Some(500),
            ..Faults::default()
        },
        Faults {
            token_garbage: true,
            ..Faults::default()
        },
        Faults {
            huge_body: true,
            ..Faults::default()
        },
    ];
    for outage in outages {
        let rig = Rig::start().await;
        rig.upstream.set_faults(outage);
        let mut host = rig.host();
        let discovery = host.discover().await.unwrap();
        let registration = host.register(&discovery).await.unwrap();
        let authorization = host.authorization(&discovery, &registration);
        let callback = host.visit(&authorization, Decision::Approve).await.unwrap();
        assert_eq!(callback.error(), Some("temporarily_unavailable"));
        assert_eq!(callback.state(), Some(authorization.state.as_str()));
        assert_eq!(callback.iss(), Some(rig.url.as_str()));
        rig.upstream.set_faults(Faults::default());
        let tokens = host.sign_in_as(&discovery, &registration).await.unwrap();
        assert_eq!(rig.whoami(&tokens.access_token).await.status, 200);
    }
}

/// FLT-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_login_that_did_not_reach_the_upstream_finishes_on_reload() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let browser = host.browser();
    browser.get(&authorization.url).await.unwrap();
    browser.submit("Approve").await.unwrap();

    rig.wire.set_unreachable(true);
    let page = browser.sign_in_as("alice", "wonderland").await.unwrap();
    assert_eq!(page.status, 503);
    assert!(page.text().contains("reload this page"));
    let callback = page.url.clone();
    assert_eq!(callback.path(), "/callback");
    let page = browser.get(callback.as_str()).await.unwrap();
    assert_eq!(page.status, 503, "and again, for as long as it lasts");

    rig.wire.set_unreachable(false);
    let stop = |_: &mcp_auth_testkit::browser::Page| mcp_auth_testkit::browser::Action::Stop;
    let came_back = browser
        .visit_until(callback.as_str(), "http://127.0.0.1:33418/callback", &stop)
        .await
        .unwrap();
    let code = came_back.code().unwrap();
    let answer = host
        .redeem(&discovery, &registration, &authorization, code)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
}

/// FLT-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upstream_that_is_down_at_the_start_is_found_once_it_is_there() {
    let rig = Rig::start().await;
    rig.wire.set_unreachable(true);
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let browser = host.browser();
    browser.get(&authorization.url).await.unwrap();
    let page = browser.submit("Approve").await.unwrap();
    assert_eq!(page.status, 503);
    assert!(page.text().contains("reload this page"));
    rig.wire.set_unreachable(false);
    let session = Session::of(host).await;
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
}

/// FLT-11.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_outage_shortly_before_the_upstream_tokens_end_costs_nothing_yet() {
    let rig = Rig::plan().upstream_lifetime(LIFETIME).start().await;
    let mut session = rig.sign_in().await;
    rig.clock.advance(Duration::from_secs(290)); // it would be renewed from 270 on
    rig.upstream
        .change_faults(|faults| faults.token_status = Some(500));
    let told = rig.upstream_token(&session.tokens.access_token).await;
    let held = rig.wire.latest_token_field("access_token").unwrap();
    assert_eq!(told.body["upstream"], hash(&held));
    assert!(rig.upstream.is_live_access_token(&held));
    session.renew().await;

    rig.clock.advance(Duration::from_secs(10));
    let told = rig.upstream_token(&session.tokens.access_token).await;
    assert_eq!(told.body["none"], "unavailable");
    assert_try_again(&session.refresh().await);
    rig.upstream.set_faults(Faults::default());
    session.renew().await;
}

#[allow(clippy::disallowed_methods)] // how long it really took
fn now() -> Instant {
    Instant::now()
}
