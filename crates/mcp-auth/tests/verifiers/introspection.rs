//! Tokens that their issuer is asked about, over a real endpoint.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use mcp_auth::{
    access_token::{IntrospectionVerifier, IntrospectionVerifierBuilder},
    oauth::{self, AccessToken, ClientSecret},
};
use mcp_auth_testkit::{MovingClock, at_once};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::server::{Answer, RESOURCE, Server, invalid_token};

/// An endpoint that answers what a test wants, and what it was asked.
struct Endpoint {
    url: String,
    told: Arc<Mutex<Told>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Told {
    answer: Value,
    status: u16,
    raw: Option<&'static str>,
    questions: Vec<(Option<String>, String)>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Endpoint {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(Told {
            status: 200,
            ..Told::default()
        }));
        let app = Router::new()
            .route("/introspect", post(introspect))
            .with_state(Arc::clone(&told));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, told, serving }
    }

    fn builder(&self, clock: &MovingClock) -> IntrospectionVerifierBuilder {
        let issuer = oauth::Issuer::parse(&self.url).unwrap();
        IntrospectionVerifier::builder(issuer, format!("{}/introspect", self.url))
            .with_client("our server", ClientSecret::new("s3cret+/"))
            .with_clock(Arc::new(clock.clone()))
    }

    fn server(&self) -> Server {
        let clock = MovingClock::starting_now();
        let verifier = self.builder(&clock).build().unwrap();
        Server::new(&clock, Arc::new(verifier))
    }

    /// The answer about a good token.
    fn active(&self, server: &Server) -> Value {
        json!({
            "active": true, "iss": self.url, "sub": "user-1", "aud": RESOURCE, "client_id": "host",
            "scope": "mcp:tools", "exp": server.now() + 300, "token_type": "Bearer",
        })
    }

    fn answers(&self, answer: Value) {
        self.told.lock().unwrap().answer = answer;
    }

    fn fails(&self, status: u16, raw: Option<&'static str>) {
        let mut told = self.told.lock().unwrap();
        (told.status, told.raw) = (status, raw);
    }

    fn questions(&self) -> usize {
        self.told.lock().unwrap().questions.len()
    }
}

async fn introspect(
    State(told): State<Arc<Mutex<Told>>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut told = told.lock().unwrap();
    let authorization = headers.get("authorization");
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    told.questions.push((authorization, body));
    let status = StatusCode::from_u16(told.status).unwrap();
    match told.raw {
        Some(raw) => (status, raw).into_response(),
        None => (status, Json(told.answer.clone())).into_response(),
    }
}

/// RS-13, INT-05.
#[tokio::test]
async fn an_active_token_for_this_server_says_who_is_calling() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.answers(endpoint.active(&server));
    let principal = server.principal("opaque").await;
    assert_eq!(principal.issuer(), endpoint.url);
    assert_eq!(principal.subject(), "user-1");
    assert_eq!(principal.client().unwrap().as_str(), "host");
    assert_eq!(principal.scopes().to_string(), "mcp:tools");
    let told = endpoint.told.lock().unwrap();
    let [(authorization, form)] = told.questions.as_slice() else {
        panic!("{} questions", told.questions.len());
    };
    // RFC 6749 §2.3.1: form-encoded before base64.
    assert_eq!(
        authorization.as_deref(),
        Some("Basic b3VyK3NlcnZlcjpzM2NyZXQlMkIlMkY=")
    );
    assert_eq!(form, "token=opaque&token_type_hint=access_token");
}

/// INT-05, RS-13, RS-14.
#[tokio::test]
async fn an_answer_that_does_not_say_enough_is_a_refusal() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    let now = server.now();
    let good = endpoint.active(&server);
    let changed = |name: &str, value: Value| {
        let mut answer = good.clone();
        answer[name] = value;
        answer
    };
    let without = |name: &str| {
        let mut answer = good.clone();
        answer.as_object_mut().unwrap().remove(name);
        answer
    };
    let refused = [
        json!({ "active": false }),
        changed("active", json!(false)),
        without("aud"),
        changed("aud", json!([])),
        changed("aud", json!("https://other.example/mcp")),
        changed("aud", json!("https://mcp.example/mcp2")),
        changed("iss", json!("https://id.example")),
        changed("exp", json!(now - 60)),
        changed("nbf", json!(now + 61)),
        without("sub"),
        changed("sub", json!("")),
        changed("sub", json!("|host")),
        changed("token_type", json!("refresh_token")),
        changed("token_type", json!("DPoP")),
        changed(
            "cnf",
            json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }),
        ),
        changed(
            "cnf",
            json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        ),
        changed("scope", json!("mcp:tools \"")),
        changed("client_id", json!("")),
    ];
    for (at, answer) in refused.into_iter().enumerate() {
        endpoint.answers(answer.clone());
        let (refusal, seen) = server.call(&format!("token-{at}")).await;
        assert_eq!(refusal, invalid_token(), "{answer}");
        assert!(seen.is_none());
    }
    let accepted = [
        good.clone(),
        without("iss"),
        without("exp"),
        without("client_id"),
        without("token_type"),
        changed("aud", json!([RESOURCE, "https://other.example"])),
        changed("exp", json!(now - 59)),
        changed("nbf", json!(now + 60)),
    ];
    for (at, answer) in accepted.into_iter().enumerate() {
        endpoint.answers(answer.clone());
        assert_eq!(server.status(&format!("good-{at}")).await, 200, "{answer}");
    }
}

/// A 401 would have hosts throw good tokens away.
#[tokio::test]
async fn an_endpoint_that_cannot_answer_is_an_outage_and_no_refusal() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.answers(endpoint.active(&server));
    for (status, raw) in [
        (500, None),
        (503, Some("busy")),
        (401, Some("{\"error\":\"invalid_client\"}")),
        (403, None),
        (302, Some("")),
        (200, Some("<html>")),
        (200, Some("{}")),
        (200, Some("{\"active\":\"true\"}")),
        (200, Some("{\"active\":1}")),
        (200, Some("{\"active\":false,\"active\":true}")),
        (200, Some("[]")),
    ] {
        endpoint.fails(status, raw);
        let (answer, _) = server.call("opaque").await;
        let expected = Answer {
            status: 503,
            error: None,
            retry_after: Some("2".to_owned()),
        };
        assert_eq!(answer, expected, "{status} {raw:?}");
    }
    endpoint.fails(200, None);
    assert_eq!(
        server.status("opaque").await,
        200,
        "an outage is not remembered"
    );
    drop(endpoint);
    let gone = Endpoint::start().await;
    let server = gone.server();
    gone.serving.abort();
    tokio::task::yield_now().await;
    assert_eq!(server.status("opaque").await, 503);
}

/// INT-06.
#[tokio::test]
async fn an_answer_is_believed_for_a_moment_and_never_past_its_end() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.answers(endpoint.active(&server));
    for _ in 0..3 {
        assert_eq!(server.status("opaque").await, 200);
    }
    assert_eq!(endpoint.questions(), 1);
    endpoint.answers(json!({ "active": false }));
    server.clock.advance(Duration::from_secs(29));
    assert_eq!(server.status("opaque").await, 200);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(server.status("opaque").await, 401, "a revocation is seen");
    assert_eq!(endpoint.questions(), 2);

    let mut short = endpoint.active(&server);
    short["exp"] = json!(server.now() - 50);
    endpoint.answers(short);
    assert_eq!(server.status("short").await, 200);
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(server.status("short").await, 401, "its leeway is over");
}

/// INT-06.
#[tokio::test]
async fn what_is_not_active_is_not_asked_about_again_at_once() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.answers(json!({ "active": false }));
    for _ in 0..10 {
        assert_eq!(server.status("opaque").await, 401);
    }
    assert_eq!(endpoint.questions(), 1);
    endpoint.answers(endpoint.active(&server));
    server.clock.advance(Duration::from_secs(5));
    assert_eq!(server.status("opaque").await, 200);
}

/// INT-06.
#[tokio::test]
async fn who_wants_no_cache_has_none() {
    let endpoint = Endpoint::start().await;
    let clock = MovingClock::starting_now();
    let verifier = endpoint
        .builder(&clock)
        .believed_for(Duration::ZERO)
        .build();
    let server = Server::new(&clock, Arc::new(verifier.unwrap()));
    endpoint.answers(endpoint.active(&server));
    assert_eq!(server.status("opaque").await, 200);
    endpoint.answers(json!({ "active": false }));
    assert_eq!(server.status("opaque").await, 401);
}

/// INT-06. A crowd is one question.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_with_one_token_asks_once() {
    let endpoint = Endpoint::start().await;
    let server = Arc::new(endpoint.server());
    endpoint.answers(endpoint.active(&server));
    let statuses = at_once(64, move |_| {
        let server = Arc::clone(&server);
        async move { server.status("opaque").await }
    });
    assert!(statuses.await.iter().all(|status| *status == 200));
    assert_eq!(endpoint.questions(), 1);
}

/// RS-13.
#[tokio::test]
async fn a_token_longer_than_any_is_not_sent_anywhere() {
    let endpoint = Endpoint::start().await;
    let server = endpoint.server();
    endpoint.answers(endpoint.active(&server));
    assert_eq!(server.status(&"x".repeat(20_000)).await, 401);
    assert_eq!(endpoint.questions(), 0);
}

/// RS-24.
#[tokio::test]
async fn each_way_to_ask_sends_its_credential_and_shows_it_nowhere() {
    let endpoint = Endpoint::start().await;
    let clock = MovingClock::starting_now();
    let issuer = || oauth::Issuer::parse(&endpoint.url).unwrap();
    let at = || IntrospectionVerifier::builder(issuer(), format!("{}/introspect", endpoint.url));
    let secret = || ClientSecret::new("s3cret");
    for (builder, header, form) in [
        (
            at().with_client_in_body("ours", secret()),
            None,
            "token=t&token_type_hint=access_token&client_id=ours&client_secret=s3cret",
        ),
        (
            at().with_bearer(&AccessToken::new("s3cret")),
            Some("Bearer s3cret"),
            "token=t&token_type_hint=access_token",
        ),
    ] {
        let shown = format!("{builder:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let verifier = builder.with_clock(Arc::new(clock.clone())).build().unwrap();
        let shown = format!("{verifier:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let server = Server::new(&clock, Arc::new(verifier));
        endpoint.answers(endpoint.active(&server));
        assert_eq!(server.status("t").await, 200);
        let told = endpoint.told.lock().unwrap();
        let (sent, body) = told.questions.last().unwrap();
        assert_eq!((sent.as_deref(), body.as_str()), (header, form));
    }
}

/// CFG-03, RS-17, RS-68.
#[tokio::test]
async fn a_verifier_that_could_not_ask_is_not_built() {
    let issuer = || oauth::Issuer::parse("https://id.example").unwrap();
    let at = |endpoint: &str| IntrospectionVerifier::builder(issuer(), endpoint);
    let secret = || ClientSecret::new("s");
    let said = |builder: IntrospectionVerifierBuilder| builder.build().unwrap_err().to_string();
    let good = "https://id.example/introspect";
    assert!(at(good).with_client("c", secret()).build().is_ok());
    assert!(said(at(good)).contains("nobody else gets an answer"));
    assert!(said(at("http://id.example/i").with_client("c", secret())).contains("must be https"));
    let long = at(good)
        .with_client("c", secret())
        .believed_for(Duration::from_secs(301));
    assert!(said(long).contains("five minutes at most"));
    let empty = at(good).with_client("c", secret()).with_audience("");
    assert!(said(empty).contains("must not be empty"));
}
