//! Consents that a browser remembers.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mcp_auth::{
    DcrShim,
    authorization_server::{
        clients::{
            Client as Resolved, ClientKind, ClientResolver, PreregisteredClients, ResolveError,
        },
        pages::ErrorPageKind,
    },
    oauth::{
        ClientAuthenticationMethod, ClientId, ClientMetadata, ClientSecret, RedirectUri, Scopes,
    },
    store::KeyRing,
    tier::ShimBuilder,
};
use mcp_auth_testkit::{
    Browser,
    browser::{Decision, Page},
};
use serde_json::json;

use crate::{
    client::{
        Client, Parameters, Redirect, STATE, answer, approve, assert_shows, consent_page, finish,
        register, send, token,
    },
    harness::{KEY, OTHER_KEY, Server},
};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const SECRET: &str = "the secret of these clients";
const COOKIE: &str = "mcp-auth-consents";

pub fn desk() -> Client {
    Client {
        id: "desk".into(),
        secret: Some(SECRET.into()),
        redirect_uri: "https://desk.example/cb".into(),
    }
}

/// Pre-registered: `desk` and `shop` on the web, `tool` on the user's machine.
pub fn remembering(tier: ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> {
    let clients = PreregisteredClients::parse_json(
        r#"[{ "client_id": "desk", "client_secret": "the secret of these clients",
              "redirect_uris": ["https://desk.example/cb", "https://desk.example/other"] },
            { "client_id": "shop", "client_secret": "the secret of these clients",
              "redirect_uris": ["https://shop.example/cb"] },
            { "client_id": "public", "redirect_uris": ["https://public.example/cb"] },
            { "client_id": "tool", "client_secret": "the secret of these clients",
              "redirect_uris": ["http://127.0.0.1/cb", "com.example.tool:/cb",
                                "https://localhost/cb"] }]"#,
    )
    .unwrap();
    tier.with_preregistered_clients(clients)
        .with_scopes(Scopes::parse("notes:read notes:write").unwrap())
        .with_pushed_authorization_requests()
        .with_remembered_consent(WEEK)
        .with_key_ring(KeyRing::parse(KEY).unwrap())
}

pub async fn start() -> Server {
    let server = Server::builder(remembering).start().await;
    server.upstream.auto_sign_in(Some("alice"));
    server
}

pub fn url(server: &Server, request: &Parameters) -> String {
    server.url(&format!("/authorize?{}", request.encoded()))
}

/// What the browser carries once this client has pushed that request.
pub async fn pushed(server: &Server, client: &Client, request: &Parameters) -> Parameters {
    let mut form = request.clone();
    if let Some(secret) = &client.secret {
        form = form.and("client_secret", secret);
    }
    let pushing = send(server, http::Method::POST, "/par")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.encoded());
    let pushed = answer(pushing).await.json();
    Parameters::default()
        .and("client_id", &client.id)
        .and("request_uri", pushed["request_uri"].as_str().unwrap())
}

/// The page that asks about a pushed request.
async fn asks(
    server: &Server,
    browser: &mut Browser,
    client: &Client,
    request: &Parameters,
) -> Page {
    let pushed = pushed(server, client, request).await;
    consent_page(server, browser, &pushed).await.clone()
}

/// The user says yes for this time and the next ones; the code is redeemed.
pub async fn remember(
    server: &Server,
    browser: &mut Browser,
    client: &Client,
    request: &Parameters,
) {
    asks(server, browser, client, request).await;
    browser.fill("remember", "yes").unwrap();
    let callback = browser.submit_until("Approve", &client.redirect_uri);
    let code = callback.await.unwrap().code().unwrap().to_owned();
    token(server, &client.redemption(server, &code))
        .await
        .tokens();
}

/// A user of `desk` who said so in this browser, and the request that was meant.
pub async fn remembered() -> (Server, Client, Parameters, Browser) {
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    (server, client, request, browser)
}

/// Goes through without a page; the code that came back.
pub async fn goes_through(
    server: &Server,
    browser: &mut Browser,
    client: &Client,
    request: &Parameters,
) -> String {
    let pushed = pushed(server, client, request).await;
    let callback = finish(browser, &url(server, &pushed), client).await;
    assert_eq!(Redirect::of(&callback).all("state"), [STATE]);
    callback.code().unwrap().to_owned()
}

/// ASC-02, ASC-11, ASC-16, ASZ-33.
#[tokio::test]
async fn a_user_who_said_so_is_not_asked_again() {
    let (server, client, request, mut browser) = remembered().await;
    let line = browser.hops().last().unwrap().headers.get_all("set-cookie");
    let line = line.iter().map(|line| line.to_str().unwrap());
    let kept: Vec<_> = line.filter(|line| line.starts_with(COOKIE)).collect();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800"));
    assert!(!kept[0].contains("desk") && !kept[0].contains("alice"));

    let code = goes_through(&server, &mut browser, &client, &request).await;
    token(&server, &client.redemption(&server, &code))
        .await
        .tokens();
    server.clock.advance(WEEK - Duration::from_secs(1));
    goes_through(&server, &mut browser, &client, &request).await;
    server.clock.advance(Duration::from_secs(1));
    asks(&server, &mut browser, &client, &request).await;
}

/// ASC-02, ASC-12. Nothing is remembered that the user did not tick, in another browser, or at all
/// where the operator did not allow it.
#[tokio::test]
async fn a_plain_yes_is_for_this_time() {
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    approve(&server, &mut browser, &client, &request).await;
    asks(&server, &mut browser, &client, &request).await;
    remember(&server, &mut browser, &client, &request).await;
    asks(&server, &mut server.browser(), &client, &request).await;

    let off = Server::builder(|tier| {
        tier.with_pushed_authorization_requests()
            .with_preregistered_clients(
                PreregisteredClients::parse_json(
                    r#"[{ "client_id": "desk", "client_secret": "the secret of these clients",
                          "redirect_uris": ["https://desk.example/cb"] }]"#,
                )
                .unwrap(),
            )
    })
    .start()
    .await;
    off.upstream.auto_sign_in(Some("alice"));
    let mut browser = off.browser();
    let page = asks(&off, &mut browser, &client, &client.request(&off)).await;
    assert!(!page.forms[0].field_names().contains(&"remember"));
    // What the form does not offer does not count.
    let sealed = page.forms[0].value("request").unwrap().to_owned();
    let own = browser
        .cookie(&off.url("/consent"), "mcp-auth-browser")
        .unwrap();
    let form = Parameters::default()
        .and("request", &sealed)
        .and("decision", "approve")
        .and("remember", "yes");
    let posted = send(&off, http::Method::POST, "/consent")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("mcp-auth-browser={own}"))
        .body(form.encoded());
    assert_eq!(answer(posted).await.status, 303);
    asks(&off, &mut browser, &client, &client.request(&off)).await;
}

/// ASC-12, ASC-15, PX-01.
#[tokio::test]
async fn what_is_remembered_is_for_one_client_one_way_back_and_the_same_access() {
    let server = Server::builder(|tier| remembering(tier).with_resource("/other"))
        .start()
        .await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = desk();
    let request = client.request(&server).and("scope", "notes:read");
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    let shop = Client {
        id: "shop".into(),
        redirect_uri: "https://shop.example/cb".into(),
        ..desk()
    };
    let before = server.upstream.counters().authorize_requests;
    for other in [
        request.clone().with("scope", "notes:read notes:write"),
        request.clone().with("scope", "notes:write"),
        request
            .clone()
            .with("redirect_uri", "https://desk.example/other"),
        request.clone().with("resource", &server.url("/other")),
        request.clone().and("prompt", "consent"),
    ] {
        asks(&server, &mut browser, &client, &other).await;
    }
    let other = shop.request(&server).and("scope", "notes:read");
    asks(&server, &mut browser, &shop, &other).await;
    assert_eq!(server.upstream.counters().authorize_requests, before);
    goes_through(&server, &mut browser, &client, &request).await;
}

/// PX-01, ASC-12, ASC-16. The ways to get a code past a user who is signed in at the upstream.
#[tokio::test]
async fn no_other_site_can_begin_a_login_without_the_question() {
    let (server, client, request, mut browser) = remembered().await;
    let by_link = pushed(&server, &client, &request).await;
    let url = url(&server, &by_link);
    let before = server.upstream.counters().authorize_requests;
    for origin in [
        "https://evil.example/",
        "https://desk.example/",
        "http://127.0.0.1:1/",
    ] {
        let page = browser.follow_link_from(origin, &url).await.unwrap();
        assert!(page.has_button("Approve"), "{origin}");
    }
    // A browser that does not say where it comes from.
    let cookie = browser.cookie(&server.url("/"), COOKIE).unwrap();
    let path = format!("/authorize?{}", by_link.encoded());
    let silent = send(&server, http::Method::GET, &path);
    let page = answer(silent.header("cookie", format!("{COOKIE}={cookie}"))).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Approve"));
    assert_eq!(server.upstream.counters().authorize_requests, before);
}

/// PX-01, ASC-12, ASC-16, GHSA-6x8h-498w-gv8c. Another authorization server, at which a host began a
/// login, may send the browser on to us with a request of its own making. To us it looks like one that
/// the user began.
#[tokio::test]
async fn a_request_that_the_client_did_not_push_is_asked_about() {
    let (server, client, request, mut browser) = remembered().await;
    let before = server.upstream.counters().authorize_requests;
    let made_elsewhere = request.clone().with("state", "of-somebody-else");
    consent_page(&server, &mut browser, &made_elsewhere).await;
    let none = made_elsewhere.and("prompt", "none");
    let refused = finish(&mut browser, &url(&server, &none), &client).await;
    assert_eq!(refused.error(), Some("consent_required"));
    assert_eq!(server.upstream.counters().authorize_requests, before);

    // Nor does it help to push what anybody could have pushed.
    let public = Client {
        id: "public".into(),
        secret: None,
        redirect_uri: "https://public.example/cb".into(),
    };
    let page = asks(&server, &mut browser, &public, &public.request(&server)).await;
    assert!(!page.forms[0].field_names().contains(&"remember"));
}

/// ASC-16, ASZ-33.
#[tokio::test]
async fn clients_that_can_be_anybody_are_never_remembered() {
    let server = start().await;
    let tool = |redirect_uri: &str| Client {
        id: "tool".into(),
        redirect_uri: redirect_uri.into(),
        ..desk()
    };
    let metadata = json!({ "redirect_uris": ["https://client.example/cb"],
                           "token_endpoint_auth_method": "none" });
    let body = register(&server, &metadata).await.json();
    let dynamic = Client {
        id: body["client_id"].as_str().unwrap().into(),
        redirect_uri: "https://client.example/cb".into(),
        secret: None,
    };
    for client in [
        tool("http://127.0.0.1:4711/cb"),
        tool("com.example.tool:/cb"),
        tool("https://localhost/cb"),
        dynamic,
    ] {
        let mut browser = server.browser();
        let page = asks(&server, &mut browser, &client, &client.request(&server)).await;
        let offered = page.forms[0].field_names().contains(&"remember");
        assert!(!offered, "{}", client.redirect_uri);
    }
}

/// A client whose document its host vouches for, as its resolver says.
#[derive(Debug)]
struct Documents;

#[async_trait]
impl ClientResolver for Documents {
    async fn resolve(&self, id: &ClientId) -> Result<Resolved, ResolveError> {
        if id.as_str() != "https://web.example/client" {
            return Err(ResolveError::Unknown);
        }
        let uris = ["https://web.example/cb", "http://127.0.0.1/cb"];
        let uris = uris.map(|uri| RedirectUri::parse(uri).unwrap());
        let mut metadata = ClientMetadata::public(uris.to_vec());
        metadata.token_endpoint_auth_method = ClientAuthenticationMethod::ClientSecretPost;
        let client = Resolved::new(id.clone(), ClientKind::Document, metadata);
        Ok(client.with_secret(&ClientSecret::new(SECRET)))
    }
}

/// ASC-16, ASC-12.
#[tokio::test]
async fn a_client_with_a_document_is_remembered_on_the_web_only() {
    let server = Server::builder(|tier| remembering(tier).with_clients(Arc::new(Documents)))
        .start()
        .await;
    server.upstream.auto_sign_in(Some("alice"));
    let web = Client {
        id: "https://web.example/client".into(),
        redirect_uri: "https://web.example/cb".into(),
        ..desk()
    };
    let mut browser = server.browser();
    remember(&server, &mut browser, &web, &web.request(&server)).await;
    goes_through(&server, &mut browser, &web, &web.request(&server)).await;
    let local = web
        .request(&server)
        .with("redirect_uri", "http://127.0.0.1:1/cb");
    let page = asks(&server, &mut browser, &web, &local).await;
    assert!(!page.forms[0].field_names().contains(&"remember"));
}

/// ASC-02, PX-01. The user is known only after the login, and is held to it then.
#[tokio::test]
async fn another_user_of_the_browser_is_asked_before_there_is_a_code() {
    let (server, client, request, mut browser) = remembered().await;
    server.upstream.auto_sign_in(Some("bob"));
    let page = asks(&server, &mut browser, &client, &request).await;
    assert_eq!(page.url.path(), "/callback");
    let callback = browser.submit_until("Approve", &client.redirect_uri);
    let code = callback.await.unwrap().code().unwrap().to_owned();
    token(&server, &client.redemption(&server, &code))
        .await
        .tokens();
    // And what alice had said is forgotten in this browser.
    server.upstream.auto_sign_in(Some("alice"));
    let page = asks(&server, &mut browser, &client, &request).await;
    assert_eq!(page.url.path(), "/authorize");
}

/// AX-02, ASC-02. Asking anew after a login does not fail for want of the `request_uri`.
#[tokio::test]
async fn another_user_can_answer_what_was_pushed() {
    let (server, client, request, mut browser) = remembered().await;
    server.upstream.auto_sign_in(Some("bob"));
    let request = pushed(&server, &client, &request).await;
    let page = consent_page(&server, &mut browser, &request).await;
    assert_eq!(page.url.path(), "/callback");
    let callback = browser.submit_until("Approve", &client.redirect_uri);
    assert!(callback.await.unwrap().code().is_some());
    let page = browser.get(&url(&server, &request)).await.unwrap();
    assert_shows(page, ErrorPageKind::PushedRequestOver);
}

/// ASC-02, ASC-14. Whoever ends a grant, ends what was remembered of it.
#[tokio::test]
async fn a_user_whose_grant_was_ended_is_asked() {
    let (server, client, request, mut browser) = remembered().await;
    let grants = server.tier().grants();
    let id = ClientId::parse("desk").unwrap();
    assert_eq!(grants.revoke_all_of_client(&id).await.unwrap(), 1);
    let unused = browser.clone();
    let page = asks(&server, &mut browser, &client, &request).await;
    assert_eq!(page.url.path(), "/callback");

    // A grant that the user gives later, elsewhere, brings nothing back here.
    let (mut browser, mut phone) = (unused, server.browser());
    server.clock.advance(Duration::from_secs(1));
    let callback = approve(&server, &mut phone, &client, &request).await;
    let code = callback.code().unwrap().to_owned();
    token(&server, &client.redemption(&server, &code))
        .await
        .tokens();
    let page = asks(&server, &mut browser, &client, &request).await;
    assert_eq!(page.url.path(), "/callback");
}

/// ASC-17. Whoever is asked and does not tick the box wants to be asked.
#[tokio::test]
async fn a_later_yes_without_the_box_ends_what_was_remembered() {
    let (server, client, request, mut browser) = remembered().await;
    let asking = request.clone().and("prompt", "consent");
    approve(&server, &mut browser, &client, &asking).await;
    assert_eq!(browser.cookie(&server.url("/"), COOKIE), None);
    let page = asks(&server, &mut browser, &client, &request).await;
    assert_eq!(page.url.path(), "/authorize");
}

/// ASC-13, ASC-17.
#[tokio::test]
async fn saying_no_ends_what_was_remembered() {
    let (server, client, request, mut browser) = remembered().await;
    let asking = url(&server, &request.clone().and("prompt", "consent"));
    let denied = browser.walk(&asking, &client.redirect_uri, Decision::Deny);
    assert_eq!(denied.await.unwrap().error(), Some("access_denied"));
    assert_eq!(browser.cookie(&server.url("/"), COOKIE), None);
    asks(&server, &mut browser, &client, &request).await;
}

/// ASC-13.
#[tokio::test]
async fn a_memory_that_was_changed_or_sealed_elsewhere_counts_for_nothing() {
    let (server, client, request, mut browser) = remembered().await;
    let home = server.url("/");
    let good = browser.cookie(&home, COOKIE).unwrap();
    let mut changed = good.clone();
    let flipped = if changed.ends_with('A') { "B" } else { "A" };
    changed.replace_range(changed.len() - 1.., flipped);
    for bad in [changed.as_str(), "x", "", &good[..good.len() - 4]] {
        assert!(browser.set_cookie(&home, &format!("{COOKIE}={bad}; Path=/")));
        asks(&server, &mut browser, &client, &request).await;
    }
    browser.set_cookie(&home, &format!("{COOKIE}={good}; Path=/"));
    goes_through(&server, &mut browser, &client, &request).await;
    // Dropping the key is the cut-off.
    server.restart(|tier| remembering(tier).with_key_ring(KeyRing::parse(OTHER_KEY).unwrap()));
    let page = asks(&server, &mut browser, &client, &request).await;
    assert_eq!(page.url.path(), "/authorize");
}

/// ASC-11. However many are remembered, the cookie stays one that browsers keep.
#[tokio::test]
async fn a_browser_remembers_the_eight_newest() {
    let many: Vec<_> = (0..9)
        .map(|n| json!({ "client_id": format!("c{n}"), "client_secret": SECRET, "redirect_uris": [format!("https://c{n}.example/cb")] }))
        .collect();
    let clients = PreregisteredClients::parse_json(&json!(many).to_string()).unwrap();
    let server = Server::builder(move |tier| {
        tier.with_preregistered_clients(clients)
            .with_pushed_authorization_requests()
            .with_remembered_consent(WEEK)
    })
    .start()
    .await;
    server.upstream.auto_sign_in(Some("alice"));
    let mut browser = server.browser();
    let client = |n: usize| Client {
        id: format!("c{n}"),
        secret: Some(SECRET.into()),
        redirect_uri: format!("https://c{n}.example/cb"),
    };
    for n in 0..9 {
        let client = client(n);
        let request = client.request(&server);
        remember(&server, &mut browser, &client, &request).await;
    }
    let cookie = browser.cookie(&server.url("/"), COOKIE).unwrap();
    assert!(cookie.len() < 2048, "{}", cookie.len());
    for n in 1..9 {
        let client = client(n);
        let request = client.request(&server);
        goes_through(&server, &mut browser, &client, &request).await;
    }
    let client = client(0);
    asks(&server, &mut browser, &client, &client.request(&server)).await;
}
