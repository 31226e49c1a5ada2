//! Tools behind `DcrProxy` that call the provider's API with a token of their own (RFC 8693): the host
//! signs in at the demo upstream, whose userinfo endpoint is the API.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use mcp_auth::{
    DcrProxy, Principal, Tier,
    access_token::{StaticTokens, UpstreamTokenError},
    oauth::{AccessToken, ClientSecret, Issuer, PublicUrl, Scopes},
    tier::DcrProxyBuilder,
    upstream::{TokenExchange, TokenExchangeBuilder},
};
use mcp_auth_testkit::{Browser, DemoUpstream, MovingClock, ScriptedHost};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    rig::{Wire, at_once, hash},
    upstream_identity::Log,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The hosts' tokens live this long, and exchanged ones half as long.
const LIFETIME: Duration = Duration::from_secs(300);

/// A server behind the tier, its provider, and what it asked there for its tools.
struct Exchanging {
    url: String,
    clock: MovingClock,
    upstream: DemoUpstream,
    wire: Arc<Wire>,
    http: reqwest::Client,
    serving: JoinHandle<()>,
}

impl Drop for Exchanging {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Exchanging {
    async fn start() -> Self {
        Self::with(|exchange| exchange, |tier| tier).await
    }

    async fn with(
        exchange: impl FnOnce(TokenExchangeBuilder) -> TokenExchangeBuilder,
        tier: impl FnOnce(DcrProxyBuilder) -> DcrProxyBuilder,
    ) -> Self {
        let clock = MovingClock::starting_now();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = DemoUpstream::builder()
            .with_clock(Arc::new(clock.clone()))
            .with_access_token_lifetime(LIFETIME)
            .with_resource(&format!("{url}/mcp"))
            .start()
            .await
            .unwrap();
        let issuer = Issuer::parse(upstream.issuer()).unwrap();
        let wire = Arc::new(Wire::new());
        let secret = ClientSecret::new(upstream.client_secret());
        let to_exchange = TokenExchange::builder(issuer.clone(), upstream.client_id(), secret)
            .for_audience(upstream.issuer())
            .with_scopes(["openid", "profile"])
            .with_http_client(wire.clone())
            .with_clock(Arc::new(clock.clone()));
        let to_exchange = Arc::new(exchange(to_exchange).build().unwrap());
        let builder = DcrProxy::builder(PublicUrl::parse(&url).unwrap(), issuer)
            .with_required_scopes(Scopes::parse("mcp:tools").unwrap())
            .with_clock(Arc::new(clock.clone()))
            .with_token_exchange(to_exchange);
        let tier = tier(builder).discover().await.unwrap();
        let api = format!("{}/userinfo", upstream.issuer());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (called, client) = (api.clone(), http.clone());
        let tool =
            tower::service_fn(move |request| profile(request, called.clone(), client.clone()));
        let app = Router::new().fallback_service(tier.protect(tool));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            url,
            clock,
            upstream,
            wire,
            http,
            serving,
        }
    }

    async fn sign_in(&self, user: &str, password: &str) -> AccessToken {
        let browser = Browser::new()
            .with_clock(Arc::new(self.clock.clone()))
            .with_user(user, password);
        let host = ScriptedHost::new(format!("{}/mcp", self.url)).unwrap();
        let signed_in = host.with_browser(browser).sign_in().await.unwrap();
        signed_in.tokens.access_token
    }

    async fn alice(&self) -> AccessToken {
        self.sign_in("alice", "wonderland").await
    }

    /// What the tool answers to whoever has this token.
    async fn profile(&self, token: &str) -> Value {
        let request = self.http.post(format!("{}/mcp", self.url));
        let answer = request.bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    fn exchanges(&self) -> u64 {
        self.upstream.counters().token_exchanges
    }

    /// Asks the demo upstream's token endpoint as a client.
    async fn ask(&self, client: (&str, &str), form: &[(&str, &str)]) -> (u16, Value) {
        let request = self.http.post(format!("{}/token", self.upstream.issuer()));
        let request = request.basic_auth(client.0, Some(client.1)).form(form);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// A tool that calls the API, and tells what it saw of tokens and what came of it.
async fn profile(
    request: Request,
    api: String,
    http: reqwest::Client,
) -> Result<Response, Infallible> {
    let principal = request.extensions().get::<Principal>().cloned().unwrap();
    let seen = format!(
        "{principal:?} {:?} {:?}",
        request.headers(),
        request.extensions()
    );
    let told = match principal.upstream_token().await {
        Ok(token) => {
            let called = http.get(api).bearer_auth(token.expose()).send().await;
            let called = called.unwrap();
            let status = called.status().as_u16();
            let profile: Value = called.json().await.unwrap_or(Value::Null);
            json!({ "token": hash(token.expose()), "api": status, "sub": profile["sub"], "seen": seen })
        }
        Err(UpstreamTokenError::NotHeld) => json!({ "none": "not held" }),
        Err(UpstreamTokenError::GrantGone) => json!({ "none": "grant gone" }),
        Err(UpstreamTokenError::Unavailable(_)) => json!({ "none": "unavailable" }),
        Err(error) => json!({ "none": error.to_string() }),
    };
    Ok(Json(told).into_response())
}

/// RS-16, PX-07, AST-30.
#[tokio::test]
async fn a_tool_gets_a_token_for_the_api_and_never_the_hosts() {
    let (log, _guard) = Log::listen();
    let server = Exchanging::start().await;
    assert!(server.wire.seen().is_empty(), "nothing before it is needed");
    let host_token = server.alice().await;
    let told = server.profile(host_token.expose()).await;
    assert_eq!(
        (&told["api"], &told["sub"]),
        (&json!(200), &json!("user-alice"))
    );
    assert_ne!(told["token"], hash(host_token.expose()));
    assert!(!told.to_string().contains(host_token.expose()));

    // The host's token went to its own issuer's token endpoint, and there in the one field.
    let seen = server.wire.seen();
    let (exchanges, others): (Vec<_>, Vec<_>) = seen.iter().partition(|e| e.path == "/token");
    assert_eq!((exchanges.len(), others.len()), (1, 1));
    assert!(!format!("{others:?}").contains(host_token.expose()));
    let sent = server.upstream.token_requests().pop().unwrap();
    let credentials = format!("demo-client:{}", server.upstream.client_secret());
    let basic = format!("Basic {}", STANDARD.encode(credentials));
    assert_eq!(sent.authorization(), Some(basic.as_str()));
    let expected = [
        ("grant_type", GRANT_TYPE),
        ("subject_token", host_token.expose()),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("audience", server.upstream.issuer()),
        ("scope", "openid profile"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(sent.parameters(), expected);

    // It would open nothing at the API, and what opens the API opens nothing here.
    let api = format!("{}/userinfo", server.upstream.issuer());
    let refused = server.http.get(api).bearer_auth(host_token.expose()).send();
    assert_eq!(refused.await.unwrap().status(), 401);
    let exchanged = server.wire.latest_token_field("access_token").unwrap();
    assert_eq!(told["token"], hash(&exchanged));
    let turned = server.http.post(format!("{}/mcp", server.url));
    let turned = turned.bearer_auth(&exchanged).send().await.unwrap();
    assert_eq!(turned.status(), 401);

    // A refused exchange logs no token either.
    server.upstream.revoke_everything_of("alice");
    server.clock.advance(Duration::from_secs(140));
    let told = server.profile(host_token.expose()).await;
    assert_eq!(told, json!({ "none": "grant gone" }));
    let logged = log.take();
    assert!(logged.contains("token_not_exchanged"), "{logged}");
    for secret in [
        host_token.expose(),
        &exchanged,
        server.upstream.client_secret(),
    ] {
        assert!(!logged.contains(secret), "{logged}");
    }
}

/// AST-30.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tools_at_once_exchange_once() {
    let server = Arc::new(Exchanging::start().await);
    let token = server.alice().await.expose().to_owned();
    server
        .upstream
        .change_faults(|faults| faults.token_delay_ms = Some(100));
    let told = at_once(64, |_| {
        let (server, token) = (server.clone(), token.clone());
        async move { server.profile(&token).await["token"].clone() }
    })
    .await;
    assert!(told.iter().all(|one| one.is_string() && *one == told[0]));
    assert_eq!(server.exchanges(), 1);
    let discoveries = server.wire.seen().len() - 1;
    assert_eq!(discoveries, 1);
}

/// RFC 8693 §2.2.1.
#[tokio::test]
async fn the_next_one_is_exchanged_ahead_of_the_end() {
    let server = Exchanging::start().await;
    let host_token = server.alice().await;
    let first = server.profile(host_token.expose()).await;
    server.clock.advance(Duration::from_secs(134));
    let same = server.profile(host_token.expose()).await;
    assert_eq!((&same["token"], server.exchanges()), (&first["token"], 1));
    // 150 seconds, less a tenth: the old one would still be good.
    server.clock.advance(Duration::from_secs(1));
    let next = server.profile(host_token.expose()).await;
    assert_ne!(next["token"], first["token"]);
    assert_eq!((&next["api"], server.exchanges()), (&json!(200), 2));
    // Another one of the host's is another matter.
    let second = server.alice().await;
    assert_ne!(
        server.profile(second.expose()).await["token"],
        next["token"]
    );
    // The gate gives clocks some leeway; nothing is asked for a token that is over.
    server.clock.advance(Duration::from_secs(166));
    let over = server.profile(host_token.expose()).await;
    assert_eq!(over, json!({ "none": "grant gone" }));
    assert_eq!(server.exchanges(), 3);
}

/// PX-09.
#[tokio::test]
async fn what_was_exchanged_ends_with_the_hosts_token() {
    let server = Exchanging::start().await;
    let host_token = server.alice().await;
    // It says that it lives for a day; the host's token does not.
    server
        .upstream
        .change_faults(|faults| faults.expires_in = Some(json!(86_400)));
    server.clock.advance(Duration::from_secs(200));
    assert_eq!(server.profile(host_token.expose()).await["api"], 200);
    server.clock.advance(Duration::from_secs(101));
    let told = server.profile(host_token.expose()).await;
    assert_eq!(told, json!({ "none": "grant gone" }));
    assert_eq!(server.exchanges(), 1);
}

/// RS-16: nobody's token stands for another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_users_exchange_is_never_anothers() {
    let server = Arc::new(Exchanging::start().await);
    let alice = server.alice().await.expose().to_owned();
    let bob = server.sign_in("bob", "builder").await.expose().to_owned();
    let told = at_once(32, |index| {
        let (user, token) = match index % 2 {
            0 => ("user-alice", alice.clone()),
            _ => ("user-bob", bob.clone()),
        };
        let server = server.clone();
        async move { (user, server.profile(&token).await["sub"].clone()) }
    })
    .await;
    for (user, sub) in told {
        assert_eq!(sub, user);
    }
    assert_eq!(server.exchanges(), 2);
}

/// PX-10.
#[tokio::test]
async fn a_user_whose_grant_is_gone_has_to_sign_in_again() {
    let server = Exchanging::start().await;
    let host_token = server.alice().await;
    server.upstream.revoke_everything_of("alice");
    let told = server.profile(host_token.expose()).await;
    assert_eq!(told, json!({ "none": "grant gone" }));
    let again = server.alice().await;
    assert_eq!(server.profile(again.expose()).await["sub"], "user-alice");
}

/// RFC 6749 §5.2 has no word for it: what says nothing about the grant does not end it (PX-09).
#[tokio::test]
async fn an_outage_is_waited_out_while_the_last_one_is_good() {
    let server = Exchanging::start().await;
    let host_token = server.alice().await;
    let away = |status| {
        server
            .upstream
            .change_faults(|faults| faults.token_status = status);
    };
    away(Some(503));
    let told = server.profile(host_token.expose()).await;
    assert_eq!(told, json!({ "none": "unavailable" }));
    away(None);
    let first = server.profile(host_token.expose()).await;
    assert_eq!(first["api"], 200);

    for (status, unreachable) in [(Some(503), false), (Some(429), false), (None, true)] {
        away(status);
        server.wire.set_unreachable(unreachable);
        server.clock.advance(Duration::from_secs(5)); // within the last tenth after the first
        if status == Some(503) {
            server.clock.advance(Duration::from_secs(130));
        }
        let asked = server.wire.seen().len();
        let held = server.profile(host_token.expose()).await;
        assert_eq!(held["token"], first["token"], "{status:?}");
        let again = server.profile(host_token.expose()).await;
        assert_eq!(again["token"], first["token"]);
        assert_eq!(server.wire.seen().len(), asked + 1, "it is left alone");
    }
    server.clock.advance(Duration::from_secs(10));
    let told = server.profile(host_token.expose()).await;
    assert_eq!(told, json!({ "none": "unavailable" }));
    server.wire.set_unreachable(false);
    let next = server.profile(host_token.expose()).await;
    assert_eq!(next["api"], 200);
    assert_ne!(next["token"], first["token"]);
}

/// RS-16: a key of this server's own is nobody's business elsewhere.
#[tokio::test]
async fn a_service_key_is_not_sent_to_the_provider() {
    let key = "correct-horse-battery-staple";
    let program = Principal::new(StaticTokens::ISSUER, "nightly");
    let program = program.with_scopes(Scopes::parse("mcp:tools").unwrap());
    let keys = StaticTokens::new().with_token(&AccessToken::new(key), program);
    let keys = Arc::new(keys.unwrap());
    let server =
        Exchanging::with(|exchange| exchange, |tier| tier.with_further_verifier(keys)).await;
    assert_eq!(server.profile(key).await, json!({ "none": "not held" }));
    assert!(server.wire.seen().is_empty());
    let alice = server.alice().await;
    assert_eq!(server.profile(alice.expose()).await["sub"], "user-alice");
}

/// AST-30.
#[tokio::test]
async fn a_wrong_set_up_is_told_to_the_operator() {
    let (log, _guard) = Log::listen();
    type Tune = fn(TokenExchangeBuilder) -> TokenExchangeBuilder;
    let cases: [(Tune, &str); 2] = [
        (
            |exchange| exchange.for_audience("https://api.example.com"),
            "it gives no tokens for this audience or resource",
        ),
        (
            |exchange| exchange.with_scopes(["everything"]),
            "it does not give these scopes",
        ),
    ];
    for (tune, reason) in cases {
        let server = Exchanging::with(tune, |tier| tier).await;
        let token = server.alice().await;
        let told = server.profile(token.expose()).await;
        let expected = format!("the upstream exchanges no token for this server: {reason}");
        assert_eq!(told, json!({ "none": expected }));
        let logged = log.take();
        assert!(
            logged.contains(reason) && logged.contains("ERROR"),
            "{logged}"
        );
        assert!(logged.contains("fault=\"server\""), "{logged}");
    }
    let in_body = Exchanging::with(TokenExchangeBuilder::with_client_secret_in_body, |tier| {
        tier
    });
    let server = in_body.await;
    let token = server.alice().await;
    assert_eq!(server.profile(token.expose()).await["api"], 200);
    let sent = server.upstream.token_requests().pop().unwrap();
    assert_eq!(sent.authorization(), None);
    assert_eq!(sent.parameter("client_id"), Some("demo-client"));
}

/// AST-30: the demo upstream's own side, by RFC 8693 §2.2.2.
#[tokio::test]
async fn the_demo_upstream_exchanges_live_tokens_for_servers_and_nothing_else() {
    let server = Exchanging::start().await;
    let alice = server.alice().await;
    let issuer = server.upstream.issuer().to_owned();
    let document = format!("{issuer}/.well-known/oauth-authorization-server");
    let document = server.http.get(document).send().await.unwrap();
    let document: Value = document.json().await.unwrap();
    let grants = document["grant_types_supported"].as_array().unwrap();
    assert!(grants.contains(&json!(GRANT_TYPE)));

    let secret = server.upstream.client_secret().to_owned();
    let ours = ("demo-client", secret.as_str());
    let good = [
        ("grant_type", GRANT_TYPE),
        ("subject_token", alice.expose()),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let (status, answer) = server.ask(ours, &good).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 150);
    let exchanged = answer["access_token"].as_str().unwrap().to_owned();
    let with = |name: &'static str, value| {
        let mut form = good.to_vec();
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        form
    };
    let id_token = "urn:ietf:params:oauth:token-type:id_token";
    let other = "https://other.example";
    for (form, error) in [
        (with("subject_token", "nobodys"), "invalid_request"),
        (with("subject_token", &exchanged), "invalid_request"),
        (with("subject_token_type", id_token), "invalid_request"),
        (with("requested_token_type", id_token), "invalid_request"),
        (with("actor_token", alice.expose()), "invalid_request"),
        (with("audience", other), "invalid_target"),
        (with("resource", other), "invalid_target"),
        (with("scope", "mcp:tools"), "invalid_scope"),
    ] {
        let (status, answer) = server.ask(ours, &form).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "{form:?}");
    }
    let (status, _) = server.ask(("demo-client", "wrong"), &good).await;
    assert_eq!(status, 401);
    let registration = json!({ "redirect_uris": ["http://127.0.0.1/callback"] });
    let registered = server.http.post(format!("{issuer}/register"));
    let registered = registered.json(&registration).send().await.unwrap();
    let host: Value = registered.json().await.unwrap();
    let host = (
        host["client_id"].as_str().unwrap(),
        host["client_secret"].as_str().unwrap(),
    );
    let (_, answer) = server.ask(host, &good).await;
    assert_eq!(answer["error"], "unauthorized_client");
    server.upstream.revoke_everything_of("alice");
    let (_, answer) = server.ask(ours, &good).await;
    assert_eq!(answer["error"], "invalid_request");
    assert!(!server.upstream.is_live_access_token(&exchanged));
}
