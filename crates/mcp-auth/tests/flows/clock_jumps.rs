//! The clock jumps: single-use items stay used, nothing is lost, nothing lives longer.

use std::time::Duration;

use crate::rig::{Rig, assert_invalid_grant};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// TIM-02, FLT-29.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_jump_back_a_used_code_stays_used() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let code = host.authorize(&discovery, &authorization).await.unwrap();
    let redeem = || host.redeem(&discovery, &registration, &authorization, &code);
    let tokens = redeem().await.unwrap().granted().unwrap();

    rig.clock.rewind(HOUR);
    assert_invalid_grant(&redeem().await.unwrap());
    assert_eq!(rig.whoami(&tokens.access_token).await.status, 401);
}

/// TIM-02, FLT-29.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_jump_back_an_old_refresh_token_stays_old_and_the_new_one_works() {
    let rig = Rig::start().await;
    let mut session = rig.sign_in().await;
    let first = session.refresh_token().clone();
    session.renew().await;
    session.renew().await;
    rig.clock.rewind(HOUR);
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
    session.renew().await;
    assert_invalid_grant(&session.refresh_with(&first).await);
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
}

/// TIM-02.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_jump_back_a_revoked_grant_stays_revoked() {
    let rig = Rig::start().await;
    let mut session = rig.sign_in().await;
    let first = session.refresh_token().clone();
    session.renew().await;
    session.renew().await;
    assert_invalid_grant(&session.refresh_with(&first).await);
    rig.clock.rewind(HOUR);
    assert_invalid_grant(&session.refresh().await);
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
}

/// TIM-03, FLT-29.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_day_forward_and_back_loses_nobody() {
    let rig = Rig::plan()
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let mut session = rig.sign_in().await;
    rig.clock.advance(DAY);
    // Others come meanwhile: their writes sweep what expired long ago.
    for _ in 0..3 {
        rig.sign_in_as("bob", "builder").await;
    }
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
    rig.clock.rewind(DAY);
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
    session.renew().await;
    let told = rig.upstream_token(&session.tokens.access_token).await;
    assert!(told.body["upstream"].is_string());
}

/// TIM-03.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_was_used_in_the_future_goes_on_in_the_present() {
    let rig = Rig::plan()
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let mut session = rig.sign_in().await;
    rig.clock.advance(DAY);
    session.renew().await;
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
    rig.clock.rewind(DAY);
    session.renew().await;
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
    let told = rig.upstream_token(&session.tokens.access_token).await;
    assert!(told.body["upstream"].is_string());
}

/// TIM-02.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_jump_back_does_not_stretch_the_grace() {
    let rig = Rig::start().await;
    let mut session = rig.sign_in().await;
    let first = session.refresh_token().clone();
    session.renew().await;
    rig.clock.rewind(HOUR);
    rig.clock.advance(Duration::from_secs(3000));
    assert_invalid_grant(&session.refresh_with(&first).await);
}
