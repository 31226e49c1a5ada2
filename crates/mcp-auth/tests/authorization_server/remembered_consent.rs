//! Consents that a browser remembers, and `prompt`.

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
    oauth::{ClientId, ClientMetadata, RedirectUri, Scopes},
    store::KeyRing,
    tier::ShimBuilder,
};
use mcp_auth_testkit::{Browser, browser::Decision};
use serde_json::json;

use crate::{
    client::{
        Client, Parameters, REDIRECT, Redirect, STATE, answer, approve, assert_shows, authorize,
        consent_page, finish, register, send, token,
    },
    harness::{KEY, OTHER_KEY, Server},
};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const COOKIE: &str = "mcp-auth-consents";

fn desk() -> Client {
    Client {
        id: "desk".into(),
        secret: None,
        redirect_uri: "https://desk.example/cb".into(),
    }
}

/// Pre-registered: `desk` and `shop` on the web, `tool` on the user's machine.
fn remembering(tier: ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> {
    let clients = PreregisteredClients::parse_json(
        r#"[{ "client_id": "desk",
              "redirect_uris": ["https://desk.example/cb", "https://desk.example/other"] },
            { "client_id": "shop", "redirect_uris": ["https://shop.example/cb"] },
            { "client_id": "tool", "redirect_uris": ["http://127.0.0.1/cb", "com.example.tool:/cb",
                                                     "https://localhost/cb"] }]"#,
    )
    .unwrap();
    tier.with_preregistered_clients(clients)
        .with_scopes(Scopes::parse("notes:read notes:write").unwrap())
        .with_remembered_consent(WEEK)
        .with_key_ring(KeyRing::parse(KEY).unwrap())
}

async fn start() -> Server {
    let server = Server::builder(remembering).start().await;
    server.upstream.auto_sign_in(Some("alice"));
    server
}

fn url(server: &Server, request: &Parameters) -> String {
    server.url(&format!("/authorize?{}", request.encoded()))
}

/// The user says yes for this time and the next ones; the code is redeemed.
async fn remember(server: &Server, browser: &mut Browser, client: &Client, request: &Parameters) {
    consent_page(server, browser, request).await;
    browser.fill("remember", "yes").unwrap();
    let callback = browser.submit_until("Approve", &client.redirect_uri);
    let code = callback.await.unwrap().code().unwrap().to_owned();
    token(server, &client.redemption(server, &code))
        .await
        .tokens();
}

/// Goes through without a page; the code that came back.
async fn goes_through(
    server: &Server,
    browser: &mut Browser,
    client: &Client,
    request: &Parameters,
) -> String {
    let callback = finish(browser, &url(server, request), client).await;
    assert_eq!(Redirect::of(&callback).all("state"), [STATE]);
    callback.code().unwrap().to_owned()
}

/// ASC-02, ASC-11, ASC-16, ASZ-33.
#[tokio::test]
async fn a_user_who_said_so_is_not_asked_again() {
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
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
    consent_page(&server, &mut browser, &request).await;
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
    consent_page(&server, &mut browser, &request).await;
    remember(&server, &mut browser, &client, &request).await;
    consent_page(&server, &mut server.browser(), &request).await;

    let off = Server::builder(|tier| {
        tier.with_preregistered_clients(
            PreregisteredClients::parse_json(
                r#"[{ "client_id": "desk", "redirect_uris": ["https://desk.example/cb"] }]"#,
            )
            .unwrap(),
        )
    })
    .start()
    .await;
    off.upstream.auto_sign_in(Some("alice"));
    let mut browser = off.browser();
    let page = consent_page(&off, &mut browser, &client.request(&off)).await;
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
    consent_page(&off, &mut browser, &client.request(&off)).await;
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
        shop.request(&server).and("scope", "notes:read"),
    ] {
        consent_page(&server, &mut browser, &other).await;
    }
    assert_eq!(server.upstream.counters().authorize_requests, before);
    goes_through(&server, &mut browser, &client, &request).await;
}

/// PX-01, ASC-12, ASC-16. The ways to get a code past a user who is signed in at the upstream.
#[tokio::test]
async fn no_other_site_can_begin_a_login_without_the_question() {
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    let url = url(&server, &request);
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
    let silent = send(
        &server,
        http::Method::GET,
        &format!("/authorize?{}", request.encoded()),
    )
    .header("cookie", format!("{COOKIE}={cookie}"));
    let page = answer(silent).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Approve"));
    assert_eq!(server.upstream.counters().authorize_requests, before);
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
        ..desk()
    };
    for client in [
        tool("http://127.0.0.1:4711/cb"),
        tool("com.example.tool:/cb"),
        tool("https://localhost/cb"),
        dynamic,
    ] {
        let mut browser = server.browser();
        let page = consent_page(&server, &mut browser, &client.request(&server)).await;
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
        let metadata = ClientMetadata::public(uris.to_vec());
        Ok(Resolved::new(id.clone(), ClientKind::Document, metadata))
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
    let page = consent_page(&server, &mut browser, &local).await;
    assert!(!page.forms[0].field_names().contains(&"remember"));
}

/// ASC-02, PX-01. The user is known only after the login, and is held to it then.
#[tokio::test]
async fn another_user_of_the_browser_is_asked_before_there_is_a_code() {
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    server.upstream.auto_sign_in(Some("bob"));
    let page = consent_page(&server, &mut browser, &request).await;
    assert_eq!(page.url.path(), "/callback");
    let callback = browser.submit_until("Approve", &client.redirect_uri);
    let code = callback.await.unwrap().code().unwrap().to_owned();
    token(&server, &client.redemption(&server, &code))
        .await
        .tokens();
    // And what alice had said is forgotten in this browser.
    server.upstream.auto_sign_in(Some("alice"));
    let page = consent_page(&server, &mut browser, &request).await;
    assert_eq!(page.url.path(), "/authorize");
}

/// AX-02, ASC-02. Asking anew after a login does not fail for want of the `request_uri`.
#[tokio::test]
async fn another_user_can_answer_what_was_pushed() {
    let server = Server::builder(|tier| remembering(tier).with_pushed_authorization_requests())
        .start()
        .await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    server.upstream.auto_sign_in(Some("bob"));
    let pushed = send(&server, http::Method::POST, "/par")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(request.encoded());
    let pushed = answer(pushed).await.json();
    let request = Parameters::default()
        .and("client_id", "desk")
        .and("request_uri", pushed["request_uri"].as_str().unwrap());
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
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    let grants = server.tier().grants();
    let id = ClientId::parse("desk").unwrap();
    assert_eq!(grants.revoke_all_of_client(&id).await.unwrap(), 1);
    let page = consent_page(&server, &mut browser, &request).await;
    assert_eq!(page.url.path(), "/callback");
}

/// ASC-13, ASC-17.
#[tokio::test]
async fn saying_no_ends_what_was_remembered() {
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    let asking = url(&server, &request.clone().and("prompt", "consent"));
    let denied = browser.walk(&asking, &client.redirect_uri, Decision::Deny);
    assert_eq!(denied.await.unwrap().error(), Some("access_denied"));
    assert_eq!(browser.cookie(&server.url("/"), COOKIE), None);
    consent_page(&server, &mut browser, &request).await;
}

/// ASC-13.
#[tokio::test]
async fn a_memory_that_was_changed_or_sealed_elsewhere_counts_for_nothing() {
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    let home = server.url("/");
    let good = browser.cookie(&home, COOKIE).unwrap();
    let mut changed = good.clone();
    let flipped = if changed.ends_with('A') { "B" } else { "A" };
    changed.replace_range(changed.len() - 1.., flipped);
    for bad in [changed.as_str(), "x", "", &good[..good.len() - 4]] {
        assert!(browser.set_cookie(&home, &format!("{COOKIE}={bad}; Path=/")));
        consent_page(&server, &mut browser, &request).await;
    }
    browser.set_cookie(&home, &format!("{COOKIE}={good}; Path=/"));
    goes_through(&server, &mut browser, &client, &request).await;
    // Dropping the key is the cut-off.
    server.restart(|tier| remembering(tier).with_key_ring(KeyRing::parse(OTHER_KEY).unwrap()));
    let page = consent_page(&server, &mut browser, &request).await;
    assert_eq!(page.url.path(), "/authorize");
}

/// ASC-11. However many are remembered, the cookie stays one that browsers keep.
#[tokio::test]
async fn a_browser_remembers_the_eight_newest() {
    let many: Vec<_> = (0..9)
        .map(|n| json!({ "client_id": format!("c{n}"), "redirect_uris": [format!("https://c{n}.example/cb")] }))
        .collect();
    let clients = PreregisteredClients::parse_json(&json!(many).to_string()).unwrap();
    let server = Server::builder(move |tier| {
        tier.with_preregistered_clients(clients)
            .with_remembered_consent(WEEK)
    })
    .start()
    .await;
    server.upstream.auto_sign_in(Some("alice"));
    let mut browser = server.browser();
    let client = |n: usize| Client {
        id: format!("c{n}"),
        secret: None,
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
    consent_page(&server, &mut browser, &client(0).request(&server)).await;
}

/// ASZ-33, ASC-16.
#[tokio::test]
async fn prompt_none_shows_no_page_and_is_no_way_around_consent() {
    let server = start().await;
    let client = desk();
    let request = client.request(&server);
    let silent = request.clone().and("prompt", "none");
    let mut browser = server.browser();
    let asked = |browser: &Browser| {
        let (mut browser, url) = (browser.clone(), url(&server, &silent));
        let client = client.clone();
        async move { finish(&mut browser, &url, &client).await }
    };
    let refused = asked(&browser).await;
    assert_eq!(refused.error(), Some("consent_required"));
    assert_eq!(Redirect::of(&refused).all("state"), [STATE]);
    assert_eq!(Redirect::of(&refused).all("iss"), [server.issuer()]);
    assert_eq!(server.upstream.counters().authorize_requests, 0);

    remember(&server, &mut browser, &client, &request).await;
    goes_through(&server, &mut browser, &client, &silent).await;
    let seen = server.upstream.authorize_requests();
    assert_eq!(seen.last().unwrap().parameter("prompt"), Some("none"));
    // Another user, for whom nothing was remembered.
    server.upstream.auto_sign_in(Some("bob"));
    let refused = asked(&browser).await;
    assert_eq!(refused.error(), Some("consent_required"));
    // Nobody is signed in there.
    server.upstream.auto_sign_in(None);
    let refused = asked(&browser).await;
    assert_eq!(refused.error(), Some("login_required"));
    server.upstream.change_faults(|faults| {
        faults.error_on_authorize = Some("account_selection_required".into())
    });
    let refused = asked(&browser).await;
    assert_eq!(refused.error(), Some("interaction_required"));
}

/// ASZ-33. A plain OAuth server knows no `prompt`, and would show a page.
#[tokio::test]
async fn an_upstream_that_does_not_know_prompt_is_not_asked_to_be_silent() {
    let server = Server::builder(remembering)
        .with_upstream(|upstream| upstream.with_scopes(["email"]))
        .start()
        .await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = desk();
    let request = client.request(&server);
    let mut browser = server.browser();
    remember(&server, &mut browser, &client, &request).await;
    let before = server.upstream.counters().authorize_requests;
    let silent = url(&server, &request.clone().and("prompt", "none"));
    let refused = finish(&mut browser, &silent, &client).await;
    assert_eq!(refused.error(), Some("interaction_required"));
    assert_eq!(server.upstream.counters().authorize_requests, before);
    let again = request.and("prompt", "login");
    goes_through(&server, &mut browser, &client, &again).await;
    let seen = server.upstream.authorize_requests();
    assert_eq!(seen.last().unwrap().parameter("prompt"), None);
}

/// ASZ-03, ASZ-33.
#[tokio::test]
async fn each_prompt_goes_where_it_can_be_honoured() {
    let server = start().await;
    let client = Client::public(&server).await;
    for (prompt, told) in [
        ("login", Some("login")),
        ("select_account", Some("select_account")),
        ("select_account login", Some("login select_account")),
        ("consent", None),
        ("consent login", Some("login")),
        ("", None),
    ] {
        let request = client.request(&server).and("prompt", prompt);
        let mut browser = server.browser().with_user("alice", "wonderland");
        approve(&server, &mut browser, &client, &request).await;
        let seen = server.upstream.authorize_requests();
        assert_eq!(seen.last().unwrap().parameter("prompt"), told, "{prompt}");
    }
    for bad in [
        "none login",
        "consent none",
        "create",
        "None",
        "login,consent",
    ] {
        let refused = authorize(&server, &client.request(&server).and("prompt", bad)).await;
        refused.sends_error(&server, REDIRECT, "invalid_request");
    }
}

/// ASZ-19.
#[tokio::test]
async fn unknown_scopes_are_refused_where_the_operator_wants_it() {
    let server = Server::builder(|tier| {
        tier.with_scopes(Scopes::parse("notes:read notes:write").unwrap())
            .with_unknown_scopes_refused()
    })
    .start()
    .await;
    let client = Client::public(&server).await;
    let asking = |scope: &str| client.request(&server).and("scope", scope);
    for bad in ["notes:read bogus", "bogus", "notes:READ"] {
        let refused = authorize(&server, &asking(bad)).await;
        refused.sends_error(&server, REDIRECT, "invalid_scope");
    }
    for good in ["", "notes:read", "notes:read notes:write offline_access"] {
        assert_eq!(
            authorize(&server, &asking(good)).await.status,
            200,
            "{good}"
        );
    }
}
