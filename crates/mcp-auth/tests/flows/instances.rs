//! Two instances that share a store and a key ring, and nothing else.

use std::{sync::Arc, time::Duration};

use mcp_auth::{
    access_token::Dpop, authorization_server::clients::StoredRegistrations, oauth::RefreshToken,
};
use mcp_auth_testkit::browser::{Action, Page};

use crate::{
    proofs::ProofKey,
    rig::{Rig, Session, assert_invalid_grant, at_once},
};

/// PX-19, TR-16.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_login_begun_at_one_instance_finishes_at_the_other() {
    let rig = Rig::plan().instances(2).start().await;
    let mut host = rig.host();
    rig.lead_to(0);
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);

    // The consent page of A is answered at B, and its login comes back to A.
    let browser = host.browser();
    browser.get(&authorization.url).await.unwrap();
    rig.lead_to(1);
    browser.submit("Approve").await.unwrap();
    assert!(browser.page().unwrap().has_button("Sign in"));
    rig.lead_to(0);
    let redirect_uri = "http://127.0.0.1:33418/callback";
    let sign_in = |_: &Page| Action::sign_in("alice", "wonderland");
    let callback = browser.resume_until(redirect_uri, &sign_in).await.unwrap();
    let code = callback.code().unwrap();
    assert_eq!(callback.state(), Some(authorization.state.as_str()));

    // The code is redeemed at B, used at A, refreshed at B.
    let at_b = rig.at(1, &discovery);
    let answer = host
        .redeem(&at_b, &registration, &authorization, code)
        .await;
    let tokens = answer.unwrap().granted().unwrap();
    assert_eq!(rig.whoami_at(0, &tokens.access_token).await.status, 200);
    let refresh_token = tokens.refresh_token.as_ref().unwrap();
    let answer = host.refresh(&at_b, &registration, refresh_token).await;
    let tokens = answer.unwrap().granted().unwrap();
    assert_eq!(rig.whoami_at(1, &tokens.access_token).await.status, 200);
}

/// PX-03, PX-19.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_callback_counts_once_for_all_instances() {
    let rig = Rig::plan().instances(2).start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);

    let browser = host.browser();
    browser.get(&authorization.url).await.unwrap();
    browser.submit("Approve").await.unwrap();
    let twin = browser.clone(); // with the cookie of the pending login
    let sign_in = |_: &Page| Action::sign_in("alice", "wonderland");
    let first = browser
        .resume_until("http://127.0.0.1:33418/callback", &sign_in)
        .await
        .unwrap();
    let callback = first.hops.last().unwrap().url.clone();

    rig.lead_to(1);
    let exchanges = rig.upstream.counters().code_exchanges;
    let mut twin = twin;
    let page = twin.get(callback.as_str()).await.unwrap();
    assert_eq!(page.status, 400);
    assert!(page.title().starts_with("This login is over"));
    assert_eq!(rig.upstream.counters().code_exchanges, exchanges);

    let answer = host
        .redeem(
            &discovery,
            &registration,
            &authorization,
            first.code().unwrap(),
        )
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "the first login is unharmed");
}

/// AST-20, FLT-25.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_redemptions_spread_over_both_one_succeeds() {
    let rig = Rig::plan().instances(2).start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let code = host.authorize(&discovery, &authorization).await.unwrap();

    let endpoints = [rig.at(0, &discovery), rig.at(1, &discovery)];
    let all = Arc::new((host, endpoints, registration, authorization, code));
    let answers = at_once(64, |index| {
        let all = all.clone();
        async move {
            let (host, endpoints, registration, authorization, code) = &*all;
            host.redeem(&endpoints[index % 2], registration, authorization, code)
                .await
                .unwrap()
        }
    })
    .await;

    let good: Vec<_> = answers.iter().filter(|a| a.status == 200).collect();
    assert_eq!(good.len(), 1);
    let tokens = good[0].granted().unwrap();
    for instance in [0, 1] {
        assert_eq!(
            rig.whoami_at(instance, &tokens.access_token).await.status,
            401
        );
    }
}

/// FLT-26.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refreshes_spread_over_both_get_one_successor() {
    let rig = Rig::plan()
        .instances(2)
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let session = Arc::new(rig.sign_in().await);
    rig.clock.advance(Duration::from_secs(301));
    let endpoints = Arc::new([rig.at(0, &session.discovery), rig.at(1, &session.discovery)]);

    let answers = at_once(64, |index| {
        let (session, endpoints) = (session.clone(), endpoints.clone());
        async move {
            let Session {
                host, registration, ..
            } = &*session;
            host.refresh(&endpoints[index % 2], registration, session.refresh_token())
                .await
                .unwrap()
        }
    })
    .await;

    let successors: Vec<RefreshToken> = answers
        .iter()
        .map(|answer| answer.granted().unwrap().refresh_token.unwrap())
        .collect();
    assert!(successors.iter().all(|other| other.matches(&successors[0])));
    assert_eq!(
        rig.upstream.counters().refreshes,
        1,
        "one upstream refresh in total"
    );
    assert_eq!(session.refresh_with(&successors[0]).await.status, 200);
}

/// AX-10, AX-08. A proof that one instance took is a replay at the other, and a nonce of one is good
/// at the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_proof_of_possession_is_taken_once_by_both_together() {
    let mut rig = Rig::plan().instances(2).start().await;
    for dpop in [Dpop::accepted(), Dpop::accepted().with_nonces()] {
        for instance in [0, 1] {
            rig.redeploy(instance, |builder| builder.with_dpop(dpop));
        }
        let session = rig.sign_in().await;
        let key = ProofKey::p256();
        let target = format!("{}/token", rig.url); // as hosts know it, not where an instance listens
        let refresh = async |instance: usize, proof: &str| {
            let refresh_token = session.refresh_token().expose();
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh_token),
                ("client_id", &session.registration.client_id),
            ];
            let form = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(form)
                .finish();
            let request = rig
                .http
                .post(format!("{}/token", rig.instances[instance].url))
                .header("content-type", "application/x-www-form-urlencoded")
                .header("dpop", proof);
            request.body(form).send().await.unwrap()
        };
        let mut proof = key.proof(&rig.clock, "POST", &target);
        let first = refresh(0, &key.sign(&proof)).await;
        let status = if let Some(nonce) = first.headers().get("dpop-nonce") {
            proof = proof.claim("nonce", nonce.to_str().unwrap());
            refresh(1, &key.sign(&proof)).await.status()
        } else {
            first.status()
        };
        assert_eq!(status, 200);
        for instance in [0, 1] {
            let replayed = refresh(instance, &key.sign(&proof)).await;
            assert_eq!(replayed.status(), 400);
            assert!(
                replayed
                    .text()
                    .await
                    .unwrap()
                    .contains("invalid_dpop_proof")
            );
        }
    }
}

/// PX-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tools_of_both_instances_wait_for_one_upstream_refresh() {
    let rig = Rig::plan()
        .instances(2)
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let session = rig.sign_in().await;
    let before = rig.upstream_token(&session.tokens.access_token).await;
    rig.clock.advance(Duration::from_secs(301));

    let (http, token) = (rig.http.clone(), session.tokens.access_token.clone());
    let urls = Arc::new([rig.instances[0].url.clone(), rig.instances[1].url.clone()]);
    let answers = at_once(32, |index| {
        let (http, token, urls) = (http.clone(), token.clone(), urls.clone());
        async move { crate::rig::mcp(&http, &urls[index % 2], &token, "upstream").await }
    })
    .await;

    assert_eq!(rig.upstream.counters().refreshes, 1);
    let fresh = rig.wire.latest_token_field("access_token").unwrap();
    for answer in &answers {
        assert_eq!(answer.body["upstream"], crate::rig::hash(&fresh));
    }
    assert_ne!(before.body, answers[0].body);
}

/// AST-18.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_is_seen_at_the_other_instance_within_the_bound() {
    let rig = Rig::plan().instances(2).start().await;
    let mut session = rig.sign_in().await;
    let old = session.refresh_token().clone();
    session.renew().await;
    session.renew().await;
    let token = session.tokens.access_token.clone();
    for instance in [0, 1] {
        assert_eq!(rig.whoami_at(instance, &token).await.status, 200);
    }

    // Reuse of an old token, seen by A, ends the grant.
    assert_invalid_grant(&session.refresh_with(&old).await);
    assert_eq!(rig.whoami_at(0, &token).await.status, 401, "at once here");
    // B remembers for as long as the operator set, five seconds, and no longer.
    assert_eq!(rig.whoami_at(1, &token).await.status, 200);
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(rig.whoami_at(1, &token).await.status, 401);
}

/// AST-18.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_a_bound_of_zero_a_revocation_is_seen_everywhere_at_once() {
    let rig = Rig::plan()
        .instances(2)
        .tune(|builder| builder.with_revocation_bound(Duration::ZERO))
        .start()
        .await;
    let mut session = rig.sign_in().await;
    let old = session.refresh_token().clone();
    session.renew().await;
    session.renew().await;
    let token = session.tokens.access_token.clone();
    assert_eq!(rig.whoami_at(1, &token).await.status, 200);
    assert_invalid_grant(&session.refresh_with(&old).await);
    assert_eq!(rig.whoami_at(1, &token).await.status, 401);
}

/// DCR-15, DCR-18. An operator ends a registration at one instance while its host refreshes at the
/// other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_registration_that_is_ended_at_one_instance_is_over_at_the_other() {
    let rig = Rig::plan()
        .instances(2)
        .tune(|builder| builder.with_stored_registrations(StoredRegistrations::new()))
        .start()
        .await;
    let session = Arc::new(rig.sign_in().await);
    let at_b = Arc::new(rig.at(1, &session.discovery));
    let registrations = rig.instances[0].tier.registrations().unwrap();
    let client = registrations.list().await.unwrap().remove(0).client;
    let answers = at_once(16, |index| {
        let (session, at_b) = (session.clone(), at_b.clone());
        let (registrations, client) = (registrations.clone(), client.clone());
        async move {
            if index == 8 {
                assert!(registrations.end(&client).await.unwrap());
                return None;
            }
            let token = session.refresh_token();
            let answer = session.host.refresh(&at_b, &session.registration, token);
            answer.await.unwrap().granted().ok()
        }
    })
    .await;
    rig.clock.advance(Duration::from_secs(5));
    let mut given: Vec<_> = answers.into_iter().flatten().collect();
    given.push(session.tokens.clone());
    for tokens in given {
        for instance in [0, 1] {
            let answer = rig.whoami_at(instance, &tokens.access_token).await;
            assert_eq!(answer.status, 401);
        }
    }
    assert_eq!(session.refresh().await.status, 401);
    let grants = rig.instances[1].tier.grants();
    assert_eq!(grants.of_client(&client).await.unwrap(), []);
}
