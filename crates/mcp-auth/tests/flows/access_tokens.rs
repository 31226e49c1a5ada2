//! What makes a bearer good, one thing missing at a time; `authorization_server::token_request` alters its bytes.

use std::{sync::Arc, time::Duration};

use mcp_auth::{
    Principal,
    access_token::{GrantSummary, StaticTokens},
    oauth::{AccessToken, ClientId, Scopes},
    store::KeyRing,
};

use crate::rig::{Rig, State, assert_invalid_grant};

const RING: &str = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const LIFETIME: Duration = Duration::from_secs(3600);

/// RS-13. The other server has the same key ring, and differs in its name alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_of_another_issuer_opens_nothing_even_under_the_same_keys() {
    let plan = || Rig::plan().tune(|builder| builder.with_key_ring(KeyRing::parse(RING).unwrap()));
    let (here, there) = (plan().start().await, plan().start().await);
    let session = here.sign_in().await;
    let foreign = there.sign_in().await;
    assert_eq!(here.whoami(&session.tokens.access_token).await.status, 200);
    assert_eq!(here.whoami(&foreign.tokens.access_token).await.status, 401);
    assert_eq!(there.whoami(&session.tokens.access_token).await.status, 401);
}

/// RS-13.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_ends_to_the_second_and_its_grant_goes_on() {
    let rig = Rig::start().await;
    let mut session = rig.sign_in().await;
    rig.clock.advance(LIFETIME - Duration::from_secs(1));
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
    session.renew().await;
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
}

/// RS-13. Every access token of the grant ends, not only the latest.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revoked_grant_takes_all_its_tokens_along() {
    let rig = Rig::start().await;
    let mut session = rig.sign_in().await;
    let stolen = session.refresh_token().clone();
    let mut issued = vec![session.tokens.access_token.clone()];
    for _ in 0..2 {
        session.renew().await;
        issued.push(session.tokens.access_token.clone());
    }
    for token in &issued {
        assert_eq!(rig.whoami(token).await.status, 200);
    }
    assert_invalid_grant(&session.refresh_with(&stolen).await);
    for token in &issued {
        assert_eq!(rig.whoami(token).await.status, 401);
    }
}

/// RS-13. The operator shows a user out: everywhere, within the bound, and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_operator_ends_the_grants_of_one_user_or_one_client() {
    let rig = Rig::plan().instances(2).start().await;
    let (alice, again, bob) = (
        rig.sign_in().await,
        rig.sign_in().await,
        rig.sign_in_as("bob", "builder").await,
    );
    let subject = rig.whoami(&alice.tokens.access_token).await.body["subject"].clone();
    let subject = subject.as_str().unwrap();
    let at_second = || rig.whoami_at(1, &alice.tokens.access_token);
    assert_eq!(at_second().await.status, 200);
    assert_eq!(
        rig.instances[0]
            .tier
            .grants()
            .revoke_all_of_subject(subject)
            .await
            .unwrap(),
        2
    );
    for session in [&alice, &again] {
        assert_invalid_grant(&session.refresh().await);
        assert_eq!(
            rig.whoami_at(0, &session.tokens.access_token).await.status,
            401
        );
    }
    rig.clock.advance(Duration::from_secs(6));
    assert_eq!(at_second().await.status, 401);
    assert_eq!(rig.whoami(&bob.tokens.access_token).await.status, 200);
    let client = ClientId::parse(&bob.registration.client_id).unwrap();
    assert_eq!(
        rig.instances[0]
            .tier
            .grants()
            .revoke_all_of_client(&client)
            .await
            .unwrap(),
        1
    );
    assert_eq!(rig.whoami_at(0, &bob.tokens.access_token).await.status, 401);
    assert_eq!(
        rig.instances[0]
            .tier
            .grants()
            .revoke_all_of_subject(subject)
            .await
            .unwrap(),
        0
    );
}

/// ASC-14. What the operator, or a page for the user, can see and end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_grants_of_a_user_can_be_listed_and_one_of_them_ended() {
    let rig = Rig::start().await;
    let mut first = rig.sign_in().await;
    let second = rig.sign_in().await;
    rig.sign_in_as("bob", "builder").await;
    let tier = &rig.instances[0].tier;
    let subject = rig.whoami(&first.tokens.access_token).await.body["subject"].clone();
    let subject = subject.as_str().unwrap();
    rig.clock.advance(Duration::from_secs(100));
    first.renew().await;
    let listed = tier.grants().of_subject(subject).await.unwrap();
    assert_eq!(listed.len(), 2);
    let mine = |grant: &&GrantSummary| grant.client.as_str() == first.registration.client_id;
    let grant = listed.iter().find(mine).unwrap();
    assert_eq!(grant.subject, subject);
    assert_eq!(grant.client_name.as_deref(), Some("Scripted host"));
    assert_eq!(grant.scopes.to_string(), "mcp:tools");
    assert!(grant.refreshed_at.unwrap() > grant.created_at);
    let other = listed.iter().find(|grant| !mine(grant)).unwrap();
    assert_eq!(other.refreshed_at, None);
    assert_eq!(
        tier.grants().of_client(&grant.client).await.unwrap(),
        std::slice::from_ref(grant)
    );
    // Nobody ends a grant that is not theirs, and a name opens nothing.
    assert!(
        !tier
            .grants()
            .revoke("demo|somebody", &grant.name)
            .await
            .unwrap()
    );
    assert_eq!(
        rig.whoami(&AccessToken::new(grant.name.clone()))
            .await
            .status,
        401
    );
    assert!(tier.grants().revoke(subject, &grant.name).await.unwrap());
    assert!(!tier.grants().revoke(subject, &grant.name).await.unwrap());
    assert_eq!(rig.whoami(&first.tokens.access_token).await.status, 401);
    assert_eq!(rig.whoami(&second.tokens.access_token).await.status, 200);
    assert_eq!(
        tier.grants().of_subject(subject).await.unwrap(),
        std::slice::from_ref(other)
    );
}

/// ASR-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_absolute_lifetime_ends_a_grant_that_is_used_every_day() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let rig = Rig::plan()
        .tune(|builder| builder.with_grant_lifetime(7 * DAY))
        .start()
        .await;
    let mut session = rig.sign_in().await;
    for _ in 0..6 {
        rig.clock.advance(DAY);
        session.renew().await;
    }
    rig.clock.advance(DAY - Duration::from_secs(600));
    session.renew().await;
    assert_eq!(
        session.tokens.expires_in,
        Some(600),
        "no token outlives its grant"
    );
    rig.clock.advance(Duration::from_secs(600));
    assert_invalid_grant(&session.refresh().await);
}

/// RS-13. People through OAuth, programs with a key, on one server.
#[tokio::test]
async fn a_service_key_comes_in_beside_our_own_tokens() {
    let mut rig = Rig::start().await;
    let key = AccessToken::new("correct-horse-battery-staple");
    let program = Principal::new(StaticTokens::ISSUER, "nightly");
    let program = program.with_scopes(Scopes::parse("mcp:tools").unwrap());
    let keys = Arc::new(StaticTokens::new().with_token(&key, program).unwrap());
    rig.redeploy(0, |builder| builder.with_further_verifier(keys));
    let session = rig.sign_in().await;
    assert_eq!(rig.whoami(&key).await.body["subject"], "nightly");
    let user = rig.whoami(&session.tokens.access_token).await;
    assert_eq!(user.body["subject"], "demo|user-alice");
    let other = AccessToken::new("another-key-also-long");
    assert_eq!(rig.whoami(&other).await.status, 401);
    // An outage of the store is one for whoever it concerns, and for nobody else.
    rig.clock.advance(Duration::from_secs(60));
    rig.store.set(State::Down);
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 503);
    assert_eq!(rig.whoami(&key).await.status, 200);
}
