//! Tokens for a provider's API in return for those that hosts bring.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use mcp_auth::{
    access_token::UpstreamTokenError,
    oauth::{AccessToken, ClientSecret, Issuer, Timestamp},
    tier::DcrProxyBuilder,
    upstream::{TokenExchange, TokenExchangeBuilder},
};
use mcp_auth_testkit::{DemoUpstream, MovingClock, at_once};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::dcr_proxy::Proxied;
use crate::rig::hash;

fn exchanging(
    builder: DcrProxyBuilder,
    upstream: &DemoUpstream,
    clock: &MovingClock,
) -> DcrProxyBuilder {
    let issuer = Issuer::parse(upstream.issuer()).unwrap();
    let secret = ClientSecret::new(upstream.client_secret());
    let exchange = TokenExchange::builder(issuer, upstream.client_id(), secret)
        .with_clock(Arc::new(clock.clone()))
        .build();
    builder.with_token_exchange(Arc::new(exchange.unwrap()))
}

/// RS-16.
#[tokio::test]
async fn a_tool_has_a_token_for_the_api_that_is_not_the_hosts() {
    let server = Proxied::tuned(exchanging).await;
    let signed_in = server.sign_in().await;
    let token = signed_in.tokens.access_token.expose().to_owned();
    let (status, _, told) = server.call(&token).await;
    assert_eq!(status, 200);
    let exchanged = told["exchanged"].as_str().unwrap();
    assert_ne!(exchanged, hash(&token));
    assert!(!told.to_string().contains(&token), "{told}");
    let issued = server.upstream.issued_tokens();
    let used = issued
        .iter()
        .find(|issued| hash(issued) == exchanged)
        .unwrap();
    let userinfo = format!("{}/userinfo", server.upstream.issuer());
    let profile = server
        .http
        .get(userinfo)
        .bearer_auth(used)
        .send()
        .await
        .unwrap();
    let profile: Value = profile.json().await.unwrap();
    assert_eq!(profile["sub"], "user-alice");
    // Another call has the same.
    let (_, _, again) = server.call(&token).await;
    assert_eq!(again["exchanged"], told["exchanged"]);
    assert_eq!(server.upstream.counters().token_exchanges, 1);
}

/// RS-16.
#[tokio::test]
async fn each_user_has_a_token_of_their_own_and_a_renewed_one_before_it_ends() {
    let server = Proxied::tuned(exchanging).await;
    let alice = server.sign_in().await;
    let mut bob = server.host();
    *bob.browser() = bob.browser().clone().with_user("bob", "builder");
    let bob = bob.sign_in().await.unwrap();
    let mut seen = Vec::new();
    for session in [&alice, &bob] {
        let (_, _, told) = server.call(session.tokens.access_token.expose()).await;
        seen.push(told["exchanged"].clone());
    }
    assert_ne!(seen[0], seen[1]);
    // The demo's tokens live 300 s; half a minute before that the next one is asked for.
    server.clock.advance(Duration::from_secs(269));
    let (_, _, told) = server.call(alice.tokens.access_token.expose()).await;
    assert_eq!(told["exchanged"], seen[0]);
    server.clock.advance(Duration::from_secs(1));
    let (_, _, told) = server.call(alice.tokens.access_token.expose()).await;
    assert_ne!(told["exchanged"], seen[0]);
    assert_eq!(server.upstream.counters().token_exchanges, 3);
}

/// RS-16, PX-10.
#[tokio::test]
async fn a_user_who_is_gone_and_a_provider_that_is_away_are_told_apart() {
    let server = Proxied::tuned(exchanging).await;
    let token = server
        .sign_in()
        .await
        .tokens
        .access_token
        .expose()
        .to_owned();
    server
        .upstream
        .change_faults(|faults| faults.token_status = Some(503));
    let (_, _, told) = server.call(&token).await;
    assert_eq!(told["upstream"], "no upstream token right now; try again");
    server
        .upstream
        .change_faults(|faults| faults.token_status = None);
    server.upstream.revoke_everything_of("alice");
    let (_, _, told) = server.call(&token).await;
    let gone = "the upstream grant is gone; the user must sign in again";
    assert_eq!(told["upstream"], gone);
}

/// RS-16. Without the setting there is none.
#[tokio::test]
async fn nothing_is_exchanged_unless_the_operator_wants_it() {
    let server = Proxied::start().await;
    let token = server
        .sign_in()
        .await
        .tokens
        .access_token
        .expose()
        .to_owned();
    let (_, _, told) = server.call(&token).await;
    assert_eq!(told["upstream"], "this tier holds no upstream tokens");
    assert_eq!(server.upstream.counters().token_exchanges, 0);
}

/// An endpoint that answers what a test wants; and the forms that came.
async fn endpoint(answer: (u16, Value)) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let app = Router::new().route(
        "/token",
        post(
            move |State(seen): State<Arc<Mutex<Vec<String>>>>, body: String| async move {
                seen.lock().unwrap().push(body);
                (StatusCode::from_u16(answer.0).unwrap(), Json(answer.1))
            },
        ),
    );
    let app = app.with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, seen)
}

fn builder() -> TokenExchangeBuilder {
    let issuer = Issuer::parse("https://id.example").unwrap();
    TokenExchange::builder(issuer, "ours", ClientSecret::new("s3cret"))
}

/// What a principal with this token gets at this endpoint.
async fn got(
    exchange: &Arc<TokenExchange>,
    token: &str,
) -> Result<AccessToken, UpstreamTokenError> {
    let server = crate::exchanging_server::ExchangingServer::new(exchange, token);
    server.principal().await.upstream_token().await
}

/// RS-16. The wire form of RFC 8693 §2.1, and Entra's.
#[tokio::test]
async fn the_forms_are_those_of_the_specification_and_of_entra() {
    let good = json!({ "access_token": "api", "token_type": "Bearer", "expires_in": "300",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token" });
    let (url, seen) = endpoint((200, good)).await;
    let at = || {
        builder()
            .with_token_endpoint(&url)
            .with_client_secret_in_body()
    };
    let plain = Arc::new(
        at().for_audience("https://api.example")
            .with_scopes(["a", "b"])
            .build()
            .unwrap(),
    );
    assert_eq!(got(&plain, "host-token").await.unwrap().expose(), "api");
    let entra = at()
        .on_behalf_of()
        .with_scopes(["api://x/.default"])
        .build();
    assert_eq!(
        got(&Arc::new(entra.unwrap()), "host-token")
            .await
            .unwrap()
            .expose(),
        "api"
    );
    let seen = seen.lock().unwrap();
    assert_eq!(
        *seen,
        [
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
             &subject_token=host-token------\
             &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &audience=https%3A%2F%2Fapi.example&scope=a+b&client_id=ours&client_secret=s3cret",
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=host-token------\
             &requested_token_use=on_behalf_of&scope=api%3A%2F%2Fx%2F.default\
             &client_id=ours&client_secret=s3cret",
        ]
    );
}

/// RS-16.
#[tokio::test]
async fn answers_that_are_no_token_are_told_apart() {
    for (answer, words) in [
        ((400, json!({ "error": "invalid_grant" })), "sign in again"),
        (
            (400, json!({ "error": "interaction_required" })),
            "sign in again",
        ),
        (
            (401, json!({ "error": "invalid_client" })),
            "check its id and secret",
        ),
        (
            (400, json!({ "error": "unauthorized_client" })),
            "may not exchange",
        ),
        ((400, json!({ "error": "invalid_target" })), "this audience"),
        ((400, json!({ "error": "<script>" })), "refused the request"),
        ((500, json!({ "error": "invalid_grant" })), "try again"),
        ((429, json!({})), "try again"),
        (
            (400, json!({ "error": "invalid_request" })),
            "sign in again",
        ),
        ((200, json!({ "error": "invalid_grant" })), "sign in again"),
        ((200, json!({ "error": "x" })), "refused the request"),
        (
            (200, json!({ "access_token": "host-token------" })),
            "own token back",
        ),
        ((200, json!({ "token": "x" })), "try again"),
        ((200, json!({ "access_token": "a b" })), "try again"),
        (
            (200, json!({ "access_token": "a", "token_type": "DPoP" })),
            "another type",
        ),
        (
            (
                200,
                json!({ "access_token": "a", "issued_token_type": "urn:ietf:params:oauth:token-type:id_token" }),
            ),
            "another type",
        ),
    ] {
        let shown = answer.1.to_string();
        let (url, _) = endpoint(answer).await;
        let exchange = Arc::new(builder().with_token_endpoint(url).build().unwrap());
        let error = got(&exchange, "host-token").await.unwrap_err().to_string();
        assert!(error.contains(words), "{shown}: {error}");
        assert!(!error.contains("script"), "{error}");
    }
}

/// RS-16, RS-24.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_asks_once_and_nothing_shows_a_token() {
    let good = json!({ "access_token": "api-token", "expires_in": 300 });
    let (url, seen) = endpoint((200, good)).await;
    let exchange = Arc::new(builder().with_token_endpoint(url).build().unwrap());
    let server = crate::exchanging_server::ExchangingServer::new(&exchange, "host-token");
    let principal = server.principal().await;
    let shared = principal.clone();
    let all = at_once(64, move |_| {
        let principal = shared.clone();
        async move {
            principal
                .upstream_token()
                .await
                .unwrap()
                .expose()
                .to_owned()
        }
    });
    assert!(all.await.iter().all(|token| token == "api-token"));
    assert_eq!(seen.lock().unwrap().len(), 1);
    let shown = format!("{principal:?} {exchange:?}");
    for secret in ["host-token", "api-token", "s3cret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// RS-16. A key or a token of somebody else is never handed to the exchange.
#[tokio::test]
async fn only_tokens_of_its_own_issuer_are_exchanged() {
    let (url, seen) = endpoint((200, json!({ "access_token": "api" }))).await;
    let exchange = Arc::new(builder().with_token_endpoint(url).build().unwrap());
    let server =
        crate::exchanging_server::ExchangingServer::of("static-key", &exchange, "host-token");
    let none = server.principal().await.upstream_token().await;
    assert!(matches!(none, Err(UpstreamTokenError::NotHeld)), "{none:?}");
    assert!(seen.lock().unwrap().is_empty());
}

/// RS-16. However long the API's token would live.
#[tokio::test]
async fn an_exchanged_token_is_not_used_past_the_end_of_the_hosts() {
    let (url, seen) = endpoint((200, json!({ "access_token": "api", "expires_in": 86_400 }))).await;
    let clock = MovingClock::starting_now();
    let exchange = builder()
        .with_token_endpoint(url)
        .with_clock(Arc::new(clock.clone()));
    let exchange = Arc::new(exchange.build().unwrap());
    let ends = Timestamp::from_seconds(mcp_auth::oauth::Clock::now(&clock).as_seconds() + 100);
    let server =
        crate::exchanging_server::ExchangingServer::new(&exchange, "host-token").ending(ends);
    let principal = server.principal().await;
    for _ in 0..3 {
        assert!(principal.upstream_token().await.is_ok());
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
    clock.advance(Duration::from_secs(100));
    assert!(
        principal.upstream_token().await.is_ok(),
        "the issuer says whether that is over"
    );
    assert_eq!(seen.lock().unwrap().len(), 2);
}

/// RS-68.
#[tokio::test]
async fn an_exchange_that_could_not_work_is_not_built() {
    let said = |builder: TokenExchangeBuilder| builder.build().unwrap_err().to_string();
    assert!(
        said(builder().with_token_endpoint("http://id.example/token")).contains("must be https")
    );
    assert!(said(builder().on_behalf_of()).contains("scopes is missing"));
    let issuer = Issuer::parse("https://id.example").unwrap();
    let nameless = TokenExchange::builder(issuer, "", ClientSecret::new("s"));
    assert!(said(nameless).contains("client_id is missing"));
}

/// RS-16. On-behalf-of has another word for a token that is not good.
#[tokio::test]
async fn a_request_that_entra_refuses_is_for_the_operator() {
    let (url, _) = endpoint((400, json!({ "error": "invalid_request" }))).await;
    let entra = builder().with_token_endpoint(url).on_behalf_of();
    let entra = Arc::new(entra.with_scopes(["a"]).build().unwrap());
    let error = got(&entra, "host-token").await.unwrap_err();
    assert!(matches!(error, UpstreamTokenError::Refused(_)), "{error:?}");
}

/// PX-10: an outage ends nothing, and is not made worse.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_at_a_provider_that_is_away_asks_once_and_hears_it_together() {
    let upstream = DemoUpstream::start().await.unwrap();
    upstream.change_faults(|faults| {
        faults.token_delay_ms = Some(300);
        faults.token_status = Some(503);
    });
    let issuer = Issuer::parse(upstream.issuer()).unwrap();
    let exchange = TokenExchange::builder(issuer, "ours", ClientSecret::new("s3cret"));
    let exchange = Arc::new(exchange.build().unwrap());
    let server = crate::exchanging_server::ExchangingServer::new(&exchange, "host-token");
    let principal = server.principal().await;
    let all = at_once(64, move |_| {
        let principal = principal.clone();
        async move { principal.upstream_token().await }
    });
    for told in all.await {
        assert!(matches!(told, Err(UpstreamTokenError::Unavailable(_))));
    }
    // One that came late may have asked for itself.
    let asked = upstream.counters().token_requests;
    assert!(asked < 8, "{asked}");
}

/// PX-10.
#[tokio::test]
async fn while_the_provider_is_away_a_token_is_used_to_its_end() {
    let server = Proxied::tuned(exchanging).await;
    let host = server.sign_in().await;
    // The host's token is the older one, and good a little longer here for the sake of clocks.
    let token = host.tokens.access_token.expose().to_owned();
    let (_, _, first) = server.call(&token).await;
    server
        .upstream
        .change_faults(|faults| faults.token_status = Some(503));
    server.clock.advance(Duration::from_secs(275));
    let asked = server.upstream.counters().token_requests;
    for _ in 0..3 {
        let (_, _, told) = server.call(&token).await;
        assert_eq!(told["exchanged"], first["exchanged"]);
    }
    let again = server.upstream.counters().token_requests;
    assert_eq!(again, asked + 1, "it is left alone for a moment");
    server.clock.advance(Duration::from_secs(6));
    let (_, _, told) = server.call(&token).await;
    assert_eq!(told["exchanged"], first["exchanged"]);
    assert_eq!(server.upstream.counters().token_requests, asked + 2);
    server.clock.advance(Duration::from_secs(20));
    let (_, _, told) = server.call(&token).await;
    assert_eq!(told["upstream"], "no upstream token right now; try again");
}

/// RFC 8693 §2.2.1: `expires_in` may be short.
#[tokio::test]
async fn a_token_of_a_few_seconds_is_used_for_them() {
    let (url, seen) = endpoint((200, json!({ "access_token": "api", "expires_in": 20 }))).await;
    let clock = MovingClock::starting_now();
    let exchange = builder()
        .with_token_endpoint(url)
        .with_clock(Arc::new(clock.clone()));
    let exchange = Arc::new(exchange.build().unwrap());
    for (after, asked) in [(0, 1), (17, 1), (1, 2)] {
        clock.advance(Duration::from_secs(after));
        got(&exchange, "host-token").await.unwrap();
        assert_eq!(seen.lock().unwrap().len(), asked, "{after}");
    }
}
