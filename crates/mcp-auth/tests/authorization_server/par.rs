//! `POST /par` and what a `request_uri` is good for.

use std::{sync::Arc, time::Duration};

use http::Method;
use mcp_auth::{
    DcrShim,
    authorization_server::{clients::PreregisteredClients, pages::ErrorPageKind},
    store::KeyRing,
    tier::ShimBuilder,
};
use serde_json::json;

use crate::{
    client::{
        Answer, Client, Parameters, REDIRECT, Redirect, STATE, answer, approve, assert_shows,
        authorize, basic, consent_page, finish, get, send, token,
    },
    harness::{KEY, OTHER_KEY, Server},
    storage::Witness,
};

const URN: &str = "urn:ietf:params:oauth:request_uri:";

fn pushing(tier: ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> {
    tier.with_pushed_authorization_requests()
}

async fn start() -> Server {
    Server::builder(pushing).start().await
}

async fn push(server: &Server, form: &Parameters) -> Answer {
    push_with(server, form, |request| request).await
}

async fn push_with(
    server: &Server,
    form: &Parameters,
    change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> Answer {
    let request = send(server, Method::POST, "/par")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.encoded());
    answer(change(request)).await
}

/// A good request of this client, with its secret if it has one.
fn form(server: &Server, client: &Client) -> Parameters {
    match &client.secret {
        Some(secret) => client.request(server).and("client_secret", secret),
        None => client.request(server),
    }
}

/// What the browser carries once this was pushed.
async fn pushed(server: &Server, client: &Client, form: &Parameters) -> Parameters {
    let answer = push(server, form).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    Parameters::default()
        .and("client_id", &client.id)
        .and("request_uri", &uri)
}

/// AX-01, ASZ-43.
#[tokio::test]
async fn a_pushed_request_leads_to_a_login() {
    let server = start().await;
    for client in [
        Client::public(&server).await,
        Client::confidential(&server).await,
    ] {
        let answer = push(&server, &form(&server, &client)).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let body = answer.json();
        assert_eq!(body["expires_in"], 90);
        let uri = body["request_uri"].as_str().unwrap();
        assert!(uri.starts_with(URN));
        assert!(uri.len() < 1000, "{} characters", uri.len());
        let request = Parameters::default()
            .and("client_id", &client.id)
            .and("request_uri", uri);
        let callback = approve(&server, &mut server.browser(), &client, &request).await;
        assert_eq!(Redirect::of(&callback).all("state"), [STATE]);
        let form = client.redemption(&server, callback.code().unwrap());
        token(&server, &form).await.tokens();
    }
}

/// AX-01, ASZ-43.
#[tokio::test]
async fn what_stands_beside_a_request_uri_counts_for_nothing() {
    let server = Server::builder(|tier| {
        let scopes = mcp_auth::oauth::Scopes::parse("notes:read notes:write").unwrap();
        pushing(tier).with_scopes(scopes)
    })
    .start()
    .await;
    let client = Client::registered(
        &server,
        json!({ "redirect_uris": [REDIRECT, "https://client.example/cb"] }),
    )
    .await;
    let form = form(&server, &client).and("scope", "notes:read");
    let request = pushed(&server, &client, &form)
        .await
        .and("redirect_uri", "https://evil.example/")
        .and("redirect_uri", "https://client.example/cb")
        .and("state", "other")
        .and("state", "another")
        .and("scope", "notes:write")
        .and("response_type", "token")
        .and("code_challenge", "x")
        .and("resource", "https://other.example/")
        .and("request", "x");
    let callback = approve(&server, &mut server.browser(), &client, &request).await;
    let redirect = Redirect::of(&callback);
    assert_eq!(redirect.all("state"), [STATE]);
    let redeemed = client.redemption(&server, callback.code().unwrap());
    let answer = token(&server, &redeemed).await;
    assert_eq!(answer.json()["scope"], "notes:read");
}

/// AX-01, AX-03, AST-12.
#[tokio::test]
async fn a_client_proves_itself_as_at_the_token_endpoint() {
    let server = start().await;
    let client = Client::confidential(&server).await;
    let secret = client.secret.clone().unwrap();
    let bare = client.request(&server);
    push(&server, &bare).await.refuses(401, "invalid_client");
    let wrong = bare.clone().and("client_secret", "wrong");
    push(&server, &wrong).await.refuses(401, "invalid_client");
    let nobody = bare.clone().with("client_id", "nobody");
    push(&server, &nobody).await.refuses(401, "invalid_client");
    let missing = bare.clone().without("client_id");
    push(&server, &missing).await.refuses(401, "invalid_client");
    let tried = push_with(&server, &bare, |request| {
        request.header("authorization", basic(&client.id, "wrong"))
    })
    .await;
    tried.refuses(401, "invalid_client");
    assert!(
        tried
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic ")
    );
    let twice = push_with(
        &server,
        &bare.clone().and("client_secret", &secret),
        |request| request.header("authorization", basic(&client.id, &secret)),
    )
    .await;
    twice.refuses(400, "invalid_request");
    let good = push_with(&server, &bare.without("client_id"), |request| {
        request.header("authorization", basic(&client.id, &secret))
    })
    .await;
    assert_eq!(good.status, 201);
}

/// AX-01, AX-03, ASZ-05, ASZ-11, ASZ-13, ASZ-16, ASZ-19.
#[tokio::test]
async fn what_authorize_would_refuse_is_refused_when_it_is_pushed() {
    let server = start().await;
    let client = Client::public(&server).await;
    let good = form(&server, &client);
    for (name, value, error) in [
        ("redirect_uri", "https://evil.example/cb", "invalid_request"),
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("resource", "https://other.example/", "invalid_target"),
        ("scope", "bogus", "invalid_scope"),
        ("state", &"s".repeat(1025), "invalid_request"),
        (
            "request_uri",
            "urn:ietf:params:oauth:request_uri:x",
            "invalid_request",
        ),
        ("request", "eyJ.x.y", "request_not_supported"),
    ] {
        let refused = push(&server, &good.clone().with(name, value)).await;
        refused.refuses(400, error);
    }
    let twice = push(&server, &good.clone().and("state", "other")).await;
    twice.refuses(400, "invalid_request");
    let bulky = good.clone().and("padding", &"x".repeat(2600));
    push(&server, &bulky).await.refuses(400, "invalid_request");
    let json = send(&server, Method::POST, "/par")
        .header("content-type", "application/json")
        .body("{}");
    answer(json).await.refuses(400, "invalid_request");
    let got = get(&server, "/par").await;
    assert_eq!(got.status, 405);
    assert_eq!(got.header("allow"), Some("POST, OPTIONS"));
    let large = push(&server, &good.and("x", &"y".repeat(65 * 1024))).await;
    assert_eq!(large.status, 413);
}

/// AX-03.
#[tokio::test]
async fn pushing_counts_against_the_limit_of_authorizations() {
    let server = start().await;
    let client = Client::public(&server).await;
    let form = form(&server, &client);
    let push = || {
        push_with(&server, &form, |request| {
            request.header("x-forwarded-for", "203.0.113.7")
        })
    };
    for _ in 0..120 {
        assert_eq!(push().await.status, 201);
    }
    assert_eq!(push().await.status, 429);
}

/// AX-02, ASZ-43.
#[tokio::test]
async fn a_request_uri_is_one_clients_and_lives_for_a_minute_and_a_half() {
    let server = start().await;
    let client = Client::public(&server).await;
    let other = Client::public(&server).await;
    let over = ErrorPageKind::PushedRequestOver;
    let request = pushed(&server, &client, &form(&server, &client)).await;
    let theirs = request.clone().with("client_id", &other.id);
    authorize(&server, &theirs).await.shows(over);
    for unknown in [
        format!("{URN}AAAA"),
        URN.to_owned(),
        "https://client.example/request.jwt".to_owned(),
        client.id.clone(),
    ] {
        let refused = authorize(&server, &request.clone().with("request_uri", &unknown)).await;
        refused.shows(over);
    }
    let alone = authorize(&server, &request.clone().without("client_id")).await;
    alone.shows(ErrorPageKind::MalformedRequest);
    let twice = authorize(&server, &request.clone().and("request_uri", "x")).await;
    twice.shows(ErrorPageKind::MalformedRequest);

    server.clock.advance(Duration::from_secs(89));
    assert_eq!(authorize(&server, &request).await.status, 200);
    server.clock.advance(Duration::from_secs(1));
    authorize(&server, &request).await.shows(over);
    let program = send(
        &server,
        Method::GET,
        &format!("/authorize?{}", request.encoded()),
    )
    .header("accept", "application/json");
    answer(program).await.refuses(400, "invalid_request_uri");
}

/// AX-02.
#[tokio::test]
async fn a_request_uri_is_used_once_and_can_be_reloaded_before() {
    let server = start().await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = Client::public(&server).await;
    let request = pushed(&server, &client, &form(&server, &client)).await;
    let mut browser = server.browser();
    consent_page(&server, &mut browser, &request).await;
    consent_page(&server, &mut browser, &request).await;
    let ours = server.url("/callback");
    let first = browser.submit_until("Approve", &ours).await.unwrap();
    // Another tab, before the first login is finished.
    consent_page(&server, &mut browser, &request).await;
    let second = browser.submit_until("Approve", &ours).await.unwrap();
    let done = finish(&mut browser, first.url.as_str(), &client).await;
    assert!(done.code().is_some());
    let page = browser.get(second.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::LoginExpired);
    authorize(&server, &request)
        .await
        .shows(ErrorPageKind::PushedRequestOver);
}

/// AX-02. However late the logins that began with it come back.
#[tokio::test]
async fn of_slow_logins_of_one_request_uri_one_is_finished() {
    let server = start().await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = Client::public(&server).await;
    let request = pushed(&server, &client, &form(&server, &client)).await;
    let (mut one, mut two) = (server.browser(), server.browser());
    let ours = server.url("/callback");
    consent_page(&server, &mut one, &request).await;
    server.clock.advance(Duration::from_secs(89));
    consent_page(&server, &mut two, &request).await;
    let first = one.submit_until("Approve", &ours).await.unwrap();
    let done = finish(&mut one, first.url.as_str(), &client).await;
    assert!(done.code().is_some());
    // The other one is agreed to at the last moment.
    server.clock.advance(Duration::from_secs(599));
    let second = two.submit_until("Approve", &ours).await.unwrap();
    let page = two.get(second.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::LoginExpired);
}

/// AX-02. Only the code of the upstream uses it up.
#[tokio::test]
async fn a_login_that_says_no_leaves_the_request_uri_as_it_was() {
    let server = start().await;
    let client = Client::public(&server).await;
    let request = pushed(&server, &client, &form(&server, &client)).await;
    server
        .upstream
        .change_faults(|faults| faults.error_on_authorize = Some("access_denied".to_owned()));
    let back = approve(&server, &mut server.browser(), &client, &request).await;
    assert_eq!(back.error(), Some("access_denied"));
    server
        .upstream
        .change_faults(|faults| faults.error_on_authorize = None);
    let back = approve(&server, &mut server.browser(), &client, &request).await;
    assert!(back.code().is_some());
}

/// AX-02, DCR-13.
#[tokio::test]
async fn pushing_stores_nothing() {
    let store = Arc::new(Witness::default());
    let witness = Arc::clone(&store);
    let server = Server::builder(move |tier| pushing(tier).with_store(store))
        .start()
        .await;
    let client = Client::public(&server).await;
    for _ in 0..10 {
        let request = pushed(&server, &client, &form(&server, &client)).await;
        consent_page(&server, &mut server.browser(), &request).await;
    }
    assert_eq!(witness.writes(), 0);
}

/// AX-01. Nothing about the request can be read from its `request_uri`, or changed in it.
#[tokio::test]
async fn a_request_uri_neither_tells_nor_bends() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let keyed = |key: &'static str| {
        move |tier: ShimBuilder<DcrShim>| pushing(tier).with_key_ring(KeyRing::parse(key).unwrap())
    };
    let server = Server::builder(keyed(KEY)).start().await;
    let client = Client::public(&server).await;
    let answer = push(&server, &form(&server, &client)).await;
    let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(&uri[URN.len()..]).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains(STATE));
    for at in [0, 4, 16, 40, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let changed = format!("{URN}{}", URL_SAFE_NO_PAD.encode(changed));
        let request = Parameters::default()
            .and("client_id", &client.id)
            .and("request_uri", &changed);
        authorize(&server, &request)
            .await
            .shows(ErrorPageKind::PushedRequestOver);
    }
    let both: &'static str = "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=,k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    assert_eq!(both, format!("{OTHER_KEY},{KEY}"));
    server.restart(keyed(both));
    let request = Parameters::default()
        .and("client_id", &client.id)
        .and("request_uri", &uri);
    assert_eq!(authorize(&server, &request).await.status, 200);
}

/// ASM-20, ASZ-43.
#[tokio::test]
async fn pushing_is_named_and_served_only_while_it_is_on() {
    const METADATA: &str = "/.well-known/oauth-authorization-server";
    let off = Server::start().await;
    let document = get(&off, METADATA).await.json();
    for name in [
        "pushed_authorization_request_endpoint",
        "require_pushed_authorization_requests",
    ] {
        assert!(document.get(name).is_none(), "{name}");
    }
    let client = Client::public(&off).await;
    assert_eq!(push(&off, &form(&off, &client)).await.status, 404);
    let request = client.request(&off).and("request_uri", &format!("{URN}x"));
    let refused = authorize(&off, &request).await;
    refused.sends_error(&off, REDIRECT, "request_uri_not_supported");
    for name in ["state", "redirect_uri"] {
        let refused = authorize(&off, &request.clone().and(name, "other")).await;
        refused.shows(ErrorPageKind::MalformedRequest);
    }
    let request = client.request(&off).and("request", "eyJ.x.y");
    let refused = authorize(&off, &request).await;
    refused.sends_error(&off, REDIRECT, "request_not_supported");

    let only = Server::builder(|tier| {
        tier.with_pushed_authorization_requests_only()
            .with_pushed_authorization_requests()
    })
    .start()
    .await;
    for (server, required) in [(&start().await, false), (&only, true)] {
        let document = get(server, METADATA).await.json();
        assert_eq!(
            document["pushed_authorization_request_endpoint"],
            server.url("/par")
        );
        assert_eq!(document["require_pushed_authorization_requests"], required);
    }
}

/// ASZ-43, ASM-20.
#[tokio::test]
async fn what_has_to_be_pushed_is_refused_in_the_query() {
    let server = Server::builder(ShimBuilder::with_pushed_authorization_requests_only)
        .start()
        .await;
    let client = Client::public(&server).await;
    let refused = authorize(&server, &client.request(&server)).await;
    refused.sends_error(&server, REDIRECT, "invalid_request");
    let request = pushed(&server, &client, &form(&server, &client)).await;
    assert_eq!(authorize(&server, &request).await.status, 200);

    let clients = PreregisteredClients::parse_json(
        r#"[{ "client_id": "desk", "redirect_uris": ["https://desk.example/cb"],
              "require_pushed_authorization_requests": true }]"#,
    )
    .unwrap();
    let server = Server::builder(move |tier| pushing(tier).with_preregistered_clients(clients))
        .start()
        .await;
    let desk = Client {
        id: "desk".into(),
        secret: None,
        redirect_uri: "https://desk.example/cb".into(),
    };
    let refused = authorize(&server, &desk.request(&server)).await;
    refused.sends_error(&server, &desk.redirect_uri, "invalid_request");
    let request = pushed(&server, &desk, &form(&server, &desk)).await;
    assert_eq!(authorize(&server, &request).await.status, 200);
    let others = Client::public(&server).await;
    let page = authorize(&server, &others.request(&server)).await;
    assert_eq!(page.status, 200);
}
