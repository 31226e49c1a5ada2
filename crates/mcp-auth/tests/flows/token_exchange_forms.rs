//! Exchanges at providers that are no demo: the on-behalf-of form, and answers that must not be used.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, Response, StatusCode},
    routing::post,
};
use mcp_auth::{
    Principal,
    access_token::{StaticTokens, UpstreamTokenError},
    oauth::{AccessToken, ClientSecret, Issuer, PublicUrl},
    resource_server::ResourceServer,
    upstream::{TokenExchange, TokenExchangeBuilder},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};
use url::form_urlencoded;

const HOST_TOKEN: &str = "the-host-s-own-access-token";
const ISSUER: &str = "https://login.example/tenant/v2.0";

type Seen = Arc<Mutex<Vec<(Option<String>, Vec<(String, String)>)>>>;

/// A token endpoint that answers this, and what it was asked.
async fn provider(status: u16, answer: Value) -> (String, Seen) {
    let seen = Seen::default();
    let noted = seen.clone();
    let token = post(move |headers: HeaderMap, body: String| async move {
        let header = headers.get("authorization");
        let header = header.map(|value| value.to_str().unwrap().to_owned());
        let form = form_urlencoded::parse(body.as_bytes())
            .into_owned()
            .collect();
        noted.lock().unwrap().push((header, form));
        let json = [("content-type", "application/json")];
        (
            StatusCode::from_u16(status).unwrap(),
            json,
            answer.to_string(),
        )
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let app = Router::new().route("/token", token);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, seen)
}

fn exchange(endpoint: &str) -> TokenExchangeBuilder {
    let secret = ClientSecret::new("our:secret");
    TokenExchange::builder(Issuer::parse(ISSUER).unwrap(), "our-app", secret)
        .with_token_endpoint(endpoint)
}

/// What a tool gets behind a resource server with this exchange.
async fn upstream_token(exchange: TokenExchange) -> Result<AccessToken, UpstreamTokenError> {
    let user = Principal::new(ISSUER, "user");
    let tokens = StaticTokens::new().with_token(&AccessToken::new(HOST_TOKEN), user);
    let public_url = PublicUrl::parse("https://mcp.example").unwrap();
    let server = ResourceServer::builder(public_url, "/mcp", Arc::new(tokens.unwrap()))
        .with_token_exchange(Arc::new(exchange))
        .build()
        .unwrap();
    let tool = service_fn(|request: Request<Body>| async move {
        let principal = request.extensions().get::<Principal>().cloned().unwrap();
        let shown = format!("{principal:?} {request:?}");
        assert!(!shown.contains(HOST_TOKEN), "{shown}");
        let got = Arc::new(Mutex::new(Some(principal.upstream_token().await)));
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(got);
        Ok::<_, Infallible>(response)
    });
    let request = Request::post("https://mcp.example/mcp")
        .header("host", "mcp.example")
        .header("authorization", format!("Bearer {HOST_TOKEN}"))
        .body(Body::empty())
        .unwrap();
    let response = server.layer().layer(tool).oneshot(request).await.unwrap();
    type Got = Arc<Mutex<Option<Result<AccessToken, UpstreamTokenError>>>>;
    let got = response.extensions().get::<Got>().cloned().unwrap();
    got.lock().unwrap().take().unwrap()
}

/// AST-30, PX-07: Microsoft Entra's form, as it documents it.
#[tokio::test]
async fn on_behalf_of_is_the_jwt_bearer_grant() {
    let answer = json!({ "token_type": "Bearer", "scope": "https://graph.example/User.Read",
        "expires_in": "3269", "ext_expires_in": 0, "access_token": "for-graph" });
    let (endpoint, seen) = provider(200, answer).await;
    let scopes = ["https://graph.example/User.Read", "offline_access"];
    let on_behalf_of = exchange(&endpoint).on_behalf_of().with_scopes(scopes);
    let on_behalf_of = on_behalf_of.with_client_secret_in_body().build().unwrap();
    let token = upstream_token(on_behalf_of).await.unwrap();
    assert_eq!(token.expose(), "for-graph");
    let seen = seen.lock().unwrap().clone();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", HOST_TOKEN),
        ("requested_token_use", "on_behalf_of"),
        ("scope", "https://graph.example/User.Read offline_access"),
        ("client_id", "our-app"),
        ("client_secret", "our:secret"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(seen, [(None, expected.to_vec())]);
}

/// AST-30, RS-16.
#[tokio::test]
async fn an_answer_that_is_no_token_for_the_api_is_not_used() {
    use UpstreamTokenError::{GrantGone, NotExchanged, Unavailable};
    type Is = fn(&UpstreamTokenError) -> bool;
    let refused: Is = |error| matches!(error, NotExchanged(_));
    let gone: Is = |error| matches!(error, GrantGone);
    let away: Is = |error| matches!(error, Unavailable(_));
    let refresh_token = "urn:ietf:params:oauth:token-type:refresh_token";
    let error = |code| json!({ "error": code, "error_description": "<script>theirs</script>" });
    for (status, answer, is) in [
        (
            200,
            json!({ "access_token": HOST_TOKEN, "token_type": "Bearer" }),
            refused,
        ),
        (
            200,
            json!({ "access_token": "t", "token_type": "N_A" }),
            refused,
        ),
        (
            200,
            json!({ "access_token": "t", "token_type": "Bearer", "issued_token_type": refresh_token }),
            refused,
        ),
        (200, json!({ "padding": "x".repeat(70_000) }), away),
        (200, json!({}), away),
        (200, json!("text"), away),
        (
            302,
            json!({ "access_token": "t", "token_type": "Bearer" }),
            away,
        ),
        (400, error("invalid_request"), gone),
        (400, error("invalid_grant"), gone),
        (400, error("interaction_required"), gone),
        (400, error("unauthorized_client"), refused),
        (400, error("invalid_target"), refused),
        (401, error("invalid_client"), refused),
        (500, error("invalid_grant"), away),
    ] {
        let told = format!("{status} {answer:.80}");
        let (endpoint, seen) = provider(status, answer).await;
        let exchange = exchange(&endpoint).for_resource("https://api.example/v1");
        let error = upstream_token(exchange.build().unwrap()).await.unwrap_err();
        assert!(is(&error), "{told}: {error:?}");
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("theirs") && !shown.contains(HOST_TOKEN),
            "{shown}"
        );
        let seen = seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 1, "{told}");
        let (header, form) = &seen[0];
        assert_eq!(
            header.as_deref(),
            Some("Basic b3VyLWFwcDpvdXIlM0FzZWNyZXQ=")
        );
        let resource = ("resource".to_owned(), "https://api.example/v1".to_owned());
        assert!(form.contains(&resource), "{form:?}");
    }
}

/// RS-16.
#[test]
fn a_set_up_that_cannot_work_is_refused() {
    let endpoint = "https://login.example/token";
    let refused = |builder: TokenExchangeBuilder| builder.build().unwrap_err().to_string();
    assert!(refused(exchange(endpoint)).contains("what the tokens are for"));
    let on_behalf_of = exchange(endpoint).on_behalf_of();
    assert!(refused(on_behalf_of).contains("scopes"));
    let both = exchange(endpoint).on_behalf_of().with_scopes(["a"]);
    assert!(refused(both.for_audience("b")).contains("audience"));
    assert!(refused(exchange(endpoint).with_scopes(["a b"])).contains("scope"));
    let plain = exchange("http://login.example/token").with_scopes(["a"]);
    assert!(refused(plain).contains("https"));

    // Tokens of an issuer whose tokens are not accepted: the exchange would never happen.
    let user = Principal::new(StaticTokens::ISSUER, "user");
    let keys = StaticTokens::new().with_token(&AccessToken::new(HOST_TOKEN), user);
    let public_url = PublicUrl::parse("https://mcp.example").unwrap();
    let exchange = exchange(endpoint).with_scopes(["a"]).build().unwrap();
    assert!(!format!("{exchange:?}").contains("secret\")"));
    let server = ResourceServer::builder(public_url, "/mcp", Arc::new(keys.unwrap()));
    let error = server.with_token_exchange(Arc::new(exchange)).build();
    assert!(error.unwrap_err().to_string().contains("issuer"));
}
