//! The connected apps page: what a person sees there and can do.

use http::Method;
use mcp_auth::{
    DcrShim,
    authorization_server::{
        clients::PreregisteredClients,
        pages::{ErrorPageKind, ScopeDescriptions},
    },
    oauth::{Clock, Scopes, Timestamp},
    tier::ShimBuilder,
};
use mcp_auth_testkit::{
    Browser,
    browser::{Form, Page},
};
use serde_json::json;

use crate::{
    client::{
        Client, Parameters, REDIRECT, Tokens, answer, approve, assert_shows, get, opens, send,
        token,
    },
    harness::Server,
    pages::assert_locked_down,
};

/// The tier with the page.
pub fn with_page(tier: ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> {
    tier.with_connected_apps()
}

/// Signs this browser in to the page as this user, whoever is signed in at the upstream.
pub async fn visit<'b>(server: &Server, browser: &'b mut Browser, user: &str) -> &'b Page {
    server.upstream.auto_sign_in(Some(user));
    browser.get(&server.url("/connected-apps")).await.unwrap();
    let page = browser.submit("Sign in").await.unwrap();
    assert_eq!(page.url.as_str(), server.url("/connected-apps"));
    assert_eq!(page.status, 200);
    page
}

/// This user lets this client in, with a browser of their own.
pub async fn connected(server: &Server, client: &Client, user: &str) -> Tokens {
    server.upstream.auto_sign_in(Some(user));
    let request = client.request(server);
    let callback = approve(server, &mut server.browser(), client, &request).await;
    let code = callback.code().unwrap().to_owned();
    token(server, &client.redemption(server, &code))
        .await
        .tokens()
}

pub async fn named(server: &Server, name: &str) -> Client {
    let metadata = json!({ "redirect_uris": [REDIRECT], "client_name": name });
    Client::registered(server, metadata).await
}

/// The forms that end an app's access, in the order of the page.
pub fn revoke_forms(page: &Page) -> Vec<Form> {
    let revoking = page
        .forms
        .iter()
        .filter(|form| form.value("grant").is_some());
    revoking.cloned().collect()
}

/// Posts one of the page's forms, as pressing its button does.
pub async fn post<'b>(
    server: &Server,
    browser: &'b mut Browser,
    action: &str,
    form: &Form,
) -> &'b Page {
    let mut fields = vec![("action", action)];
    for name in ["token", "grant"] {
        fields.extend(form.value(name).map(|value| (name, value)));
    }
    let url = server.url("/connected-apps");
    let own = server.issuer().to_owned();
    browser.post_form_from(&own, &url, &fields).await.unwrap()
}

/// ASC-14.
#[tokio::test]
async fn there_is_no_page_unless_the_operator_wants_it() {
    let server = Server::start().await;
    for path in ["/connected-apps", "/connected-apps/signed-out"] {
        assert_eq!(get(&server, path).await.status, 404, "{path}");
        let posted = answer(send(&server, Method::POST, path)).await;
        assert_eq!(posted.status, 404, "{path}");
    }
}

/// ASC-14.
#[tokio::test]
async fn a_person_sees_their_apps_and_ends_the_access_of_one() {
    let server = Server::builder(with_page).start().await;
    let (kept, ended) = (
        named(&server, "Note taker").await,
        named(&server, "Old app").await,
    );
    let kept_tokens = connected(&server, &kept, "alice").await;
    let ended_tokens = connected(&server, &ended, "alice").await;
    let others = connected(&server, &ended, "bob").await;

    let mut browser = server.browser();
    let page = visit(&server, &mut browser, "alice").await;
    for said in ["Note taker", "Old app", "alice@example.com", "mcp:tools"] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    let forms = revoke_forms(page);
    assert_eq!(forms.len(), 2, "not bob's");
    let old = page.html.find("Old app").unwrap() < page.html.find("Note taker").unwrap();
    let form = &forms[usize::from(!old)];
    let page = post(&server, &mut browser, "revoke", form).await;
    assert!(!page.text().contains("Old app") && page.text().contains("Note taker"));
    assert_eq!(
        browser.hops()[0].status,
        303,
        "a reload posts nothing again"
    );

    assert!(!opens(&server, &ended_tokens.access).await);
    token(&server, &ended.refreshing(&ended_tokens.refresh))
        .await
        .refuses(400, "invalid_grant");
    assert!(opens(&server, &kept_tokens.access).await);
    assert!(opens(&server, &others.access).await);
}

/// REV-08.
#[tokio::test]
async fn the_upstream_is_told_what_a_person_ended() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    connected(&server, &client, "alice").await;
    let mut browser = server.browser();
    let page = visit(&server, &mut browser, "alice").await;
    assert!(server.upstream.revocation_requests().is_empty());
    let form = revoke_forms(page).remove(0);
    post(&server, &mut browser, "revoke", &form).await;
    for _ in 0..200 {
        if !server.upstream.revocation_requests().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let told = server.upstream.revocation_requests();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].parameter("token_type_hint"), Some("refresh_token"));
}

/// ASC-07, ASC-14.
#[tokio::test]
async fn the_page_says_who_may_do_what_where_and_since_when() {
    let desk = json!([{
        "client_id": "front-desk",
        "client_name": "Front desk",
        "redirect_uris": [REDIRECT],
    }]);
    let desk = PreregisteredClients::parse_json(&desk.to_string()).unwrap();
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    let words = ScopeDescriptions::default().with("notes:read", "Read your notes");
    let server = Server::builder(|tier| {
        with_page(tier)
            .with_scopes(scopes)
            .with_scope_descriptions(words)
            .with_preregistered_clients(desk)
    })
    .start()
    .await;
    let moment = Timestamp::from_seconds(1_795_532_880);
    server.clock.advance(moment.since(server.clock.now()));
    server.clock.rewind(server.clock.now().since(moment));
    let stranger = named(&server, "<b>Front desk</b>").await;
    let known = Client {
        id: "front-desk".to_owned(),
        secret: None,
        redirect_uri: REDIRECT.to_owned(),
    };
    let tokens = connected(&server, &stranger, "alice").await;
    connected(&server, &known, "alice").await;
    server.clock.advance(std::time::Duration::from_secs(120));
    token(&server, &stranger.refreshing(&tokens.refresh))
        .await
        .tokens();

    let mut browser = server.browser();
    let page = visit(&server, &mut browser, "alice").await;
    let (first, second) = page.html.split_once("id=\"app-2\"").unwrap();
    // The one that was used last comes first.
    for said in [
        "<bdi class=\"claimed\">&#60;b&#62;Front desk&#60;/b&#62;</bdi>",
        "The name is not verified",
        "Read your notes",
        "<bdi>notes:read</bdi>",
        &server.mcp_url(),
        "24 November 2026, 15:08 UTC",
        "24 November 2026, 15:10 UTC",
    ] {
        assert!(first.contains(said), "{said}: {first}");
    }
    for said in [
        "<bdi class=\"known\">Front desk</bdi>",
        "The operator of this server knows this app.",
    ] {
        assert!(second.contains(said), "{said}: {second}");
    }
    assert!(
        !page.html.contains(&stranger.id),
        "a client's own id says nothing to a person"
    );
}

/// ASC-14.
#[tokio::test]
async fn a_login_that_was_never_finished_is_no_connected_app() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    server.upstream.auto_sign_in(Some("alice"));
    client.code(&server).await;
    let mut browser = server.browser();
    let page = visit(&server, &mut browser, "alice").await;
    assert!(page.text().contains("No app may use this server as you"));
}

/// ASC-14.
#[tokio::test]
async fn pages_from_before_do_no_harm() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    connected(&server, &client, "alice").await;
    let mut browser = server.browser();
    let form = revoke_forms(visit(&server, &mut browser, "alice").await).remove(0);
    post(&server, &mut browser, "revoke", &form).await;
    let again = connected(&server, &client, "alice").await;
    // The Back button, and the same press once more: that grant is gone, the new one is another.
    let page = post(&server, &mut browser, "revoke", &form).await;
    assert_eq!(page.status, 200);
    assert_eq!(revoke_forms(page).len(), 1);
    assert!(opens(&server, &again.access).await);
}

/// ASC-14.
#[tokio::test]
async fn several_tabs_go_on_side_by_side() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    connected(&server, &client, "alice").await;
    server.upstream.auto_sign_in(Some("alice"));
    let mut browser = server.browser();
    // Three sign-ins and a client's login under way at once in one browser.
    let page = server.url("/connected-apps");
    let callback = server.url("/callback");
    browser.get(&page).await.unwrap();
    let first = browser.submit_until("Sign in", &callback).await.unwrap();
    browser.get(&page).await.unwrap();
    let second = browser.submit_until("Sign in", &callback).await.unwrap();
    browser.get(&page).await.unwrap();
    let third = browser.submit_until("Sign in", &callback).await.unwrap();
    let login = crate::client::pending(&server, &mut browser, &client.request(&server)).await;
    for visit in [&second, &first] {
        let shown = browser.get(visit.url.as_str()).await.unwrap();
        assert_eq!(shown.url.as_str(), page);
        assert!(shown.text().contains("alice@example.com"));
    }
    let form = revoke_forms(browser.page().unwrap()).remove(0);
    let done = crate::client::finish(&mut browser, login.url.as_str(), &client).await;
    assert!(done.code().is_some());
    // Signing in anew in another tab leaves this tab's buttons working.
    browser.get(third.url.as_str()).await.unwrap();
    let shown = post(&server, &mut browser, "revoke", &form).await;
    assert!(shown.text().contains("No app may use"), "{}", shown.text());
}

/// ASC-14.
#[tokio::test]
async fn signing_out_ends_it_also_where_the_cookie_was_copied_to() {
    let server = Server::builder(with_page).start().await;
    let mut browser = server.browser();
    visit(&server, &mut browser, "alice").await;
    let mut copy = browser.clone();
    let page = browser.submit("Sign out").await.unwrap();
    assert_eq!(page.url.path(), "/connected-apps/signed-out");
    assert!(page.text().contains("You are signed out"));
    assert_eq!(
        browser.cookie_names(&server.url("/connected-apps")),
        ["mcp-auth-browser"]
    );
    let page = copy.get(&server.url("/connected-apps")).await.unwrap();
    assert!(page.has_button("Sign in") && !page.text().contains("alice"));
    let page = browser.click("Back to your connected apps").await.unwrap();
    assert!(page.has_button("Sign in"));
}

/// ASC-10, ASC-11, ASC-14.
#[tokio::test]
async fn its_pages_and_its_cookie_are_locked_down() {
    let tls = Server::builder(with_page)
        .behind_tls("https://mcp.example.com")
        .start()
        .await;
    let loopback = Server::builder(with_page).start().await;
    for (server, prefix, secure) in [(tls, "__Host-", "; Secure"), (loopback, "", "")] {
        for path in ["/connected-apps", "/connected-apps/signed-out"] {
            let page = get(&server, path).await;
            assert_eq!(page.status, 200);
            assert_locked_down(&page);
            let asked = send(&server, Method::OPTIONS, path).header("origin", "https://x.example");
            let asked = answer(asked).await;
            assert_eq!(asked.status, 405);
            assert_eq!(asked.header("access-control-allow-origin"), None);
        }
        let mut browser = server.browser();
        visit(&server, &mut browser, "alice").await;
        let entered = &browser.hops()[browser.hops().len() - 2];
        assert_eq!(entered.url.path(), "/callback");
        let set: Vec<_> = entered.headers.get_all("set-cookie").iter().collect();
        let line = set[0].to_str().unwrap();
        let (pair, attributes) = line.split_once(';').unwrap();
        assert!(
            pair.starts_with(&format!("{prefix}mcp-auth-visitor=")),
            "{line}"
        );
        assert_eq!(
            attributes,
            format!(" Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age=600")
        );
        assert!(!line.contains("alice"));
        // What belonged to the sign-in is gone.
        assert!(
            set[1]
                .to_str()
                .unwrap()
                .starts_with(&format!("{prefix}mcp-auth-login-"))
        );
        assert!(set[1].to_str().unwrap().contains("Max-Age=0"));

        let cookie = browser.cookie(
            &server.url("/connected-apps"),
            &format!("{prefix}mcp-auth-visitor"),
        );
        let cookie = format!("{prefix}mcp-auth-visitor={}", cookie.unwrap());
        let listed = send(&server, Method::GET, "/connected-apps").header("cookie", cookie);
        let listed = answer(listed).await;
        assert!(listed.body.contains("alice@example.com"));
        assert_locked_down(&listed);
    }
}

/// ASC-14.
#[tokio::test]
async fn what_is_no_action_of_the_page_does_nothing() {
    let server = Server::builder(with_page).start().await;
    let mut browser = server.browser();
    let form = visit(&server, &mut browser, "alice").await.forms[0].clone();
    for action in ["", "revoke-all", "delete"] {
        let page = post(&server, &mut browser, action, &form).await;
        assert_shows(page, ErrorPageKind::MalformedRequest);
    }
    let text = send(&server, Method::POST, "/connected-apps")
        .header("content-type", "text/plain")
        .body("action=sign-in");
    answer(text).await.shows(ErrorPageKind::MalformedRequest);
    let twice = Parameters::default()
        .and("action", "sign-in")
        .and("action", "sign-out");
    let twice = send(&server, Method::POST, "/connected-apps")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(twice.encoded());
    answer(twice).await.shows(ErrorPageKind::MalformedRequest);
}
