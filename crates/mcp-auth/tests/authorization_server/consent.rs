//! The consent page and `POST /consent`.

use std::time::Duration;

use http::{Method, StatusCode};
use mcp_auth::authorization_server::pages::ErrorPageKind;
use mcp_auth_testkit::{
    Browser,
    browser::{Decision, Page},
};
use serde_json::json;

use crate::{
    client::{
        Answer, Client, Parameters, REDIRECT, Redirect, STATE, answer, approve, assert_shows,
        authorize, consent_page, finish, pending, send,
    },
    harness::Server,
};

/// The sealed request on a consent page.
fn sealed(page: &Page) -> String {
    page.forms[0].value("request").unwrap().to_owned()
}

/// `POST /consent` with exactly these headers and this sealed request.
async fn post(server: &Server, request: &str, headers: &[(&str, String)]) -> Answer {
    let form = Parameters::default()
        .and("request", request)
        .and("decision", "approve");
    let mut posted = send(server, Method::POST, "/consent")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.encoded());
    for (name, value) in headers {
        posted = posted.header(*name, value);
    }
    answer(posted).await
}

/// The `Cookie` header of a browser that saw a consent page.
fn cookie(server: &Server, browser: &Browser) -> (&'static str, String) {
    let value = browser.cookie(&server.url("/consent"), "mcp-auth-browser");
    ("cookie", format!("mcp-auth-browser={}", value.unwrap()))
}

/// ASC-01, ASZ-26.
#[tokio::test]
async fn the_upstream_is_not_contacted_before_the_user_said_yes() {
    let server = Server::start().await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    consent_page(&server, &mut browser, &client.request(&server)).await;
    assert_eq!(server.upstream.counters().authorize_requests, 0);
    browser
        .submit_until("Approve", &client.redirect_uri)
        .await
        .unwrap();
    assert_eq!(server.upstream.counters().authorize_requests, 1);
    // What goes there is ours, not the client's.
    let seen = &server.upstream.authorize_requests()[0];
    assert_ne!(seen.parameter("state"), Some(STATE));
    assert_eq!(
        seen.parameter("redirect_uri"),
        Some(server.url("/callback").as_str())
    );
}

/// ASC-01, ASC-02, ASC-12.
#[tokio::test]
async fn another_client_is_asked_for_although_the_user_is_signed_in() {
    let server = Server::start().await;
    let mine = Client::public(&server).await;
    let theirs = Client::registered(
        &server,
        json!({ "redirect_uris": ["https://evil.example/cb"], "client_name": "Theirs" }),
    )
    .await;
    let mut browser = server.browser();
    approve(&server, &mut browser, &mine, &mine.request(&server)).await;
    let before = server.upstream.counters().authorize_requests;
    let page = consent_page(&server, &mut browser, &theirs.request(&server)).await;
    assert!(page.text().contains("evil.example"));
    // Not even for the first one again.
    consent_page(&server, &mut browser, &mine.request(&server)).await;
    assert_eq!(server.upstream.counters().authorize_requests, before);
}

/// ASC-03, ASC-07, DCR-14.
#[tokio::test]
async fn the_page_says_who_asks_for_what_and_where_it_goes() {
    let server = Server::start().await;
    let client = Client::registered(
        &server,
        json!({ "redirect_uris": ["https://client.example/cb"], "client_name": "Note taker" }),
    )
    .await;
    let page = authorize(&server, &client.request(&server)).await;
    let upstream_host = server.upstream.issuer().split_once("://").unwrap().1;
    for said in [
        "Note taker",
        "not verified",
        "https://client.example/cb",
        "<bdi>client.example</bdi>",
        "mcp:tools",
        upstream_host,
        "openid",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
}

/// ASC-05.
#[tokio::test]
async fn a_program_on_this_machine_is_warned_about() {
    let server = Server::start().await;
    let local = Client::public(&server).await;
    let web = Client::confidential(&server).await;
    let warning = "A program on your computer asks for this.";
    let page = authorize(&server, &local.request(&server)).await;
    assert!(page.body.contains(warning));
    let page = authorize(&server, &web.request(&server)).await;
    assert!(!page.body.contains(warning));
}

/// ASC-08, ASZ-21.
#[tokio::test]
async fn markup_of_a_client_stays_text() {
    let server = Server::start().await;
    let client = Client::registered(
        &server,
        json!({
            "redirect_uris": ["https://client.example/cb?a='&b=1"],
            "client_name": "<script>alert(1)</script>\"'><img src=x onerror=y>",
            "client_uri": "https://client.example/\"><script>",
            "logo_uri": "https://client.example/logo.png",
        }),
    )
    .await;
    let request = client
        .request(&server)
        .with("state", "<script>alert(2)</script>");
    let page = authorize(&server, &request).await;
    assert_eq!(page.status, 200);
    for markup in ["<script", "<img", "onerror=y>", "alert(2)", "logo.png"] {
        assert!(!page.body.contains(markup), "{markup}: {}", page.body);
    }
    let mut browser = server.browser();
    let page = consent_page(&server, &mut browser, &request).await;
    assert!(page.text().contains("<script>alert(1)</script>"));
}

/// ASC-09, ASC-13.
#[tokio::test]
async fn only_the_browser_that_was_asked_can_answer() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let request = sealed(consent_page(&server, &mut browser, &client.request(&server)).await);
    let own = cookie(&server, &browser);
    let mut other = server.browser();
    consent_page(&server, &mut other, &client.request(&server)).await;

    let elsewhere = ErrorPageKind::ConsentFromElsewhere;
    post(&server, &request, &[]).await.shows(elsewhere);
    let foreign = cookie(&server, &other);
    post(&server, &request, &[foreign]).await.shows(elsewhere);
    // The name twice: somebody on another port of this host added one.
    let twice = ("cookie", format!("{}; mcp-auth-browser=x", own.1));
    post(&server, &request, &[twice]).await.shows(elsewhere);
    for site in ["cross-site", "same-site", "none"] {
        let headers = [own.clone(), ("sec-fetch-site", site.to_owned())];
        post(&server, &request, &headers).await.shows(elsewhere);
    }
    let own_site = [own, ("sec-fetch-site", "same-origin".to_owned())];
    let good = post(&server, &request, &own_site).await;
    assert_eq!(good.status, 303);
    assert!(
        good.header("location")
            .unwrap()
            .starts_with(server.upstream.issuer())
    );
}

/// ASC-09.
#[tokio::test]
async fn an_attackers_own_form_is_worth_nothing_in_the_victims_browser() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut attacker = server.browser();
    let request = sealed(consent_page(&server, &mut attacker, &client.request(&server)).await);
    let mut victim = server.browser();
    consent_page(&server, &mut victim, &client.request(&server)).await;
    let fields = [("request", request.as_str()), ("decision", "approve")];
    let page = victim
        .post_form_from("https://evil.example", &server.url("/consent"), &fields)
        .await
        .unwrap();
    assert_shows(page, ErrorPageKind::ConsentFromElsewhere);
    assert_eq!(server.upstream.counters().authorize_requests, 0);
}

/// ASC-13.
#[tokio::test]
async fn a_form_that_was_changed_does_not_open() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let request = sealed(consent_page(&server, &mut browser, &client.request(&server)).await);
    let own = cookie(&server, &browser);
    let middle = request.len() / 2;
    let flipped = if request.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    let mut changed = request.clone();
    changed.replace_range(middle..=middle, flipped);
    for bad in [
        changed.as_str(),
        &request[1..],
        &request[..request.len() - 1],
        &client.id,
        "x",
    ] {
        let refused = post(&server, bad, std::slice::from_ref(&own)).await;
        refused.shows(ErrorPageKind::ConsentExpired);
    }
    let refused = post(&server, "", std::slice::from_ref(&own)).await;
    refused.shows(ErrorPageKind::MalformedRequest);
}

/// ASC-13.
#[tokio::test]
async fn a_form_is_good_for_ten_minutes() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let request = sealed(consent_page(&server, &mut browser, &client.request(&server)).await);
    let own = [cookie(&server, &browser)];
    server.clock.advance(Duration::from_secs(599));
    assert_eq!(post(&server, &request, &own).await.status, 303);
    server.clock.advance(Duration::from_secs(1));
    let refused = post(&server, &request, &own).await;
    refused.shows(ErrorPageKind::ConsentExpired);
}

/// ASC-09, ASC-17.
#[tokio::test]
async fn only_a_post_with_a_decision_decides() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let request = sealed(consent_page(&server, &mut browser, &client.request(&server)).await);
    let (name, value) = cookie(&server, &browser);
    let path = format!("/consent?decision=approve&request={request}");
    let got = send(&server, Method::GET, &path).header(name, &value);
    assert_eq!(answer(got).await.status, StatusCode::METHOD_NOT_ALLOWED);
    for decision in ["", "&decision=maybe", "&decision=approve&decision=deny"] {
        let posted = send(&server, Method::POST, "/consent")
            .header("content-type", "application/x-www-form-urlencoded")
            .header(name, &value)
            .body(format!("request={request}{decision}"));
        answer(posted).await.shows(ErrorPageKind::MalformedRequest);
    }
}

/// ASC-13.
#[tokio::test]
async fn approving_twice_begins_two_logins_of_their_own() {
    let server = Server::start().await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    consent_page(&server, &mut browser, &client.request(&server)).await;
    let ours = server.url("/callback");
    let first = browser.submit_until("Approve", &ours).await.unwrap();
    // The page is still shown: a second press, as from the Back button.
    let second = browser.submit_until("Approve", &ours).await.unwrap();
    assert_ne!(first.state(), second.state());
    let codes = [
        finish(&mut browser, second.url.as_str(), &client).await,
        finish(&mut browser, first.url.as_str(), &client).await,
    ]
    .map(|callback| callback.code().unwrap().to_owned());
    assert_ne!(codes[0], codes[1]);
    for code in codes {
        crate::client::token(&server, &client.redemption(&server, &code))
            .await
            .tokens();
    }
}

/// ASC-17, ASZ-31, ASZ-40.
#[tokio::test]
async fn saying_no_goes_back_with_access_denied() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let url = server.url(&format!("/authorize?{}", client.request(&server).encoded()));
    let callback = server
        .browser()
        .walk(&url, REDIRECT, Decision::Deny)
        .await
        .unwrap();
    let redirect = Redirect::of(&callback);
    assert_eq!(redirect.all("error"), ["access_denied"]);
    assert_eq!(redirect.all("state"), [STATE]);
    assert_eq!(redirect.all("iss"), [server.issuer()]);
    assert_eq!(callback.code(), None);
    assert_eq!(callback.hops.last().unwrap().status, 303);
    assert_eq!(server.upstream.counters().authorize_requests, 0);
}

/// ASC-15.
#[tokio::test]
async fn other_scopes_and_another_way_back_are_asked_for_again() {
    let scopes = mcp_auth::oauth::Scopes::parse("notes:read notes:write").unwrap();
    let server = Server::builder(|tier| tier.with_scopes(scopes))
        .start()
        .await;
    let client = Client::registered(
        &server,
        json!({ "redirect_uris": [REDIRECT, "https://client.example/cb"] }),
    )
    .await;
    let narrow = client.request(&server).and("scope", "notes:read");
    let mut browser = server.browser();
    approve(&server, &mut browser, &client, &narrow).await;
    let wide = narrow.clone().with("scope", "notes:read notes:write");
    let page = consent_page(&server, &mut browser, &wide).await;
    assert!(page.text().contains("notes:write"));
    let elsewhere = narrow.with("redirect_uri", "https://client.example/cb");
    let page = consent_page(&server, &mut browser, &elsewhere).await;
    assert!(page.text().contains("client.example"));
}

/// ASC-11.
#[tokio::test]
async fn cookies_are_host_only_and_hidden_from_scripts() {
    let tls = Server::builder(|tier| tier)
        .behind_tls("https://mcp.example.com")
        .start()
        .await;
    let loopback = Server::start().await;
    for (server, prefix, secure) in [(tls, "__Host-", "; Secure"), (loopback, "", "")] {
        let client = Client::public(&server).await;
        let page = authorize(&server, &client.request(&server)).await;
        let set: Vec<_> = page.headers.get_all("set-cookie").iter().collect();
        assert_eq!(set.len(), 1);
        let line = set[0].to_str().unwrap();
        let (pair, attributes) = line.split_once(';').unwrap();
        assert!(pair.starts_with(&format!("{prefix}mcp-auth-browser=")));
        assert_eq!(
            attributes,
            format!(" Path=/; HttpOnly; SameSite=Lax{secure}")
        );

        let mut browser = server.browser();
        let pending = pending(&server, &mut browser, &client.request(&server)).await;
        let consent = &pending.hops[0];
        assert_eq!(consent.url.path(), "/consent");
        assert!(
            consent
                .cookies_sent
                .contains(&format!("{prefix}mcp-auth-browser"))
        );
        let line = consent.headers["set-cookie"].to_str().unwrap();
        let (pair, attributes) = line.split_once(';').unwrap();
        assert!(pair.starts_with(&format!("{prefix}mcp-auth-login-")));
        assert_eq!(
            attributes,
            format!(" Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age=600")
        );
        // The cookie neither names the state nor shows the request.
        assert!(!line.contains(pending.state().unwrap()) && !line.contains(&client.id));
        let done = finish(&mut browser, pending.url.as_str(), &client).await;
        assert!(done.code().is_some());
        let names = browser.cookie_names(&server.url("/callback"));
        assert_eq!(names, [format!("{prefix}mcp-auth-browser")]);
    }
}

/// ASC-11.
#[tokio::test]
async fn a_page_sets_no_cookie_of_a_login_and_keeps_a_known_browser() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let page = consent_page(&server, &mut browser, &client.request(&server)).await;
    assert_eq!(page.headers.get_all("set-cookie").iter().count(), 1);
    let page = consent_page(&server, &mut browser, &client.request(&server)).await;
    assert_eq!(page.headers.get_all("set-cookie").iter().count(), 0);
}

#[tokio::test]
async fn a_cookie_of_somebody_else_that_is_no_text_does_no_harm() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let page = consent_page(&server, &mut browser, &client.request(&server)).await;
    let request = sealed(page);
    let (_, ours) = cookie(&server, &browser);
    let form = Parameters::default()
        .and("request", &request)
        .and("decision", "approve");
    let line = [b"theme=J\xfcrgen; ".as_slice(), ours.as_bytes()].concat();
    let posted = send(&server, Method::POST, "/consent")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", http::HeaderValue::from_bytes(&line).unwrap())
        .body(form.encoded());
    assert_eq!(answer(posted).await.status, StatusCode::SEE_OTHER);
}

/// ASC-09.
#[tokio::test]
async fn an_answer_from_a_page_of_another_origin_is_refused() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let page = consent_page(&server, &mut browser, &client.request(&server)).await;
    let request = sealed(page);
    let cookie = cookie(&server, &browser);
    let evil = ("origin", "https://evil.example".to_owned());
    let refused = post(&server, &request, &[cookie.clone(), evil]).await;
    refused.shows(ErrorPageKind::ConsentFromElsewhere);
    for own in ["null", server.issuer()] {
        let posted = post(
            &server,
            &request,
            &[cookie.clone(), ("origin", own.to_owned())],
        )
        .await;
        assert_eq!(posted.status, StatusCode::SEE_OTHER, "{own}");
    }
}

/// ASC-09.
#[tokio::test]
async fn two_pages_opened_at_once_in_a_fresh_browser_can_both_be_answered() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let (mut one, mut two) = (server.browser(), server.browser());
    let first = consent_page(&server, &mut one, &client.request(&server)).await;
    let first = sealed(first);
    consent_page(&server, &mut two, &client.request(&server)).await;
    // The later page's cookie is what the browser has; the earlier page is still ours.
    let left = cookie(&server, &two);
    let ours = ("sec-fetch-site", "same-origin".to_owned());
    let again = post(&server, &first, &[left.clone(), ours.clone()]).await;
    assert_eq!(
        again.status,
        StatusCode::OK,
        "asked again, nothing taken from the answer"
    );
    assert!(again.body.contains("Approve"));
    assert_eq!(again.header("set-cookie"), None);
    let request = again
        .body
        .split("name=\"request\" value=\"")
        .nth(1)
        .unwrap();
    let request = request.split('"').next().unwrap();
    let decided = post(&server, request, &[left, ours]).await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER);
}
