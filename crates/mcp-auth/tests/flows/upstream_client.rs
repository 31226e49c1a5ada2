//! Our client at the upstream: how it proves itself, what it sends, and what answers it takes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::Uri};
use http::StatusCode;
use mcp_auth::{
    access_token::SigningKeys,
    oauth::{AuthorizationCode, ClientSecret, CodeVerifier, RefreshToken, SystemRandom},
    upstream::{
        OAuthUpstream, OAuthUpstreamBuilder, Upstream, UpstreamAuthorization, UpstreamError,
        UpstreamLogin, UpstreamToken,
    },
};
use mcp_auth_testkit::{Browser, DemoUpstream, browser::Decision};
use tokio::net::TcpListener;

use crate::rig::Rig;

const P256: &str = include_str!("../signing_keys/p256.pem");
const RSA: &str = include_str!("../signing_keys/rsa-2048.pem");
const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// RFC 6749 §2.3.1: in the header unless chosen otherwise, and in one place only.
#[tokio::test]
async fn the_secret_goes_where_it_was_chosen_to() {
    for in_body in [false, true] {
        let demo = demo().await;
        let secret = ClientSecret::new(demo.client_secret());
        let upstream = client(&demo, |client| match in_body {
            true => client
                .with_client_secret(secret)
                .with_client_secret_in_body(),
            false => client.with_client_secret(secret),
        });
        whole_life(&demo, &upstream).await;
        let mut sent = demo.token_requests();
        sent.extend(demo.revocation_requests());
        assert_eq!(sent.len(), 3);
        for request in sent {
            let form = request.parameter("client_secret");
            assert_eq!(form, in_body.then(|| demo.client_secret()));
            assert_eq!(request.authorization().is_none(), in_body);
        }
    }
}

/// RFC 7523 §2.2, §3; OpenID Connect Core §9.
#[tokio::test]
async fn a_key_proves_our_client_in_place_of_a_secret() {
    for pem in [P256, RSA] {
        let demo = demo().await;
        let keys = SigningKeys::parse(pem).unwrap();
        demo.register_client_keys(keys.published());
        let upstream = client(&demo, |client| client.with_private_key_jwt(keys.clone()));
        whole_life(&demo, &upstream).await;
        let mut sent = demo.token_requests();
        sent.extend(demo.revocation_requests());
        let mut assertions = Vec::new();
        for request in &sent {
            assert_eq!(request.authorization(), None);
            assert_eq!(request.parameter("client_secret"), None);
            let type_ = request.parameter("client_assertion_type");
            let jwt = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            assert_eq!(type_, Some(jwt));
            assertions.push(request.parameter("client_assertion").unwrap());
        }
        assertions.sort_unstable();
        assertions.dedup();
        assert_eq!(assertions.len(), 3, "each is shown once");
    }
}

/// RFC 7523 §3: a key that the provider was not given proves nobody.
#[tokio::test]
async fn a_strange_key_proves_nothing() {
    let demo = demo().await;
    demo.register_client_keys(SigningKeys::parse(RSA).unwrap().published());
    let keys = SigningKeys::parse(P256).unwrap();
    let upstream = client(&demo, |client| client.with_private_key_jwt(keys));
    let error = login(&demo, &upstream).await.unwrap_err();
    let UpstreamError::Refused(why) = error else {
        panic!("{error}");
    };
    assert!(why.contains("does not accept our client"), "{why}");
}

#[tokio::test]
async fn a_secret_and_keys_together_are_refused() {
    let demo = demo().await;
    let built = OAuthUpstream::with_issuer(demo.issuer(), demo.client_id())
        .with_client_secret(ClientSecret::new("s"))
        .with_private_key_jwt(SigningKeys::parse(P256).unwrap())
        .build();
    assert!(built.is_err());
}

/// A whole sign-in and a refresh of a host, with keys instead of a secret behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_sign_in_over_a_client_with_keys() {
    let lifetime = Duration::from_secs(300);
    let rig = Rig::plan()
        .upstream_lifetime(lifetime)
        .client(|client, upstream| {
            let keys = SigningKeys::parse(P256).unwrap();
            upstream.register_client_keys(keys.published());
            client.with_private_key_jwt(keys)
        })
        .start()
        .await;
    let mut session = rig.sign_in().await;
    rig.clock.advance(lifetime + Duration::from_secs(1));
    session.renew().await;
    assert_eq!(rig.upstream.counters().refreshes, 1);
}

/// PX-06, PX-18. Beside our own parameters, never in their place.
#[tokio::test]
async fn further_parameters_go_where_they_belong() {
    let demo = demo().await;
    let secret = ClientSecret::new(demo.client_secret());
    let upstream = client(&demo, |client| {
        client
            .with_client_secret(secret)
            .with_authorization_parameter("access_type", "offline")
            .with_authorization_parameter("prompt", "consent")
            .with_token_parameter("audience", "https://api.example")
    });
    let verifier = CodeVerifier::generate(&SystemRandom);
    let asked = UpstreamAuthorization::new("s", &verifier, CALLBACK);
    let url = upstream.authorization_url(&asked).await.unwrap();
    assert!(url.contains("access_type=offline") && url.contains("prompt=consent"));
    assert!(!url.contains("audience"));
    let asked = asked.with_prompt(Some("login"));
    let url = upstream.authorization_url(&asked).await.unwrap();
    assert!(url.contains("prompt=login") && !url.contains("prompt=consent"));

    whole_life(&demo, &upstream).await;
    for request in demo.token_requests() {
        assert_eq!(request.parameter("audience"), Some("https://api.example"));
        assert_eq!(request.parameter("access_type"), None);
    }
    let builder = || OAuthUpstream::with_issuer(demo.issuer(), "us");
    for ours in ["state", "nonce", "redirect_uri", "client_secret", "scope"] {
        let asked = builder().with_authorization_parameter(ours, "x").build();
        assert!(asked.is_err(), "{ours}");
        let sent = builder().with_token_parameter(ours, "x").build();
        assert!(sent.is_err(), "{ours}");
    }
    let twice = builder()
        .with_token_parameter("audience", "a")
        .with_token_parameter("audience", "b");
    assert!(twice.build().is_err());
}

/// Some providers answer with a form, and write commas between scopes.
#[tokio::test]
async fn a_form_is_a_token_answer_too() {
    let demo = demo().await;
    demo.change_faults(|faults| faults.token_form = true);
    let secret = ClientSecret::new(demo.client_secret());
    let upstream = client(&demo, |client| client.with_client_secret(secret));
    let login = login(&demo, &upstream).await.unwrap();
    assert_eq!(login.identity.subject, "user-alice");
    let scopes = login.tokens.scopes.clone().unwrap();
    assert_eq!(scopes, ["openid", "profile"]);
    assert!(login.tokens.expires_at.is_some());
    let token = login.tokens.refresh_token.unwrap();
    let renewed = upstream.refresh(&token).await.unwrap();
    assert!(renewed.refresh_token.is_some());

    // An error in a form is an error, and what ends the grant ends it.
    let error = upstream.refresh(&RefreshToken::new("never")).await;
    assert!(matches!(error, Err(UpstreamError::InvalidGrant)));
}

/// PX-13, PX-15. Metadata that is none: nobody is sent anywhere, and nothing in it is passed on.
#[tokio::test]
async fn metadata_that_is_none_leads_nowhere() {
    let huge = format!(r#"{{"padding":"{}"}}"#, "x".repeat(6 << 20));
    let page = "<!doctype html><title>Sorry</title>";
    for (status, body) in [
        (200, page),
        (404, page),
        (500, page),
        (200, &huge),
        (302, ""),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let body = body.to_owned();
        let router = Router::new().fallback(move |uri: Uri| {
            counter.fetch_add(1, Ordering::SeqCst);
            let status = StatusCode::from_u16(status).unwrap();
            let to_itself = [("location", uri.path().to_owned())];
            let answer = (status, to_itself, body.clone());
            async move { answer }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let upstream = OAuthUpstream::with_issuer(issuer, "us").build().unwrap();
        let verifier = CodeVerifier::generate(&SystemRandom);
        let request = UpstreamAuthorization::new("s", &verifier, CALLBACK);
        let error = upstream.authorization_url(&request).await.unwrap_err();
        assert!(
            matches!(error, UpstreamError::Outage(_)),
            "{status}: {error}"
        );
        let said = format!("{error} {error:?}");
        assert!(!said.contains("Sorry") && !said.contains("xxx"), "{said}");
        let times = asked.load(Ordering::SeqCst);
        assert!((1..=2).contains(&times), "{status}: asked {times} times");
    }
}

/// RFC 6749 §4.1.2: the second use of a code is refused, and is no outage.
#[tokio::test]
async fn a_code_of_the_upstream_is_good_once() {
    let demo = demo().await;
    let secret = ClientSecret::new(demo.client_secret());
    let upstream = client(&demo, |client| client.with_client_secret(secret));
    let (code, verifier) = code(&demo, &upstream).await;
    assert!(upstream.redeem(&code, &verifier, CALLBACK).await.is_ok());
    let again = upstream.redeem(&code, &verifier, CALLBACK).await;
    assert!(matches!(again, Err(UpstreamError::InvalidGrant)));
}

async fn demo() -> DemoUpstream {
    let demo = DemoUpstream::builder()
        .with_redirect(CALLBACK)
        .with_auto_sign_in("alice");
    demo.start().await.unwrap()
}

fn client(
    demo: &DemoUpstream,
    tune: impl FnOnce(OAuthUpstreamBuilder) -> OAuthUpstreamBuilder,
) -> OAuthUpstream {
    let client = OAuthUpstream::with_issuer(demo.issuer(), demo.client_id())
        .with_scopes(["openid", "profile"]);
    tune(client).build().unwrap()
}

/// Code, refresh and revocation: every request that needs credentials.
async fn whole_life(demo: &DemoUpstream, upstream: &OAuthUpstream) {
    let login = login(demo, upstream).await.unwrap();
    let token = login.tokens.refresh_token.unwrap();
    let token = upstream.refresh(&token).await.unwrap().refresh_token;
    let token = token.unwrap();
    let exposed = token.expose().to_owned();
    upstream
        .revoke(&UpstreamToken::Refresh(token))
        .await
        .unwrap();
    assert!(!demo.is_live_refresh_token(&exposed));
}

async fn login(
    demo: &DemoUpstream,
    upstream: &OAuthUpstream,
) -> Result<UpstreamLogin, UpstreamError> {
    let (code, verifier) = code(demo, upstream).await;
    upstream.redeem(&code, &verifier, CALLBACK).await
}

async fn code(demo: &DemoUpstream, upstream: &OAuthUpstream) -> (AuthorizationCode, CodeVerifier) {
    let verifier = CodeVerifier::generate(&SystemRandom);
    let asked = UpstreamAuthorization::new("s", &verifier, CALLBACK);
    let url = upstream.authorization_url(&asked).await.unwrap();
    let callback = Browser::new().walk(&url, CALLBACK, Decision::Approve).await;
    let callback = callback.unwrap();
    assert_eq!(callback.iss(), Some(demo.issuer()));
    (AuthorizationCode::new(callback.code().unwrap()), verifier)
}
