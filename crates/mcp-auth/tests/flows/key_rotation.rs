//! New keys under running tokens: two instances, rolled one after the other, and not one refusal.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use mcp_auth::{
    DcrShim, access_token::SigningKeys, oauth::AccessToken, store::KeyRing, tier::ShimBuilder,
};
use mcp_auth_testkit::browser::{Action, Page};
use serde_json::Value;

use crate::rig::{KEY, Rig, Session, mcp};

const OLD: &str = include_str!("../signing_keys/p256.pem");
const NEW: &str = include_str!("../signing_keys/rsa-2048.pem");
const NEW_KEY: &str = "k2:bmV4dCBuZXh0IG5leHQgbmV4dCBuZXh0IG5leHQhISE=";

fn signing_with(
    keys: &[&str],
) -> impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> + use<> {
    let keys = SigningKeys::parse(&keys.concat()).unwrap();
    |builder| builder.with_signing_keys(keys).with_jwt_access_tokens()
}

fn sealing_with(
    keys: &[&str],
) -> impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> + use<> {
    let ring = KeyRing::parse(&keys.join(",")).unwrap();
    |builder| builder.with_key_ring(ring)
}

/// Hosts that never stop calling, each at another instance with every call.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    hosts: Vec<tokio::task::JoinHandle<Vec<u16>>>,
}

impl Load {
    /// Begins with these tokens.
    fn of(rig: &Rig, tokens: &[AccessToken]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let calls = Arc::new(AtomicUsize::new(0));
        let urls: Vec<String> = rig.instances.iter().map(|at| at.url.clone()).collect();
        let hosts = tokens.iter().map(|token| {
            let (http, token, urls) = (rig.http.clone(), token.clone(), urls.clone());
            let (stop, calls) = (stop.clone(), calls.clone());
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    for url in &urls {
                        seen.push(mcp(&http, url, &token, "whoami").await.status);
                        calls.fetch_add(1, Ordering::SeqCst);
                    }
                }
                seen
            })
        });
        Self {
            hosts: hosts.collect(),
            stop,
            calls,
        }
    }

    /// Lets a few more calls through.
    async fn go_on(&self) {
        let until = self.calls.load(Ordering::SeqCst) + 20;
        while self.calls.load(Ordering::SeqCst) < until {
            tokio::task::yield_now().await;
        }
    }

    /// Every status there was.
    async fn statuses(self) -> Vec<u16> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for host in self.hosts {
            all.extend(host.await.unwrap());
        }
        all
    }
}

/// Refreshes at one instance, and calls both with what comes.
async fn renew_at(rig: &Rig, session: &mut Session, instance: usize) {
    let Session {
        host, registration, ..
    } = &*session;
    let at = rig.at(instance, &session.discovery);
    let answer = host
        .refresh(&at, registration, session.refresh_token())
        .await;
    session.tokens = answer.unwrap().granted().unwrap();
    for instance in [0, 1] {
        let called = rig.whoami_at(instance, &session.tokens.access_token).await;
        assert_eq!(called.status, 200);
    }
}

fn signer(token: &AccessToken) -> String {
    decode_header(token.expose()).unwrap().kid.unwrap()
}

/// A resource server elsewhere that asks for the keys of one instance and keeps them for a while.
struct Elsewhere(JwkSet);

impl Elsewhere {
    async fn read(rig: &Rig, instance: usize) -> Self {
        let url = format!("{}/jwks", rig.instances[instance].url);
        let answer = rig.http.get(url).send().await.unwrap();
        Self(answer.json().await.unwrap())
    }

    fn accepts(&self, rig: &Rig, token: &AccessToken) -> bool {
        let Some(key) = self.0.find(&signer(token)) else {
            return false;
        };
        let algorithm = key.common.key_algorithm.unwrap().try_into().unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[format!("{}/mcp", rig.url)]);
        let key = DecodingKey::from_jwk(key).unwrap();
        decode::<Value>(token.expose(), &key, &validation).is_ok()
    }
}

/// FLT-21, JWK-11. Publish first, sign later, drop when the last token is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signing_key_is_rotated_under_load_and_not_one_request_fails() {
    let mut rig = Rig::plan().instances(2).start().await;
    for instance in [0, 1] {
        rig.redeploy(instance, signing_with(&[OLD]));
    }
    let mut session = rig.sign_in().await;
    let before = session.tokens.access_token.clone();
    let load = Load::of(&rig, &[before.clone(), before.clone()]);
    load.go_on().await;

    for instance in [0, 1] {
        rig.redeploy(instance, signing_with(&[OLD, NEW]));
        renew_at(&rig, &mut session, 0).await;
        renew_at(&rig, &mut session, 1).await;
        load.go_on().await;
    }
    assert_eq!(signer(&session.tokens.access_token), signer(&before));
    let elsewhere = Elsewhere::read(&rig, 0).await;
    assert!(elsewhere.accepts(&rig, &before));

    // One instance signs with the new key while the other still signs with the old one.
    let mut signers = Vec::new();
    for instance in [0, 1] {
        rig.redeploy(instance, signing_with(&[NEW, OLD]));
        for at in [0, 1] {
            renew_at(&rig, &mut session, at).await;
            let token = &session.tokens.access_token;
            assert!(elsewhere.accepts(&rig, token), "its keys are from before");
            signers.push(signer(token));
        }
        load.go_on().await;
    }
    assert_eq!(
        signers[1],
        signer(&before),
        "the second one was not rolled yet"
    );
    assert!([0, 2, 3].iter().all(|at| signers[*at] != signer(&before)));
    assert!(load.statuses().await.iter().all(|status| *status == 200));

    // The old key goes when nothing that it signed can be good any more.
    rig.clock.advance(std::time::Duration::from_secs(3600));
    session.renew().await;
    let load = Load::of(&rig, &[session.tokens.access_token.clone()]);
    for instance in [0, 1] {
        rig.redeploy(instance, signing_with(&[NEW]));
        renew_at(&rig, &mut session, 0).await;
        renew_at(&rig, &mut session, 1).await;
        load.go_on().await;
    }
    assert!(load.statuses().await.iter().all(|status| *status == 200));
    let elsewhere = Elsewhere::read(&rig, 1).await;
    assert!(elsewhere.accepts(&rig, &session.tokens.access_token));
    assert_eq!(rig.whoami(&before).await.status, 401);
}

/// JWK-11. Dropping a key early cuts off what it signed, and the host goes on with its refresh token.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dropping_a_signing_key_ends_its_tokens_and_no_login() {
    let mut rig = Rig::plan().start().await;
    rig.redeploy(0, signing_with(&[OLD]));
    let mut session = rig.sign_in().await;
    rig.redeploy(0, signing_with(&[NEW]));
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
    session.renew().await;
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
}

/// FLT-21, AST-18. A JWT is seen to be revoked by the other instance within the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revoked_jwt_is_refused_everywhere_within_the_bound() {
    let mut rig = Rig::plan().instances(2).start().await;
    for instance in [0, 1] {
        rig.redeploy(instance, signing_with(&[OLD]));
    }
    let session = rig.sign_in().await;
    let token = &session.tokens.access_token;
    let subject = rig.whoami_at(1, token).await.body["subject"].clone();
    let ended = rig.instances[0].tier.grants();
    let ended = ended.revoke_all_of_subject(subject.as_str().unwrap()).await;
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(rig.whoami_at(0, token).await.status, 401, "at once here");
    assert_eq!(rig.whoami_at(1, token).await.status, 200);
    rig.clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(rig.whoami_at(1, token).await.status, 401);
}

/// FLT-22. Append the new key everywhere, then put it in front: access tokens, refresh tokens, client
/// ids and records under the old one go on, and so does what is sealed under the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealing_key_is_rotated_under_load_and_not_one_request_fails() {
    let mut rig = Rig::plan().instances(2).start().await;
    let mut session = rig.sign_in().await;
    let idle = rig.sign_in().await;
    let before = session.tokens.access_token.clone();
    let load = Load::of(&rig, &[before.clone(), idle.tokens.access_token.clone()]);
    load.go_on().await;
    for ring in [&[KEY, NEW_KEY], &[NEW_KEY, KEY]] {
        for instance in [0, 1] {
            rig.redeploy(instance, sealing_with(ring));
            renew_at(&rig, &mut session, 0).await;
            renew_at(&rig, &mut session, 1).await;
            let fresh = rig.sign_in().await;
            for at in [0, 1] {
                let called = rig.whoami_at(at, &fresh.tokens.access_token).await;
                assert_eq!(called.status, 200);
            }
            load.go_on().await;
        }
    }
    assert!(load.statuses().await.iter().all(|status| *status == 200));
    // A client that registered under the old key, and a grant that nobody touched since.
    let again = idle.refresh().await.granted().unwrap();
    assert_eq!(rig.whoami(&again.access_token).await.status, 200);
    // With the old key gone, what was used since is readable: it was sealed again under the new one.
    // The client's id lies with the host, and is cut off.
    rig.redeploy(0, sealing_with(&[NEW_KEY]));
    assert_eq!(rig.whoami_at(0, &again.access_token).await.status, 200);
    assert_eq!(rig.whoami_at(0, &before).await.status, 401);
    let refused = idle.refresh().await;
    assert_eq!(refused.error(), Some("invalid_client"));
}

/// FLT-22. A login that began under the old key: consent form, browser cookie and pending login.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_login_under_way_survives_a_rotation_at_every_step() {
    let mut rig = Rig::plan().start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let browser = host.browser();
    browser.get(&authorization.url).await.unwrap();
    rig.redeploy(0, sealing_with(&[KEY, NEW_KEY]));
    rig.redeploy(0, sealing_with(&[NEW_KEY, KEY]));
    browser.submit("Approve").await.unwrap();
    assert!(browser.page().unwrap().has_button("Sign in"));
    let third = "k3:dGhpcmQgdGhpcmQgdGhpcmQgdGhpcmQgdGhpcmQhISE=";
    rig.redeploy(0, sealing_with(&[third, NEW_KEY, KEY]));
    let sign_in = |_: &Page| Action::sign_in("alice", "wonderland");
    let redirect_uri = "http://127.0.0.1:33418/callback";
    let callback = browser.resume_until(redirect_uri, &sign_in).await.unwrap();
    let code = callback.code().unwrap().to_owned();
    let fourth = "k4:Zm91cnRoIGZvdXJ0aCBmb3VydGggZm91cnRoIGZvdSE=";
    rig.redeploy(0, sealing_with(&[fourth, third, NEW_KEY, KEY]));
    let answer = host
        .redeem(&discovery, &registration, &authorization, &code)
        .await;
    let tokens = answer.unwrap().granted().unwrap();
    assert_eq!(rig.whoami(&tokens.access_token).await.status, 200);
}
