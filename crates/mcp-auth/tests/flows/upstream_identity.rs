//! Who the user is, as far as the upstream proves it: ID tokens and userinfo.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_auth::oauth::ClientSecret;
use mcp_auth_testkit::{
    browser::{Callback, Decision},
    demo_upstream::{Faults, IdTokenFault},
};
use serde_json::{Value, json};
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::fmt::MakeWriter;

use crate::rig::Rig;

/// PX-20, PX-15; OpenID Connect Core §3.1.3.7, §3.1.3.3, §5.3.2.
#[tokio::test]
async fn an_id_token_that_proves_nothing_makes_no_grant() {
    let (log, _guard) = Log::listen();
    for (fault, reason) in [
        (IdTokenFault::Missing, "it gave no id_token"),
        (IdTokenFault::WrongNonce, "of another login"),
        (IdTokenFault::WrongAudience, "for another client"),
        (IdTokenFault::WrongAzp, "issued to another client"),
        (IdTokenFault::AnotherSubject, "not about the user"),
        (IdTokenFault::WrongIssuer, "of another issuer"),
        (IdTokenFault::Expired, "is over"),
        (IdTokenFault::WrongKey, "a wrong signature"),
        (IdTokenFault::Unsigned, "no JWT with an algorithm"),
    ] {
        // With userinfo, which says who it is all the same, and without.
        for no_userinfo_endpoint in [false, true] {
            if no_userinfo_endpoint && matches!(fault, IdTokenFault::AnotherSubject) {
                continue; // nothing to differ from
            }
            let faults = Faults {
                id_token: Some(fault),
                no_userinfo_endpoint,
                ..Faults::default()
            };
            let (rig, callback) = refused(faults).await;
            assert_eq!(callback.error(), Some("server_error"), "{fault:?}");
            let said = log.take();
            assert!(said.contains(reason), "{fault:?}: {said}");
            assert!(said.contains("upstream_login_failed"), "{said}");
            let told = [said, callback.url.to_string()].concat();
            for theirs in ["user-alice", "user-mallory", "another-", "issuer.invalid"] {
                assert!(!told.contains(theirs), "{fault:?}: {theirs} in {told}");
            }
            for token in rig.upstream.issued_tokens() {
                assert!(!told.contains(&token), "{fault:?}");
            }
        }
    }
}

/// PX-20. A good login with each of the two ways, and the `nonce` that it was bound by.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_token_alone_says_who_the_user_is() {
    for no_userinfo_endpoint in [false, true] {
        let rig = Rig::start().await;
        rig.upstream
            .change_faults(|faults| faults.no_userinfo_endpoint = no_userinfo_endpoint);
        let session = rig.sign_in().await;
        let told = rig.whoami(&session.tokens.access_token).await;
        assert_eq!(told.body["subject"], "demo|user-alice");
        let asked = u64::from(!no_userinfo_endpoint);
        assert_eq!(rig.upstream.counters().userinfo_requests, asked);
        assert_eq!(rig.upstream.counters().jwks_requests, 1);
    }
}

/// PX-20, PX-06. One `nonce` for each login; it is neither the verifier nor its challenge.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_login_has_a_nonce_of_its_own() {
    let rig = Rig::start().await;
    rig.sign_in().await;
    rig.sign_in_as("bob", "builder").await;
    let asked = rig.upstream.authorize_requests();
    let nonces: Vec<_> = asked
        .iter()
        .map(|a| a.parameter("nonce").unwrap())
        .collect();
    assert_eq!(nonces.len(), 2);
    assert_ne!(nonces[0], nonces[1]);
    for (asked, sent) in asked.iter().zip(rig.upstream.token_requests()) {
        let nonce = asked.parameter("nonce").unwrap();
        assert_ne!(Some(nonce), asked.parameter("code_challenge"));
        assert_ne!(Some(nonce), sent.parameter("code_verifier"));
    }
}

/// PX-20. The keys are read once for many logins, and again when a key is new.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_keys_are_not_read_for_every_login() {
    let rig = Rig::start().await;
    for (user, password) in [("alice", "wonderland"), ("bob", "builder")] {
        rig.sign_in_as(user, password).await;
    }
    assert_eq!(rig.upstream.counters().jwks_requests, 1);
}

/// PX-20. Without `openid` no ID token is asked for, and userinfo says who it is; without that nobody
/// comes in, and nothing goes to the upstream.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_openid_userinfo_has_to_say_who_it_is() {
    let plan = || {
        Rig::plan().client(|client, upstream| {
            client
                .with_client_secret(ClientSecret::new(upstream.client_secret()))
                .with_scopes(["profile"])
        })
    };
    let rig = plan().start().await;
    let session = rig.sign_in().await;
    let told = rig.whoami(&session.tokens.access_token).await;
    assert_eq!(told.body["subject"], "demo|user-alice");
    assert_eq!(rig.upstream.counters().jwks_requests, 0);
    let asked = rig.upstream.authorize_requests();
    assert_eq!(asked[0].parameter("nonce"), None);

    let rig = plan().start().await;
    rig.upstream
        .change_faults(|faults| faults.no_userinfo_endpoint = true);
    assert!(rig.host().sign_in().await.is_err());
    assert_eq!(rig.upstream.counters().authorize_requests, 0);
}

/// PX-20. What comes with a refresh says nothing about the user any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_token_of_a_refresh_is_not_looked_at() {
    let rig = Rig::plan()
        .upstream_lifetime(Duration::from_secs(300))
        .start()
        .await;
    let mut session = rig.sign_in().await;
    rig.clock.advance(Duration::from_secs(301));
    rig.upstream
        .change_faults(|faults| faults.id_token = Some(IdTokenFault::WrongKey));
    session.renew().await;
    assert_eq!(rig.upstream.counters().refreshes, 1);
    let told = rig.whoami(&session.tokens.access_token).await;
    assert_eq!(told.body["subject"], "demo|user-alice");
}

/// PX-15, PX-20. Answers that are none: nothing is made of them, and nothing of them is passed on.
#[tokio::test]
async fn answers_that_are_none_make_no_grant() {
    let (log, _guard) = Log::listen();
    let huge = json!({ "padding": "x".repeat(6 << 20) });
    let html = |status| Faults {
        token_status: Some(status),
        ..Faults::default()
    };
    let at = |path: &str| Faults {
        redirect_loop: Some(path.to_owned()),
        ..Faults::default()
    };
    let userinfo = |status| Faults {
        userinfo_status: Some(status),
        ..Faults::default()
    };
    for (name, faults) in [
        ("HTML with 200 at the token endpoint", html(200)),
        ("HTML with 400 at the token endpoint", html(400)),
        ("HTML with 200 at userinfo", userinfo(200)),
        (
            "megabytes at the token endpoint",
            Faults {
                huge_body: true,
                ..Faults::default()
            },
        ),
        (
            "megabytes at userinfo",
            Faults {
                userinfo_claims: huge.as_object().cloned(),
                ..Faults::default()
            },
        ),
        ("a redirect at the token endpoint", at("/token")),
        ("a redirect at userinfo", at("/userinfo")),
        ("a redirect at the keys", at("/jwks")),
    ] {
        let looping = faults.redirect_loop.clone();
        let (rig, callback) = refused(faults).await;
        let error = callback.error().unwrap();
        assert!(
            ["server_error", "temporarily_unavailable"].contains(&error),
            "{name}: {error}"
        );
        let told = [log.take(), callback.url.to_string()].concat();
        assert!(told.contains("upstream_login_failed"), "{name}");
        for theirs in ["doctype", "Sorry", "went wrong on our side", "xxxx"] {
            assert!(!told.contains(theirs), "{name}: {told}");
        }
        if let Some(path) = looping {
            let asked = rig.wire.seen();
            let asked = asked.iter().filter(|exchange| exchange.path == path);
            assert_eq!(asked.count(), 1, "{name}: it was followed");
        }
    }
}

/// PX-13. Metadata is not looked for where a redirect leads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redirects_of_the_metadata_are_not_followed() {
    let rig = Rig::start().await;
    let path = "/.well-known/oauth-authorization-server";
    rig.upstream
        .change_faults(|faults| faults.redirect_loop = Some(path.to_owned()));
    rig.sign_in().await;
    let seen = rig.wire.seen();
    let asked = seen.iter().filter(|exchange| exchange.path == path);
    assert!(asked.clone().count() > 0);
    // Each reading tries this form once, and takes the other one.
    let other = "/.well-known/openid-configuration";
    let others = seen.iter().filter(|exchange| exchange.path == other);
    assert_eq!(asked.count(), others.count());
}

/// PX-20. Personal claims of an ID token stay out of the log of a login that works.
#[tokio::test]
async fn a_good_id_token_leaves_nothing_in_the_log() {
    let (log, _guard) = Log::listen();
    let rig = Rig::start().await;
    rig.upstream
        .change_faults(|faults| faults.no_userinfo_endpoint = true);
    rig.sign_in().await;
    let token = rig.wire.latest_token_field("id_token").unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let said = log.take();
    for claim in ["email", "name", "nonce"] {
        let value = claims[claim].as_str().unwrap();
        assert!(!said.contains(value), "{claim}");
    }
    assert!(!said.contains(&token));
}

/// A login that comes to nothing.
async fn refused(faults: Faults) -> (Rig, Callback) {
    let rig = Rig::start().await;
    rig.upstream.set_faults(faults);
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let callback = host.visit(&authorization, Decision::Approve).await.unwrap();
    assert_eq!(callback.state(), Some(authorization.state.as_str()));
    assert_eq!(callback.code(), None);
    let written = rig.store.written();
    let granted = written.iter().any(|(_, record)| !record.indexes.is_empty());
    assert!(!granted, "a grant was made");
    (rig, callback)
}

/// What is logged on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn listen() -> (Self, DefaultGuard) {
        // What is enabled is remembered per event for the whole process: a global subscriber that wants
        // them keeps them on while other tests run without one.
        let all = tracing_subscriber::fmt().with_max_level(Level::INFO);
        let _ = all.with_writer(std::io::sink).try_init();
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::INFO)
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// What was logged since the last time.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
