//! `DcrProxy` as it runs: real HTTP in front, a provider behind that registers hosts itself.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use mcp_auth::{
    BuildError, DcrProxy, Principal, Tier,
    access_token::StaticTokens,
    oauth::{AccessToken, ClientSecret, Issuer, PublicUrl, Scopes},
    tier::DcrProxyBuilder,
    upstream::TokenExchange,
};
use mcp_auth_testkit::{
    Browser, DemoUpstream, MovingClock, ScriptedHost,
    browser::Decision,
    scripted_host::{Registration, SignedIn},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tower::ServiceExt;

use crate::rig::hash;

/// A server behind the tier, and its provider.
pub struct Proxied {
    pub url: String,
    pub clock: MovingClock,
    pub upstream: DemoUpstream,
    pub http: reqwest::Client,
    serving: JoinHandle<()>,
}

impl Drop for Proxied {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxied {
    pub async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(tune: impl FnOnce(DcrProxyBuilder) -> DcrProxyBuilder) -> Self {
        Self::tuned(|builder, _, _| tune(builder)).await
    }

    /// With a change that needs to know the provider and the clock.
    pub async fn tuned(
        tune: impl FnOnce(DcrProxyBuilder, &DemoUpstream, &MovingClock) -> DcrProxyBuilder,
    ) -> Self {
        let clock = MovingClock::starting_now();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = DemoUpstream::builder()
            .with_clock(Arc::new(clock.clone()))
            .with_resource(&format!("{url}/mcp"))
            .with_resource("https://other.example/mcp")
            .start()
            .await
            .unwrap();
        let issuer = Issuer::parse(upstream.issuer()).unwrap();
        let builder = DcrProxy::builder(PublicUrl::parse(&url).unwrap(), issuer)
            .with_required_scopes(Scopes::parse("mcp:tools").unwrap())
            .with_clock(Arc::new(clock.clone()));
        let tier = tune(builder, &upstream, &clock).discover().await.unwrap();
        let app = Router::new().fallback_service(tier.protect(tower::service_fn(whoami)));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            url,
            clock,
            upstream,
            http,
            serving,
        }
    }

    pub fn host(&self) -> ScriptedHost {
        let browser = Browser::new()
            .with_clock(Arc::new(self.clock.clone()))
            .with_user("alice", "wonderland");
        ScriptedHost::new(format!("{}/mcp", self.url))
            .unwrap()
            .with_browser(browser)
    }

    pub async fn sign_in(&self) -> SignedIn {
        self.host().sign_in().await.unwrap()
    }

    /// Status, challenge and body of an answer of the MCP endpoint.
    pub async fn call(&self, token: &str) -> (u16, String, Value) {
        let request = self.http.post(format!("{}/mcp", self.url));
        let answer = request.bearer_auth(token).send().await.unwrap();
        let challenge = answer.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body = answer.json().await.unwrap_or(Value::Null);
        (status, challenge.unwrap_or_default(), body)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await;
        let answer = answer.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    async fn register(&self, registration: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}/register", self.url));
        let answer = request.json(registration).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// An access token for something else, for a client that signed in before.
    async fn token_for(&self, resource: Option<&str>) -> String {
        let mut host = self.host();
        let discovery = host.discover().await.unwrap();
        let registration = host.register(&discovery).await.unwrap();
        let mut elsewhere = discovery.clone();
        elsewhere.resource = resource.unwrap_or_default().to_owned();
        let mut asked = host.authorization(&elsewhere, &registration);
        if resource.is_none() {
            asked.url = asked
                .url
                .replace("resource=&", "")
                .replace("&resource=", "");
        }
        let redirect = host.redirect_uri().to_owned();
        let callback = host
            .browser()
            .walk(&asked.url, &redirect, Decision::Approve);
        let code = callback.await.unwrap().code().unwrap().to_owned();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("client_id", &registration.client_id),
            ("redirect_uri", &redirect),
            ("code_verifier", asked.verifier.expose()),
        ];
        form.extend(resource.map(|resource| ("resource", resource)));
        let request = self.http.post(&discovery.token_endpoint).form(&form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

/// The MCP service: it sees what a tool would see.
async fn whoami(request: Request) -> Result<Response, Infallible> {
    let principal = request.extensions().get::<Principal>().cloned().unwrap();
    let held = principal.upstream_token().await;
    let exchanged = held.as_ref().ok().map(|token| hash(token.expose()));
    Ok(Json(json!({
        "issuer": principal.issuer(),
        "subject": principal.subject(),
        "client": principal.client().map(|client| client.as_str().to_owned()),
        "scopes": principal.scopes().to_string(),
        "upstream": held.map_err(|error| error.to_string()).err(),
        "exchanged": exchanged,
        "credential": request.headers().contains_key("authorization"),
    }))
    .into_response())
}

/// PX-08, RS-14, RS-16.
#[tokio::test]
async fn a_host_signs_in_at_the_provider_and_calls_here() {
    let server = Proxied::start().await;
    let signed_in = server.sign_in().await;
    assert_eq!(signed_in.discovery.issuer, server.upstream.issuer());
    assert_eq!(server.upstream.counters().registrations, 1);
    let token = signed_in.tokens.access_token.expose().to_owned();
    let (status, _, told) = server.call(&token).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["issuer"], server.upstream.issuer());
    assert_eq!(told["subject"], "user-alice");
    assert_eq!(told["client"], signed_in.registration.client_id.as_str());
    assert_eq!(told["scopes"], "mcp:tools");
    assert_eq!(told["credential"], false);
    assert_eq!(told["upstream"], "this tier holds no upstream tokens");
    server.clock.advance(Duration::from_secs(361));
    assert_eq!(server.call(&token).await.0, 401);
}

/// PX-08, RS-14, RS-15.
#[tokio::test]
async fn refuses_tokens_of_the_same_provider_for_anything_else() {
    let server = Proxied::start().await;
    let other = server.token_for(Some("https://other.example/mcp")).await;
    let (status, challenge, _) = server.call(&other).await;
    assert_eq!(status, 401);
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(challenge.contains("resource_metadata="), "{challenge}");
    let api = server.token_for(None).await;
    assert!(server.upstream.is_live_access_token(&api));
    assert_eq!(server.call(&api).await.0, 401);
    let own = server.token_for(Some(&format!("{}/mcp", server.url))).await;
    assert_eq!(server.call(&own).await.0, 200);
}

/// PX-17.
#[tokio::test]
async fn metadata_names_the_provider_and_is_mirrored_word_for_word() {
    let server = Proxied::start().await;
    let (status, resource) = server
        .get("/.well-known/oauth-protected-resource/mcp")
        .await;
    assert_eq!(status, 200);
    assert_eq!(resource["resource"], format!("{}/mcp", server.url));
    let issuer = server.upstream.issuer();
    assert_eq!(resource["authorization_servers"], json!([issuer]));
    let path = "/.well-known/oauth-authorization-server";
    let original = server.http.get(format!("{issuer}{path}")).send().await;
    let original: Value = original.unwrap().json().await.unwrap();
    let (status, mirrored) = server.get(path).await;
    assert_eq!((status, &mirrored), (200, &original));
    assert_eq!(
        mirrored["registration_endpoint"],
        format!("{issuer}/register")
    );
    let posted = server.http.post(format!("{}{path}", server.url));
    assert_eq!(posted.send().await.unwrap().status(), 405);
    // Nothing else of an authorization server is here.
    for path in [
        "/register",
        "/authorize",
        "/token",
        "/callback",
        "/revoke",
        "/jwks",
    ] {
        assert_eq!(server.get(path).await.0, 404, "{path}");
    }
    assert_eq!(server.register(&json!({})).await.0, 404);
}

fn registration(redirects: &[&str]) -> Value {
    json!({
        "client_name": "Old host", "redirect_uris": redirects,
        "token_endpoint_auth_method": "none", "software_statement": "x.y.z",
        "jwks_uri": "http://127.0.0.1/inside",
    })
}

/// What hosts of 2025-03-26 need, which look at this origin alone.
#[tokio::test]
async fn an_old_host_registers_here_and_is_a_client_there() {
    let relayed = ["http://127.0.0.1/callback"];
    let server = Proxied::with(|builder| builder.relay_registration(relayed)).await;
    let (_, mirrored) = server.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(
        mirrored["registration_endpoint"],
        format!("{}/register", server.url)
    );
    assert_eq!(mirrored["issuer"], server.upstream.issuer());

    let mut host = server.host();
    let (status, answer) = server.register(&registration(&[host.redirect_uri()])).await;
    assert_eq!(status, 201, "{answer}");
    let client = Registration::known(answer["client_id"].as_str().unwrap());
    let discovery = host.discover().await.unwrap();
    let asked = host.authorization(&discovery, &client);
    let code = host.authorize(&discovery, &asked).await.unwrap();
    let tokens = host
        .redeem(&discovery, &client, &asked, &code)
        .await
        .unwrap();
    let tokens = tokens.granted().unwrap();
    assert_eq!(server.call(tokens.access_token.expose()).await.0, 200);
    assert_eq!(server.upstream.counters().registrations, 1);
}

/// The list is what stands between strangers and the users' codes.
#[tokio::test]
async fn only_clients_that_return_where_the_operator_allows_are_handed_on() {
    let relayed = ["http://127.0.0.1/callback", "https://host.example/cb"];
    let server = Proxied::with(|builder| builder.relay_registration(relayed)).await;
    for redirects in [
        &["https://evil.example/cb"][..],
        &["https://host.example/cb2"],
        &["https://host.example/cb?x=1"],
        &["http://127.0.0.1:1/callback", "https://evil.example/cb"],
        &["javascript:alert(1)"],
        &[],
    ] {
        let (status, answer) = server.register(&registration(redirects)).await;
        assert_eq!(
            (status, &answer["error"]),
            (400, &json!("invalid_redirect_uri"))
        );
    }
    for body in [
        json!([]),
        json!({ "redirect_uris": "https://host.example/cb" }),
    ] {
        assert_eq!(server.register(&body).await.0, 400);
    }
    let form = server.http.post(format!("{}/register", server.url));
    let form = form.form(&[("redirect_uris", "https://host.example/cb")]);
    assert_eq!(form.send().await.unwrap().status(), 400);
    assert_eq!(server.upstream.counters().registrations, 0);
    let (status, _) = server
        .register(&registration(&["https://host.example/cb"]))
        .await;
    assert_eq!(status, 201);
}

/// A redirect URI holds back no client that gets tokens without a user's code.
#[tokio::test]
async fn no_client_that_needs_no_user_is_handed_on() {
    let (seen, mut registrations) = mpsc::unbounded_channel();
    let odd = Odd::start_with(
        |_, _| {},
        move |body| {
            seen.send(body).unwrap();
            (201, r#"{"client_id":"c"}"#)
        },
    );
    let odd = odd.await;
    let relayed = ["https://host.example/cb"];
    let tier = odd.tier().relay_registration(relayed).discover();
    let tier = tier.await.unwrap();
    let register = async |changes: Value| {
        let mut body = registration(&relayed);
        let members = changes.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(members);
        let request = Request::post("/register").header("content-type", "application/json");
        let request = request
            .body(axum::body::Body::from(body.to_string()))
            .unwrap();
        let answer = tier.endpoints().oneshot(request).await.unwrap();
        answer.status().as_u16()
    };
    for alone in [
        json!({ "grant_types": ["client_credentials"] }),
        json!({ "grant_types": [] }),
        json!({ "grant_types": "authorization_code" }),
        json!({ "response_types": ["token"] }),
        json!({ "response_types": ["code token"] }),
    ] {
        assert_eq!(register(alone.clone()).await, 400, "{alone}");
    }
    let more = json!({
        "grant_types": ["client_credentials", "authorization_code", "implicit", "refresh_token", 7],
        "response_types": ["token", "code"],
    });
    assert_eq!(register(more).await, 201);
    let handed_on = registrations.recv().await.unwrap();
    let grant_types = json!(["authorization_code", "refresh_token"]);
    assert_eq!(handed_on["grant_types"], grant_types);
    assert_eq!(handed_on["response_types"], json!(["code"]));
    assert!(registrations.try_recv().is_err());
}

/// A provider that says and answers what a test wants.
struct Odd {
    issuer: String,
    serving: JoinHandle<()>,
}

impl Drop for Odd {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Odd {
    /// Its metadata is that of a provider that fits, changed.
    async fn start(change: impl FnOnce(&mut Value, &str), answer: (u16, &'static str)) -> Self {
        Self::start_with(change, move |_| answer).await
    }

    /// The same, with answers to registrations that look at what was sent.
    async fn start_with(
        change: impl FnOnce(&mut Value, &str),
        answer: impl Fn(Value) -> (u16, &'static str) + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        });
        change(&mut metadata, &issuer);
        let app = Router::new()
            .route(
                "/.well-known/oauth-authorization-server",
                get(|State(metadata): State<Value>| async move { Json(metadata) }),
            )
            .route(
                "/register",
                post(move |Json(sent): Json<Value>| async move {
                    let (status, text) = answer(sent);
                    let status = StatusCode::from_u16(status).unwrap();
                    (status, [("content-type", "application/json")], text)
                }),
            )
            .with_state(metadata);
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { issuer, serving }
    }

    fn tier(&self) -> DcrProxyBuilder {
        let public_url = PublicUrl::parse("https://mcp.example").unwrap();
        DcrProxy::builder(public_url, Issuer::parse(&self.issuer).unwrap())
    }
}

async fn said(change: impl FnOnce(&mut Value, &str)) -> String {
    let odd = Odd::start(change, (404, "")).await;
    let built: Result<DcrProxy, BuildError> = odd.tier().discover().await;
    built.unwrap_err().to_string()
}

fn drop_member(name: &'static str) -> impl FnOnce(&mut Value, &str) {
    move |metadata, _| drop(metadata.as_object_mut().unwrap().remove(name))
}

/// PX-08.
#[tokio::test]
async fn refuses_a_provider_that_hosts_cannot_sign_in_at_and_names_the_tier_that_fits() {
    assert!(
        Odd::start(|_, _| {}, (404, ""))
            .await
            .tier()
            .discover()
            .await
            .is_ok()
    );
    for (refused, words) in [
        (
            said(drop_member("code_challenge_methods_supported")).await,
            "PKCE with S256",
        ),
        (
            said(drop_member("registration_endpoint")).await,
            "registers no clients",
        ),
        (
            said(drop_member("response_types_supported")).await,
            "response type `code`",
        ),
        (
            said(|metadata, _| metadata["code_challenge_methods_supported"] = json!(["plain"]))
                .await,
            "PKCE with S256",
        ),
        (
            said(|metadata, _| metadata["grant_types_supported"] = json!(["client_credentials"]))
                .await,
            "grant type `authorization_code`",
        ),
        (
            said(|metadata, _| {
                metadata["protected_resources"] = json!(["https://other.example/mcp"])
            })
            .await,
            "https://mcp.example/mcp is not one of them",
        ),
        (said(drop_member("jwks_uri")).await, "publishes no keys"),
    ] {
        assert!(refused.contains(words), "{refused}");
        assert!(refused.contains("DcrShim"), "{refused}");
    }
}

/// PX-08.
#[tokio::test]
async fn client_documents_are_a_way_to_become_a_client_too() {
    let only_documents = |metadata: &mut Value, _: &str| {
        metadata
            .as_object_mut()
            .unwrap()
            .remove("registration_endpoint");
        metadata["client_id_metadata_document_supported"] = json!(true);
    };
    let odd = Odd::start(only_documents, (404, "")).await;
    assert!(odd.tier().discover().await.is_ok());
    let relayed = odd
        .tier()
        .relay_registration(["http://127.0.0.1/cb"])
        .discover();
    let said = relayed.await.unwrap_err().to_string();
    assert!(
        said.contains("no registration endpoint with https"),
        "{said}"
    );
}

/// RS-68, PX-13.
#[tokio::test]
async fn metadata_of_another_issuer_or_none_stops_the_start() {
    let another = said(|metadata, _| metadata["issuer"] = json!("https://id.example")).await;
    assert!(another.contains("names another issuer"), "{another}");
    let insecure =
        said(|metadata, _| metadata["jwks_uri"] = json!("http://keys.example/jwks")).await;
    assert!(insecure.contains("read securely"), "{insecure}");
    let nobody = Issuer::parse("http://127.0.0.1:1").unwrap();
    let public_url = PublicUrl::parse("https://mcp.example").unwrap();
    let said = DcrProxy::builder(public_url, nobody).discover().await;
    let said = said.unwrap_err().to_string();
    assert!(said.contains("cannot be reached"), "{said}");
}

/// Whoever may return anywhere may collect anybody's code.
#[tokio::test]
async fn a_relay_without_a_list_is_not_built() {
    let odd = Odd::start(|_, _| {}, (404, "")).await;
    let open = odd
        .tier()
        .relay_registration(Vec::<String>::new())
        .discover();
    assert!(
        open.await
            .unwrap_err()
            .to_string()
            .contains("name at least one")
    );
    let malformed = odd
        .tier()
        .relay_registration(["http://host.example/cb"])
        .discover();
    assert!(malformed.await.is_err());
}

/// PX-15.
#[tokio::test]
async fn what_the_provider_says_of_a_registration_is_told_in_our_words() {
    const MARKUP: &str = "<script>";
    for (answer, status, code) in [
        (
            (
                400,
                r#"{"error":"invalid_redirect_uri","error_description":"<script>"}"#,
            ),
            400,
            "invalid_redirect_uri",
        ),
        (
            (400, r#"{"error":"<script>"}"#),
            400,
            "invalid_client_metadata",
        ),
        ((400, "<script>"), 400, "invalid_client_metadata"),
        (
            (401, r#"{"error":"invalid_token"}"#),
            503,
            "temporarily_unavailable",
        ),
        ((500, "<script>"), 503, "temporarily_unavailable"),
        ((201, "<script>"), 503, "temporarily_unavailable"),
        ((201, r#"{"client_id":7}"#), 503, "temporarily_unavailable"),
        ((302, ""), 503, "temporarily_unavailable"),
    ] {
        let odd = Odd::start(|_, _| {}, answer).await;
        let tier = odd.tier().relay_registration(["http://127.0.0.1/cb"]);
        let mut endpoints = tier.discover().await.unwrap().endpoints();
        let request = Request::post("https://mcp.example/register")
            .header("content-type", "application/json")
            .body(axum::body::Body::from(
                registration(&["http://127.0.0.1:5/cb"]).to_string(),
            ))
            .unwrap();
        let response = tower::Service::call(&mut endpoints, request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{answer:?}");
        let body = axum::body::Body::new(response.into_body());
        let body = axum::body::to_bytes(body, 65_536).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(!text.contains(MARKUP), "{text}");
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["error"], code, "{answer:?}");
    }
}

/// INT-05, PX-08.
#[tokio::test]
async fn opaque_tokens_are_asked_about_where_the_provider_can_be_asked() {
    let able = |metadata: &mut Value, issuer: &str| {
        metadata["introspection_endpoint"] = json!(format!("{issuer}/introspect"));
        metadata.as_object_mut().unwrap().remove("jwks_uri");
    };
    let secret = || ClientSecret::new("s");
    let odd = Odd::start(able, (404, "")).await;
    assert!(
        odd.tier()
            .with_introspection("ours", secret())
            .discover()
            .await
            .is_ok()
    );
    let odd = Odd::start(|_, _| {}, (404, "")).await;
    let built = odd
        .tier()
        .with_introspection("ours", secret())
        .discover()
        .await;
    let said = built.unwrap_err().to_string();
    assert!(
        said.contains("no introspection endpoint") && said.contains("DcrShim"),
        "{said}"
    );
}

/// RS-16.
#[tokio::test]
async fn an_exchange_with_another_issuer_is_not_built() {
    let odd = Odd::start(|_, _| {}, (404, "")).await;
    let other = Issuer::parse("https://other.example").unwrap();
    let exchange = TokenExchange::builder(other, "ours", ClientSecret::new("s")).build();
    let tier = odd.tier().with_token_exchange(Arc::new(exchange.unwrap()));
    let said = tier.discover().await.unwrap_err().to_string();
    assert!(
        said.starts_with("token exchange: is with another issuer"),
        "{said}"
    );
}

/// RS-13.
#[tokio::test]
async fn a_service_key_comes_in_beside_the_provider_s_tokens() {
    let key = "correct-horse-battery-staple";
    let program = Principal::new(StaticTokens::ISSUER, "nightly");
    let program = program.with_scopes(Scopes::parse("mcp:tools").unwrap());
    let keys = StaticTokens::new().with_token(&AccessToken::new(key), program);
    let keys = Arc::new(keys.unwrap());
    let server = Proxied::with(|builder| builder.with_further_verifier(keys)).await;
    let (status, _, told) = server.call(key).await;
    assert_eq!((status, &told["issuer"]), (200, &json!("static-key")));
    let signed_in = server.sign_in().await;
    let (status, _, told) = server.call(signed_in.tokens.access_token.expose()).await;
    assert_eq!((status, &told["subject"]), (200, &json!("user-alice")));
    assert_eq!(server.call("another-key-also-long").await.0, 401);
}

/// The provider sees all of them come from us.
#[tokio::test]
async fn registrations_of_strangers_are_handed_on_a_few_at_a_time() {
    let relayed = ["https://host.example/cb"];
    let server = Proxied::with(|builder| builder.relay_registration(relayed)).await;
    let good = registration(&["https://host.example/cb"]);
    for _ in 0..60 {
        assert_eq!(server.register(&good).await.0, 201);
    }
    let (status, answer) = server.register(&good).await;
    assert_eq!(
        (status, &answer["error"]),
        (429, &json!("temporarily_unavailable"))
    );
    assert_eq!(server.upstream.counters().registrations, 60);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(server.register(&good).await.0, 201);
    let off = |builder: DcrProxyBuilder| builder.relay_registration(relayed).without_rate_limits();
    let server = Proxied::with(off).await;
    for _ in 0..70 {
        assert_eq!(server.register(&good).await.0, 201);
    }
}
